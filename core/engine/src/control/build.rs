//! Building: a first build, or a change of the description, that either succeeds or can be undone.

use jiff::Timestamp;
use serde::Serialize;

use super::assess;
use super::{Controller, OnPlan, Pass, ROUNDS, anticipate};
use crate::enact::Failed;
use crate::error::EngineError;
use crate::event::EventKind;
use crate::hold::holds;
use crate::ids::AttemptId;
use crate::moves::moves;
use crate::names::{Names, Renames};
use crate::plan::{Action, Note, What, plan, refusal, waits_for_others};
use crate::record::{Generation, Goal, InfraRecord, Rollout};

/// How a build ended.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "result")]
pub enum Built {
    /// Everything described is ready.
    Ready,
    /// Something could not be made ready.
    Failed {
        /// What and why.
        failures: Vec<Failed>,
    },
    /// The caller stopped it.
    Interrupted,
}

impl Controller<'_> {
    /// Makes a new infrastructure durable: goal, description, definitions. Nothing is created yet. One
    /// that exists is refused; the identifier of one that was destroyed can be used again.
    pub async fn begin(&self, mut generation: Generation) -> Result<(), EngineError> {
        let names = match self.journal.record().await {
            Err(EngineError::UnknownInfrastructure { .. }) => Names::default(),
            // Its earlier descriptions have names of their time.
            Ok(InfraRecord { closed_at: Some(_), names, .. }) => names,
            Ok(record) => return Err(exists_already(&record)),
            Err(error) => return Err(error),
        };
        generation.number = self.journal.last_generation().await? + 1;
        generation.author = self.journal.lease().holder().to_string();
        generation.epoch = Some(names.epoch());
        let record = InfraRecord {
            id: self.journal.infra().clone(),
            name: generation.infrastructure.name.clone(),
            goal: Goal::Present,
            generation: generation.number,
            targets: std::collections::BTreeMap::new(),
            created_at: self.engine.clock.wall(),
            completed: false,
            closed_at: None,
            rollout: None,
            completed_before: None,
            names,
        };
        let text = format!("'{}' is to be built", record.name);
        let event = self.journal.event(EventKind::InfraStart, None, text).from_to("none", record.word());
        self.journal.put_generation(&record, &generation, &Renames::default(), vec![event]).await
    }

    /// Puts a new description in force and returns the record as it was before. An infrastructure that
    /// was destroyed is refused: nothing of it is left that could be changed. What the description
    /// [renames](crate::moves) has its new name from then on.
    ///
    /// With `rollout`, passes replace the instances that are outdated then.
    ///
    /// # Errors
    /// If an operator holds something that would have to be changed, or if the store fails: nothing is changed
    /// then.
    pub async fn reconfigure(
        &self,
        mut generation: Generation,
        rollout: Option<Rollout>,
    ) -> Result<InfraRecord, EngineError> {
        let before = self.journal.record().await?;
        if before.closed_at.is_some() {
            return Err(EngineError::Description(format!(
                "infrastructure '{}' ({}) was destroyed and cannot be changed; build it anew with \
                 `occopus build FILE`",
                before.name, before.id
            )));
        }
        let in_force = self.journal.generation(before.generation).await?;
        let moves = moves(&before, &in_force, &generation, &self.journal.attempts());
        let mut record = before.clone();
        record.rename(&moves.renames, self.engine.clock.wall());
        generation.number = self.journal.last_generation().await? + 1;
        generation.author = self.journal.lease().holder().to_string();
        generation.epoch = Some(record.names.epoch());
        record.put_aside();
        record.generation = generation.number;
        record.name.clone_from(&generation.infrastructure.name);
        record.goal = Goal::Present;
        record.rollout = rollout;
        record.targets.retain(|node, _| generation.infrastructure.node(node).is_some());
        let named = InfraRecord { name: before.name.clone(), ..record.clone() };
        self.require_free((named, generation.clone()), &moves.renames).await?;
        let renamed = moves.nodes.iter().map(|(from, to)| format!("; '{from}' is called '{to}' now"));
        let text = format!("description {} is in force{}", generation.number, renamed.collect::<String>());
        let event = self.journal.event(EventKind::Reconfigured, None, text);
        let event = event.from_to(before.generation, generation.number);
        self.journal.put_generation(&record, &generation, &moves.renames, vec![event]).await?;
        Ok(before)
    }

    /// Refuses a change that holds would keep from its end: it would be carried out elsewhere, to no purpose.
    async fn require_free(
        &self,
        (mut record, generation): (InfraRecord, Generation),
        renames: &Renames,
    ) -> Result<(), EngineError> {
        let holds = holds(self.engine.store.as_ref(), &record.id, self.engine.clock.wall()).await?;
        if holds.is_empty() {
            return Ok(());
        }
        let (mut attempts, order) = (self.journal.attempts(), self.options.order);
        for attempt in &mut attempts {
            renames.rename(attempt);
        }
        let holds = holds.renamed(renames);
        anticipate(self.engine, &mut record, &generation, &mut attempts, renames).await?;
        let situation = assess(self.engine, (record, generation), attempts, holds, order, true).await;
        refusal(&situation, &self.engine.policy).map_or(Ok(()), |why| Err(EngineError::Description(why)))
    }

    /// Puts the description of `before` back in force after a failed change, and removes what the
    /// change had made. What ran before is not touched. The goal stays what it is now: whoever changed
    /// the infrastructure wants it to exist, even if a destroy had been begun before.
    pub async fn restore(&self, before: &InfraRecord, on_plan: OnPlan<'_>) -> Result<Pass, EngineError> {
        let mut record = self.journal.record().await?;
        let old = self.journal.generation(before.generation).await?.infrastructure;
        let mut tried = self.journal.generation(record.generation).await?;
        let renames = record.names.since(before.names.epoch());
        let back = renames.inverse();
        record.rename(&back, self.engine.clock.wall());
        // Scaling requests that were consumed during the change are gone: their targets stay.
        record.targets.retain(|node, _| old.node(node).is_some());
        let is_gone = |node: &str| tried.infrastructure.node(renames.name(node)).is_none();
        let removed = before.targets.iter().filter(|(node, _)| is_gone(node));
        record.targets.extend(removed.map(|(node, target)| (node.clone(), *target)));
        let undone = std::mem::replace(&mut record.generation, before.generation);
        // What the change replaced is replaced again, by what it was.
        record.rollout = Some(Rollout {
            nodes: None,
            cascade: record.rollout.is_some_and(|rollout| rollout.cascade),
            made_after: Some(before.generation),
        });
        record.name.clone_from(&before.name);
        record.completed = before.completed;
        let text = format!("description {} is in force again; the change is undone", before.generation);
        let event = self.journal.event(EventKind::Reconfigured, None, text);
        let event = event.from_to(undone, before.generation);
        tried.undone_at = Some(self.engine.clock.wall());
        self.journal.put_generation(&record, &tried, &back, vec![event]).await?;
        self.maintain(on_plan).await
    }

    /// Whether a change that has not come to its end stays as it is, for later passes to go on with: only
    /// what operators hold is still to be changed, what the description leaves out is still to go, or there is
    /// trouble that the change has not made. To undo it then would destroy what it made, and bring nothing
    /// back of what is gone already.
    ///
    /// Nothing is tried again for it that was tried since `begun`. A change that has nothing to wait for but
    /// trouble has come to its end, which is put on record.
    pub async fn has_only_to_wait(&self, begun: Timestamp) -> Result<bool, EngineError> {
        let situation = self.look(Some(begun.min(self.engine.clock.wall()))).await?;
        let plan = plan(&situation, &self.engine.policy);
        let first = situation.first_of_change();
        let is_older = |id: &AttemptId| self.journal.attempt(id).is_some_and(|one| one.generation < first);
        let may_wait = |action: &Action| match &action.what {
            What::Destroy { .. } | What::Settle { wanted: false, .. } => true,
            What::Await { attempt } => is_older(attempt),
            What::Create { .. } | What::Settle { wanted: true, .. } | What::Adopt { .. } => false,
        };
        let waits = waits_for_others(&plan.notes) && plan.actions.iter().all(may_wait);
        if plan.is_empty() {
            self.celebrate(&Pass { plan, ..Pass::default() }).await?;
        }
        Ok(waits)
    }

    /// Passes until everything described is ready, another try makes no sense, or the caller stops it.
    /// Each implementation of a node is tried once.
    pub async fn converge(&self, on_plan: OnPlan<'_>) -> Result<Built, EngineError> {
        let mut total = Pass::default();
        let mut failures = Vec::new();
        let mut begun = self.engine.clock.wall();
        for _ in 0..ROUNDS * 4 {
            // A clock that is set back must not make what was tried before look older than the build.
            begun = begun.min(self.engine.clock.wall());
            let tried = self.journal.attempts().len();
            let pass = self.pass(Some(begun), on_plan).await?;
            total.enacted.succeeded += pass.enacted.succeeded;
            total.plan.notes.clone_from(&pass.plan.notes);
            if pass.enacted.interrupted {
                return Ok(Built::Interrupted);
            }
            let deferred = deferred(&pass.plan.notes);
            if pass.plan.is_empty() && deferred.is_empty() {
                self.celebrate(&total).await?;
                return Ok(Built::Ready);
            }
            if pass.enacted.succeeded == 0 && !pass.enacted.needed.is_empty() {
                failures = pass.enacted.needed;
            } else if !pass.enacted.failed.is_empty() {
                failures = pass.enacted.failed;
                let learned = pass.enacted.lost || self.journal.attempts().len() != tried;
                if pass.enacted.succeeded == 0 && !learned {
                    // Nothing was even tried that the next round would try differently.
                    return Ok(Built::Failed { failures });
                }
            } else if !deferred.is_empty() && !pass.plan.changes_anything() {
                // The failure that led to the pause says more than the pause itself.
                let failures = if failures.is_empty() { deferred } else { failures };
                return Ok(Built::Failed { failures });
            }
        }
        Ok(Built::Failed { failures })
    }
}

fn exists_already(record: &InfraRecord) -> EngineError {
    EngineError::Description(format!(
        "infrastructure '{}' was created by another command meanwhile; look at it with `occopus status {}`",
        record.name, record.id
    ))
}

pub(super) fn deferred(notes: &[Note]) -> Vec<Failed> {
    notes
        .iter()
        .filter_map(|note| match note {
            Note::Deferred { slot, text, .. } => {
                Some(Failed { slot: slot.clone(), reason: text.clone(), passing: true })
            }
            Note::Warning { .. } | Note::Moved { .. } => None,
        })
        .collect()
}
