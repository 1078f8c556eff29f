//! What the engine itself costs, for `benches/engine.py`, which counts the instructions:
//!
//! - `cost plan NODES TIMES` orders and plans a description of so many nodes;
//! - `cost destroy NODES TIMES` plans to destroy one instance of each of so many nodes;
//! - `cost difference NODES TIMES` compares two descriptions of so many nodes;
//! - `cost pass INSTANCES TIMES` looks after so many ready instances;
//! - `cost build INSTANCES TIMES` builds so many, half of them behind the other half, and destroys them again;
//! - `cost journal INSTANCES` builds so many, and prints what was written for each.
//!
//! The difference between one time and two is what it costs without the preparations. The last line tells the
//! memory at its peak.

#![allow(clippy::print_stdout, clippy::expect_used, reason = "a measurement that fails has to say so")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use occopus_engine::control::{Built, Demolished};
use occopus_engine::difference::between;
use occopus_engine::engine::Policy;
use occopus_engine::handler::{Identity, ProviderId};
use occopus_engine::health::{CheckResult, CheckTarget, HealthChecker};
use occopus_engine::hold::Holds;
use occopus_engine::ids::{AttemptId, InfraId, NodeId, Slot, StoreId};
use occopus_engine::journal::{encode, infra_key, read_all};
use occopus_engine::names::Renames;
use occopus_engine::plan::{Instance, Order, Situation, plan};
use occopus_engine::record::{Attempt, Generation, Goal, InfraRecord};
use occopus_engine::store::{Batch, Key, Record, Store, StoreError, Table, Write};
use occopus_engine::topology::Topology;
use occopus_sim::{Done, Op, Process, Settings, Shape, SimContext, World, simulate};

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let number = |place: usize| words.get(place).and_then(|word| word.parse().ok()).unwrap_or(1);
    match words.first().map(String::as_str) {
        Some("plan") => plan_nodes(number(1), number(2)),
        Some("destroy") => destroy_nodes(number(1), number(2)),
        Some("difference") => compare_nodes(number(1), number(2)),
        Some("build") => (0..number(2)).for_each(|_| simulate(build_of(number(1)))),
        Some("pass") => simulate(pass_over(number(1), number(2))),
        Some("journal") => simulate(journal_of(number(1))),
        _ => println!(
            "usage: cost plan|destroy|difference NODES TIMES | pass|build INSTANCES TIMES | journal INSTANCES"
        ),
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    println!("peak memory {}", peak.trim());
}

/// Fifty layers, in which each node waits for two of the layer before.
fn layers(nodes: usize) -> Shape {
    let name = |index: usize| format!("node-{index:06}");
    let width = (nodes / 50).max(1);
    let mut shape = Shape::new("bench");
    for index in 0..nodes {
        shape = shape.node(&name(index), 1, 1);
    }
    for index in width..nodes {
        let before = index / width * width - width;
        for step in 0..2 {
            shape = shape.needs(&name(index), &name(before + (index + step) % width));
        }
    }
    shape
}

/// What there is of `generation`, of which nothing was made yet.
fn nothing_of(generation: &Generation) -> Situation {
    let now = generation.created_at;
    Situation {
        now,
        record: record(&InfraId::from("bench"), now),
        generation: generation.clone(),
        topology: Topology::of(generation, &SimContext),
        instances: Vec::new(),
        closed: Vec::new(),
        late: Vec::new(),
        order: Order::Parallel,
        holds: Holds::default(),
        eager: Some(now),
    }
}

/// Plans the first pass.
fn plan_nodes(nodes: usize, times: usize) {
    let generation = layers(nodes).generation(Timestamp::UNIX_EPOCH);
    for _ in 0..times {
        assert_eq!(plan(&nothing_of(&generation), &Policy::default()).actions.len(), nodes);
    }
}

