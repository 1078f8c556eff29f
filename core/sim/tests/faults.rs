//! Calls that go wrong before or after their effect: nothing is lost, and nothing is made twice.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests may do what tests may")]

use std::time::Duration;

use occopus_engine::control::{Built, Demolished};
use occopus_engine::handler::ErrorKind;
use occopus_sim::{Call, Done, Fault, Op, Settings, Shape, World, simulate};

fn shape() -> Shape {
    Shape::new("shop").node("db", 1, 1).node("worker", 2, 9).needs("worker", "db")
}

fn world(idempotent: bool) -> World {
    World::new(1, Settings { idempotent, ..Settings::default() }, shape())
}

fn faults() -> Vec<Fault> {
    let refusals = [
        ErrorKind::Throttled,
        ErrorKind::Quota,
        ErrorKind::Auth,
        ErrorKind::Invalid,
        ErrorKind::NotFound,
        ErrorKind::Transient,
    ];
    let mut faults: Vec<Fault> = refusals.into_iter().map(Fault::Refuse).collect();
    faults.extend([Fault::AnswerLost, Fault::Hang, Fault::HangAfterEffect]);
    faults.extend([1, 4, 40, 400].map(|seconds| Fault::Late(Duration::from_secs(seconds))));
    faults
}

#[test]
fn every_fault_of_a_create_call_is_recovered_from() {
    for idempotent in [true, false] {
        for fault in faults() {
            simulate(async {
                let world = world(idempotent);
                world.cloud.inject(Call::Create, [fault]);
                world.perform(Op::Build).await.unwrap();
                world.check_always().await.unwrap();
                world.settle().await.unwrap();
                world.check_settled().await.unwrap_or_else(|found| panic!("{fault:?}: {found}"));
                world.perform(Op::Destroy).await.unwrap();
                world.check_settled().await.unwrap_or_else(|found| panic!("{fault:?}, destroyed: {found}"));
            });
        }
    }
}

#[test]
fn every_fault_of_a_replay_is_recovered_from() {
    for (seed, fault) in (0..8).flat_map(|seed| faults().into_iter().map(move |fault| (seed, fault))) {
        simulate(async {
            // Listings miss the machine for long, so that the engine has to send its request again.
            let settings = Settings { visibility: Duration::from_secs(120), ..Settings::default() };
            let world = World::new(seed, settings, shape());
            world.cloud.inject(Call::Create, [Fault::HangAfterEffect, fault]);
            world.perform(Op::Build).await.unwrap();
            world.settle().await.unwrap();
            world.check_settled().await.unwrap_or_else(|found| panic!("{fault:?}: {found}"));
            assert_eq!(world.cloud.audit().len(), 3, "{fault:?}: the first call's machine is kept");
        });
    }
}

#[test]
fn an_answer_that_got_lost_costs_no_second_machine() {
    for (idempotent, fault) in [
        (true, Fault::AnswerLost),
        (true, Fault::HangAfterEffect),
        (false, Fault::AnswerLost),
        (false, Fault::HangAfterEffect),
    ] {
        simulate(async {
            let world = world(idempotent);
            world.cloud.inject(Call::Create, [fault]);
            assert_eq!(world.perform(Op::Build).await.unwrap(), Done::Built(Built::Ready));
            assert_eq!(world.cloud.audit().len(), 3, "{fault:?}");
            world.check_settled().await.unwrap();
        });
    }
}

#[test]
fn every_fault_of_a_destroy_call_is_recovered_from() {
    for fault in faults() {
        simulate(async {
            let world = world(true);
            world.perform(Op::Build).await.unwrap();
            world.cloud.inject(Call::Destroy, [fault]);
            let done = world.perform(Op::Destroy).await.unwrap();
            let alive = world.cloud.alive();
            assert_eq!(
                done == Done::Demolished(Demolished::Gone),
                world.record().await.unwrap().unwrap().closed_at.is_some()
            );
            assert!(
                done != Done::Demolished(Demolished::Gone) || alive.is_empty(),
                "{fault:?}: not gone at all"
            );
            world.settle().await.unwrap();
            world.check_settled().await.unwrap_or_else(|found| panic!("{fault:?}: {found}"));
        });
    }
}

