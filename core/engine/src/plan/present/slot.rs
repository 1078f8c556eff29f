//! Bringing one slot to readiness: waiting, settling, adopting, creating, replacing.

use occopus_descriptor::model::{Heal, Node};

use super::{Outlook, Path, Planner, state};
use crate::handler::Found;
use crate::ids::Slot;
use crate::judge::InstanceState;
use crate::plan::budget::{Turn, has_failed, turn};
use crate::plan::graph::Behind;
use crate::plan::{Instance, Note, What};
use crate::record::{Attempt, Cause, Outcome, Phase};

impl<'a> Planner<'a> {
    /// What a wanted instance needs: nothing, waiting, settling or replacing.
    pub(super) fn keep(&mut self, outlook: &Outlook<'a>, instance: &Instance) -> Path {
        let node = outlook.node;
        let attempt = &instance.attempt;
        let reason = instance.verdict.as_ref().map_or("", |verdict| verdict.reason.as_str());
        if let Phase::Creating { error, .. } = &attempt.phase {
            let cause = Cause(match error {
                Some(error) => format!("the outcome of its creation is unknown: {error}"),
                None => "its creation was interrupted".to_owned(),
            });
            let what = What::Settle { attempt: attempt.id.clone(), wanted: true };
            return self.start(outlook, attempt.slot.clone(), what, cause);
        }
        if let Some(cause) = &attempt.replace {
            return self.exchange(outlook, attempt, cause.clone(), state(instance).is_lost());
        }
        match state(instance) {
            InstanceState::Ready => Path::Ready,
            InstanceState::Pending => self.await_ready(outlook, attempt, reason),
            InstanceState::Unhealthy if self.situation.eager.is_some() || outlook.is_missed => {
                self.await_ready(outlook, attempt, reason)
            }
            InstanceState::Unhealthy => self.defer_trouble(instance, reason.to_owned()),
            InstanceState::Unknown => self.defer_trouble(instance, format!("its state is unknown: {reason}")),
            InstanceState::Unresponsive if !outlook.replaces => {
                self.defer_trouble(instance, format!("{reason}; too many fail at once to replace it"))
            }
            InstanceState::Unresponsive | InstanceState::Dead | InstanceState::Gone
                if node.care.heal == Heal::Report =>
            {
                let slot = &attempt.slot;
                self.defer_trouble(
                    instance,
                    format!(
                        "{reason}; '{}' is described with `heal: report`: replace it with `occopus replace {} \
                         {slot}`",
                        node.name, self.situation.record.name
                    ),
                )
            }
            InstanceState::Unresponsive | InstanceState::Dead | InstanceState::Gone => {
                let cause = Cause(format!("{} {reason}", attempt.slot));
                self.exchange(outlook, attempt, cause, true)
            }
        }
    }

    pub(super) fn await_ready(&mut self, outlook: &Outlook<'a>, attempt: &Attempt, reason: &str) -> Path {
        let cause = Cause(if reason.is_empty() { "not ready yet".to_owned() } else { reason.to_owned() });
        self.start(outlook, attempt.slot.clone(), What::Await { attempt: attempt.id.clone() }, cause)
    }

    /// Destroys an instance and fills its slot again; `failed` counts against the slot. One that has not
    /// failed stays as long as there can be no other in its place.
    pub(super) fn exchange(
        &mut self,
        outlook: &Outlook<'a>,
        attempt: &Attempt,
        cause: Cause,
        failed: bool,
    ) -> Path {
        if let (Err(dependee), false) = (&outlook.behind, failed) {
            return self.defer(attempt.slot.clone(), format!("{cause}; '{dependee}' is not ready"));
        }
        let failing = failed.then_some(attempt);
        match self.turn(outlook.node, &attempt.slot, failing) {
            Turn::Later(text) => self.defer(attempt.slot.clone(), format!("{cause}; {text}")),
            Turn::Now(..) => {
                let number = self.destroy(attempt, cause.clone(), failed);
                self.create(outlook, attempt.slot.clone(), cause, failing, &Behind::needing([number]))
            }
        }
    }

