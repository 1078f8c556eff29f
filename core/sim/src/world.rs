//! A world to test in: one infrastructure, a cloud, a store, and processes that come and go.

use std::future::Future;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use occopus_engine::clock::{Clock, Random, VirtualClock};
use occopus_engine::control::{Built, Controller, Demolished, Options, Pass, request_scaling};
use occopus_engine::engine::{Engine, Handlers, Policy};
use occopus_engine::error::EngineError;
use occopus_engine::event::Event;
use occopus_engine::handler::ResourceHandler;
use occopus_engine::hold::{self, Hold, HoldKind};
use occopus_engine::ids::{InfraId, StoreId};
use occopus_engine::journal::{generation_key, infra_key, read};
use occopus_engine::lease::Holder;
use occopus_engine::plan::Order;
use occopus_engine::record::{Generation, Goal, InfraRecord, Rollout, ScaleChange};
use occopus_engine::secret::Secrets;
use occopus_engine::store::Store;
use occopus_store::MemoryStore;
use tokio_util::sync::CancellationToken;

use crate::client::Client;
use crate::cloud::{Settings, SimCloud};
use crate::fakes::{NoCredentials, SimContext, SimHealth};
use crate::mutant::Mutant;
use crate::process::{Crash, Life, ProcessClock, WallClock};
use crate::referee::Referee;
use crate::shape::Shape;
use crate::store::SimStore;

/// When the wall clock of every world starts, in seconds since 1970.
const START: i64 = 1_750_000_000;

/// Runs `future` to its end in virtual time.
///
/// # Panics
/// If the runtime cannot be built.
#[allow(clippy::expect_used, reason = "a test bench without a runtime has nothing to report to")]
pub fn simulate<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without IO can always be built")
        .block_on(future)
}

/// Something to do with the infrastructure.
#[derive(Debug, Clone)]
pub enum Op {
    /// Builds it, anew if it was destroyed, or goes on building it.
    Build,
    /// Puts another description in force; undoes that if it fails.
    Change(Shape),
    /// Puts another description in force, and replaces what is outdated then; undoes that if it fails.
    Renew(Shape, Rollout),
    /// Looks after it once.
    Maintain,
    /// Keeps the engine from doing something to a node, or to all.
    Hold(HoldKind, Option<String>),
    /// Lifts such a hold.
    Lift(HoldKind, Option<String>),
    /// Registers scaling requests for a node, and looks after it once.
    Scale(String, Vec<ScaleChange>),
    /// Destroys it.
    Destroy,
}

/// What came of an operation.
#[derive(Debug, Clone, PartialEq)]
pub enum Done {
    /// Of building or changing.
    Built(Built),
    /// Of looking after it.
    Passed(Pass),
    /// Of destroying.
    Demolished(Demolished),
    /// Of holding something back, or no longer.
    Noted,
}

/// One process that works on the infrastructure.
pub struct Process {
    /// Its engine.
    pub engine: Engine,
    /// Its life: it can be killed, stopped and cut off.
    pub life: Arc<Life>,
    /// How it works; `stop` is its Ctrl-C.
    pub options: Options,
}

/// A world to test in.
pub struct World {
    /// The cloud.
    pub cloud: SimCloud,
    /// The records.
    pub records: MemoryStore,
    /// The infrastructure's identifier.
    pub infra: InfraId,
    /// What is to be built.
    pub shape: Shape,
    /// Numbers of the engine.
    pub policy: Policy,
    /// The order of creation.
    pub order: Order,
    /// Whether a dead process is known to be dead, as on one machine; else its lease must run out. Two
    /// processes that live at the same time must not be on one machine: all count as dead there.
    pub same_machine: bool,
    /// The bug that all processes have, to see whether it is caught.
    pub mutant: Option<Mutant>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// The wall clock of all processes.
    pub wall: WallClock,
    random: Random,
    events: Arc<Mutex<Vec<Event>>>,
    processes: AtomicU32,
}

impl World {
    /// A world in which nothing exists yet. Call it inside [`simulate`].
    pub fn new(seed: u64, settings: Settings, shape: Shape) -> Self {
        let start = Timestamp::from_second(START).unwrap_or_default();
        let clock: Arc<dyn Clock> = Arc::new(VirtualClock::new(start));
        let random = Random::seeded(seed);
        Self {
            cloud: SimCloud::new(seed, settings, clock.clone()),
            records: MemoryStore::with_id(StoreId::from(random.uuid())),
            infra: InfraId::from(random.uuid()),
            shape,
            policy: Policy::default(),
            order: Order::Parallel,
            same_machine: true,
            mutant: None,
            clock,
            wall: WallClock::default(),
            random,
            events: Arc::default(),
            processes: AtomicU32::new(0),
        }
    }

