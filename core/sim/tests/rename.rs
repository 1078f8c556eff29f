//! Nodes that get other names: nothing is made or destroyed because of that, wherever a process dies over it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests may do what tests may")]

use std::collections::{BTreeMap, BTreeSet};

use occopus_engine::control::{Built, request_scaling};
use occopus_engine::hold::{HoldKind, holds};
use occopus_engine::ids::{AttemptId, Slot};
use occopus_engine::journal::encode;
use occopus_engine::record::{Generation, Rollout, ScaleChange, ScaleRequest};
use occopus_engine::store::{Batch, Table, Write};
use occopus_sim::{Crash, Deed, Done, Op, Settings, Shape, When, World, simulate};
use serde_json::json;

/// How many random infrastructures get other names.
const SEEDS: u64 = 2_000;

fn shape() -> Shape {
    Shape::new("shop")
        .node("db", 1, 1)
        .node("worker", 3, 9)
        .with("worker", json!({"asks": ["db"]}))
        .needs("worker", "db")
}

fn seeds() -> u64 {
    std::env::var("SIM_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(SEEDS)
}

async fn built(shape: Shape, seed: u64) -> World {
    let world = World::new(seed, Settings::default(), shape);
    assert_eq!(world.perform(Op::Build).await.unwrap(), Done::Built(Built::Ready));
    world
}

/// What lives at the cloud.
fn machines(world: &World) -> BTreeSet<String> {
    world.ours(world.cloud.alive()).into_iter().map(|machine| machine.id).collect()
}

/// The slots of what lives, as they are called now.
async fn slots(world: &World) -> BTreeMap<AttemptId, Slot> {
    let live = world.attempts().await.unwrap().into_iter().filter(|attempt| !attempt.is_closed());
    live.map(|attempt| (attempt.id, attempt.slot)).collect()
}

/// The nodes of what lives, each as often as it has instances.
async fn nodes(world: &World) -> Vec<String> {
    let mut nodes: Vec<String> = slots(world).await.into_values().map(|slot| slot.node).collect();
    nodes.sort();
    nodes
}

#[test]
fn targets_holds_and_waiting_requests_go_with_the_node() {
    simulate(async {
        let world = built(shape(), 1).await;
        world.perform(Op::Scale("worker".to_owned(), vec![ScaleChange::Add(1)])).await.unwrap();
        world.perform(Op::Hold(HoldKind::Protect, Some("worker".to_owned()))).await.unwrap();
        let before = machines(&world);
        let process = world.process(None);
        request_scaling(&process.engine, &world.infra, "worker", &[ScaleChange::Add(1)]).await.unwrap();
        world.perform(Op::Change(shape().renamed(&[("worker", "web")]))).await.unwrap();
        let now = world.process(None).engine.clock.wall();
        let held = holds(&world.records, &world.infra, now).await.unwrap();
        assert!(held.protection("web").is_some() && held.protection("worker").is_none());
        assert!(before.is_subset(&machines(&world)));
        assert_eq!(nodes(&world).await, ["db", "web", "web", "web", "web", "web"]);
        world.perform(Op::Lift(HoldKind::Protect, Some("web".to_owned()))).await.unwrap();
        let held = holds(&world.records, &world.infra, now).await.unwrap();
        assert!(held.any_protection().is_none());
        world.check_settled().await.unwrap();
    });
}

#[test]
fn a_request_of_somebody_who_knew_the_old_name_only_is_not_lost() {
    simulate(async {
        let world = built(shape(), 1).await;
        let process = world.process(None);
        let request = ScaleRequest {
            node: "worker".to_owned(),
            change: ScaleChange::Add(1),
            at: process.engine.clock.wall(),
            epoch: 0,
        };
        let write = Write::Append(Table::Scaling, world.infra.to_string(), encode(&request));
        let batch = || Batch { expect: Vec::new(), writes: vec![write.clone()] };
        // The first one is written before the names change, the second one at the same time.
        process.engine.store.commit(batch()).await.unwrap();
        world.perform(Op::Change(shape().renamed(&[("worker", "db"), ("db", "worker")]))).await.unwrap();
        process.engine.store.commit(batch()).await.unwrap();
        world.perform(Op::Maintain).await.unwrap();
        assert_eq!(nodes(&world).await, ["db", "db", "db", "db", "db", "worker"]);
        world.check_settled().await.unwrap();
    });
}

#[test]
fn a_rename_that_dies_at_any_write_leaves_all_old_or_all_new_names() {
    for when in [When::Before, When::After] {
        for at in 1.. {
            let crashed = simulate(async {
                let world = built(shape(), at as u64).await;
                let (before, calls) = (machines(&world), world.cloud.changing_calls());
                let change = Op::Change(shape().renamed(&[("worker", "web"), ("db", "worker")]));
                let crash = Crash { deed: Deed::Write, at, when };
                let crashed = world.perform_until(crash, change).await.is_none();
                let found = nodes(&world).await;
                let old = found == ["db", "worker", "worker", "worker"];
                assert!(old || found == ["web", "web", "web", "worker"], "crash {when:?} {at}: {found:?}");
                world.perform(Op::Maintain).await.unwrap();
                assert_eq!((machines(&world), world.cloud.changing_calls()), (before, calls));
                world.check_settled().await.unwrap();
                crashed
            });
            if !crashed {
                assert!(at > 1);
                break;
            }
        }
    }
}

#[test]
fn a_failing_change_gives_the_old_names_back_wherever_it_dies() {
    let failing = || {
        let shape = shape().renamed(&[("worker", "web"), ("db", "store")]);
        shape.node("worker", 1, 1).with("worker", json!({"broken": true}))
    };
    for at in 1.. {
        let crashed = simulate(async {
            let world = built(shape(), at as u64).await;
            let before = machines(&world);
            let crash = Crash { deed: Deed::Write, at, when: When::After };
            let crashed = world.perform_until(crash, Op::Change(failing())).await.is_none();
            assert!(before.is_subset(&machines(&world)), "what ran before stays");
            let record = world.record().await.unwrap().unwrap();
            let old = record.generation == 1;
            let expected = if old { ["db", "worker"] } else { ["store", "web"] };
            let found = nodes(&world).await;
            assert!(expected.iter().all(|node| found.contains(&(*node).to_owned())), "{at}: {found:?}");
            if old {
                world.perform(Op::Maintain).await.unwrap();
            } else {
                // The name 'worker' is that of the node that cannot be built.
                let mended = shape().renamed(&[("worker", "web"), ("db", "store")]);
                world.perform(Op::Change(mended.renamed(&[("web", "site"), ("store", "db")]))).await.unwrap();
            }
            assert_eq!(machines(&world), before);
            let worker = if old { "worker" } else { "site" };
            assert_eq!(nodes(&world).await.iter().filter(|node| *node == worker).count(), 3);
            world.check_settled().await.unwrap();
            crashed
        });
        if !crashed {
            assert!(at > 5, "only {at} writes");
            break;
        }
    }
}

#[test]
fn a_rename_with_a_change_replaces_what_differs_under_its_new_name() {
    simulate(async {
        let world = built(shape(), 1).await;
        let change = shape().renamed(&[("worker", "web")]).version("web", 2);
        world.perform(Op::Renew(change, Rollout::default())).await.unwrap();
        assert_eq!(nodes(&world).await, ["db", "web", "web", "web"]);
        assert_eq!(world.cloud.audit().len(), 7, "three were replaced, and nothing else");
        world.check_settled().await.unwrap();
    });
}

/// Random infrastructures get random names, while processes die and calls go wrong.
#[test]
fn whatever_happens_other_names_change_no_machine() {
    let mut renamed = 0;
    for seed in 0..seeds() {
        let shape = Shape::random(&mut fastrand::Rng::with_seed(seed));
        renamed += usize::from(simulate(async {
            let mut rng = fastrand::Rng::with_seed(seed);
            let mut world = World::new(seed, Settings::default(), shape.clone());
            world.same_machine = rng.bool();
            if world.perform(Op::Build).await.unwrap() != Done::Built(Built::Ready) {
                return false;
            }
            let (before, calls) = (machines(&world), world.cloud.changing_calls());
            let names = slots(&world).await;
            let mut current = shape.clone();
            for _ in 0..rng.usize(1..4) {
                let when = if rng.bool() { When::Before } else { When::After };
                let crash = Crash { deed: Deed::Write, at: rng.usize(1..9), when };
                let other = current.called_otherwise(&mut rng);
                let in_force = world.record().await.unwrap().unwrap().generation;
                let hints = |generation: Generation| generation.infrastructure.moved;
                let followed = hints(world.generation(in_force).await.unwrap());
                if hints(other.generation(world.clock.wall())).iter().any(|hint| followed.contains(hint)) {
                    // A hint is followed once.
                    continue;
                }
                drop(world.perform_until(crash, Op::Change(other.clone())).await);
                world.perform(Op::Maintain).await.unwrap();
                let found = (machines(&world), world.cloud.changing_calls());
                assert_eq!(found, (before.clone(), calls), "seed {seed}");
                if world.record().await.unwrap().unwrap().generation > in_force {
                    current = other;
                }
            }
            world.check_settled().await.unwrap_or_else(|found| panic!("seed {seed}: {found}"));
            slots(&world).await != names
        }));
    }
    assert!(renamed as u64 >= seeds() / 4, "only {renamed} got other names");
}
