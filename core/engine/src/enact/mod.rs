//! Enacting: carrying a plan out. No decisions: each action starts as soon as its own prerequisites are
//! done, and what it finds is recorded. Every change goes through the journal first.

mod create;
mod destroy;
mod effort;
mod gate;
mod gather;
mod gentle;
mod label;
mod pace;
mod ready;
mod replay;
mod schedule;
mod settle;
mod together;
mod urgency;
mod views;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt;
use futures::future::try_join;
use futures::stream::FuturesUnordered;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::engine::Engine;
use crate::error::EngineError;
use crate::handler::{ErrorKind, HandlerError, Place, Step, StepJournal};
use crate::ids::{AttemptId, BatchToken, Slot};
use crate::journal::Journal;
use crate::plan::{Action, Plan, What};
use crate::record::{Attempt, Generation, InfraRecord};
use crate::topology::Topology;
pub use effort::Effort;
use effort::{Ledger, Spent, lower_bound};
use gate::{Gate, Turn};
use gather::Gathering;
use gentle::Gentle;
use label::Labels;
use ready::Readiness;
use replay::Replays;
use schedule::Schedule;
use urgency::Urgencies;
use views::Views;

/// An action that did not succeed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failed {
    /// The slot.
    pub slot: Slot,
    /// Why, in words.
    pub reason: String,
    /// Whether another try may succeed without anything being changed by the user.
    pub passing: bool,
}

/// What came of a plan.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Enacted {
    /// Number of actions that succeeded.
    pub succeeded: usize,
    /// Actions that failed.
    pub failed: Vec<Failed>,
    /// Slots of actions that were not started, because of a failure or because the run was stopped.
    pub skipped: Vec<Slot>,
    /// Whether the run was stopped by its caller.
    pub interrupted: bool,
    /// What was not replaced because it would have been missed.
    #[serde(skip)]
    pub needed: Vec<Failed>,
    /// Whether an instance that was waited for turned out to be lost, which the next plan will mend.
    #[serde(skip)]
    pub lost: bool,
    /// What the actions take at least, when each takes as long as it did.
    #[serde(skip)]
    pub lower_bound: Duration,
}

/// How an action ended badly.
enum Trouble {
    /// The engine cannot go on.
    Fatal(EngineError),
    /// This action failed.
    Failed { reason: String, passing: bool },
    /// The instance that it waited for will not become ready; the next plan decides about it.
    Lost { reason: String },
    /// It is clear now that there is no instance; the next plan fills the slot.
    Vacant,
    /// It serves, and must not be missed now; the next plan decides about it.
    Needed { reason: String },
    /// The caller stopped the run.
    Interrupted,
}

impl From<EngineError> for Trouble {
    fn from(error: EngineError) -> Self {
        Self::Fatal(error)
    }
}

impl From<HandlerError> for Trouble {
    fn from(error: HandlerError) -> Self {
        Self::Failed { passing: error.kind.is_passing(), reason: error.message }
    }
}

/// Everything an action works with.
pub(crate) struct Enactor<'a> {
    engine: &'a Engine,
    journal: &'a Journal,
    record: &'a InfraRecord,
    generation: &'a Generation,
    topology: &'a Topology,
    stop: &'a CancellationToken,
    readiness: Readiness,
    views: Mutex<Views>,
    gates: Mutex<BTreeMap<String, Gate>>,
    urgencies: Mutex<Urgencies<'a>>,
    spent: Mutex<Ledger>,
    gathering: Gathering,
    replays: Replays,
    labels: Labels,
    gentle: Gentle,
}

