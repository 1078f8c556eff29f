//! What Occopus 1.10 did wrong and this one must not, one test for each number of `docs/reference/quirks.md`
//! that needs virtual time or a cloud with faults, and what belongs to them.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests may do what tests may")]

use std::time::Duration;

use occopus_engine::control::{Built, Demolished, Pass, request_scaling};
use occopus_engine::handler::ErrorKind;
use occopus_engine::plan::Note;
use occopus_engine::record::Phase;
use occopus_engine::record::ScaleChange::{Add, Remove, Set};
use occopus_sim::{Call, Done, ENDPOINT, Fault, Machine, Op, Settings, Shape, World, simulate};
use serde_json::json;

async fn built(seed: u64, shape: Shape) -> World {
    let world = World::new(seed, Settings::default(), shape);
    assert_eq!(world.perform(Op::Build).await.unwrap(), Done::Built(Built::Ready));
    world.wait(Duration::from_secs(60)).await;
    world
}

fn workers(count: u32) -> Shape {
    Shape::new("shop").node("worker", count, 9)
}

fn alive(world: &World, node: &str) -> Vec<Machine> {
    let mut machines = world.cloud.alive();
    machines.retain(|machine| machine.identity.slot.node == node);
    machines
}

async fn maintain(world: &World) -> Pass {
    match world.perform(Op::Maintain).await.unwrap() {
        Done::Passed(pass) => pass,
        other => panic!("{other:?} is no pass"),
    }
}

#[test]
fn quirk_02_an_api_that_cannot_be_asked_does_not_stop_the_care_for_the_others() {
    simulate(async {
        let shape = Shape::new("shop").node("far", 1, 1).with("far", json!({"endpoint": "sim://east"}));
        let world = built(1, shape.node("near", 2, 2)).await;
        let (far, lost) = (alive(&world, "far")[0].id.clone(), alive(&world, "near")[0].id.clone());
        world.cloud.take_down("sim://east", Duration::from_secs(3600));
        world.cloud.kill(&lost);
        let pass = maintain(&world).await;
        assert!(pass.plan.notes.iter().any(|note| matches!(
            note,
            Note::Deferred { slot, text, .. } if slot.node == "far" && text.contains("its state is unknown")
        )));
        let near = alive(&world, "near");
        assert!(near.len() == 2 && near.iter().all(|machine| machine.id != lost));
        assert_eq!(alive(&world, "far")[0].id, far);
        world.wait(Duration::from_secs(3600)).await;
        world.check_settled().await.unwrap();
    });
}

#[test]
fn quirk_04_a_failed_instance_stays_in_the_records_until_its_removal_is_confirmed() {
    simulate(async {
        let world = built(2, workers(2)).await;
        let stopped = alive(&world, "worker")[0].id.clone();
        world.cloud.stop(&stopped);
        let refusals = 4;
        world.cloud.inject(Call::Destroy, vec![Fault::Refuse(ErrorKind::Auth); refusals]);
        for tries in 1..=refusals {
            let pass = maintain(&world).await;
            assert_eq!(pass.enacted.failed.len(), 1, "the failure is told");
            assert_eq!(world.cloud.calls(Call::Destroy), tries, "each pass tries again");
            let attempts = world.attempts().await.unwrap();
            let kept = attempts.iter().find(|a| a.provider_id.as_ref().is_some_and(|id| id.id == stopped));
            assert!(matches!(kept.unwrap().phase, Phase::Destroying { .. }));
        }
        maintain(&world).await;
        assert!(alive(&world, "worker").iter().all(|machine| machine.id != stopped));
        world.check_settled().await.unwrap();
    });
}

#[test]
fn quirk_05_a_request_that_arrives_in_the_middle_of_a_pass_counts_once() {
    for second in 0..30 {
        simulate(async {
            let world = built(3, workers(3)).await;
            let engine = world.process(None).engine;
            let request = async {
                world.wait(Duration::from_secs(second)).await;
                request_scaling(&engine, &world.infra, "worker", &[Remove(1)]).await.unwrap();
            };
            let scale = world.perform(Op::Scale("worker".into(), vec![Add(3)]));
            tokio::join!(scale, request).0.unwrap();
            for _ in 0..2 {
                maintain(&world).await;
                assert_eq!(alive(&world, "worker").len(), 5, "a request in second {second}");
            }
            world.check_settled().await.unwrap();
        });
    }
}

#[test]
fn quirk_07_a_removal_that_fails_stops_no_other() {
    simulate(async {
        let shape = Shape::new("shop").node("far", 1, 1).with("far", json!({"endpoint": "sim://east"}));
        let world = built(4, shape.node("near", 3, 3)).await;
        world.cloud.take_down("sim://east", Duration::from_secs(3600));
        let Done::Demolished(Demolished::Incomplete { failures }) = world.perform(Op::Destroy).await.unwrap()
        else {
            panic!("one removal has failed");
        };
        assert!(failures.iter().any(|failed| failed.reason.contains("far/1 still exists")), "{failures:?}");
        let left = world.cloud.alive();
        assert_eq!(left.iter().map(|m| m.identity.slot.to_string()).collect::<Vec<_>>(), ["far/1"]);
        world.wait(Duration::from_secs(3600)).await;
        assert_eq!(world.perform(Op::Destroy).await.unwrap(), Done::Demolished(Demolished::Gone));
        world.check_settled().await.unwrap();
    });
}

