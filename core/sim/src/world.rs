//! A world to test in: one infrastructure, a cloud, a store, and processes that come and go.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use occopus_descriptor::model::{Dependency, Implementation, Infrastructure, Node, NodeDefinition, Scaling};
use occopus_engine::clock::{Clock, Random, VirtualClock};
use occopus_engine::control::{Built, Controller, Demolished, Options, Pass, request_scaling};
use occopus_engine::engine::{Engine, Handlers, Policy};
use occopus_engine::error::EngineError;
use occopus_engine::event::Event;
use occopus_engine::ids::{InfraId, StoreId};
use occopus_engine::journal::{generation_key, infra_key, read};
use occopus_engine::lease::Holder;
use occopus_engine::plan::Order;
use occopus_engine::record::{Generation, InfraRecord, ScaleChange};
use occopus_store::MemoryStore;
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

use crate::cloud::{Settings, SimCloud};
use crate::fakes::{NoCredentials, SimContext, SimHealth};
use crate::store::{Crash, SimStore};

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

/// An infrastructure in a few words.
#[derive(Debug, Clone)]
pub struct Shape {
    name: String,
    nodes: Vec<(String, Scaling)>,
    needs: Vec<(String, String)>,
    resources: BTreeMap<String, Vec<Map<String, Value>>>,
    timeout: u64,
}

impl Shape {
    /// An infrastructure without nodes. Health checks time out after ten minutes.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            nodes: Vec::new(),
            needs: Vec::new(),
            resources: BTreeMap::new(),
            timeout: 600,
        }
    }

    /// Adds a node.
    #[must_use]
    pub fn node(mut self, name: &str, min: u32, max: u32) -> Self {
        self.nodes.push((name.to_owned(), Scaling::new(Some(min), Some(max))));
        self.implementation(name, json!({}))
    }

    /// Leaves a node out.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.nodes.retain(|(node, _)| node != name);
        self.needs.retain(|(dependent, dependee)| dependent != name && dependee != name);
        self.resources.remove(name);
        self
    }

    /// Changes the limits of a node.
    #[must_use]
    pub fn scaling(mut self, name: &str, min: u32, max: u32) -> Self {
        for (node, scaling) in &mut self.nodes {
            if node == name {
                *scaling = Scaling::new(Some(min), Some(max));
            }
        }
        self
    }

    /// Makes `dependent` wait for `dependee`.
    #[must_use]
    pub fn needs(mut self, dependent: &str, dependee: &str) -> Self {
        self.needs.push((dependent.to_owned(), dependee.to_owned()));
        self
    }

    /// Adds another implementation to a node, with further keys of its resource section: `broken` makes
    /// the cloud refuse it, `unrenderable` its templates fail, `asks` lists nodes whose addresses it wants.
    #[must_use]
    pub fn implementation(mut self, node: &str, extra: Value) -> Self {
        let mut resource = Map::from_iter([("type".to_owned(), json!("sim"))]);
        resource.extend(extra.as_object().cloned().unwrap_or_default());
        self.resources.entry(node.to_owned()).or_default().push(resource);
        self
    }

    /// Puts further keys into the resource section of a node's only implementation.
    #[must_use]
    pub fn with(mut self, node: &str, extra: Value) -> Self {
        self.resources.remove(node);
        self.implementation(node, extra)
    }

    /// Changes after how many seconds of failing checks an instance has failed.
    #[must_use]
    pub fn timeout(mut self, seconds: u64) -> Self {
        self.timeout = seconds;
        self
    }

    /// The description and definitions, ready to be pinned.
    pub fn generation(&self, now: Timestamp) -> Generation {
        let node = |(name, scaling): &(String, Scaling)| Node {
            name: name.clone(),
            definition: name.clone(),
            scaling: *scaling,
            scaling_source: None,
            filter: None,
            variables: Map::new(),
        };
        let edge = |(dependent, dependee): &(String, String)| Dependency {
            dependent: dependent.clone(),
            dependee: dependee.clone(),
            mappings: Vec::new(),
        };
        let infrastructure = Infrastructure {
            name: self.name.clone(),
            user_id: Value::Null,
            nodes: self.nodes.iter().map(node).collect(),
            dependencies: self.needs.iter().map(edge).collect(),
            variables: Map::new(),
        };
        let definitions =
            self.resources.iter().map(|(name, resources)| (name.clone(), self.definition(name, resources)));
        Generation {
            number: 1,
            infrastructure,
            definitions: definitions.collect(),
            shuffle: None,
            created_at: now,
        }
    }

    fn definition(&self, name: &str, resources: &[Map<String, Value>]) -> NodeDefinition {
        let implementation = |resource: &Map<String, Value>| Implementation {
            resource: resource.clone(),
            contextualisation: None,
            config_management: None,
            health_check: Some(Map::from_iter([("timeout".to_owned(), json!(self.timeout))])),
        };
        NodeDefinition {
            name: name.to_owned(),
            implementations: resources.iter().map(implementation).collect(),
        }
    }
}

