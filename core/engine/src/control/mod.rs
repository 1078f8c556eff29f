//! Control: passes over one infrastructure, and the operations made of them.

mod assess;
mod build;
mod destroy;
mod orphan;
mod scale;

use std::convert::Infallible;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures::{TryStreamExt, stream};
use jiff::Timestamp;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

pub use assess::{Health, Survey, assess, load, outlook, survey};
pub use build::Built;
pub use destroy::Demolished;
pub use orphan::{Vacancy, rename_listed, vacancy};
pub use scale::{anticipate, known_node, request_scaling, waiting_requests};

pub use crate::enact::Effort;
use crate::enact::{Enacted, enact};
use crate::engine::Engine;
use crate::error::EngineError;
use crate::event::EventKind;
use crate::hold::holds;
use crate::ids::InfraId;
use crate::journal::Journal;
use crate::lease::{Holder, Request, Sighting};
use crate::plan::{Note, Order, Plan, Situation, forbids, plan};
use crate::record::{Attempt, Goal, InfraRecord};
use crate::remember::remember;

/// How an operation goes about its work.
#[derive(Debug, Clone)]
pub struct Options {
    /// The order of creation.
    pub order: Order,
    /// Who works, for the lease.
    pub holder: Holder,
    /// How long to wait for a lease that is held.
    pub patience: Duration,
    /// Stops the operation: no new action is started, running calls are ended properly.
    pub stop: CancellationToken,
}

/// What one pass did.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Pass {
    /// What was planned.
    pub plan: Plan,
    /// What came of it.
    pub enacted: Enacted,
}

/// Receives each plan before it is carried out.
pub type OnPlan<'a> = &'a mut (dyn FnMut(&Plan, &Situation) + Send);

/// A controller: it holds the lease of one infrastructure.
pub struct Controller<'a> {
    engine: &'a Engine,
    journal: Journal,
    options: Options,
    effort: Mutex<Effort>,
}

/// Rounds of planning and enacting in one operation; each must have achieved something.
const ROUNDS: usize = 12;
/// How long after it was put a hold may go unnoticed by a plan under way.
const HOLDS_HEEDED_WITHIN: Duration = Duration::from_secs(5);
/// One of so many controllers of an infrastructure prunes its history.
const HISTORY_PRUNED_BY: u64 = 32;

impl<'a> Controller<'a> {
    /// Takes the lease of `infra`, which need not exist yet. `on_wait` is told who holds it.
    pub async fn open(
        engine: &'a Engine,
        infra: &InfraId,
        options: Options,
        on_wait: impl FnMut(&str),
    ) -> Result<Self, EngineError> {
        Self::open_again(engine, infra, options, &mut Sighting::default(), on_wait).await
    }

    /// As [`Controller::open`], for a caller without patience who tries again and again: `sighting`
    /// keeps what was seen of the holder between the tries.
    pub async fn open_again(
        engine: &'a Engine,
        infra: &InfraId,
        options: Options,
        sighting: &mut Sighting,
        on_wait: impl FnMut(&str),
    ) -> Result<Self, EngineError> {
        let request = Request {
            store: &engine.store,
            clock: &engine.clock,
            infra,
            holder: options.holder.clone(),
            ttl: engine.policy.lease,
            patience: options.patience,
            stop: &options.stop,
        };
        let lease = request.acquire(sighting, on_wait).await?;
        let (clock, events) = (engine.clock.clone(), engine.events.clone());
        let redactor = engine.secrets.redactor().clone();
        let journal = Journal::open(engine.store.clone(), clock, events, redactor, lease).await?;
        Ok(Self { engine, journal, options, effort: Mutex::default() })
    }

    /// The infrastructure's record.
    pub async fn record(&self) -> Result<InfraRecord, EngineError> {
        self.journal.record().await
    }

    /// All attempts, oldest first.
    pub fn attempts(&self) -> Vec<Attempt> {
        self.journal.attempts()
    }