/// Plans to destroy what was made of all nodes.
fn destroy_nodes(nodes: usize, times: usize) {
    let generation = layers(nodes).generation(Timestamp::UNIX_EPOCH);
    let mut situation = nothing_of(&generation);
    situation.record.goal = Goal::Absent;
    let model = simulate(built_attempt());
    situation.instances = generation
        .infrastructure
        .nodes
        .iter()
        .map(|node| {
            let slot = Slot::new(&node.name, 1);
            let attempt = Attempt { id: AttemptId::from(node.name.as_str()), slot, ..model.clone() };
            Instance { attempt, verdict: None }
        })
        .collect();
    for _ in 0..times {
        assert_eq!(plan(&situation, &Policy::default()).actions.len(), nodes);
    }
}

/// Compares a description with one in which the dependencies are others and the last node has another name.
fn compare_nodes(nodes: usize, times: usize) {
    let old = layers(nodes).generation(Timestamp::UNIX_EPOCH);
    let mut new = old.clone();
    new.infrastructure.dependencies.pop();
    if let Some(last) = new.infrastructure.nodes.last_mut() {
        last.name = "another".to_owned();
    }
    for _ in 0..times {
        assert_eq!(between(&old, &new, &Renames::default()).len(), 3);
    }
}

/// Builds so many instances, half of them behind the other half, and destroys them.
async fn build_of(instances: usize) {
    let half = u32::try_from(instances / 2).unwrap_or(u32::MAX);
    let shape = Shape::new("bench").node("db", half, half).node("worker", half, half).needs("worker", "db");
    let world = World::new(1, at_once(), shape);
    let mut process = world.process(None);
    process.engine.health = Arc::new(AllWell);
    let built = world.perform_in(&process, Op::Build).await.expect("a store that works");
    assert_eq!(built, Done::Built(Built::Ready));
    let gone = world.perform_in(&process, Op::Destroy).await.expect("a store that works");
    assert_eq!(gone, Done::Demolished(Demolished::Gone));
}

fn record(infra: &InfraId, now: Timestamp) -> InfraRecord {
    InfraRecord {
        id: infra.clone(),
        name: "bench".to_owned(),
        goal: Goal::Present,
        generation: 1,
        targets: Default::default(),
        created_at: now,
        completed: false,
        closed_at: None,
        rollout: None,
        completed_before: None,
        names: Default::default(),
    }
}

/// Everybody is well.
struct AllWell;

#[async_trait]
impl HealthChecker for AllWell {
    async fn check(&self, _: &CheckTarget) -> Vec<CheckResult> {
        Vec::new()
    }
}

/// A cloud that answers at once.
fn at_once() -> Settings {
    Settings {
        latency: (Duration::ZERO, Duration::ZERO),
        boot: (Duration::ZERO, Duration::ZERO),
        visibility: Duration::ZERO,
        ..Settings::default()
    }
}

fn world(instances: u32) -> World {
    World::new(1, at_once(), Shape::new("bench").node("worker", 1, instances))
}

async fn pass_over(instances: usize, times: usize) {
    let world = world(u32::try_from(instances).unwrap_or(u32::MAX));
    assert_eq!(world.perform(Op::Build).await.expect("a store that works"), Done::Built(Built::Ready));
    multiply(&world, instances).await;
    for _ in 0..times {
        let mut process = world.process(None);
        process.engine.health = Arc::new(AllWell);
        let Done::Passed(pass) = world.perform_in(&process, Op::Maintain).await.expect("a store that works")
        else {
            unreachable!("looking after it is a pass")
        };
        assert!(pass.plan.is_empty() && pass.plan.notes.is_empty(), "{:?}", pass.plan.notes);
    }
    assert_eq!(world.cloud.alive().len(), instances);
}

async fn first_attempt(world: &World) -> Attempt {
    let attempts: Vec<(String, Attempt)> =
        read_all(&world.records, Table::Attempt, world.infra.as_str()).await.expect("a store that works");
    attempts.into_iter().next().expect("the instance that was built").1
}