/// Something to do with the infrastructure.
#[derive(Debug, Clone)]
pub enum Op {
    /// Builds it, anew if it was destroyed, or goes on building it.
    Build,
    /// Puts another description in force; undoes that if it fails.
    Change(Shape),
    /// Looks after it once.
    Maintain,
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
}

/// One process that works on the infrastructure.
pub struct Process {
    /// Its engine.
    pub engine: Engine,
    /// Its view of the store.
    pub store: Arc<SimStore>,
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
    /// Whether a dead process is known to be dead, as on one machine; else its lease must run out.
    pub same_machine: bool,
    /// Time.
    pub clock: Arc<dyn Clock>,
    random: Random,
    events: Arc<Mutex<Vec<Event>>>,
    processes: AtomicU32,
}

impl World {
    /// A world in which nothing exists yet. Call it inside [`simulate`].
    pub fn new(seed: u64, settings: Settings, shape: Shape) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(VirtualClock::new(Timestamp::UNIX_EPOCH));
        let random = Random::seeded(seed);
        let policy = Policy::default();
        Self {
            cloud: SimCloud::new(seed, settings, clock.clone()),
            records: MemoryStore::with_id(StoreId::from(random.uuid())),
            infra: InfraId::from(random.uuid()),
            shape,
            policy,
            order: Order::Parallel,
            same_machine: true,
            clock,
            random,
            events: Arc::default(),
            processes: AtomicU32::new(0),
        }
    }

    /// A new process; `crash` stops it.
    pub fn process(&self, crash: Option<Crash>) -> Process {
        let number = self.processes.fetch_add(1, Ordering::Relaxed) + 1;
        let store = Arc::new(SimStore::new(self.records.clone(), self.clock.clone(), crash));
        let mut handlers = Handlers::default();
        handlers.register(Arc::new(self.cloud.clone()));
        let events = self.events.clone();
        let engine = Engine {
            store: store.clone(),
            handlers,
            contextualiser: Arc::new(SimContext),
            health: Arc::new(SimHealth(self.cloud.clone())),
            credentials: Arc::new(NoCredentials),
            clock: self.clock.clone(),
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
        Process { engine, store, options }
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
        let process = self.process(Some(crash));
        tokio::select! {
            biased;
            done = self.perform_in(&process, op) => Some(done),
            () = process.store.crashed() => None,
        }
    }

    /// Does `op` in `process`.
    pub async fn perform_in(&self, process: &Process, op: Op) -> Result<Done, EngineError> {
        let Process { engine, options, .. } = process;
        if let Op::Scale(node, changes) = &op {
            request_scaling(engine, &self.infra, node, changes).await?;
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
                if self.record().await?.is_none_or(|record| record.closed_at.is_some()) {
                    controller.begin(self.shape.generation(self.clock.wall())).await?;
                }
                Done::Built(controller.converge(ignore).await?)
            }
            Op::Change(shape) => {
                let before = controller.reconfigure(shape.generation(self.clock.wall())).await?;
                let built = controller.converge(ignore).await?;
                if matches!(built, Built::Failed { .. }) && before.completed {
                    controller.restore(&before, ignore).await?;
                }
                Done::Built(built)
            }
            Op::Maintain | Op::Scale(..) => Done::Passed(controller.maintain(ignore).await?),
            Op::Destroy => Done::Demolished(controller.destroy(ignore).await?),
        })
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
        self.wait(visible.saturating_sub(self.clock.monotonic()) + Duration::from_secs(1)).await;
    }

    /// Ends all faults and lets the engine bring things in order: what it was told last is what holds.
    pub async fn settle(&self) -> Result<(), EngineError> {
        self.calm_down().await;
        let Some(record) = self.record().await? else { return Ok(()) };
        let op = match record.goal {
            occopus_engine::record::Goal::Present => Op::Build,
            occopus_engine::record::Goal::Absent => Op::Destroy,
        };
        self.perform(Op::Maintain).await?;
        self.perform(op).await?;
        Ok(())
    }
}
