//! What must hold at every moment: checked when a call begins or ends and when an attempt is closed.

use std::time::Duration;

use jiff::Timestamp;
use occopus_engine::hold::holds;
use occopus_engine::ids::{AttemptId, InfraId};
use occopus_engine::journal::{generation_key, infra_key, read, read_all};
use occopus_engine::record::{Attempt, Generation, Goal, InfraRecord, Outcome, Phase};
use occopus_engine::store::{Key, Store, Table};
use occopus_store::MemoryStore;
use serde_json::Value;

use crate::check::slot_of;
use crate::cloud::{Call, SimCloud};
use crate::fakes::MARKER;
use crate::fault::FaultKind;
use crate::ledger::{CallEntry, Ending, Ledger};
use crate::property::Property;

/// The referee of a world.
#[derive(Clone)]
pub(crate) struct Referee {
    pub(crate) cloud: SimCloud,
    pub(crate) records: MemoryStore,
    pub(crate) infra: InfraId,
}

/// Until then everybody has noticed a hold, and calls that had begun have been made.
const NOTICED: Duration = Duration::from_secs(10);
/// Complete listings that must miss a resource before it is believed not to exist.
const LISTINGS: usize = 2;

impl Referee {
    fn ledger(&self) -> &Ledger {
        &self.cloud.ledger
    }

    /// Who changes something holds the lease.
    pub(crate) fn lease_held(&self, process: u32, call: Call) {
        let holder = self.ledger().holder();
        if holder != Some(process) {
            let text = format!("process {process} made a {call:?} call while {holder:?} held the lease");
            self.ledger().violated(Property::LostLeaseChangesNothing, text);
        }
    }

    /// Before a change, its intent is in the records.
    pub(crate) async fn intended(&self, id: &AttemptId, call: Call) {
        let key = |table| Key::new(table, self.infra.as_str(), id.as_str());
        let attempt = read::<Attempt>(&self.records, &key(Table::Attempt)).await.ok().flatten();
        if let Some(attempt) = &attempt
            && let Ok(Some(record)) = read(&self.records, &infra_key(&self.infra)).await
        {
            self.holds_heeded(attempt, &record, call).await;
            if call == Call::Destroy {
                self.rollout_gentle(attempt, &record).await;
            }
        }
        let recorded = match (call, attempt.map(|attempt| attempt.phase)) {
            (Call::Create, Some(Phase::Creating { .. })) => {
                matches!(self.records.read(&key(Table::Request)).await, Ok(Some(_)))
            }
            (Call::Destroy, Some(Phase::Destroying { .. })) => true,
            _ => false,
        };
        if !recorded {
            self.ledger().violated(Property::IntentFirst, format!("a {call:?} call for {id} without intent"));
        }
    }

    /// What is held for longer than it takes to notice is left alone. Who was suspended notices later.
    async fn holds_heeded(&self, attempt: &Attempt, record: &InfraRecord, call: Call) {
        let tally = self.ledger().tally();
        if tally.of(FaultKind::Paused) + tally.of(FaultKind::Suspended) > 0 {
            return;
        }
        // None of them ends by itself, but all do with their infrastructure.
        let Ok(holds) = holds(&self.records, &self.infra, Timestamp::UNIX_EPOCH).await else { return };
        let (node, now) = (attempt.slot.node.as_str(), self.cloud.now());
        let paused = holds.pause(node).filter(|_| record.goal == Goal::Present);
        let protected = holds.protection(node).filter(|_| call == Call::Destroy);
        for hold in paused.into_iter().chain(protected) {
            let since = self.ledger().held_since(&hold.reason);
            if let Some(since) = since.filter(|since| *since + NOTICED < now) {
                let text =
                    format!("a {call:?} call for {} at {now:?}, which is held since {since:?}", attempt.slot);
                self.ledger().violated(Property::HoldsHeeded, text);
            }
        }
    }

    /// When a rollout destroys what serves, enough others of its node serve. What had an accident counts
    /// as if it served: that is not the rollout's doing. Nor is it when what never was seen ready goes. Not
    /// checked once the API has lied about a state.
    async fn rollout_gentle(&self, attempt: &Attempt, record: &InfraRecord) {
        let rolled = matches!(&attempt.phase, Phase::Destroying { cause, .. }
            if cause.0.contains(" is outdated (") || cause.0.contains(" knows an address of "));
        let key = generation_key(&self.infra, record.generation);
        let Ok(Some(generation)) = read::<Generation>(&self.records, &key).await else { return };
        let (node, tally) = (generation.infrastructure.node(&attempt.slot.node), self.ledger().tally());
        // What is to be destroyed anyway needs no others. What was begun goes on, whatever has happened since.
        let rolled = rolled && attempt.ready_at.is_some() && record.goal == Goal::Present;
        let rolled = rolled && self.ledger().begins_to_go(&attempt.id);
        let Some(node) = node.filter(|_| rolled && tally.of(FaultKind::WrongState) == 0) else { return };
        let now = self.cloud.now();
        let (mut serving, mut victims) = (0, 0);
        let Ok(attempts) = read_all(&self.records, Table::Attempt, self.infra.as_str()).await else { return };
        let books = attempts.into_iter().map(|(_, attempt)| attempt).collect::<Vec<Attempt>>();
        for machine in self.cloud.audit().iter().filter(|machine| {
            let identity = &machine.identity;
            identity.infra == self.infra
                && identity.store == *self.records.id()
                && slot_of(machine, &books).node == node.name
        }) {
            match machine.identity.attempt == attempt.id {
                true if !machine.serves(now) => return,
                true => {}
                false if machine.serves(now) => serving += 1,
                false => victims += usize::from(machine.had_accident()),
            }
        }
        let target = record.targets.get(&node.name).copied().unwrap_or(node.scaling.min);
        let wanted = target.clamp(node.scaling.min, node.scaling.max) as usize;
        let missing = wanted.saturating_sub(serving + victims);
        let allowed = node.care.max_unavailable.map_or(1, |share| share.of(wanted)).max(1);
        if missing > allowed {
            let text = format!(
                "{} was destroyed at {now:?} when {serving} others of {wanted} served: {allowed} may be missing",
                attempt.slot
            );
            self.ledger().violated(Property::RolloutGentle, text);
        }
    }

