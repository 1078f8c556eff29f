//! What really happened, seen from outside the engine: calls, leases, endings, faults.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use occopus_engine::ids::AttemptId;

use crate::cloud::Call;
use crate::fault::{FaultKind, Tally};
use crate::property::{Property, Violation};

/// How a call ended for its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// With an answer: done, or listed completely.
    Done,
    /// With an error that says that nothing happened.
    Refused,
    /// Without knowing: the connection broke, or the caller did not wait any longer.
    Unclear,
    /// It has not ended, or the process that made it died.
    Open,
}

/// One call.
#[derive(Debug, Clone)]
pub struct CallEntry {
    /// The process that made it.
    pub process: u32,
    /// What it was.
    pub call: Call,
    /// Where it went.
    pub endpoint: String,
    /// The attempts it was for; none for reading calls and for destroy calls.
    pub attempts: Vec<AttemptId>,
    /// When it began.
    pub begun: Duration,
    /// When it ended.
    pub ended: Duration,
    /// How it ended.
    pub ending: Ending,
}

/// What happened; a clone is the same ledger.
#[derive(Clone, Default)]
pub struct Ledger(Arc<Mutex<Book>>);

#[derive(Default)]
struct Book {
    tally: Tally,
    calls: Vec<CallEntry>,
    /// How often several machines were asked for by one call.
    batches: usize,
    /// Number of the call whose answer arrived last among those that began latest.
    answered: Option<usize>,
    /// The process that holds the lease.
    holder: Option<u32>,
    /// When users asked for a build or a change.
    requests: Vec<Duration>,
    /// When the wall clock jumped.
    jumps: Vec<Duration>,
    /// Holds in force by their reasons, with the time when they were put.
    holds: BTreeMap<String, Duration>,
    /// What rollouts have begun to take away.
    leaving: BTreeSet<AttemptId>,
    /// The attempts that are closed on record.
    closed: BTreeSet<String>,
    violations: Vec<Violation>,
}

impl Ledger {
    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a fault that took effect.
    pub fn count(&self, kind: FaultKind) {
        self.book().tally.count(kind);
    }

    /// How often each fault took effect.
    pub fn tally(&self) -> Tally {
        self.book().tally.clone()
    }

    /// Notes that `property` was violated.
    pub fn violated(&self, property: Property, text: String) {
        self.book().violations.push(Violation { property, text });
    }

    /// What was violated so far.
    pub fn violations(&self) -> Vec<Violation> {
        self.book().violations.clone()
    }

    /// Notes that a call began, and returns its number.
    pub(crate) fn call_began(&self, entry: CallEntry) -> usize {
        let mut book = self.book();
        book.calls.push(entry);
        book.calls.len() - 1
    }

    /// Notes that one call asks for several machines.
    pub(crate) fn batch_asked_for(&self) {
        self.book().batches += 1;
    }

    /// How often several machines were asked for by one call.
    pub fn batches(&self) -> usize {
        self.book().batches
    }

    /// Notes how a call ended.
    pub(crate) fn call_ended(&self, number: usize, at: Duration, ending: Ending) {
        if let Some(entry) = self.book().calls.get_mut(number) {
            (entry.ended, entry.ending) = (at, ending);
        }
    }

    /// Notes that an answer arrived, and tells whether that of a later call had arrived before.
    pub(crate) fn answered(&self, number: usize) -> bool {
        let mut book = self.book();
        let overtaken = book.answered.is_some_and(|latest| latest > number);
        book.answered = book.answered.max(Some(number));
        overtaken
    }

    /// Looks at all calls, in the order in which they began.
    pub fn in_calls<T>(&self, look: impl FnOnce(&[CallEntry]) -> T) -> T {
        look(&self.book().calls)
    }

    /// Notes that `process` has taken the lease, from whoever held it.
    pub(crate) fn lease_taken(&self, process: u32) {
        let mut book = self.book();
        if book.holder.replace(process).is_some() {
            book.tally.count(FaultKind::TakeOver);
        }
    }

    /// Notes that the lease was let go.
    pub(crate) fn lease_released(&self) {
        self.book().holder = None;
    }

    /// The process that holds the lease.
    pub fn holder(&self) -> Option<u32> {
        self.book().holder
    }

    /// Notes that a user asked for a build or a change.
    pub(crate) fn requested(&self, at: Duration) {
        self.book().requests.push(at);
    }

    /// When users asked for builds and changes.
    pub fn requests(&self) -> Vec<Duration> {
        self.book().requests.clone()
    }

    /// Notes that the hold with this reason is on record.
    pub(crate) fn held(&self, reason: String, at: Duration) {
        self.book().holds.insert(reason, at);
    }

    /// Notes that the hold with this reason is about to be lifted.
    pub(crate) fn lifted(&self, reason: &str) {
        self.book().holds.remove(reason);
    }

    /// Since when the hold with this reason has been on record.
    pub(crate) fn held_since(&self, reason: &str) -> Option<Duration> {
        self.book().holds.get(reason).copied()
    }

    /// Notes that a rollout takes `id` away; tells whether that is news.
    pub(crate) fn begins_to_go(&self, id: &AttemptId) -> bool {
        self.book().leaving.insert(id.clone())
    }

    /// Notes whether an attempt `is_closed` on record; tells whether it has just been closed.
    pub(crate) fn closes(&self, id: &str, is_closed: bool) -> bool {
        let closed = &mut self.book().closed;
        if is_closed {
            return closed.insert(id.to_owned());
        }
        closed.remove(id);
        false
    }

    /// Notes a jump of the wall clock.
    pub(crate) fn jumped(&self, at: Duration) {
        self.book().jumps.push(at);
    }

    /// When the wall clock jumped.
    pub fn jumps(&self) -> Vec<Duration> {
        self.book().jumps.clone()
    }
}
