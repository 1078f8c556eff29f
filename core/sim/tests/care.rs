//! Looking after what runs: what is lost is replaced, and nothing else is touched.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests may do what tests may")]

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::SignedDuration;
use occopus_engine::control::{Built, Controller, Demolished, Pass};
use occopus_engine::handler::ErrorKind;
use occopus_engine::plan::Note;
use occopus_sim::{Call, Done, Fault, Op, Settings, Shape, World, simulate};
use serde_json::json;

fn shape() -> Shape {
    Shape::new("shop").node("db", 1, 1).node("worker", 4, 9).needs("worker", "db")
}

async fn built(seed: u64) -> World {
    let world = World::new(seed, Settings::default(), shape());
    world.perform(Op::Build).await.unwrap();
    world
}

fn ids(world: &World) -> BTreeSet<String> {
    world.cloud.alive().into_iter().map(|machine| machine.id).collect()
}

fn of(world: &World, slot: &str) -> String {
    let machines = world.cloud.alive();
    machines.into_iter().find(|machine| machine.identity.slot.to_string() == slot).unwrap().id
}

async fn maintain(world: &World) -> Pass {
    match world.perform(Op::Maintain).await.unwrap() {
        Done::Passed(pass) => pass,
        other => panic!("{other:?} is no pass"),
    }
}

/// The actions of the first plan, in words.
fn actions(pass: &Pass) -> Vec<String> {
    pass.plan.actions.iter().map(ToString::to_string).collect()
}

fn deferred(pass: &Pass) -> usize {
    pass.plan.notes.iter().filter(|note| matches!(note, Note::Deferred { .. })).count()
}

#[test]
fn a_lost_instance_is_replaced_and_only_that_one() {
    simulate(async {
        let world = built(1).await;
        let (before, lost) = (ids(&world), of(&world, "worker/2"));
        world.wait(Duration::from_secs(60)).await;
        world.cloud.kill(&lost);
        let pass = maintain(&world).await;
        assert_eq!(
            actions(&pass),
            [
                "destroy worker/2: worker/2 no longer exists",
                "create worker/2 on sim: worker/2 no longer exists"
            ]
        );
        let kept: BTreeSet<String> = before.into_iter().filter(|id| *id != lost).collect();
        assert!(kept.is_subset(&ids(&world)));
        world.check_settled().await.unwrap();
    });
}

#[test]
fn quirk_03_an_instance_that_stopped_is_removed_and_replaced() {
    simulate(async {
        let world = built(2).await;
        let stopped = of(&world, "db/1");
        world.cloud.stop(&stopped);
        let workers: BTreeSet<String> = ids(&world).into_iter().filter(|id| *id != stopped).collect();
        maintain(&world).await;
        assert!(!ids(&world).contains(&stopped), "the stopped machine is not left behind");
        assert!(workers.is_subset(&ids(&world)), "those that depend on it are not replaced");
        world.check_settled().await.unwrap();
    });
}

#[test]
fn quirk_41_an_unresponsive_instance_is_replaced_when_its_time_has_run_out_and_not_before() {
    simulate(async {
        let world = built(3).await;
        let silent = of(&world, "worker/1");
        world.cloud.set_healthy(&silent, false);
        for _ in 0..10 {
            let pass = maintain(&world).await;
            assert!(pass.plan.is_empty(), "{:?}", actions(&pass));
            world.wait(Duration::from_secs(58)).await;
        }
        for _ in 0..2 {
            maintain(&world).await;
            world.wait(Duration::from_secs(58)).await;
        }
        assert!(!ids(&world).contains(&silent));
        world.check_settled().await.unwrap();
    });
}

#[test]
fn time_in_which_nobody_looked_does_not_count_against_an_instance() {
    simulate(async {
        let world = built(4).await;
        let silent = of(&world, "worker/1");
        world.cloud.set_healthy(&silent, false);
        for _ in 0..5 {
            maintain(&world).await;
            world.wait(Duration::from_secs(3600)).await;
        }
        assert!(ids(&world).contains(&silent), "five looks are no ten minutes of failure");
        world.cloud.set_healthy(&silent, true);
        maintain(&world).await;
        world.check_settled().await.unwrap();
    });
}