    /// What the passes of this controller took so far, and what they take at least.
    pub fn effort(&self) -> Effort {
        *self.effort.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on nothing stops this controller: what compensates must not be cut short by the signal
    /// that made it necessary.
    pub fn shield(&mut self) {
        self.options.stop = CancellationToken::new();
    }

    /// Lets go of the lease. Now and then the history is pruned before.
    pub async fn close(self) -> Result<(), EngineError> {
        if self.journal.lease().number().is_multiple_of(HISTORY_PRUNED_BY) {
            self.prune_history().await?;
        }
        self.journal.release().await
    }

    /// Forgets journal records and events that are older than they are kept. For a controller that is kept
    /// for long; others do it now and then when they are closed.
    pub async fn prune_history(&self) -> Result<(), EngineError> {
        self.journal.prune_history(self.engine.clock.wall() - self.engine.policy.history).await
    }

    /// Looks at everything and records what that changed.
    async fn look(&self, eager: Option<Timestamp>) -> Result<Situation, EngineError> {
        let record = self.journal.record().await?;
        let generation = self.journal.generation(record.generation).await?;
        let holds = holds(self.engine.store.as_ref(), &record.id, self.engine.clock.wall()).await?;
        let mut situation = assess(
            self.engine,
            (record, generation),
            self.journal.attempts(),
            holds,
            self.options.order,
            eager.is_some(),
        )
        .await;
        situation.eager = eager;
        let seen = situation
            .instances
            .iter()
            .filter_map(|instance| instance.verdict.as_ref().map(|verdict| Ok((&instance.attempt, verdict))));
        // At the same time, so that what they write is written together.
        stream::iter(seen)
            .try_for_each_concurrent(self.engine.policy.max_checks, |(attempt, verdict)| {
                remember(&self.journal, attempt, verdict, situation.now)
            })
            .await?;
        Ok(situation)
    }

    /// One pass: consume scaling requests, observe, plan, enact. `eager` is when a user asked for a build;
    /// `None` for a maintainer, who gives a slot that failed time.
    pub async fn pass(&self, eager: Option<Timestamp>, on_plan: OnPlan<'_>) -> Result<Pass, EngineError> {
        let begun = self.engine.clock.monotonic();
        self.consume_scaling().await?;
        let situation = self.look(eager).await?;
        let plan = plan(&situation, &self.engine.policy);
        on_plan(&plan, &situation);
        let enacted = self.enact(&plan, &situation).await?;
        self.journal.prune(self.engine.clock.wall() - self.engine.policy.watch).await?;
        self.journal.lease().observed(self.engine.clock.wall()).await?;
        let makespan = self.engine.clock.monotonic().saturating_sub(begun);
        let effort = Effort { makespan, lower_bound: enacted.lower_bound };
        self.effort.lock().unwrap_or_else(PoisonError::into_inner).add(effort);
        Ok(Pass { plan, enacted })
    }

    /// Carries `plan` out, until an operator forbids something of it: the next plan heeds that.
    async fn enact(&self, plan: &Plan, situation: &Situation) -> Result<Enacted, EngineError> {
        let stop = self.options.stop.child_token();
        let book = (&situation.record, &situation.generation, &situation.topology);
        let working = enact(self.engine, &self.journal, book, plan, &stop);
        let mut enacted = tokio::select! {
            biased;
            enacted = working => enacted?,
            never = self.stop_when_forbidden(plan, situation, &stop) => match never {},
        };
        enacted.interrupted &= self.options.stop.is_cancelled();
        Ok(enacted)
    }

    /// Looks for new holds until the end of the plan; never returns.
    async fn stop_when_forbidden(
        &self,
        plan: &Plan,
        situation: &Situation,
        stop: &CancellationToken,
    ) -> Infallible {
        let InfraRecord { id, goal, .. } = &situation.record;
        loop {
            self.engine.clock.sleep(HOLDS_HEEDED_WITHIN).await;
            // A store that cannot be read is noticed, and told, by who writes to it.
            let found = holds(self.engine.store.as_ref(), id, self.engine.clock.wall()).await;
            if found.is_ok_and(|holds| forbids(&holds, *goal, plan)) {
                tracing::info!(infra = %id, "an operator holds something back; planning anew");
                stop.cancel();
                return std::future::pending().await;
            }
        }
    }

    /// One look after the infrastructure: passes until there is nothing more to do now, as long as each
    /// achieves something.
    pub async fn maintain(&self, on_plan: OnPlan<'_>) -> Result<Pass, EngineError> {
        let mut total = self.pass(None, on_plan).await?;
        let mut last = total.clone();
        for _ in 1..ROUNDS {
            if last.plan.is_empty() || last.enacted.interrupted || !last.enacted.failed.is_empty() {
                break;
            }
            last = self.pass(None, on_plan).await?;
            total.enacted.succeeded += last.enacted.succeeded;
            total.enacted.failed.extend(last.enacted.failed.clone());
            total.enacted.interrupted |= last.enacted.interrupted;
            total.enacted.skipped.clone_from(&last.enacted.skipped);
            total.plan.notes.clone_from(&last.plan.notes);
        }
        if total.enacted.interrupted {
            return Ok(total);
        }
        match self.journal.record().await? {
            InfraRecord { goal: Goal::Present, .. } => self.celebrate(&total).await?,
            // A destroy that was cut short is carried to its end.
            InfraRecord { closed_at: None, .. } if last.enacted.failed.is_empty() => {
                if let Demolished::Incomplete { failures } = self.destroy(on_plan).await? {
                    total.enacted.failed.extend(failures);
                }
            }
            _ => {}
        }
        Ok(total)
    }

    /// Tells that everything is ready, when that is news; or that a change is complete, though there is trouble
    /// which it has not made.
    async fn celebrate(&self, pass: &Pass) -> Result<(), EngineError> {
        let incomplete = pass.enacted.interrupted
            || !pass.enacted.failed.is_empty()
            || !pass.enacted.skipped.is_empty()
            || pass.plan.notes.iter().any(|note| matches!(note, Note::Deferred { earlier: false, .. }));
        let troubled = pass.plan.notes.iter().any(|note| matches!(note, Note::Deferred { .. }));
        let mut record = self.journal.record().await?;
        let achieved = pass.enacted.succeeded > 0 && !troubled;
        let news = !record.completed || (record.rollout.is_some() && !troubled) || achieved;
        if incomplete || !news {
            return Ok(());
        }
        let before = record.word();
        record.completed = true;
        // What is not ready may have to be replaced yet.
        record.rollout = record.rollout.filter(|_| troubled);
        let (kind, text) = if troubled {
            (EventKind::Notice, "the description is in force; what was in trouble before still is")
        } else {
            (EventKind::InfraReady, "")
        };
        let mut event = self.journal.event(kind, None, text.to_owned());
        if record.word() != before {
            event = event.from_to(before, record.word());
        }
        self.journal.put_record(&record, vec![event]).await
    }
}