    pub(super) fn turn(&self, node: &Node, slot: &Slot, failing: Option<&Attempt>) -> Turn<'a> {
        let closed = self.closed.get(slot).map_or(&[][..], Vec::as_slice);
        turn(self.situation, self.policy, node, (slot, closed), failing)
    }

    pub(super) fn create(
        &mut self,
        outlook: &Outlook<'a>,
        slot: Slot,
        cause: Cause,
        failing: Option<&Attempt>,
        after: &Behind,
    ) -> Path {
        let (implementation, section) = match self.turn(outlook.node, &slot, failing) {
            Turn::Now(index, implementation) => (index, &implementation.resource),
            Turn::Later(text) => return self.defer_filling(outlook.node, slot, text),
        };
        let text = |key: &str| {
            section.get(key).and_then(|value| value.as_str()).map(str::to_owned).unwrap_or_default()
        };
        let what = What::Create { implementation, resource: text("type"), endpoint: text("endpoint") };
        let path = self.start(outlook, slot, what, cause);
        if let Path::By(number) = path {
            self.plan.put_behind(number, after);
        }
        path
    }

    /// Adds an action that brings a slot to readiness; one that may make an instance comes behind
    /// everything it depends on.
    pub(super) fn start(&mut self, outlook: &Outlook<'a>, slot: Slot, what: What, cause: Cause) -> Path {
        let waits = matches!(what, What::Create { .. } | What::Settle { .. });
        if let (true, Err(dependee)) = (waits, &outlook.behind) {
            return self.defer(slot, format!("{cause}; '{dependee}' is not ready"));
        }
        let number = self.plan.push(slot, what, cause);
        if let (true, Ok(behind)) = (waits, &outlook.behind) {
            self.plan.put_behind(number, behind);
        }
        self.starts.push(number);
        Path::By(number)
    }

    pub(super) fn adopt(&mut self, found: &Found, after: &Behind) -> Path {
        let cause = Cause("appeared after it had been given up".to_owned());
        let what = What::Adopt { attempt: found.identity.attempt.clone(), found: found.clone() };
        let number = self.plan.push(found.identity.slot.clone(), what, cause);
        self.plan.put_behind(number, after);
        self.starts.push(number);
        Path::By(number)
    }

    pub(super) fn defer(&mut self, slot: Slot, text: String) -> Path {
        self.note(Note::Deferred { slot, text, hold: None, earlier: false });
        Path::Blocked
    }

    /// Defers what an instance needs.
    fn defer_trouble(&mut self, instance: &Instance, text: String) -> Path {
        let slot = instance.attempt.slot.clone();
        if !self.was_in_trouble(instance) {
            return self.defer(slot, text);
        }
        self.note(Note::Deferred { slot, text, hold: None, earlier: true });
        Path::Troubled
    }

    /// Whether the trouble of an instance has nothing to do with the change under way: it is as described, was made
    /// before, and if it fails its checks, it did so before, too.
    fn was_in_trouble(&self, instance: &Instance) -> bool {
        let attempt = &instance.attempt;
        let failing = instance.verdict.as_ref().and_then(|verdict| verdict.failing.as_ref());
        let began_later =
            failing.is_some_and(|failing| failing.since >= self.situation.generation.created_at);
        let is_older = attempt.generation < self.situation.first_of_change();
        is_older && !began_later && self.reason_to_renew(attempt).is_none()
    }

    /// Defers filling a slot that has failed.
    fn defer_filling(&mut self, node: &Node, slot: Slot, text: String) -> Path {
        if !self.failed_before(node, &slot) {
            return self.defer(slot, text);
        }
        self.note(Note::Deferred { slot, text, hold: None, earlier: true });
        Path::Troubled
    }

    /// Whether a slot came to nothing before the description in force, and would be filled by the same today.
    pub(super) fn failed_before(&self, node: &Node, slot: &Slot) -> bool {
        let generation = &self.situation.generation;
        let closed = self.closed.get(slot).into_iter().flatten();
        let before = closed.filter(|attempt| attempt.generation < self.situation.first_of_change());
        let Some(last) = before.max_by_key(|attempt| attempt.created_at) else { return false };
        let now = generation.candidates(node, slot.index);
        let same = now.iter().any(|(_, one)| generation.instance_digest(node, one) == last.digest);
        same && last.ready_at.is_none() && has_failed(last)
    }

    fn note(&mut self, note: Note) {
        // Several that are to come to the same slot wait for the same reason.
        if self.plan.notes.last() != Some(&note) {
            self.plan.notes.push(note);
        }
    }

    pub(super) fn late_for(&self, slot: &Slot) -> Option<&'a Found> {
        let fits = |found: &&Found| found.identity.slot == *slot && !self.was_removed(found);
        self.situation.late.iter().find(fits)
    }

    /// Whether a late arrival had been removed because it was not wanted, as opposed to lost.
    pub(super) fn was_removed(&self, found: &Found) -> bool {
        let unwanted = |phase: &Phase| {
            matches!(phase, Phase::Closed { outcome: Outcome::Destroyed { failed: false, .. }, .. })
        };
        self.attempt_of(found).is_some_and(|attempt| attempt.retire.is_some() || unwanted(&attempt.phase))
    }

    /// The attempt that made a late arrival, if it is on record.
    pub(super) fn attempt_of(&self, found: &Found) -> Option<&'a Attempt> {
        let identity = &found.identity;
        self.closed.get(&identity.slot)?.iter().copied().find(|attempt| attempt.id == identity.attempt)
    }
}
