//! Destroying: the record of an infrastructure stays until its back-ends have confirmed that nothing is
//! left, and then as a tombstone for a day.

use serde::Serialize;

use super::build::deferred;
use super::orphan::unknown_attempt;
use super::{Controller, OnPlan};
use crate::enact::Failed;
use crate::error::EngineError;
use crate::event::EventKind;
use crate::handler::{Found, Place};
use crate::hold::holds;
use crate::ids::Slot;
use crate::journal::{encode, former_place_key, infra_key};
use crate::observe::find;
use crate::record::{Attempt, Goal, InfraRecord, Outcome, Phase};
use crate::store::{Key, Table, Write};

/// How a destroy ended.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "result")]
pub enum Demolished {
    /// Nothing is left; the back-ends confirmed it.
    Gone,
    /// Something may be left. Nothing is forgotten: destroying again goes on here.
    Incomplete {
        /// What and why.
        failures: Vec<Failed>,
    },
    /// The caller stopped it.
    Interrupted,
}

/// Rounds of one destroy; each ends with a complete listing.
const ROUNDS: usize = 5;

impl Controller<'_> {
    /// Destroys everything of the infrastructure; refused, and nothing is changed, if an operator
    /// protects it or a part of it.
    pub async fn destroy(&self, on_plan: OnPlan<'_>) -> Result<Demolished, EngineError> {
        let mut record = self.journal.record().await?;
        if record.goal != Goal::Absent {
            self.require_unprotected(&record, "destroyed").await?;
        }
        if record.goal != Goal::Absent {
            let before = record.word();
            record.goal = Goal::Absent;
            let text = format!("'{}' is to be destroyed", record.name);
            let event = self.journal.event(EventKind::Notice, None, text);
            self.journal.put_record(&record, vec![event.from_to(before, record.word())]).await?;
        }
        let mut failures = Vec::new();
        for _ in 0..ROUNDS {
            let pass = self.pass(None, on_plan).await?;
            if pass.enacted.interrupted {
                return Ok(Demolished::Interrupted);
            }
            failures = pass.enacted.failed;
            failures.extend(deferred(&pass.plan.notes));
            if !failures.is_empty() {
                if pass.enacted.succeeded == 0 {
                    break;
                }
                continue;
            }
            if self.journal.attempts().iter().all(Attempt::is_closed) {
                match self.sweep().await? {
                    Ok(true) => {
                        self.bury(record, EventKind::InfraDrop, "").await?;
                        return Ok(Demolished::Gone);
                    }
                    Ok(false) => {}
                    Err(unclear) => {
                        failures = unclear;
                        break;
                    }
                }
            }
        }
        Ok(Demolished::Incomplete { failures })
    }

    async fn require_unprotected(&self, record: &InfraRecord, participle: &str) -> Result<(), EngineError> {
        let holds = holds(self.engine.store.as_ref(), &record.id, self.engine.clock.wall()).await?;
        let Some(hold) = holds.any_protection() else { return Ok(()) };
        Err(EngineError::Description(format!(
            "infrastructure '{}' is not {participle}: {}; lift that with `{}` first",
            record.name,
            hold.describe(),
            hold.lifted_with(&record.name),
        )))
    }

    /// Gives everything up that is left, at the user's word, and closes the record; refused, and nothing is
    /// changed, if an operator protects it or a part of it.
    pub async fn abandon(&self) -> Result<Vec<Attempt>, EngineError> {
        let mut record = self.journal.record().await?;
        self.require_unprotected(&record, "given up").await?;
        let before = record.word();
        record.goal = Goal::Absent;
        let text = format!("'{}' is given up by the user", record.name);
        let event = self.journal.event(EventKind::Notice, None, text);
        self.journal.put_record(&record, vec![event.from_to(before, record.word())]).await?;
        let open: Vec<Attempt> =
            self.journal.attempts().into_iter().filter(|attempt| !attempt.is_closed()).collect();
        for attempt in &open {
            self.journal.abandoned(&attempt.id).await?;
        }
        self.bury(record, EventKind::InfraDrop, "").await?;
        Ok(open)
    }

    /// Closes the record of an infrastructure of which certainly nothing was ever made: every call was
    /// refused. False, and nothing is changed, if that is not so.
    pub async fn withdraw(&self) -> Result<bool, EngineError> {
        let refused = |attempt: &Attempt| {
            matches!(attempt.phase, Phase::Closed { outcome: Outcome::Refused { .. }, .. })
        };
        if !self.journal.attempts().iter().all(refused) {
            return Ok(false);
        }
        let mut record = self.journal.record().await?;
        record.goal = Goal::Absent;
        self.bury(record, EventKind::Notice, "withdrawn: nothing was ever created").await?;
        Ok(true)
    }

    /// Looks for what appeared after the infrastructure was destroyed, where a creation had been given
    /// up, and destroys it.
    pub async fn recheck(&self, on_plan: OnPlan<'_>) -> Result<Demolished, EngineError> {
        let given_up = |attempt: &Attempt| {
            matches!(attempt.phase, Phase::Closed { outcome: Outcome::NeverAppeared { .. }, .. })
        };
        if !self.journal.attempts().iter().any(given_up) {
            return Ok(Demolished::Gone);
        }
        match self.sweep().await? {
            Ok(true) => Ok(Demolished::Gone),
            Ok(false) => self.destroy(on_plan).await,
            Err(failures) => Ok(Demolished::Incomplete { failures }),
        }
    }

    /// Whether the infrastructure was closed longer ago than it is watched for.
    pub async fn is_old(&self) -> Result<bool, EngineError> {
        let closed_at = self.journal.record().await?.closed_at;
        Ok(closed_at.is_some_and(|at| at + self.engine.policy.watch < self.engine.clock.wall()))
    }

    /// Deletes every record of the infrastructure, the lease with them. Its places stay known to the store:
    /// a search for orphans asks them.
    pub async fn forget(self) -> Result<(), EngineError> {
        let infra = self.journal.infra().clone();
        let mut writes = vec![Write::Delete(infra_key(&infra))];
        writes.extend(
            self.journal.places().iter().map(|place| Write::Put(former_place_key(place), encode(place))),
        );
        for table in
            Table::ALL.into_iter().filter(|t| !matches!(t, Table::Definition | Table::Infrastructure))
        {
            for record in self.engine.store.list(table, infra.as_str(), "").await? {
                writes.push(Write::Delete(Key::new(table, infra.as_str(), record.id)));
            }
        }
        self.journal.commit(writes, Vec::new()).await
    }

    /// The final look at every place ever used. True if it is clean; what is found is taken into the
    /// books to be destroyed by the next round. The inner error lists places that could not be asked.
    async fn sweep(&self) -> Result<Result<bool, Vec<Failed>>, EngineError> {
        let mut clean = true;
        let mut unclear = Vec::new();
        for place in self.journal.places() {
            match find(self.engine, &place).await {
                Ok(found) => {
                    for found in found {
                        if found.identity.infra == *self.journal.infra() {
                            clean = false;
                            self.take_in(found, &place).await?;
                        }
                    }
                }
                Err(error) => unclear.push(Failed {
                    slot: Slot::new(place.endpoint.clone(), 0),
                    reason: format!("cannot tell whether anything is left at {place}: {error}"),
                    passing: error.kind.is_passing(),
                }),
            }
        }
        Ok(if unclear.is_empty() { Ok(clean) } else { Err(unclear) })
    }

    async fn take_in(&self, found: Found, place: &Place) -> Result<(), EngineError> {
        let id = found.identity.attempt.clone();
        if self.journal.attempt(&id).is_none() {
            let attempt = unknown_attempt(&found, place, self.engine.clock.wall());
            let text = format!("found {} at {place}, which the store did not know", found.provider_id);
            let event = self.journal.event(EventKind::Notice, Some(&attempt), text);
            return self.journal.insert(attempt, vec![event]).await;
        }
        self.journal.adopted(&id, found.provider_id).await
    }

    async fn bury(&self, mut record: InfraRecord, event: EventKind, text: &str) -> Result<(), EngineError> {
        let before = record.word();
        record.closed_at = Some(self.engine.clock.wall());
        record.targets.clear();
        record.rollout = None;
        let event = self.journal.event(event, None, text.to_owned()).from_to(before, record.word());
        let mut writes = vec![Write::Put(infra_key(&record.id), encode(&record))];
        // They must not come to life again with a later infrastructure of the same identifier.
        for hold in self.engine.store.list(Table::Hold, record.id.as_str(), "").await? {
            writes.push(Write::Delete(Key::new(Table::Hold, record.id.as_str(), hold.id)));
        }
        self.journal.commit(writes, vec![event]).await
    }
}