#[test]
fn quirk_30_a_call_that_is_never_answered_holds_nothing_up_for_ever() {
    for call in [Call::Create, Call::Observe, Call::Find, Call::Destroy] {
        simulate(async {
            let world = World::new(5, Settings::default(), workers(3));
            world.cloud.inject(call, [Fault::Hang]);
            assert_eq!(world.perform(Op::Build).await.unwrap(), Done::Built(Built::Ready));
            // Without an answer nobody knows whether anything is left: that is told, and asked again later.
            world.perform(Op::Destroy).await.unwrap();
            assert_eq!(world.perform(Op::Destroy).await.unwrap(), Done::Demolished(Demolished::Gone));
            world.check_settled().await.unwrap();
        });
    }
}

#[test]
fn quirk_32_what_never_becomes_healthy_is_made_six_times_an_hour_at_most() {
    simulate(async {
        // Were most of them ill, the observer would be suspected.
        let shape = workers(2).node("calm", 3, 3).needs("worker", "calm").timeout(20);
        let world = World::new(6, Settings::default(), shape);
        world.cloud.inject(Call::Create, vec![Fault::Slow(Duration::ZERO); 3]);
        world.cloud.inject(Call::Create, vec![Fault::NeverHealthy; 1000]);
        world.perform(Op::Build).await.unwrap();
        let mut told = false;
        while world.clock.monotonic() < Duration::from_secs(3600) {
            let pass = maintain(&world).await;
            told |= pass.plan.notes.iter().any(|note| matches!(
                note,
                Note::Deferred { text, .. } if text.contains("created 6 times within an hour and never became ready")
            ));
            world.wait(Duration::from_secs(10)).await;
        }
        assert!(told, "the reason is told");
        for index in 1..=2 {
            let slot = format!("worker/{index}");
            let made = world.cloud.audit().iter().filter(|m| m.identity.slot.to_string() == slot).count();
            assert_eq!(made, world.policy.creations_per_hour, "{slot}");
        }
        world.check_always().await.unwrap();
    });
}

#[test]
fn quirk_36_what_depends_on_others_goes_before_them() {
    simulate(async {
        let shape = Shape::new("shop").node("db", 2, 2).node("worker", 2, 2).node("front", 1, 1);
        let world = built(7, shape.needs("worker", "db").needs("front", "worker")).await;
        world.perform(Op::Destroy).await.unwrap();
        let machines = world.cloud.audit();
        let gone = |node: &str| {
            let gone = machines.iter().filter(|machine| machine.identity.slot.node == node);
            gone.map(|machine| machine.gone_at.unwrap()).collect::<Vec<Duration>>()
        };
        assert!(gone("front").iter().max() < gone("worker").iter().min());
        assert!(gone("worker").iter().max() < gone("db").iter().min());
    });
}

#[test]
fn quirk_43_a_number_beyond_the_limits_does_not_come_to_life_with_new_limits() {
    simulate(async {
        let world = built(8, workers(2)).await;
        world.perform(Op::Scale("worker".into(), vec![Set(20)])).await.unwrap();
        assert_eq!(alive(&world, "worker").len(), 9);
        world.perform(Op::Change(workers(2).scaling("worker", 2, 30))).await.unwrap();
        assert_eq!(alive(&world, "worker").len(), 9);
        world.check_settled().await.unwrap();
    });
}

#[test]
fn nothing_is_replaced_while_a_cloud_is_out_of_reach_and_the_pass_after_that_is_quiet() {
    simulate(async {
        let world = built(9, workers(5)).await;
        let before: Vec<String> = world.cloud.alive().into_iter().map(|machine| machine.id).collect();
        world.cloud.take_down(ENDPOINT, Duration::from_secs(300));
        let back = world.clock.monotonic() + Duration::from_secs(300);
        let mut passes = 0;
        while world.clock.monotonic() < back {
            let pass = maintain(&world).await;
            assert!(pass.plan.is_empty(), "{:?}", pass.plan);
            world.wait(Duration::from_secs(10)).await;
            passes += 1;
        }
        assert!(passes > 10, "{passes} passes");
        let pass = maintain(&world).await;
        assert!(pass.plan.is_empty() && pass.plan.notes.is_empty(), "{:?}", pass.plan);
        let after: Vec<String> = world.cloud.alive().into_iter().map(|machine| machine.id).collect();
        assert_eq!(before, after);
        world.check_settled().await.unwrap();
    });
}