#[test]
fn when_most_fail_at_once_the_observer_is_suspected_and_nothing_is_replaced() {
    simulate(async {
        let world = built(5).await;
        let before = ids(&world);
        before.iter().take(4).for_each(|id| world.cloud.set_healthy(id, false));
        for _ in 0..30 {
            let pass = maintain(&world).await;
            assert!(!pass.plan.changes_anything());
            assert!(pass.plan.notes.iter().any(|note| {
                matches!(note, Note::Warning { text } if text.contains("is this machine's own network at fault"))
            }));
            world.wait(Duration::from_secs(60)).await;
        }
        assert_eq!(before, ids(&world));
        before.iter().for_each(|id| world.cloud.set_healthy(id, true));
        maintain(&world).await;
        world.check_settled().await.unwrap();
        assert_eq!(before, ids(&world), "the pause ends by itself");
    });
}

#[test]
fn a_back_end_that_cannot_be_asked_makes_instances_unknown_and_never_lost() {
    simulate(async {
        let world = built(6).await;
        let before = ids(&world);
        world.cloud.inject(Call::Observe, vec![Fault::Refuse(ErrorKind::Auth); 3]);
        for _ in 0..3 {
            let pass = maintain(&world).await;
            assert!(pass.plan.is_empty());
            assert_eq!(deferred(&pass), 5);
        }
        assert_eq!(before, ids(&world));
        world.check_settled().await.unwrap();
    });
}

#[test]
fn a_slot_that_keeps_failing_is_tried_less_and_less_often() {
    simulate(async {
        let world = built(7).await;
        world.cloud.change(|settings| settings.quota = 4);
        let lost = of(&world, "worker/3");
        world.cloud.kill(&lost);
        world.wait(Duration::from_secs(60)).await;
        let calls = world.cloud.calls(Call::Create);
        for _ in 0..(2 * 3600 / 30) {
            maintain(&world).await;
            world.wait(Duration::from_secs(30)).await;
        }
        let tries = world.cloud.calls(Call::Create) - calls;
        let (first, longest) = world.policy.backoff;
        let growing = (longest.as_secs() / first.as_secs()).ilog2() as usize + 1;
        let steady = 2 * 3600 / longest.as_secs() as usize;
        assert!(tries <= growing + steady, "{tries} tries within two hours");
        assert!(tries > 2, "it is not given up either");
        world.cloud.change(|settings| settings.quota = 9);
        world.wait(Duration::from_secs(3600)).await;
        maintain(&world).await;
        world.check_settled().await.unwrap();
    });
}

#[test]
fn refused_creations_do_not_hold_a_slot_back_for_an_hour() {
    simulate(async {
        let world = built(11).await;
        world.cloud.kill(&of(&world, "db/1"));
        let refusals = world.policy.creations_per_hour;
        world.cloud.inject(Call::Create, vec![Fault::Refuse(ErrorKind::Transient); refusals]);
        let begun = world.clock.monotonic();
        while world.cloud.alive().len() < 5 {
            maintain(&world).await;
            world.wait(Duration::from_secs(10)).await;
        }
        let took = world.clock.monotonic() - begun;
        assert!(took < Duration::from_secs(1500), "it took {took:?}");
        world.check_settled().await.unwrap();
    });
}

#[test]
fn a_template_that_fails_is_tried_less_and_less_often() {
    simulate(async {
        let world = built(12).await;
        let change = shape().node("cache", 1, 1).with("cache", json!({"unrenderable": true}));
        let process = world.process(None);
        let controller = Controller::open(&process.engine, &world.infra, process.options.clone(), |_| {});
        let controller = controller.await.unwrap();
        controller.reconfigure(change.generation(world.clock.wall()), None).await.unwrap();
        controller.close().await.unwrap();
        for _ in 0..360 {
            maintain(&world).await;
            world.wait(Duration::from_secs(10)).await;
        }
        let tries =
            world.attempts().await.unwrap().iter().filter(|attempt| attempt.slot.node == "cache").count();
        assert!((3..20).contains(&tries), "{tries} tries within an hour");
    });
}

#[test]
fn an_instance_that_died_before_it_was_ever_ready_is_replaced_by_a_maintainer() {
    simulate(async {
        let world = World::new(8, Settings::default(), Shape::new("one").node("db", 1, 1));
        let process = world.process(None);
        let stop = process.options.stop.clone();
        let (_, ()) = tokio::join!(world.perform_in(&process, Op::Build), async {
            world.wait(Duration::from_secs(1)).await;
            stop.cancel();
        });
        world.wait(Duration::from_secs(60)).await;
        world.cloud.stop(&of(&world, "db/1"));
        maintain(&world).await;
        world.check_settled().await.unwrap();
    });
}

