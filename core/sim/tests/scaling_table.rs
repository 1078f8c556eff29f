//! The scaling table: a number of instances, requests registered before a pass, and what a person would
//! expect after it and after every pass that follows. Occopus 1.10 removed too many in four of these cases.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests may do what tests may")]

use occopus_engine::control::{request_scaling, waiting_requests};
use occopus_engine::journal::encode;
use occopus_engine::record::ScaleChange::{self, Add, Remove, RemoveInstance, Set};
use occopus_engine::record::ScaleRequest;
use occopus_engine::store::{Batch, Store, Table, Write};
use occopus_sim::{Machine, Op, Settings, Shape, World, simulate};

/// How a case names the instance it wants removed, and one that there is not.
const ONE: &str = "ONE";
const NOBODY: &str = "5d3c1c0e-0000-4000-8000-000000000000";

struct Case {
    name: &'static str,
    start: u32,
    limits: (u32, u32),
    changes: Vec<ScaleChange>,
    /// Whether an instance that nobody named has stopped.
    failed: bool,
    expected: u32,
}

fn case(name: &'static str, start: u32, changes: Vec<ScaleChange>, expected: u32) -> Case {
    Case { name, start, limits: (1, 9), changes, failed: false, expected }
}

fn cases() -> Vec<Case> {
    let one = || RemoveInstance(ONE.to_owned());
    vec![
        case("3, create 2", 3, vec![Add(1), Add(1)], 5),
        case("5, anonymous 2", 5, vec![Remove(1), Remove(1)], 3),
        case("5, one id", 5, vec![one()], 4),
        case("5, one id + one anonymous", 5, vec![one(), Remove(1)], 3),
        case("5, create 1 + one id", 5, vec![Add(1), one()], 5),
        case("5, create 1 + one anonymous", 5, vec![Add(1), Remove(1)], 5),
        case("5, same id twice", 5, vec![one(), one()], 4),
        Case { failed: true, ..case("5, one instance failed + one anonymous", 5, vec![Remove(1)], 4) },
        case("5, unknown id", 5, vec![RemoveInstance(NOBODY.to_owned())], 5),
        Case { limits: (4, 9), ..case("5 with min 4, anonymous 4", 5, vec![Remove(4)], 4) },
        Case { limits: (1, 5), ..case("5 with max 5, create 3", 5, vec![Add(3)], 5) },
        case("scale to 20 with max 9", 5, vec![Set(20)], 9),
        // Not in the table of the original, which has no such mixtures.
        case("5, one id, then exactly 5", 5, vec![one(), Set(5)], 5),
        case("5, exactly 3, then one id", 5, vec![Set(3), one()], 2),
    ]
}

fn workers(world: &World) -> Vec<Machine> {
    let mut alive = world.cloud.alive();
    alive.retain(|machine| machine.identity.slot.node == "worker");
    alive
}

/// Registers the requests of a case as a user would. Only one who was too late can name an instance that
/// there is not: others are refused.
async fn register(world: &World, changes: &[ScaleChange]) {
    let engine = world.process(None).engine;
    for change in changes {
        if *change == RemoveInstance(NOBODY.to_owned()) {
            let refused = request_scaling(&engine, &world.infra, "worker", std::slice::from_ref(change));
            assert!(refused.await.unwrap_err().to_string().contains("no instance"));
            let request = ScaleRequest {
                node: "worker".into(),
                change: change.clone(),
                at: world.clock.wall(),
                epoch: 0,
            };
            let write = Write::Append(Table::Scaling, world.infra.to_string(), encode(&request));
            world.records.commit(Batch { expect: Vec::new(), writes: vec![write] }).await.unwrap();
        } else {
            request_scaling(&engine, &world.infra, "worker", std::slice::from_ref(change)).await.unwrap();
        }
    }
}

async fn play(number: usize, case: &Case) {
    let Case { name, .. } = case;
    let (min, max) = case.limits;
    let shape = Shape::new("shop").node("db", 1, 1).node("worker", min, max).needs("worker", "db");
    let world = World::new(number as u64, Settings::default(), shape);
    world.perform(Op::Build).await.unwrap();
    world.perform(Op::Scale("worker".into(), vec![Set(case.start)])).await.unwrap();
    assert_eq!(workers(&world).len(), case.start as usize);
    let named = workers(&world)[0].clone();
    if case.failed {
        world.cloud.stop(&workers(&world)[1].id);
    }
    let one = RemoveInstance(ONE.to_owned());
    let in_full = |change: &ScaleChange| match change {
        change if *change == one => RemoveInstance(named.identity.node_id.to_string()),
        other => other.clone(),
    };
    register(&world, &case.changes.iter().map(in_full).collect::<Vec<_>>()).await;

    for pass in 1..=3 {
        world.perform(Op::Maintain).await.unwrap();
        assert_eq!(workers(&world).len(), case.expected as usize, "{name}: after pass {pass}");
    }
    let engine = world.process(None).engine;
    assert!(waiting_requests(&engine, &world.infra).await.unwrap().is_empty(), "{name}: all are consumed");
    let record = world.record().await.unwrap().unwrap();
    assert_eq!(record.targets["worker"], case.expected, "{name}: the stored number is the effective one");
    let lives = workers(&world).iter().any(|machine| machine.id == named.id);
    assert_eq!(lives, !case.changes.contains(&one), "{name}: exactly the named instance goes");
    world.check_settled().await.unwrap_or_else(|found| panic!("{name}: {found}"));
}

#[test]
fn the_scaling_table() {
    for (number, case) in cases().iter().enumerate() {
        simulate(play(number, case));
    }
}
