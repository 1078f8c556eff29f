//! Who is waited for, and when to look at each of them next.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};

use crate::enact::pace::{Kind, Pace, Until};
use crate::ids::AttemptId;

/// How a wait ended: as wished, or why it never will.
pub(in crate::enact) type Ending = Result<Reached, String>;

/// What a wait reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::enact) enum Reached {
    /// It is ready.
    Ready,
    /// It is gone for good.
    Gone,
    /// It is not listed.
    Missing,
}

/// Tells one wait for an attempt from a later one: what an old look saw is no answer to a new question.
pub(super) type Ticket = u64;

struct Waiter {
    ticket: Ticket,
    kind: Kind,
    /// Since when it takes, in monotonic time.
    since: Duration,
    /// From when on a look is worth it, and when one is due; `None` while there is one.
    due: Option<(Duration, Duration)>,
    /// How long it had taken when a look began that did not find it at its end.
    missed: Duration,
    sender: oneshot::Sender<Ending>,
    /// What was seen last, in words.
    heard: String,
}

/// Who is waited for; an attempt is the business of one action at a time.
#[derive(Default)]
pub(in crate::enact) struct Readiness {
    state: Mutex<State>,
    arrived: Notify,
}

#[derive(Default)]
struct State {
    waiting: BTreeMap<AttemptId, Waiter>,
    pace: Pace,
    tickets: Ticket,
}

impl State {
    fn waiter(&mut self, id: &AttemptId, ticket: Ticket) -> Option<&mut Waiter> {
        self.waiting.get_mut(id).filter(|waiter| waiter.ticket == ticket)
    }
}

impl Readiness {
    fn with<T>(&self, use_state: impl FnOnce(&mut State) -> T) -> T {
        use_state(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Begins a wait for what takes since `since`. The first look is due at once, or when others of its kind
    /// have shown that it may be worth it.
    pub(super) fn register(
        &self,
        id: &AttemptId,
        kind: Kind,
        since: Duration,
        now: Duration,
    ) -> oneshot::Receiver<Ending> {
        let (sender, receiver) = oneshot::channel();
        self.with(|state| {
            state.tickets += 1;
            let expected = state.pace.expected(&kind).unwrap_or_default();
            let waiter = Waiter {
                ticket: state.tickets,
                kind,
                since,
                due: Some((now, now.max(since + expected / 2))),
                missed: Duration::ZERO,
                sender,
                heard: "the back-end gave no answer about it".to_owned(),
            };
            state.waiting.insert(id.clone(), waiter);
        });
        self.arrived.notify_one();
        receiver
    }

    /// Waits until a wait begins.
    pub(super) async fn arrival(&self) {
        self.arrived.notified().await;
    }

    /// When the next look is due; `None` if none is.
    pub(super) fn next_due(&self) -> Option<Duration> {
        self.with(|state| state.waiting.values().filter_map(|waiter| Some(waiter.due?.1)).min())
    }

    /// Those at whom a look is due, with those for whom one will be soon: one call serves them all. They are
    /// not due again before [`Readiness::look_again`].
    pub(super) fn take_due(&self, now: Duration) -> Vec<(AttemptId, Until, Ticket)> {
        self.with(|state| {
            let is_due = |waiter: &Waiter| waiter.due.is_some_and(|(_, due)| due <= now);
            if !state.waiting.values().any(is_due) {
                return Vec::new();
            }
            let is_worth_it = |waiter: &Waiter| waiter.due.is_some_and(|(from, _)| from <= now);
            let due = state.waiting.iter_mut().filter(|(_, waiter)| is_worth_it(waiter));
            due.map(|(id, waiter)| {
                waiter.due = None;
                (id.clone(), waiter.kind.0, waiter.ticket)
            })
            .collect()
        })
    }

    /// Plans the next look at one that a look which began at `begun` did not find at its end; `adapt` makes
    /// the pause that was thought right the one that is made. Nothing if a look is planned already.
    pub(super) fn look_again(
        &self,
        id: &AttemptId,
        ticket: Ticket,
        (begun, now): (Duration, Duration),
        adapt: impl FnOnce(Duration) -> Duration,
    ) {
        self.with(|state| {
            let State { waiting, pace, .. } = state;
            let waiter = waiting.get_mut(id).filter(|waiter| waiter.ticket == ticket && waiter.due.is_none());
            if let Some(waiter) = waiter {
                waiter.missed = begun.saturating_sub(waiter.since);
                let pause = adapt(pace.pause(&waiter.kind, now.saturating_sub(waiter.since)));
                waiter.due = Some((now + pause / 2, now + pause));
            }
        });
    }

    /// Ends a wait. Returns how long it takes at least, with a look of the length of this one: that it took
    /// longer is not certain.
    pub(super) fn end(
        &self,
        id: &AttemptId,
        ticket: Ticket,
        ending: Ending,
        (begun, now): (Duration, Duration),
    ) -> Duration {
        let ended = self.with(|state| {
            state.waiter(id, ticket)?;
            let waiter = state.waiting.remove(id)?;
            if ending.is_ok() {
                state.pace.learn(&waiter.kind, now.saturating_sub(waiter.since));
            }
            Some(waiter)
        });
        let Some(waiter) = ended else { return Duration::ZERO };
        // A waiter that was interrupted has gone away, and needs no answer.
        drop(waiter.sender.send(ending));
        waiter.missed + now.saturating_sub(begun)
    }

    /// Takes down what was seen.
    pub(super) fn hear(&self, id: &AttemptId, ticket: Ticket, words: &str) {
        self.with(|state| {
            if let Some(waiter) = state.waiter(id, ticket) {
                words.clone_into(&mut waiter.heard);
            }
        });
    }

    /// Stops waiting for `id`, and tells what was seen last.
    pub(super) fn give_up(&self, id: &AttemptId) -> String {
        self.with(|state| state.waiting.remove(id)).map(|waiter| waiter.heard).unwrap_or_default()
    }
}
