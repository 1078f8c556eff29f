//! Several processes at once: one of them works, the others wait or go, and one that lost its lease
//! changes nothing any more.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests may do what tests may")]

use std::time::Duration;

use occopus_engine::control::{Built, Controller};
use occopus_engine::error::EngineError;
use occopus_engine::lease::{Sighting, is_wanted};
use occopus_sim::{Crash, Done, Op, Process, Settings, Shape, When, World, simulate};

fn world(seed: u64) -> World {
    let shape = Shape::new("shop").node("db", 1, 1).node("worker", 3, 9).needs("worker", "db");
    let mut world = World::new(seed, Settings::default(), shape);
    world.same_machine = false;
    world
}

fn impatient(world: &World) -> Process {
    let mut process = world.process(None);
    process.options.patience = Duration::ZERO;
    process
}

#[test]
fn quirk_01_a_second_controller_is_refused_and_told_who_is_at_work() {
    simulate(async {
        let world = world(1);
        let first = world.process(None);
        let second = async {
            world.wait(Duration::from_secs(1)).await;
            world.perform_in(&impatient(&world), Op::Maintain).await
        };
        let (done, refused) = tokio::join!(world.perform_in(&first, Op::Build), second);
        let error = refused.unwrap_err();
        assert!(matches!(error, EngineError::Busy { .. }), "{error}");
        assert!(error.to_string().contains("`sim`"), "{error}");
        assert_eq!(done.unwrap(), Done::Built(Built::Ready));
        world.check_settled().await.unwrap();
    });
}

#[test]
fn a_patient_controller_waits_for_its_turn() {
    simulate(async {
        let world = world(2);
        let first = world.process(None);
        let second = async {
            world.wait(Duration::from_secs(1)).await;
            let done = world.perform(Op::Destroy).await.unwrap();
            (done, world.cloud.audit().len())
        };
        let (built, (_, made)) = tokio::join!(world.perform_in(&first, Op::Build), second);
        assert_eq!(built.unwrap(), Done::Built(Built::Ready), "the first was left in peace");
        assert_eq!(made, 4);
        world.check_settled().await.unwrap();
    });
}

#[test]
fn a_living_holder_keeps_its_lease_however_long_it_works() {
    simulate(async {
        let world = world(3);
        world.cloud.change(|settings| settings.boot = (Duration::from_secs(500), Duration::from_secs(500)));
        let first = world.process(None);
        let second = async {
            world.wait(Duration::from_secs(1)).await;
            world.perform(Op::Maintain).await
        };
        let (built, refused) = tokio::join!(world.perform_in(&first, Op::Build), second);
        assert_eq!(built.unwrap(), Done::Built(Built::Ready));
        assert!(matches!(refused, Err(EngineError::Busy { .. })), "its patience ends before the work does");
    });
}

#[test]
fn only_one_of_several_contenders_takes_over_from_a_dead_holder() {
    for seed in 0..20 {
        simulate(async {
            let world = world(seed);
            let died = world.perform_until(Crash::at_write(6, When::After), Op::Build).await;
            assert!(died.is_none());
            let (a, b, c) =
                tokio::join!(world.perform(Op::Build), world.perform(Op::Maintain), world.perform(Op::Build));
            for done in [a, b, c] {
                assert!(done.is_ok(), "one after the other, none is robbed: {done:?}");
            }
            world.check_settled().await.unwrap();
        });
    }
}

#[test]
fn a_waiting_command_is_known_to_the_holder_until_it_is_served() {
    simulate(async {
        let world = world(5);
        world.perform(Op::Build).await.unwrap();
        // Each works for a minute, and sees in its middle and at its end whether somebody waits.
        let work = |delay: u64| {
            let world = &world;
            async move {
                world.wait(Duration::from_secs(delay)).await;
                let Process { engine, options, .. } = world.process(None);
                let controller = Controller::open(&engine, &world.infra, options, |_| {}).await.unwrap();
                world.wait(Duration::from_secs(30)).await;
                let wanted = is_wanted(&world.records, &world.infra, world.clock.wall()).await.unwrap();
                world.wait(Duration::from_secs(30)).await;
                controller.close().await.unwrap();
                wanted
            }
        };
        let (first, second, third) = tokio::join!(work(0), work(5), work(10));
        assert_eq!([first, second, third], [true, true, false]);
    });
}