    /// Calls end in time, unless their process sleeps.
    pub(crate) fn call_ended(&self, entry: &CallEntry, limit: Duration) {
        let took = entry.ended.saturating_sub(entry.begun);
        if took > limit + Duration::from_millis(1) {
            let text =
                format!("a {:?} call of process {} took {took:?} of {limit:?}", entry.call, entry.process);
            self.ledger().violated(Property::CallsEnd, text);
        }
    }

    /// Nothing that is written holds a secret, but for requests.
    pub(crate) fn secret_hidden(&self, table: Table, value: &Value) {
        if table != Table::Request && mentions_secret(value) {
            self.ledger().violated(Property::SecretsHidden, format!("a secret is in table {}", table.name()));
        }
    }

    /// An attempt is closed for a reason that holds.
    pub(crate) fn attempt_closed(&self, attempt: &Attempt) {
        match &attempt.phase {
            Phase::Closed { outcome: Outcome::Refused { .. }, .. } => self.refusal_certain(attempt),
            Phase::Closed { outcome: Outcome::NeverAppeared { .. }, .. } => self.absence_proven(attempt),
            Phase::Closed { outcome: Outcome::Destroyed { .. }, .. } => self.destroy_confirmed(attempt),
            _ => {}
        }
    }

    fn create_calls(&self, attempt: &Attempt) -> Vec<CallEntry> {
        let mine = |entry: &&CallEntry| entry.call == Call::Create && entry.attempts.contains(&attempt.id);
        self.ledger().in_calls(|calls| calls.iter().filter(mine).cloned().collect())
    }

    fn refusal_certain(&self, attempt: &Attempt) {
        let unclear = self.create_calls(attempt).into_iter().find(|entry| entry.ending != Ending::Refused);
        if let Some(entry) = unclear {
            let text = format!(
                "{} is settled as refused, but a call for it ended {:?} at {:?}",
                attempt.slot, entry.ending, entry.ended
            );
            self.ledger().violated(Property::RefusalCertain, text);
        }
    }

    fn absence_proven(&self, attempt: &Attempt) {
        let capabilities = self.cloud.capabilities();
        let now = self.cloud.now();
        let calls = self.create_calls(attempt);
        let first = calls.first().map_or(now, |entry| entry.begun);
        // Deadlines of dead processes are known by the wall clock only.
        if self.ledger().jumps().iter().any(|at| *at >= first) {
            return;
        }
        let visible = |entry: &CallEntry| match entry.ending {
            Ending::Refused => None,
            Ending::Done | Ending::Unclear => Some(entry.ended + capabilities.visibility_delay),
            Ending::Open => Some(entry.begun + capabilities.create_deadline + capabilities.visibility_delay),
        };
        let since = calls.iter().filter_map(visible).max().unwrap_or_default();
        let proves = |entry: &&CallEntry| {
            entry.call == Call::Find
                && entry.endpoint == attempt.place.endpoint
                && entry.begun >= since
                && entry.ending == Ending::Done
        };
        let proofs = self.ledger().in_calls(|calls| calls.iter().filter(proves).count());
        if proofs < LISTINGS {
            let text = format!(
                "{} counts as never created at {now:?} after {proofs} complete listings since {since:?}",
                attempt.slot
            );
            self.ledger().violated(Property::AbsenceProven, text);
        }
    }

    /// Not checked once the API has lied about a state.
    fn destroy_confirmed(&self, attempt: &Attempt) {
        if self.ledger().tally().of(FaultKind::WrongState) > 0 {
            return;
        }
        let id = attempt.provider_id.as_ref().map(|id| id.id.as_str()).unwrap_or_default();
        let lives = self.cloud.state().machines.get(id).is_some_and(|machine| machine.gone_at.is_none());
        if lives {
            let text = format!("{} counts as destroyed, but {id} lives", attempt.slot);
            self.ledger().violated(Property::DestroyConfirmed, text);
        }
    }
}

fn mentions_secret(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains(MARKER),
        Value::Array(values) => values.iter().any(mentions_secret),
        Value::Object(values) => values.values().any(mentions_secret),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}