/// Carries `plan` out. Returns when every action has ended; an error means that the engine had to stop
/// (store unusable, lease lost), not that an action failed.
pub async fn enact(
    engine: &Engine,
    journal: &Journal,
    (record, generation, topology): (&InfraRecord, &Generation, &Topology),
    plan: &Plan,
    stop: &CancellationToken,
) -> Result<Enacted, EngineError> {
    let now = engine.clock.monotonic();
    let (labels, made) = Labels::of(plan.actions.len());
    let enactor = Enactor {
        engine,
        journal,
        record,
        generation,
        topology,
        stop,
        readiness: Readiness::default(),
        views: Mutex::default(),
        gates: Mutex::default(),
        urgencies: Mutex::new(Urgencies::of(plan, generation, known_starts(journal), now)),
        spent: Mutex::default(),
        gathering: Gathering::new(BatchToken::from(engine.random.uuid())),
        replays: Replays::of(plan),
        labels,
        gentle: Gentle::of(plan),
    };
    let all_done = async {
        let report = enactor.run(plan).await;
        enactor.labels.end();
        report
    };
    let all_labelled = async {
        enactor.label_all(made).await;
        Ok(())
    };
    tokio::select! {
        biased;
        result = try_join(all_done, all_labelled) => Ok(result?.0),
        error = enactor.watch_readiness() => Err(error),
    }
}

impl<'a> Enactor<'a> {
    async fn run(&self, plan: &Plan) -> Result<Enacted, EngineError> {
        let mut report = Enacted::default();
        let mut schedule = Schedule::of(plan);
        let mut startable = schedule.first();
        let mut running = FuturesUnordered::new();
        loop {
            if self.stop.is_cancelled() {
                report.interrupted = true;
            } else {
                startable.iter().for_each(|action| schedule.started(action));
                running.extend(startable.into_iter().map(|action| self.act(action)));
            }
            let Some((action, result)) = running.next().await else { break };
            startable = schedule.ended(action, result.is_ok());
            match result {
                Ok(()) => report.succeeded += 1,
                Err(Trouble::Failed { reason, passing }) => {
                    self.gentle.fail();
                    let reason = self.engine.secrets.redactor().string(reason);
                    report.failed.push(Failed { slot: action.slot.clone(), reason, passing });
                }
                Err(Trouble::Lost { reason }) => {
                    self.gentle.fail();
                    report.lost = true;
                    let reason = self.engine.secrets.redactor().string(reason);
                    report.failed.push(Failed { slot: action.slot.clone(), reason, passing: true });
                }
                // Progress, but nothing that others could build upon.
                Err(Trouble::Vacant) => report.succeeded += 1,
                Err(Trouble::Needed { reason }) => {
                    tracing::info!(infra = %self.journal.infra(), slot = %action.slot, reason, "it stays for now");
                    report.skipped.push(action.slot.clone());
                    report.needed.push(Failed { slot: action.slot.clone(), reason, passing: true });
                }
                Err(Trouble::Interrupted) => report.interrupted = true,
                Err(Trouble::Fatal(error)) => return Err(error),
            }
        }
        report.lower_bound = self.lower_bound(plan);
        report.skipped.extend(schedule.left().map(|action| action.slot.clone()));
        Ok(report)
    }

