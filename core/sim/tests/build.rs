//! Building: in the order of dependencies, as much at once as they allow, and with other
//! implementations where the first fails.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests may do what tests may")]

use std::time::Duration;

use jiff::SignedDuration;
use occopus_engine::control::{Built, Controller, Demolished, request_scaling, waiting_requests};
use occopus_engine::error::EngineError;
use occopus_engine::handler::ErrorKind;
use occopus_engine::plan::Order;
use occopus_engine::record::{Goal, ScaleChange};
use occopus_engine::store::Table;
use occopus_sim::{Call, Done, Fault, Machine, Op, Settings, Shape, World, simulate};
use serde_json::json;

fn three_tiers() -> Shape {
    Shape::new("shop")
        .node("db", 1, 1)
        .node("worker", 2, 9)
        .node("front", 1, 1)
        .node("log", 1, 1)
        .needs("worker", "db")
        .needs("front", "worker")
}

fn of<'a>(machines: &'a [Machine], node: &str) -> Vec<&'a Machine> {
    machines.iter().filter(|machine| machine.identity.slot.node == node).collect()
}

/// When all instances of `node` have booted.
fn booted(machines: &[Machine], node: &str) -> Duration {
    of(machines, node).iter().map(|machine| machine.boots_at.max(machine.visible_from)).max().unwrap()
}

#[test]
fn builds_what_is_described_and_stays_there() {
    simulate(async {
        let world = World::new(1, Settings::default(), three_tiers());
        assert_eq!(world.perform(Op::Build).await.unwrap(), Done::Built(Built::Ready));
        assert_eq!(world.cloud.alive().len(), 5);
        world.check_settled().await.unwrap();
        assert_eq!(world.cloud.calls(Call::Create), 5);
    });
}

#[test]
fn a_node_starts_when_its_own_dependencies_are_ready_and_not_later() {
    for seed in 0..20 {
        simulate(async {
            // `slow` shares its level with `db`, but only `report` has to wait for it.
            let shape = three_tiers().node("slow", 1, 1).node("report", 1, 1).needs("report", "slow");
            let world = World::new(seed, Settings::default(), shape);
            world.perform(Op::Build).await.unwrap();
            let machines = world.cloud.audit();
            // A look every few seconds, lengthened by its jitter, the answer's own time and one more look.
            let slack = world.policy.poll.1.mul_f64(1.25) + Duration::from_secs(2);
            for (dependent, dependee) in [("worker", "db"), ("front", "worker"), ("report", "slow")] {
                let ready = booted(&machines, dependee);
                for machine in of(&machines, dependent) {
                    assert!(machine.requested_at >= ready, "{dependent} was started too early");
                    assert!(machine.requested_at <= ready + slack, "{dependent} was started too late");
                }
            }
            for node in ["db", "slow", "log"] {
                assert!(of(&machines, node)[0].requested_at.is_zero(), "{node} waited for nothing");
            }
        });
    }
}

#[test]
fn who_waits_for_an_image_holds_up_no_other_node() {
    simulate(async {
        let shape = Shape::new("shop").node("fetching", 30, 30).node("db", 3, 3).node("front", 1, 1);
        let shape = shape.needs("front", "db").with("fetching", json!({"fetch": 600}));
        let world = World::new(1, Settings::default(), shape);
        world.perform(Op::Build).await.unwrap();
        let machines = world.cloud.audit();
        assert!(of(&machines, "db").iter().all(|machine| machine.requested_at.is_zero()));
        assert!(of(&machines, "front")[0].requested_at < Duration::from_secs(300));
        let fetched = Duration::from_secs(600);
        assert!(of(&machines, "fetching").iter().all(|machine| machine.requested_at >= fetched));
        world.check_settled().await.unwrap();
    });
}