/// Suspends a build for longer than its lease right after each of its writes, while another process
/// takes over, finishes the work and destroys everything.
#[test]
fn a_controller_that_slept_through_its_lease_changes_nothing_any_more() {
    for commit in 1.. {
        let slept = simulate(async {
            let world = world(6);
            let sleeper = world.process(None);
            sleeper.life.freeze_after(commit, Duration::from_secs(3600));
            let successor = async {
                world.wait(Duration::from_secs(400)).await;
                if sleeper.life.commits() < commit {
                    return None;
                }
                if world.record().await.unwrap().is_some() {
                    world.perform(Op::Build).await.unwrap();
                    world.perform(Op::Destroy).await.unwrap();
                }
                Some(world.cloud.changing_calls())
            };
            let (woken, calls) = tokio::join!(world.perform_in(&sleeper, Op::Build), successor);
            let Some(calls) = calls else { return false };
            match woken {
                Err(EngineError::LeaseLost(_)) => {}
                // Nobody took the lease of what is not there yet, or the work was done before.
                Ok(_) if calls == 0 || sleeper.life.commits() <= commit + 1 => return true,
                other => panic!("commit {commit}: it woke up and went on: {other:?}"),
            }
            assert_eq!(world.cloud.changing_calls(), calls, "commit {commit}: it called the cloud again");
            world.check_settled().await.unwrap();
            true
        });
        if !slept {
            assert!(commit > 15, "a build has more than {commit} writes");
            break;
        }
    }
}

#[test]
fn a_controller_that_is_dropped_on_an_error_keeps_nobody_out() {
    simulate(async {
        let world = world(7);
        world.perform(Op::Build).await.unwrap();
        let Process { engine, options, .. } = world.process(None);
        let controller = Controller::open(&engine, &world.infra, options, |_| {}).await.unwrap();
        drop(controller);
        world.wait(Duration::from_secs(1)).await;
        world.perform_in(&impatient(&world), Op::Maintain).await.unwrap();
    });
}

#[test]
fn a_wish_dies_with_who_made_it_and_ctrl_c_ends_the_waiting() {
    simulate(async {
        let world = world(8);
        world.perform(Op::Build).await.unwrap();
        let Process { engine, options, .. } = world.process(None);
        let controller = Controller::open(&engine, &world.infra, options, |_| {}).await.unwrap();
        let wanted = || async { is_wanted(&world.records, &world.infra, world.clock.wall()).await.unwrap() };

        let waiting = world.process(None);
        let stop = waiting.options.stop.clone();
        let ctrl_c = async {
            world.wait(Duration::from_secs(10)).await;
            assert!(wanted().await);
            stop.cancel();
        };
        let (stopped, ()) = tokio::join!(world.perform_in(&waiting, Op::Maintain), ctrl_c);
        assert!(matches!(stopped, Err(EngineError::Stopped { .. })), "{stopped:?}");
        assert!(!wanted().await, "who stops waiting says so");

        let vanished = world.process(None);
        let vanishing = world.perform_in(&vanished, Op::Maintain);
        let cut = tokio::time::timeout(Duration::from_secs(10), vanishing).await;
        assert!(cut.is_err(), "the holder still works");
        assert!(wanted().await);
        world.wait(Duration::from_secs(31)).await;
        assert!(!wanted().await, "a wish that nobody repeats is forgotten");
        controller.close().await.unwrap();
    });
}

#[test]
fn who_tries_again_and_again_without_patience_notices_a_holder_that_is_gone() {
    simulate(async {
        let world = world(9);
        world.perform(Op::Build).await.unwrap();
        // Its first commit takes the lease; it never gets to renew it.
        let gone = world.process(Some(Crash::at_write(2, When::Before)));
        let lost = Controller::open(&gone.engine, &world.infra, gone.options.clone(), |_| {}).await.unwrap();
        // A machine that loses its power takes nothing back, and its process cannot be asked after.
        std::mem::forget(lost);
        let mut sighting = Sighting::default();
        let mut tries = 0;
        loop {
            let Process { engine, options, .. } = impatient(&world);
            let opened = Controller::open_again(&engine, &world.infra, options, &mut sighting, |_| {}).await;
            tries += 1;
            match opened {
                Ok(controller) => break controller.close().await.unwrap(),
                Err(error) => assert!(matches!(error, EngineError::Busy { .. }), "{error}"),
            }
            assert!(tries < 100, "nobody can ever take over");
            world.wait(Duration::from_secs(10)).await;
        }
        assert!(tries > 5, "a living holder would have been robbed after {tries} tries");
    });
}