#[test]
fn a_listing_that_fails_proves_nothing() {
    simulate(async {
        let world = world(false);
        world.cloud.inject(Call::Create, [Fault::AnswerLost]);
        world.cloud.inject(Call::Find, vec![Fault::Refuse(ErrorKind::Transient); 12]);
        let Done::Built(Built::Failed { failures }) = world.perform(Op::Build).await.unwrap() else {
            panic!("the outcome cannot be known");
        };
        assert!(
            failures[0].reason.contains("still unknown whether db/1 was created"),
            "{}",
            failures[0].reason
        );
        assert_eq!(world.cloud.audit().len(), 1, "the slot is held, not filled again");
        assert_eq!(world.perform(Op::Build).await.unwrap(), Done::Built(Built::Ready));
        assert_eq!(world.cloud.audit().len(), 3);
        world.check_settled().await.unwrap();
    });
}

#[test]
fn a_destroy_right_after_a_create_does_not_believe_that_it_is_gone() {
    for seed in 0..30 {
        simulate(async {
            let hidden = Duration::from_secs(60);
            let world = World::new(seed, Settings { visibility: hidden, ..Settings::default() }, shape());
            let process = world.process(None);
            let (stop, clock) = (process.options.stop.clone(), world.clock.clone());
            let interrupt = async {
                clock.sleep(Duration::from_secs(2)).await;
                stop.cancel();
            };
            let (_, ()) = tokio::join!(world.perform_in(&process, Op::Build), interrupt);
            assert_eq!(world.perform(Op::Destroy).await.unwrap(), Done::Demolished(Demolished::Gone));
            world.calm_down().await;
            assert!(world.cloud.alive().is_empty(), "something was left");
            world.check_settled().await.unwrap();
        });
    }
}

#[test]
fn a_machine_that_vanishes_slowly_is_waited_for_and_not_destroyed_again() {
    simulate(async {
        let world = world(true);
        world.perform(Op::Build).await.unwrap();
        let slow = Duration::from_secs(200);
        world.cloud.change(|settings| settings.vanish = (slow, slow));
        assert_eq!(world.perform(Op::Destroy).await.unwrap(), Done::Demolished(Demolished::Gone));
        assert_eq!(world.cloud.calls(Call::Destroy), 3, "one call for each machine");
        world.check_settled().await.unwrap();
    });
}

#[test]
fn what_appears_late_is_adopted_by_an_empty_slot_and_removed_from_a_taken_one() {
    simulate(async {
        // Nothing else can be made before the late one appears: it is taken over.
        let world = World::new(2, Settings { idempotent: false, ..Settings::default() }, shape());
        world.cloud.inject(Call::Create, [Fault::Late(Duration::from_secs(100))]);
        assert!(matches!(world.perform(Op::Build).await.unwrap(), Done::Built(Built::Failed { .. })));
        world.calm_down().await;
        assert_eq!(world.perform(Op::Build).await.unwrap(), Done::Built(Built::Ready));
        assert_eq!(world.cloud.audit().len(), 3, "the late machine fills its slot");
        world.check_settled().await.unwrap();
    });
    simulate(async {
        let world = World::new(3, Settings { idempotent: false, ..Settings::default() }, shape());
        world.cloud.inject(Call::Create, [Fault::Late(Duration::from_secs(1000))]);
        world.perform(Op::Build).await.unwrap();
        assert_eq!(world.perform(Op::Build).await.unwrap(), Done::Built(Built::Ready));
        world.calm_down().await;
        world.perform(Op::Maintain).await.unwrap();
        assert_eq!(
            (world.cloud.audit().len(), world.cloud.alive().len()),
            (4, 3),
            "the late machine is too many"
        );
        world.check_settled().await.unwrap();
    });
}

#[test]
fn what_appears_after_the_infrastructure_was_destroyed_is_removed() {
    simulate(async {
        let world = World::new(4, Settings { idempotent: false, ..Settings::default() }, shape());
        world.cloud.inject(Call::Create, [Fault::Late(Duration::from_secs(3600))]);
        world.perform(Op::Build).await.unwrap();
        assert_eq!(world.perform(Op::Destroy).await.unwrap(), Done::Demolished(Demolished::Gone));
        world.calm_down().await;
        assert_eq!(world.cloud.alive().len(), 1);
        world.perform(Op::Maintain).await.unwrap();
        assert!(world.cloud.alive().is_empty());
        world.check_settled().await.unwrap();
    });
}