    /// A new process; `crash` stops it.
    pub fn process(&self, crash: Option<Crash>) -> Process {
        let number = self.processes.fetch_add(1, Ordering::Relaxed) + 1;
        let life = Arc::new(Life::new(number, self.clock.clone(), self.cloud.ledger.clone(), crash));
        let referee =
            Referee { cloud: self.cloud.clone(), records: self.records.clone(), infra: self.infra.clone() };
        let mut store: Arc<dyn Store> =
            Arc::new(SimStore::new(self.records.clone(), life.clone(), referee.clone()));
        let mut handler: Arc<dyn ResourceHandler> = Arc::new(Client::new(referee, life.clone()));
        let clock: Arc<dyn Clock> =
            Arc::new(ProcessClock { world: self.clock.clone(), wall: self.wall.clone(), life: life.clone() });
        if let Some(mutant) = self.mutant {
            (store, handler) = mutant.infect(store, handler, clock.clone());
        }
        let mut handlers = Handlers::default();
        handlers.register(handler);
        let events = self.events.clone();
        let engine = Engine {
            store,
            handlers,
            contextualiser: Arc::new(SimContext),
            health: Arc::new(SimHealth { cloud: self.cloud.clone(), life: life.clone() }),
            credentials: Arc::new(NoCredentials),
            secrets: Secrets::default(),
            clock,
            random: self.random.clone(),
            policy: self.policy.clone(),
            events: Arc::new(move |event: &Event| {
                events.lock().unwrap_or_else(PoisonError::into_inner).push(event.clone());
            }),
        };
        let options = Options {
            order: self.order,
            holder: self.holder(number),
            patience: self.policy.lease * 3,
            stop: CancellationToken::new(),
        };
        Process { engine, life, options }
    }

    /// A holder that is provably dead if it counts as being on this machine: no process has its id.
    fn holder(&self, number: u32) -> Holder {
        let here = Holder::this_process("sim");
        let boot_id = if self.same_machine { here.boot_id } else { "another boot".to_owned() };
        Holder { boot_id, pid: u32::MAX - number, start_time: u64::from(number), ..here }
    }

    /// Does `op` in a new process.
    pub async fn perform(&self, op: Op) -> Result<Done, EngineError> {
        self.perform_in(&self.process(None), op).await
    }

    /// Does `op` in a new process that `crash` stops; `None` if it did.
    pub async fn perform_until(&self, crash: Crash, op: Op) -> Option<Result<Done, EngineError>> {
        self.perform_while_alive(&self.process(Some(crash)), op).await
    }

    /// Does `op` in `process`; `None` if that died over it.
    pub async fn perform_while_alive(&self, process: &Process, op: Op) -> Option<Result<Done, EngineError>> {
        tokio::select! {
            biased;
            done = self.perform_in(process, op) => Some(done),
            () = process.life.crashed() => None,
        }
    }

    /// Does `op` in `process`.
    pub async fn perform_in(&self, process: &Process, op: Op) -> Result<Done, EngineError> {
        let Process { engine, options, .. } = process;
        if let Op::Scale(node, changes) = &op {
            request_scaling(engine, &self.infra, node, changes).await?;
        }
        match op {
            Op::Hold(kind, node) => return self.hold(engine, kind, node).await,
            Op::Lift(kind, node) => return self.lift(engine, kind, node.as_deref()).await,
            _ => {}
        }
        let controller = Controller::open(engine, &self.infra, options.clone(), |_| {}).await?;
        let done = self.carry_out(&controller, op).await;
        controller.close().await?;
        done
    }