#[test]
fn a_health_check_that_takes_long_holds_up_no_other_node() {
    simulate(async {
        let shape = Shape::new("shop").node("silent", 1, 1).node("db", 1, 1).node("front", 1, 1);
        let at_once = |seconds| (Duration::from_secs(seconds), Duration::from_secs(seconds));
        let settings = Settings {
            latency: at_once(0),
            boot: at_once(5),
            visibility: Duration::ZERO,
            silence: Duration::from_secs(9),
            ..Settings::default()
        };
        let world = World::new(20, settings, shape.needs("front", "db").timeout(100));
        let silence = async {
            world.wait(Duration::from_secs(1)).await;
            let machines = world.cloud.alive();
            world.cloud.set_healthy(&of(&machines, "silent")[0].id, false);
        };
        tokio::join!(world.perform(Op::Build), silence).0.unwrap();
        let machines = world.cloud.audit();
        let slack = world.policy.poll.1.mul_f64(1.25) + Duration::from_secs(1);
        assert!(of(&machines, "front")[0].requested_at <= booted(&machines, "db") + slack);
    });
}

#[test]
fn sequential_order_makes_one_instance_at_a_time_in_file_order() {
    simulate(async {
        let mut world = World::new(2, Settings::default(), three_tiers());
        world.order = Order::Sequential;
        world.perform(Op::Build).await.unwrap();
        let machines = world.cloud.audit();
        let order: Vec<String> = machines.iter().map(|machine| machine.identity.slot.to_string()).collect();
        assert_eq!(order, ["db/1", "log/1", "worker/1", "worker/2", "front/1"]);
        for pair in machines.windows(2) {
            assert!(pair[1].requested_at >= pair[0].boots_at, "two were started at the same time");
        }
        world.check_settled().await.unwrap();
    });
}

#[test]
fn quirk_31_no_more_calls_are_under_way_at_an_endpoint_than_allowed() {
    simulate(async {
        let mut world = World::new(3, Settings::default(), Shape::new("wide").node("worker", 30, 30));
        world.policy.max_parallel = 4;
        world.cloud.change(|settings| {
            settings.latency = (Duration::from_secs(1), Duration::from_secs(1));
            settings.boot = (Duration::from_secs(60), Duration::from_secs(60));
        });
        world.perform(Op::Build).await.unwrap();
        let machines = world.cloud.audit();
        for machine in &machines {
            let at = machine.requested_at;
            let open = machines
                .iter()
                .filter(|other| other.requested_at <= at && at < other.requested_at + Duration::from_secs(1));
            assert!(open.count() <= 4);
        }
        let last = machines.iter().map(|machine| machine.requested_at).max().unwrap();
        assert!(
            last < Duration::from_secs(10),
            "booting holds no turn: the last one was asked for at {last:?}"
        );
    });
}

#[test]
fn quirk_37_instances_are_looked_at_in_batches() {
    simulate(async {
        let world = World::new(4, Settings::default(), Shape::new("wide").node("worker", 100, 100));
        world.perform(Op::Build).await.unwrap();
        let looks = world.cloud.calls(Call::Observe);
        world.perform(Op::Maintain).await.unwrap();
        assert_eq!(world.cloud.calls(Call::Observe) - looks, 1, "one question for a hundred instances");
        let looks = world.cloud.calls(Call::Observe);
        world.perform(Op::Destroy).await.unwrap();
        let during = world.cloud.calls(Call::Observe) - looks;
        assert!(during < 50, "{during} questions to destroy a hundred instances");
        world.check_settled().await.unwrap();
    });
}

#[test]
fn a_request_is_written_once_and_erased_once() {
    simulate(async {
        let world = World::new(19, Settings::default(), three_tiers());
        let process = world.process(None);
        world.perform_in(&process, Op::Build).await.unwrap();
        world.perform_in(&process, Op::Destroy).await.unwrap();
        assert_eq!(process.life.writes()[&Table::Request], 2 * world.cloud.audit().len());
    });
}

