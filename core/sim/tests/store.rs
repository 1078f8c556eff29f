//! A store that fails at any write, and says so or not. The process lives on and tries again.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests may do what tests may")]

use occopus_engine::error::EngineError;
use occopus_engine::record::{Goal, ScaleChange};
use occopus_engine::store::StoreError;
use occopus_sim::{Op, Process, Settings, Shape, StoreFault, World, simulate};

fn shape() -> Shape {
    Shape::new("shop").node("db", 1, 1).node("worker", 2, 9).needs("worker", "db")
}

/// A process that waits until the lease it may have left behind has run out.
fn patient(world: &World) -> Process {
    let mut process = world.process(None);
    process.options.patience = world.policy.lease * 4 / 3;
    process
}

/// Lets the store fail at every write of `op`, one after the other, and has the same process go on.
fn fail_everywhere(before: &[Op], op: &Op) {
    let mut points = 0;
    for fault in StoreFault::ALL {
        for at in 1.. {
            let reached = simulate(async {
                let world = World::new(at as u64, Settings::default(), shape());
                for op in before {
                    world.perform(op.clone()).await.unwrap();
                }
                let process = patient(&world);
                process.life.fail_write(at, fault);
                let place = format!("{fault:?} at write {at} of {op:?}");
                let result = world.perform_in(&process, op.clone()).await;
                if process.life.commits() < at {
                    return false;
                }
                world.check_always().await.unwrap_or_else(|found| panic!("{place}: {found}"));
                match result {
                    Err(EngineError::Store(StoreError::UnknownOutcome(_))) => {
                        let more = process.life.commits() - at;
                        assert!(
                            more <= 1,
                            "{place}: {more} writes of one who does not know what is recorded"
                        );
                    }
                    Ok(_) | Err(EngineError::Store(StoreError::Failed(_))) => {}
                    Err(other) => panic!("{place}: {other}"),
                }
                go_on(&world, &process, op).await;
                world.check_settled().await.unwrap_or_else(|found| panic!("{place}, tried again: {found}"));
                world.perform_in(&process, Op::Destroy).await.unwrap();
                world.check_settled().await.unwrap_or_else(|found| panic!("{place}, destroyed: {found}"));
                true
            });
            if !reached {
                break;
            }
            points += 1;
        }
    }
    assert!(points > 15, "the operation has only {points} writes");
}

/// The process looks after everything; only what was never begun needs its command again.
async fn go_on(world: &World, process: &Process, op: &Op) {
    match world.record().await.unwrap() {
        None => drop(world.perform_in(process, Op::Build).await.unwrap()),
        Some(record) => {
            world.perform_in(process, Op::Maintain).await.unwrap();
            if matches!(op, Op::Destroy) && record.goal == Goal::Present {
                world.perform_in(process, Op::Destroy).await.unwrap();
            }
        }
    }
}

#[test]
fn a_build_goes_on_after_any_write_that_failed() {
    fail_everywhere(&[], &Op::Build);
}

#[test]
fn a_destroy_goes_on_after_any_write_that_failed() {
    fail_everywhere(&[Op::Build], &Op::Destroy);
}

#[test]
fn scaling_goes_on_after_any_write_that_failed() {
    let op = Op::Scale("worker".into(), vec![ScaleChange::Set(4)]);
    fail_everywhere(&[Op::Build], &op);
}
