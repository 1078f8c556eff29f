//! Random histories: operations, faults, crashes, interruptions and accidents in any order. Once the
//! faults have ended and a maintainer has come by, everything must be as it was asked for.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests may do what tests may")]

use std::time::Duration;

use occopus_engine::error::EngineError;
use occopus_engine::handler::Identity;
use occopus_engine::ids::{AttemptId, InfraId, NodeId, Slot, StoreId};
use occopus_engine::plan::Order;
use occopus_engine::record::{Goal, ScaleChange};
use occopus_sim::{Call, Crash, Fault, Op, Settings, Shape, When, World, simulate};

/// How many histories; `SIM_SEEDS` asks for more, `SIM_SEED` for a single one.
const HISTORIES: u64 = 300;

fn shape() -> Shape {
    Shape::new("shop")
        .node("db", 1, 2)
        .node("worker", 2, 9)
        .node("front", 1, 1)
        .node("log", 1, 3)
        .needs("worker", "db")
        .needs("front", "worker")
}

fn other_shape(rng: &mut fastrand::Rng) -> Shape {
    match rng.u32(..4) {
        0 => shape().without("log").node("cache", 2, 2).needs("cache", "db"),
        1 => shape().scaling("worker", 1, 2),
        2 => shape().without("front").without("log"),
        _ => shape().node("broken", 1, 1).with("broken", serde_json::json!({"broken": true})),
    }
}

fn settings(rng: &mut fastrand::Rng) -> Settings {
    Settings {
        idempotent: rng.bool(),
        visibility: Duration::from_secs(rng.u64(0..20)),
        chaos: [0, 5, 15, 40][rng.usize(..4)],
        quota: if rng.u32(..5) == 0 { 4 } else { usize::MAX },
        ..Settings::default()
    }
}

fn foreigner(world: &World) -> Identity {
    Identity {
        store: StoreId::from("another store"),
        infra: InfraId::from(world.infra.as_str()),
        slot: Slot::new("worker", 1),
        node_id: NodeId::from("n"),
        attempt: AttemptId::from("a"),
    }
}

/// Something that happens without anybody having asked for it.
async fn accident(world: &World, rng: &mut fastrand::Rng) {
    let alive = world.ours(world.cloud.alive());
    if let Some(machine) = rng.choice(&alive) {
        match rng.u32(..4) {
            0 => world.cloud.kill(&machine.id),
            1 => world.cloud.stop(&machine.id),
            2 => world.cloud.set_healthy(&machine.id, false),
            _ => world.cloud.inject(Call::Create, [Fault::Late(Duration::from_secs(rng.u64(1..300)))]),
        }
    }
    world.wait(Duration::from_secs(rng.u64(0..900))).await;
}

fn operation(rng: &mut fastrand::Rng) -> Op {
    match rng.u32(..12) {
        0..3 => Op::Build,
        3..7 => Op::Maintain,
        7 => Op::Change(other_shape(rng)),
        8 => Op::Destroy,
        _ => {
            let change = match rng.u32(..4) {
                0 => ScaleChange::Add(rng.u32(1..4)),
                1 => ScaleChange::Remove(rng.u32(1..4)),
                2 => ScaleChange::Set(rng.u32(1..6)),
                _ => ScaleChange::RemoveInstance(format!("worker/{}", rng.u32(1..5))),
            };
            Op::Scale("worker".to_owned(), vec![change])
        }
    }
}

/// Does something, and sometimes dies or is interrupted while doing it.
async fn act(world: &World, rng: &mut fastrand::Rng) -> Result<(), String> {
    let op = operation(rng);
    let done = match rng.u32(..3) {
        0 => {
            let when = if rng.bool() { When::Before } else { When::After };
            world.perform_until(Crash::at_write(rng.usize(1..60), when), op).await
        }
        1 => {
            let process = world.process(None);
            let stop = process.options.stop.clone();
            let clock = world.clock.clone();
            let after = Duration::from_millis(rng.u64(0..60_000));
            let interrupt = async {
                clock.sleep(after).await;
                stop.cancel();
                std::future::pending::<()>().await
            };
            tokio::select! {
                biased;
                done = world.perform_in(&process, op) => Some(done),
                () = interrupt => None,
            }
        }
        _ => Some(world.perform(op).await),
    };
    match done {
        // An unknown infrastructure, or a request that makes no sense, changes nothing.
        None
        | Some(
            Ok(_)
            | Err(
                EngineError::UnknownInfrastructure { .. }
                | EngineError::Description(_)
                | EngineError::Stopped { .. },
            ),
        ) => Ok(()),
        Some(Err(error)) => Err(error.to_string()),
    }
}

/// An interrupted change to a description that cannot be carried out is followed by one that can.
async fn mend(world: &World) -> Result<(), EngineError> {
    let Some(record) = world.record().await?.filter(|record| record.goal == Goal::Present) else {
        return Ok(());
    };
    if world.generation(record.generation).await?.infrastructure.node("broken").is_some() {
        world.cloud.calm();
        world.perform(Op::Change(shape())).await?;
    }
    Ok(())
}

async fn history(seed: u64) -> Result<(), String> {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut world = World::new(seed, settings(&mut rng), shape());
    world.same_machine = rng.bool();
    world.order = if rng.u32(..4) == 0 { Order::Sequential } else { Order::Parallel };
    let foreign = world.cloud.plant(foreigner(&world));
    for _ in 0..rng.u32(3..9) {
        act(&world, &mut rng).await?;
        world.check_always().await.map_err(|found| found.to_string())?;
        if rng.bool() {
            accident(&world, &mut rng).await;
        }
    }
    for machine in world.cloud.alive() {
        world.cloud.set_healthy(&machine.id, true);
    }
    world.cloud.change(|settings| settings.quota = usize::MAX);
    mend(&world).await.map_err(|error| error.to_string())?;
    world.settle().await.map_err(|error| error.to_string())?;
    world.check_settled().await.map_err(|found| format!("settled: {found}"))?;
    if world.record().await.map_err(|error| error.to_string())?.is_some() {
        world.perform(Op::Destroy).await.map_err(|error| error.to_string())?;
        world.check_settled().await.map_err(|found| format!("destroyed: {found}"))?;
    }
    if world.cloud.alive().iter().any(|machine| machine.id == foreign) {
        Ok(())
    } else {
        Err("a machine of another store was destroyed".to_owned())
    }
}

#[test]
fn whatever_happens_everything_is_in_order_in_the_end() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seeds = match number("SIM_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("SIM_SEEDS").unwrap_or(HISTORIES),
    };
    let mut failures = Vec::new();
    for seed in seeds {
        if let Err(found) = simulate(history(seed)) {
            failures.push(format!("{found}\n  SIM_SEED={seed} cargo test -p occopus-sim --test histories"));
        }
    }
    assert!(failures.is_empty(), "{} histories end badly:\n{}", failures.len(), failures.join("\n"));
}