#[test]
fn quirk_49_an_implementation_that_is_refused_or_cannot_be_rendered_gives_way_to_the_next() {
    for (bad, calls) in
        [(json!({"broken": true}), 2), (json!({"unrenderable": true}), 1), (json!({"type": "other"}), 1)]
    {
        simulate(async {
            let shape = Shape::new("shop").node("db", 1, 1).with("db", bad.clone());
            let world = World::new(5, Settings::default(), shape.implementation("db", json!({})));
            assert_eq!(world.perform(Op::Build).await.unwrap(), Done::Built(Built::Ready), "{bad}");
            assert_eq!(world.cloud.calls(Call::Create), calls, "{bad}");
            world.check_settled().await.unwrap();
        });
    }
}

#[test]
fn a_clock_that_is_set_back_during_a_build_does_not_make_it_try_for_ever() {
    simulate(async {
        let shape = Shape::new("shop").node("log", 1, 1).node("db", 1, 1).with("db", json!({"broken": true}));
        let world = World::new(5, Settings::default(), shape);
        let jump = async {
            while world.cloud.calls(Call::Create) < 2 {
                world.wait(Duration::from_millis(100)).await;
            }
            world.wait(Duration::from_secs(2)).await;
            world.wall.jump(SignedDuration::from_hours(-2));
        };
        let (done, ()) = tokio::join!(world.perform(Op::Build), jump);
        assert!(matches!(done.unwrap(), Done::Built(Built::Failed { .. })));
        let calls = world.cloud.calls(Call::Create);
        assert!(calls <= 1 + 3, "it was tried {} times", calls - 1);
    });
}

#[test]
fn quirk_06_a_build_that_cannot_succeed_ends_with_the_reason_and_keeps_what_is_ready() {
    for broken in [json!({"broken": true}), json!({"unrenderable": true})] {
        simulate(async {
            let world = World::new(6, Settings::default(), three_tiers().with("worker", broken.clone()));
            let Done::Built(Built::Failed { failures }) = world.perform(Op::Build).await.unwrap() else {
                panic!("the build must fail");
            };
            let reason = &failures[0].reason;
            assert!(
                reason.contains("image does not exist") || reason.contains("undefined variable"),
                "{reason}"
            );
            assert!(world.cloud.calls(Call::Create) <= 4, "each implementation is tried once for each slot");
            let alive: Vec<String> =
                world.cloud.alive().iter().map(|machine| machine.identity.slot.to_string()).collect();
            assert_eq!(alive, ["db/1", "log/1"]);
            assert_eq!(world.perform(Op::Destroy).await.unwrap(), Done::Demolished(Demolished::Gone));
            world.check_settled().await.unwrap();
        });
    }
}

#[test]
fn a_template_that_asks_for_an_address_makes_its_node_wait() {
    simulate(async {
        let shape = Shape::new("shop").node("sender", 1, 1).node("receiver", 1, 1);
        let world = World::new(7, Settings::default(), shape.with("sender", json!({"asks": ["receiver"]})));
        assert_eq!(world.perform(Op::Build).await.unwrap(), Done::Built(Built::Ready));
        let machines = world.cloud.audit();
        assert!(of(&machines, "sender")[0].requested_at >= booted(&machines, "receiver"));
    });
}

#[test]
fn an_interrupted_build_keeps_what_it_has_and_is_resumed() {
    for millis in (0..60_000).step_by(1_500) {
        simulate(async {
            let world = World::new(8, Settings::default(), three_tiers());
            let process = world.process(None);
            let (stop, clock) = (process.options.stop.clone(), world.clock.clone());
            let interrupt = async {
                clock.sleep(Duration::from_millis(millis)).await;
                stop.cancel();
            };
            let (done, ()) = tokio::join!(world.perform_in(&process, Op::Build), interrupt);
            let done = done.unwrap();
            world.check_always().await.unwrap();
            let before = world.cloud.alive();
            assert!(matches!(done, Done::Built(Built::Interrupted | Built::Ready)));
            assert_eq!(world.perform(Op::Build).await.unwrap(), Done::Built(Built::Ready));
            let after: Vec<String> = world.cloud.alive().into_iter().map(|machine| machine.id).collect();
            assert!(before.iter().all(|machine| after.contains(&machine.id)), "what was there is kept");
            world.check_settled().await.unwrap();
        });
    }
}