    fn act<'p>(&self, action: &'p Action) -> impl Future<Output = (&'p Action, Result<(), Trouble>)> {
        // Before the first of them runs, so that all that start in the same step are known to it.
        let arrival = self.expect(action);
        async move {
            tracing::info!(infra = %self.journal.infra(), "{action}");
            let result = match &action.what {
                What::Create { implementation, .. } => {
                    self.create(&action.slot, *implementation, &action.cause, arrival).await
                }
                What::Await { attempt } => self.until_ready(attempt).await,
                What::Settle { attempt, wanted } => self.settle(attempt, *wanted).await,
                What::Adopt { attempt, found } => self.adopt(attempt, &found.provider_id).await,
                What::Destroy { attempt, failed, others, found } => {
                    self.destroy(attempt, (&action.cause, *failed, *others), found.as_ref()).await
                }
            };
            (action, result)
        }
    }

    /// Waits for a turn at the endpoint of `place` to do something about `slot`.
    async fn turn_at(&self, place: &Place, slot: &Slot) -> Result<Turn, Trouble> {
        self.refresh_urgencies();
        let gate = {
            let size = self.engine.policy.max_parallel;
            self.gates().entry(place.endpoint.clone()).or_insert_with(|| Gate::new(size)).clone()
        };
        let urgency = self.urgencies().of_slot(slot);
        tokio::select! {
            biased;
            () = self.stop.cancelled() => Err(Trouble::Interrupted),
            turn = gate.turn(slot, urgency) => Ok(turn),
        }
    }

    /// Takes down that an instance is ready, for those of its node definition that are still to be made.
    fn learn_start(&self, attempt: &Attempt) {
        self.urgencies().learn(&attempt.node.definition, self.age(attempt));
        self.refresh_urgencies();
    }

    /// Lets those who wait for a turn change places if something was learned about how long they will take.
    fn refresh_urgencies(&self) {
        let mut urgencies = self.urgencies();
        if urgencies.refresh(self.engine.clock.monotonic()) {
            self.gates().values().for_each(|gate| gate.sort(|slot| urgencies.of_slot(slot)));
        }
    }

    fn urgencies(&self) -> MutexGuard<'_, Urgencies<'a>> {
        self.urgencies.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn gates(&self) -> MutexGuard<'_, BTreeMap<String, Gate>> {
        self.gates.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn spent(&self) -> MutexGuard<'_, Ledger> {
        self.spent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes down what an action spends.
    fn spend(&self, id: &AttemptId, edit: impl FnOnce(&mut Spent)) {
        edit(self.spent().entry(id.clone()).or_default());
    }

    /// Makes a call for `ids` and takes down how long it took.
    async fn timed_call<T>(&self, ids: &[AttemptId], place: &Place, call: impl Future<Output = T>) -> T {
        let begun = self.engine.clock.monotonic();
        let answer = call.await;
        let took = self.engine.clock.monotonic().saturating_sub(begun);
        for id in ids {
            self.spend(id, |spent| {
                place.endpoint.clone_into(&mut spent.endpoint);
                spent.call += took;
                spent.share += took / u32::try_from(ids.len()).unwrap_or(u32::MAX);
            });
        }
        answer
    }

    fn lower_bound(&self, plan: &Plan) -> Duration {
        let spent = self.spent();
        // What an action made has not been known to the plan.
        let made: BTreeMap<Slot, &Spent> = spent
            .iter()
            .filter_map(|(id, spent)| Some((self.journal.attempt(id)?, spent)))
            .filter(|(attempt, _)| attempt.is_live())
            .map(|(attempt, spent)| (attempt.slot, spent))
            .collect();
        let of = |action: &Action| match &action.what {
            What::Create { .. } => made.get(&action.slot).copied(),
            What::Await { attempt }
            | What::Settle { attempt, .. }
            | What::Adopt { attempt, .. }
            | What::Destroy { attempt, .. } => spent.get(attempt),
        };
        lower_bound(plan, of, self.engine.policy.max_parallel)
    }
}

/// How long instances of each node definition took until they were ready.
fn known_starts(journal: &Journal) -> BTreeMap<String, Duration> {
    let mut known = BTreeMap::new();
    for attempt in journal.attempts() {
        if let (Some(accepted), Some(ready)) = (attempt.accepted_at, attempt.ready_at) {
            let took = Duration::try_from(ready.duration_since(accepted)).unwrap_or_default();
            known.insert(attempt.node.definition, took);
        }
    }
    known
}

/// The steps of one attempt, written to the journal as the handler reports them.
pub(crate) struct JournalSteps<'a> {
    journal: &'a Journal,
    attempt: &'a AttemptId,
    action: &'static str,
}

#[async_trait]
impl StepJournal for JournalSteps<'_> {
    fn steps(&self) -> Vec<Step> {
        self.journal.attempt(self.attempt).map(|attempt| attempt.steps).unwrap_or_default()
    }

    async fn record(&self, step: Step) -> Result<(), HandlerError> {
        self.journal.step(self.attempt, self.action, step).await.map_err(|error| {
            HandlerError::new(ErrorKind::UnknownOutcome, format!("the step could not be recorded: {error}"))
        })
    }
}