    async fn carry_out(&self, controller: &Controller<'_>, op: Op) -> Result<Done, EngineError> {
        let ignore: &mut (dyn FnMut(&_, &_) + Send) = &mut |_, _| {};
        Ok(match op {
            Op::Build => {
                self.cloud.ledger.requested(self.clock.monotonic());
                if self.record().await?.is_none_or(|record| record.closed_at.is_some()) {
                    controller.begin(self.shape.generation(self.clock.wall())).await?;
                }
                Done::Built(controller.converge(ignore).await?)
            }
            Op::Change(shape) => self.change(controller, &shape, None).await?,
            Op::Renew(shape, rollout) => self.change(controller, &shape, Some(rollout)).await?,
            Op::Maintain | Op::Scale(..) => Done::Passed(controller.maintain(ignore).await?),
            Op::Destroy => Done::Demolished(controller.destroy(ignore).await?),
            Op::Hold(..) | Op::Lift(..) => Done::Noted,
        })
    }

    /// Changes the description as `occopus build -i` does.
    async fn change(
        &self,
        controller: &Controller<'_>,
        shape: &Shape,
        rollout: Option<Rollout>,
    ) -> Result<Done, EngineError> {
        let ignore: &mut (dyn FnMut(&_, &_) + Send) = &mut |_, _| {};
        self.cloud.ledger.requested(self.clock.monotonic());
        let before = controller.reconfigure(shape.generation(self.clock.wall()), rollout).await?;
        let begun = self.clock.wall();
        let built = controller.converge(ignore).await?;
        if matches!(built, Built::Failed { .. })
            && before.completed
            && !controller.has_only_to_wait(begun).await?
        {
            controller.restore(&before, ignore).await?;
        }
        Ok(Done::Built(built))
    }

    async fn hold(&self, engine: &Engine, kind: HoldKind, node: Option<String>) -> Result<Done, EngineError> {
        let hold = Hold {
            kind,
            node,
            reason: format!("as it was {:?}", self.clock.monotonic()),
            actor: "an operator".to_owned(),
            since: engine.clock.wall(),
            until: None,
        };
        hold::put(engine, &self.infra, &hold).await?;
        self.cloud.ledger.held(hold.reason, self.clock.monotonic());
        Ok(Done::Noted)
    }

    async fn lift(&self, engine: &Engine, kind: HoldKind, node: Option<&str>) -> Result<Done, EngineError> {
        for hold in hold::holds(&self.records, &self.infra, engine.clock.wall()).await?.iter() {
            if hold.kind == kind && hold.node.as_deref() == node {
                self.cloud.ledger.lifted(&hold.reason);
            }
        }
        hold::lift(engine, &self.infra, (kind, node), "an operator").await?;
        Ok(Done::Noted)
    }

    /// Lifts all holds.
    pub async fn lift_all(&self) -> Result<(), EngineError> {
        let process = self.process(None);
        for hold in hold::holds(&self.records, &self.infra, process.engine.clock.wall()).await?.iter() {
            self.lift(&process.engine, hold.kind, hold.node.as_deref()).await?;
        }
        Ok(())
    }

    /// The infrastructure's record; `None` if there is none.
    pub async fn record(&self) -> Result<Option<InfraRecord>, EngineError> {
        read(&self.records, &infra_key(&self.infra)).await
    }

    /// A pinned generation.
    pub async fn generation(&self, number: u64) -> Result<Generation, EngineError> {
        let key = generation_key(&self.infra, number);
        let missing = || EngineError::Record { key: key.to_string(), reason: "it is missing".to_owned() };
        read(&self.records, &key).await?.ok_or_else(missing)
    }

    /// All events so far.
    pub fn events(&self) -> Vec<Event> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Lets time pass.
    pub async fn wait(&self, duration: Duration) {
        self.clock.sleep(duration).await;
    }

    /// Ends all faults, and waits until everything that is under way at the cloud has become visible.
    pub async fn calm_down(&self) {
        self.cloud.calm();
        let visible = self.cloud.audit().iter().map(|machine| machine.visible_from).max().unwrap_or_default();
        let behind = self.cloud.capabilities().visibility_delay;
        self.wait(visible.saturating_sub(self.clock.monotonic()) + behind + Duration::from_secs(1)).await;
    }

    /// Ends all faults and lets the engine bring things in order: what it was told last is what holds.
    pub async fn settle(&self) -> Result<(), EngineError> {
        self.calm_down().await;
        let Some(record) = self.record().await? else { return Ok(()) };
        let op = match record.goal {
            Goal::Present => Op::Build,
            Goal::Absent => Op::Destroy,
        };
        self.perform(Op::Maintain).await?;
        self.perform(op).await?;
        Ok(())
    }
}