#[test]
fn a_failing_change_leaves_what_ran_alone_and_the_old_description_in_force() {
    let broken = |shape: Shape| shape.node("cache", 1, 1).with("cache", json!({"broken": true}));
    let changes = [
        broken(three_tiers()),
        broken(three_tiers().without("front")),
        broken(three_tiers().scaling("worker", 1, 1)),
        broken(three_tiers().node("new", 3, 3).without("log")),
    ];
    for change in changes {
        simulate(async {
            let world = World::new(9, Settings::default(), three_tiers());
            world.perform(Op::Build).await.unwrap();
            let before: Vec<String> = world.cloud.alive().into_iter().map(|machine| machine.id).collect();
            let done = world.perform(Op::Change(change)).await.unwrap();
            assert!(matches!(done, Done::Built(Built::Failed { .. })));
            let after: Vec<String> = world.cloud.alive().into_iter().map(|machine| machine.id).collect();
            assert_eq!(before, after);
            assert_eq!(world.record().await.unwrap().unwrap().generation, 1);
            world.check_settled().await.unwrap();
        });
    }
}

/// A change that cannot succeed.
fn broken_change() -> Op {
    Op::Change(three_tiers().node("cache", 1, 1).with("cache", json!({"broken": true})))
}

#[test]
fn a_failing_change_after_an_interrupted_destroy_destroys_nothing() {
    simulate(async {
        let world = World::new(14, Settings::default(), three_tiers());
        world.perform(Op::Build).await.unwrap();
        let process = world.process(None);
        process.options.stop.cancel();
        let done = world.perform_in(&process, Op::Destroy).await.unwrap();
        assert_eq!(done, Done::Demolished(Demolished::Interrupted));
        assert_eq!(world.record().await.unwrap().unwrap().goal, Goal::Absent);
        world.perform(broken_change()).await.unwrap();
        assert_eq!(world.cloud.alive().len(), 5);
        world.check_settled().await.unwrap();
    });
}

#[test]
fn a_failing_change_keeps_the_scaling_that_was_asked_for_before_it() {
    simulate(async {
        let world = World::new(15, Settings::default(), three_tiers());
        world.perform(Op::Build).await.unwrap();
        let engine = world.process(None).engine;
        request_scaling(&engine, &world.infra, "worker", &[ScaleChange::Set(5)]).await.unwrap();
        world.perform(broken_change()).await.unwrap();
        assert!(waiting_requests(&engine, &world.infra).await.unwrap().is_empty());
        assert_eq!(of(&world.cloud.alive(), "worker").len(), 5);
        world.check_settled().await.unwrap();
    });
}

#[test]
fn what_was_destroyed_cannot_be_changed() {
    simulate(async {
        let world = World::new(16, Settings::default(), three_tiers());
        world.perform(Op::Build).await.unwrap();
        world.perform(Op::Destroy).await.unwrap();
        let Err(EngineError::Description(reason)) = world.perform(Op::Change(three_tiers())).await else {
            panic!("a tombstone must not be changed");
        };
        assert!(reason.contains("was destroyed"), "{reason}");
        world.check_settled().await.unwrap();
    });
}