#[test]
fn an_instance_that_was_believed_lost_and_returns_is_adopted_or_removed() {
    for replaced in [true, false] {
        simulate(async {
            // A back-end that does not know an instance for a while, as with the keys of another project.
            let world = built(13).await;
            world.wait(Duration::from_secs(60)).await;
            let lost = world.cloud.alive().into_iter().find(|machine| machine.identity.slot.node == "db");
            let lost = lost.unwrap();
            world.cloud.kill(&lost.id);
            if !replaced {
                world.cloud.change(|settings| settings.quota = 0);
            }
            maintain(&world).await;
            let returned = world.cloud.plant(lost.identity.clone());
            world.wait(Duration::from_secs(60)).await;
            maintain(&world).await;
            assert_eq!(world.cloud.alive().len(), 5);
            assert_eq!(ids(&world).contains(&returned), !replaced);
            world.check_settled().await.unwrap();
        });
    }
}

#[test]
fn quirk_17_an_instance_that_starts_forever_is_replaced() {
    simulate(async {
        let world = World::new(14, Settings::default(), Shape::new("one").node("db", 1, 1));
        let usual = Settings::default().boot;
        world.cloud.change(|settings| {
            settings.boot = (Duration::from_secs(1_000_000), Duration::from_secs(1_000_000))
        });
        world.perform(Op::Build).await.unwrap();
        let stuck = of(&world, "db/1");
        world.cloud.change(|settings| settings.boot = usual);
        for _ in 0..3 {
            maintain(&world).await;
            world.wait(Duration::from_secs(60)).await;
        }
        assert!(!ids(&world).contains(&stuck));
        world.check_settled().await.unwrap();
    });
}

#[test]
fn resources_of_another_store_are_never_touched() {
    simulate(async {
        let world = built(9).await;
        let mut identity = world.cloud.alive()[0].identity.clone();
        identity.store = "another store".into();
        let foreign = world.cloud.plant(identity);
        maintain(&world).await;
        world.check_settled().await.unwrap();
        world.perform(Op::Destroy).await.unwrap();
        assert_eq!(ids(&world), BTreeSet::from([foreign]));
    });
}

#[test]
fn quirk_40_settled_attempts_are_forgotten_after_a_day() {
    simulate(async {
        let world = built(10).await;
        world.cloud.kill(&of(&world, "worker/2"));
        world.wait(Duration::from_secs(60)).await;
        maintain(&world).await;
        assert_eq!(world.attempts().await.unwrap().len(), 6);
        world.wait(world.policy.watch + Duration::from_secs(60)).await;
        maintain(&world).await;
        assert_eq!(world.attempts().await.unwrap().len(), 5);
        world.check_settled().await.unwrap();
    });
}

#[test]
fn a_clock_that_was_set_back_keeps_no_destroy_from_being_confirmed() {
    simulate(async {
        let world = built(15).await;
        world.wall.jump(SignedDuration::from_hours(-2));
        assert_eq!(world.perform(Op::Destroy).await.unwrap(), Done::Demolished(Demolished::Gone));
        world.check_settled().await.unwrap();
    });
}

#[test]
fn a_clock_that_was_set_back_does_not_stop_the_time_of_a_failing_instance() {
    simulate(async {
        let world = built(16).await;
        let silent = of(&world, "worker/1");
        world.cloud.set_healthy(&silent, false);
        maintain(&world).await;
        world.wall.jump(SignedDuration::from_hours(-5));
        for _ in 0..14 {
            world.wait(Duration::from_secs(58)).await;
            maintain(&world).await;
        }
        assert!(!ids(&world).contains(&silent));
        world.check_settled().await.unwrap();
    });
}

#[test]
fn a_clock_that_was_set_forward_does_not_make_a_hidden_instance_count_as_destroyed() {
    for seed in 0..20 {
        simulate(async {
            let hidden = Duration::from_secs(60);
            let world = World::new(seed, Settings { visibility: hidden, ..Settings::default() }, shape());
            let process = world.process(None);
            let stop = process.options.stop.clone();
            let (_, ()) = tokio::join!(world.perform_in(&process, Op::Build), async {
                world.wait(Duration::from_secs(2)).await;
                stop.cancel();
            });
            world.wall.jump(SignedDuration::from_hours(4));
            world.perform(Op::Maintain).await.unwrap();
            world.check_always().await.unwrap();
        });
    }
}

#[test]
fn a_build_replaces_an_instance_that_fails_while_it_is_waited_for() {
    simulate(async {
        let world = built(17).await;
        let silent = of(&world, "worker/1");
        world.cloud.set_healthy(&silent, false);
        assert_eq!(world.perform(Op::Build).await.unwrap(), Done::Built(Built::Ready));
        assert!(!ids(&world).contains(&silent));
        world.check_settled().await.unwrap();
    });
}
