//! A process that dies at any write or call, and the one that comes after it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests may do what tests may")]

use std::time::Duration;

use occopus_engine::record::{Goal, ScaleChange};
use occopus_sim::{Crash, Deed, Done, Op, Settings, Shape, When, World, simulate};

fn shape() -> Shape {
    Shape::new("shop")
        .node("db", 1, 1)
        .node("worker", 2, 9)
        .node("front", 1, 1)
        .needs("worker", "db")
        .needs("front", "worker")
}

/// What comes before the operation that is crashed, and that operation.
struct Case {
    before: Vec<Op>,
    op: Op,
}

/// Every deed at which a process can die, before or after it, with what it may still do.
fn ways_to_die() -> impl Iterator<Item = (Deed, When)> {
    let deeds = [Deed::Write, Deed::Call].into_iter();
    deeds.flat_map(|deed| [When::Before, When::After].map(|when| (deed, when)))
}

/// Crashes `case.op` at every write and call, before and after it, and lets the next process bring things
/// in order.
fn crash_everywhere(case: &Case, idempotent: bool, same_machine: bool) {
    let settings = Settings { idempotent, ..Settings::default() };
    let world = |seed| {
        let mut world = World::new(seed, settings.clone(), shape());
        world.same_machine = same_machine;
        world
    };
    let mut points = 0;
    for (deed, when) in ways_to_die() {
        for at in 1.. {
            let crashed = simulate(async {
                let world = world(at as u64);
                for op in &case.before {
                    world.perform(op.clone()).await.unwrap();
                }
                let crashed = world.perform_until(Crash { deed, at, when }, case.op.clone()).await.is_none();
                let place = format!("crash {when:?} {deed:?} {at} of {:?}", case.op);
                world.check_always().await.unwrap_or_else(|found| panic!("{place}: {found}"));
                recover(&world, &case.op).await;
                world.check_settled().await.unwrap_or_else(|found| panic!("{place}, recovered: {found}"));
                world.perform(Op::Destroy).await.unwrap();
                world.check_settled().await.unwrap_or_else(|found| panic!("{place}, destroyed: {found}"));
                crashed
            });
            if !crashed {
                break;
            }
            points += 1;
        }
    }
    assert!(points > 10, "the operation has only {points} crash points");
}

/// A maintainer comes by, as `occopus watch` would; only what was never begun needs its command again.
async fn recover(world: &World, op: &Op) {
    match world.record().await.unwrap() {
        None => drop(world.perform(Op::Build).await.unwrap()),
        Some(record) => {
            world.perform(Op::Maintain).await.unwrap();
            if matches!(op, Op::Destroy) && record.goal == Goal::Present {
                assert_ne!(world.cloud.alive().len(), 0, "nothing is destroyed before that is the goal");
                world.perform(Op::Destroy).await.unwrap();
            }
        }
    }
}

#[test]
fn quirk_38_a_build_that_dies_anywhere_is_finished_by_the_next_pass() {
    for idempotent in [true, false] {
        crash_everywhere(&Case { before: vec![], op: Op::Build }, idempotent, true);
    }
    crash_everywhere(&Case { before: vec![], op: Op::Build }, true, false);
}

#[test]
fn scaling_that_dies_anywhere_is_finished_by_the_next_pass() {
    for change in [ScaleChange::Add(3), ScaleChange::Set(1), ScaleChange::RemoveInstance("worker/1".into())] {
        let op = Op::Scale("worker".into(), vec![change]);
        let up = Op::Scale("worker".into(), vec![ScaleChange::Set(4)]);
        crash_everywhere(&Case { before: vec![Op::Build, up], op }, false, true);
    }
}

#[test]
fn a_destroy_that_dies_anywhere_is_finished_by_the_next_pass() {
    crash_everywhere(&Case { before: vec![Op::Build], op: Op::Destroy }, true, true);
    crash_everywhere(&Case { before: vec![Op::Build], op: Op::Destroy }, false, false);
}

#[test]
fn a_change_that_dies_anywhere_is_finished_by_the_next_pass() {
    let change = shape().without("front").node("cache", 2, 2).needs("cache", "db").scaling("worker", 1, 1);
    crash_everywhere(&Case { before: vec![Op::Build], op: Op::Change(change) }, false, true);
}

#[test]
fn a_change_that_fails_and_dies_anywhere_harms_nothing() {
    let broken =
        shape().without("front").node("cache", 1, 1).with("cache", serde_json::json!({"broken": true}));
    for (deed, when) in ways_to_die() {
        for at in 1.. {
            let crashed = simulate(async {
                let world = World::new(3, Settings::default(), shape());
                world.perform(Op::Build).await.unwrap();
                let before: Vec<String> = world.cloud.alive().into_iter().map(|machine| machine.id).collect();
                let crashed =
                    world.perform_until(Crash { deed, at, when }, Op::Change(broken.clone())).await.is_none();
                world.perform(Op::Maintain).await.unwrap();
                world.perform(Op::Maintain).await.unwrap();
                let after: Vec<String> = world.cloud.alive().into_iter().map(|machine| machine.id).collect();
                assert_eq!(before, after, "crash {when:?} {deed:?} {at}");
                crashed
            });
            if !crashed {
                break;
            }
        }
    }
}

#[test]
fn a_crash_without_its_own_lease_does_not_need_the_dead_process() {
    simulate(async {
        let mut world = World::new(5, Settings::default(), shape());
        world.same_machine = false;
        let begun = world.perform_until(Crash::at_write(9, When::After), Op::Build).await;
        assert!(begun.is_none());
        let start = world.clock.monotonic();
        assert!(matches!(world.perform(Op::Maintain).await.unwrap(), Done::Passed(_)));
        let waited = world.clock.monotonic() - start;
        assert!(waited >= world.policy.lease, "a lease of another machine is respected until it has run out");
        world.check_settled().await.unwrap();
    });
}

/// The process dies while its create call is under way; the call takes effect later, as real ones do.
#[test]
fn a_call_that_outlives_its_process_is_waited_for() {
    for seed in 0..20 {
        simulate(async {
            let slow = (Duration::from_secs(20), Duration::from_secs(28));
            let settings =
                Settings { idempotent: false, visibility: Duration::from_secs(1), ..Settings::default() };
            let world =
                World::new(seed, Settings { latency: slow, ..settings }, Shape::new("one").node("db", 1, 1));
            tokio::select! {
                _ = world.perform(Op::Build) => panic!("the call takes longer"),
                () = world.wait(Duration::from_secs(1)) => {}
            }
            world.cloud.change(|settings| settings.latency = Default::default());
            world.perform(Op::Maintain).await.unwrap();
            world.calm_down().await;
            assert_eq!(world.cloud.audit().len(), 1, "no second machine while the first is on its way");
            world.check_settled().await.unwrap();
        });
    }
}