/// The record of an instance that is ready.
async fn built_attempt() -> Attempt {
    let world = world(1);
    assert_eq!(world.perform(Op::Build).await.expect("a store that works"), Done::Built(Built::Ready));
    first_attempt(&world).await
}

/// Makes so many of the one instance, at the cloud and in the records, without building them.
async fn multiply(world: &World, instances: usize) {
    let model = first_attempt(world).await;
    let mut writes = Vec::new();
    for index in 2..=u32::try_from(instances).unwrap_or(u32::MAX) {
        let mut attempt = model.clone();
        attempt.id = AttemptId::from(format!("attempt-{index}").as_str());
        attempt.node_id = NodeId::from(format!("node-{index}").as_str());
        attempt.slot = Slot::new("worker", index);
        let identity = Identity {
            store: world.records.id().clone(),
            infra: world.infra.clone(),
            slot: attempt.slot.clone(),
            node_id: attempt.node_id.clone(),
            attempt: attempt.id.clone(),
        };
        let machine = world.cloud.plant(identity);
        let seen = world.cloud.address(&machine).expect("the machine that was planted");
        attempt.provider_id = Some(ProviderId::plain(machine));
        attempt.addresses = vec![seen];
        let key = Key::new(Table::Attempt, world.infra.as_str(), attempt.id.as_str());
        writes.push(Write::Put(key, encode(&attempt)));
    }
    let mut record = world.record().await.expect("a store that works").expect("what was built");
    record.targets.insert("worker".to_owned(), u32::try_from(instances).unwrap_or(u32::MAX));
    writes.push(Write::Put(infra_key(&world.infra), encode(&record)));
    world.records.commit(Batch { expect: Vec::new(), writes }).await.expect("a store that works");
}

/// A store that counts what is written.
struct Counting {
    store: Arc<dyn Store>,
    batches: AtomicUsize,
    bytes: AtomicUsize,
    journal: AtomicUsize,
}

#[async_trait]
impl Store for Counting {
    fn id(&self) -> &StoreId {
        self.store.id()
    }

    fn location(&self) -> String {
        self.store.location()
    }

    async fn read(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        self.store.read(key).await
    }

    async fn list(&self, table: Table, scope: &str, after: &str) -> Result<Vec<Record>, StoreError> {
        self.store.list(table, scope, after).await
    }

    async fn commit(&self, batch: Batch) -> Result<(), StoreError> {
        self.batches.fetch_add(1, Ordering::Relaxed);
        for write in &batch.writes {
            let (table, bytes) = match write {
                Write::Put(key, value) => (key.table, value.to_string().len()),
                Write::Append(table, _, value) => (*table, value.to_string().len()),
                Write::Delete(key) => (key.table, 0),
            };
            self.bytes.fetch_add(bytes, Ordering::Relaxed);
            if table == Table::Journal {
                self.journal.fetch_add(bytes, Ordering::Relaxed);
            }
        }
        self.store.commit(batch).await
    }
}

async fn journal_of(instances: usize) {
    let mut world = world(u32::try_from(instances).unwrap_or(u32::MAX));
    world.shape =
        world.shape.clone().scaling("worker", u32::try_from(instances).unwrap_or(u32::MAX), u32::MAX);
    let Process { mut engine, life, options } = world.process(None);
    let counting = Arc::new(Counting {
        store: engine.store.clone(),
        batches: AtomicUsize::new(0),
        bytes: AtomicUsize::new(0),
        journal: AtomicUsize::new(0),
    });
    (engine.store, engine.health) = (counting.clone(), Arc::new(AllWell));
    let process = Process { engine, life, options };
    let done = world.perform_in(&process, Op::Build).await.expect("a store that works");
    assert_eq!(done, Done::Built(Built::Ready));
    let each = |counter: &AtomicUsize| counter.load(Ordering::Relaxed) as f64 / instances as f64;
    println!(
        "{:.2} batches {:.0} bytes {:.0} journal bytes per instance",
        each(&counting.batches),
        each(&counting.bytes),
        each(&counting.journal)
    );
}