#[test]
fn a_second_first_build_of_the_same_identifier_is_refused() {
    simulate(async {
        let world = World::new(17, Settings::default(), three_tiers());
        world.perform(Op::Build).await.unwrap();
        let before = world.record().await.unwrap();
        let late = world.process(None);
        let controller =
            Controller::open(&late.engine, &world.infra, late.options.clone(), |_| {}).await.unwrap();
        let other = Shape::new("other").node("x", 1, 1).generation(world.clock.wall());
        let Err(EngineError::Description(reason)) = controller.begin(other).await else {
            panic!("an infrastructure that exists must not be overwritten");
        };
        assert!(reason.contains("'shop' was created by another command meanwhile"), "{reason}");
        controller.close().await.unwrap();
        assert_eq!(world.record().await.unwrap(), before);
        world.check_settled().await.unwrap();
    });
}

#[test]
fn what_was_destroyed_is_built_anew_under_its_identifier() {
    simulate(async {
        let world = World::new(18, Settings::default(), three_tiers());
        world.perform(Op::Build).await.unwrap();
        let engine = world.process(None).engine;
        request_scaling(&engine, &world.infra, "worker", &[ScaleChange::Set(5)]).await.unwrap();
        world.perform(Op::Destroy).await.unwrap();
        assert_eq!(world.perform(Op::Build).await.unwrap(), Done::Built(Built::Ready));
        assert_eq!(of(&world.cloud.alive(), "worker").len(), 2, "old scaling requests are forgotten");
        assert_eq!(world.record().await.unwrap().unwrap().generation, 2, "no description is overwritten");
        world.check_settled().await.unwrap();
    });
}

#[test]
fn a_change_removes_the_old_only_when_the_new_is_ready() {
    simulate(async {
        let world = World::new(10, Settings::default(), three_tiers());
        world.perform(Op::Build).await.unwrap();
        let change = three_tiers().without("front").node("portal", 1, 1).needs("portal", "worker");
        assert_eq!(world.perform(Op::Change(change)).await.unwrap(), Done::Built(Built::Ready));
        let machines = world.cloud.audit();
        assert!(of(&machines, "front")[0].gone_at.unwrap() > booted(&machines, "portal"));
        world.check_settled().await.unwrap();
    });
}

#[test]
fn a_full_quota_fails_the_build_and_a_later_one_succeeds() {
    simulate(async {
        let world = World::new(11, Settings { quota: 2, ..Settings::default() }, three_tiers());
        assert!(matches!(world.perform(Op::Build).await.unwrap(), Done::Built(Built::Failed { .. })));
        assert_eq!(world.cloud.alive().len(), 2);
        world.cloud.change(|settings| settings.quota = 9);
        assert_eq!(world.perform(Op::Build).await.unwrap(), Done::Built(Built::Ready));
        world.check_settled().await.unwrap();
    });
}

#[test]
fn an_instance_that_dies_while_it_starts_fails_the_build_and_is_replaced_by_the_next() {
    simulate(async {
        let world = World::new(12, Settings::default(), Shape::new("one").node("db", 1, 1));
        world.cloud.change(|settings| settings.boot = (Duration::from_secs(50), Duration::from_secs(50)));
        let killer = async {
            world.wait(Duration::from_secs(20)).await;
            world.cloud.kill(&world.cloud.alive()[0].id);
        };
        let (done, ()) = tokio::join!(world.perform(Op::Build), killer);
        assert!(matches!(done.unwrap(), Done::Built(Built::Ready | Built::Failed { .. })));
        assert_eq!(world.perform(Op::Build).await.unwrap(), Done::Built(Built::Ready));
        world.check_settled().await.unwrap();
    });
}

#[test]
fn a_back_end_that_never_answers_does_not_hold_a_build_forever() {
    simulate(async {
        let world = World::new(13, Settings::default(), Shape::new("one").node("db", 1, 1));
        world.cloud.inject(Call::Observe, vec![Fault::Refuse(ErrorKind::Auth); 100_000]);
        let Done::Built(Built::Failed { failures }) = world.perform(Op::Build).await.unwrap() else {
            panic!("the build must end");
        };
        assert!(failures[0].reason.contains("not ready after 1800 s"), "{}", failures[0].reason);
        world.settle().await.unwrap();
        world.check_settled().await.unwrap();
    });
}
