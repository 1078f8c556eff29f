//! Rolling replacements: halted by an operator, cut short at any point, undone.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests may do what tests may")]

use std::time::Duration;

use occopus_descriptor::model::{Care, Share};
use occopus_engine::control::Built;
use occopus_engine::handler::ErrorKind;
use occopus_engine::hold::{HoldKind, holds};
use occopus_engine::record::{Rollout, ScaleChange};
use occopus_engine::store::Table;
use occopus_sim::{Call, Crash, Deed, Done, Fault, Machine, Op, Settings, Shape, When, World, simulate};
use serde_json::json;

fn shape() -> Shape {
    Shape::new("shop").node("db", 1, 1).node("worker", 3, 9).needs("worker", "db")
}

fn renew(shape: Shape) -> Op {
    Op::Renew(shape, Rollout::default())
}

fn workers(world: &World) -> Vec<Machine> {
    world.cloud.alive().into_iter().filter(|machine| machine.identity.slot.node == "worker").collect()
}

fn ids(machines: Vec<Machine>) -> Vec<String> {
    machines.into_iter().map(|machine| machine.id).collect()
}

/// Waits until another machine is made than the first `count`.
async fn until_made(world: &World, count: usize) {
    while world.cloud.audit().len() == count {
        world.wait(Duration::from_secs(1)).await;
    }
}

/// Waits until another description is in force than the first.
async fn until_changed(world: &World) {
    while world.record().await.unwrap().unwrap().generation == 1 {
        world.wait(Duration::from_millis(100)).await;
    }
}

/// Versions of the living workers, as their records have them.
async fn versions(world: &World) -> Vec<u64> {
    let attempts = world.attempts().await.unwrap();
    let live = attempts.iter().filter(|attempt| attempt.is_live() && attempt.slot.node == "worker");
    live.map(|attempt| attempt.node.variables.get("version").and_then(|one| one.as_u64()).unwrap_or(0))
        .collect()
}

async fn built(shape: Shape, settings: Settings, seed: u64) -> World {
    let world = World::new(seed, settings, shape);
    assert_eq!(world.perform(Op::Build).await.unwrap(), Done::Built(Built::Ready));
    world
}

#[test]
fn a_hold_halts_a_rollout_within_seconds_and_it_goes_on_afterwards() {
    for kind in [HoldKind::Pause, HoldKind::Protect] {
        simulate(async {
            let world = built(shape(), Settings::default(), 1).await;
            let made = world.cloud.audit().len();
            let process = world.process(None);
            let rolling = world.perform_in(&process, renew(shape().version("worker", 1)));
            let halting = async {
                until_made(&world, made).await;
                world.perform(Op::Hold(kind, Some("worker".to_owned()))).await.unwrap();
                world.wait(Duration::from_secs(10)).await;
                world.cloud.changing_calls()
            };
            let (done, calls) = tokio::join!(rolling, halting);
            let Done::Built(Built::Failed { failures }) = done.unwrap() else { panic!("it goes on") };
            let reason = format!("'worker' is {} by", kind.participle());
            assert!(failures.iter().all(|failed| failed.reason.contains(&reason)), "{failures:?}");
            assert_eq!(world.cloud.changing_calls(), calls, "nothing more is changed, and nothing is undone");
            assert_eq!(versions(&world).await.iter().filter(|version| **version == 1).count(), 1);
            world.lift_all().await.unwrap();
            world.perform(Op::Maintain).await.unwrap();
            world.check_settled().await.unwrap();
            assert_eq!(versions(&world).await, [1; 3], "{kind:?}");
        });
    }
}

#[test]
fn a_change_of_what_is_held_is_refused_before_anything_is_durable() {
    for kind in [HoldKind::Pause, HoldKind::Protect] {
        simulate(async {
            let world = built(shape(), Settings::default(), 1).await;
            world.perform(Op::Hold(kind, Some("worker".to_owned()))).await.unwrap();
            let calls = world.cloud.changing_calls();
            let process = world.process(None);
            // The new node could be made: that would be to no purpose.
            let change = shape().version("worker", 1).node("new", 1, 1);
            let refused = world.perform_in(&process, renew(change.clone())).await.unwrap_err().to_string();
            assert!(refused.contains(&format!("'worker' is {} by an operator since", kind.participle())));
            assert!(refused.contains("worker/1, worker/2, worker/3 would have to be changed"), "{refused}");
            let mut writes = process.life.writes();
            writes.remove(&Table::Lease);
            assert!(writes.is_empty() && world.cloud.changing_calls() == calls, "{writes:?}");
            // A replacement that leaves the node out is not in its way.
            let others = Rollout { nodes: Some(["db".to_owned()].into()), ..Rollout::default() };
            let done = world.perform(Op::Renew(change, others)).await.unwrap();
            assert_eq!(done, Done::Built(Built::Ready), "{kind:?}");
            assert_eq!(versions(&world).await, [0; 3]);
        });
    }
}

#[test]
fn what_is_protected_is_not_scaled_away_and_what_is_paused_is_scaled_later() {
    simulate(async {
        let world = built(shape().scaling("worker", 1, 9), Settings::default(), 1).await;
        let scale = |change| Op::Scale("worker".to_owned(), vec![change]);
        world.perform(scale(ScaleChange::Set(3))).await.unwrap();
        world.perform(Op::Hold(HoldKind::Protect, Some("worker".to_owned()))).await.unwrap();
        for change in [
            ScaleChange::Remove(1),
            ScaleChange::Set(2),
            ScaleChange::RemoveInstance("worker/2".to_owned()),
            ScaleChange::ReplaceInstance("worker/2".to_owned()),
        ] {
            let refused = world.perform(scale(change)).await.unwrap_err().to_string();
            assert!(refused.contains("is protected by an operator"), "{refused}");
            assert!(refused.contains("`occopus unprotect shop worker`"), "{refused}");
        }
        world.perform(scale(ScaleChange::Add(1))).await.unwrap();
        assert_eq!(workers(&world).len(), 4);
        world.lift_all().await.unwrap();
        world.perform(Op::Hold(HoldKind::Pause, None)).await.unwrap();
        world.perform(scale(ScaleChange::Set(2))).await.unwrap();
        assert_eq!(workers(&world).len(), 4);
        world.lift_all().await.unwrap();
        world.perform(Op::Maintain).await.unwrap();
        assert_eq!(workers(&world).len(), 2);
    });
}

#[test]
fn a_surge_that_is_cut_short_needs_no_more_room_and_leaves_nobody_without() {
    let care = Care { max_surge: Some(Share::Count(1)), ..Care::default() };
    let mut points = 0;
    for (deed, when) in [Deed::Write, Deed::Call]
        .into_iter()
        .flat_map(|deed| [When::Before, When::After].map(|when| (deed, when)))
    {
        for at in 1.. {
            let crashed = simulate(async {
                // One machine more than wanted is all there is room for.
                let settings = Settings { quota: 5, ..Settings::default() };
                let world = built(shape(), settings, at as u64).await;
                let renewed = shape().version("worker", 1).care("worker", care);
                let crash = Crash { deed, at, when };
                let crashed = world.perform_until(crash, renew(renewed.clone())).await.is_none();
                world.perform(Op::Maintain).await.unwrap();
                let place = format!("crash {when:?} {deed:?} {at}");
                world.check_settled().await.unwrap_or_else(|found| panic!("{place}: {found}"));
                if world.record().await.unwrap().unwrap().generation == 2 {
                    assert_eq!(versions(&world).await, [1; 3], "{place}");
                }
                crashed
            });
            if !crashed {
                break;
            }
            points += 1;
        }
    }
    assert!(points > 50, "the rollout has only {points} crash points");
}

#[test]
fn replacements_because_of_an_address_are_undone_with_the_change() {
    simulate(async {
        let shape = Shape::new("shop").node("db", 1, 1).node("front", 1, 1).node("mail", 1, 1);
        let shape = shape.with("front", json!({"asks": ["db"]})).needs("front", "db").needs("mail", "front");
        let world = built(shape.clone(), Settings::default(), 1).await;
        let bad = shape.version("db", 1).with("mail", json!({"broken": true}));
        let cascade = Rollout { cascade: true, ..Rollout::default() };
        assert!(matches!(
            world.perform(Op::Renew(bad, cascade)).await.unwrap(),
            Done::Built(Built::Failed { .. })
        ));
        world.check_settled().await.unwrap();
        assert_eq!(world.record().await.unwrap().unwrap().generation, 1);
        let attempts = world.attempts().await.unwrap();
        let live = |node: &str| attempts.iter().find(|one| one.is_live() && one.slot.node == node).unwrap();
        assert!(
            live("front").peers["db"].contains(&live("db").node_id),
            "front knows an address that is gone"
        );
    });
}

#[test]
fn a_change_that_lacks_only_a_removal_is_not_undone() {
    simulate(async {
        let world = built(shape().node("old", 1, 1), Settings::default(), 1).await;
        let kept = ids(workers(&world));
        world.cloud.inject(Call::Destroy, vec![Fault::Refuse(ErrorKind::Auth); 40]);
        let Done::Built(Built::Failed { failures }) =
            world.perform(renew(shape().node("new", 1, 1))).await.unwrap()
        else {
            panic!("the old node cannot be removed")
        };
        assert!(failures.iter().all(|failed| failed.slot.node == "old"), "{failures:?}");
        assert_eq!(world.record().await.unwrap().unwrap().generation, 2);
        world.cloud.calm();
        world.perform(Op::Maintain).await.unwrap();
        world.check_settled().await.unwrap();
        assert_eq!(ids(workers(&world)), kept);
    });
}

#[test]
fn what_failed_changes_have_left_is_undone_by_a_later_undoing() {
    simulate(async {
        let world = built(shape(), Settings::default(), 1).await;
        let bad = |version| {
            shape().version("worker", version).node("mail", 1, 1).with("mail", json!({"broken": true}))
        };
        let protect = Op::Hold(HoldKind::Protect, Some("worker".to_owned()));
        // What was replaced before the operator came stays, and so does what is not undone.
        let made = world.cloud.audit().len();
        let process = world.process(None);
        let changing = world.perform_in(&process, renew(bad(1)));
        let protecting = async {
            until_made(&world, made).await;
            world.perform(protect).await.unwrap();
        };
        drop(tokio::join!(changing, protecting).0.unwrap());
        assert!(versions(&world).await.contains(&1));
        world.lift_all().await.unwrap();
        drop(world.perform(renew(bad(2))).await.unwrap());
        world.perform(Op::Maintain).await.unwrap();
        world.check_settled().await.unwrap();
        assert_eq!(versions(&world).await, [0; 3]);
    });
}

#[test]
fn a_scaling_request_a_loss_and_a_wish_during_a_rollout_are_all_done() {
    simulate(async {
        let mut world = built(shape(), Settings::default(), 1).await;
        world.same_machine = false;
        let process = world.process(None);
        let rolling = world.perform_in(&process, renew(shape().version("worker", 1)));
        let meanwhile = async {
            world.wait(Duration::from_secs(40)).await;
            let first = workers(&world).remove(0).id;
            world.cloud.kill(&first);
            let changes = vec![ScaleChange::Add(2), ScaleChange::ReplaceInstance("worker/3".to_owned())];
            world.perform(Op::Scale("worker".to_owned(), changes)).await.unwrap();
        };
        let (done, ()) = tokio::join!(rolling, meanwhile);
        done.unwrap();
        world.perform(Op::Maintain).await.unwrap();
        world.check_settled().await.unwrap();
        assert_eq!(versions(&world).await, [1; 5]);
    });
}

#[test]
fn nothing_more_is_replaced_while_another_one_or_what_it_depends_on_is_missing() {
    for lost in ["worker/9", "db/1"] {
        simulate(async {
            let world = built(shape().scaling("worker", 9, 9), Settings::default(), 1).await;
            let made = world.cloud.audit().len();
            let process = world.process(None);
            let rolling =
                world.perform_in(&process, renew(shape().scaling("worker", 9, 9).version("worker", 1)));
            let losing = async {
                until_made(&world, made).await;
                let alive = world.cloud.alive();
                let victim = alive.iter().find(|machine| machine.identity.slot.to_string() == lost).unwrap();
                world.cloud.kill(&victim.id);
            };
            let (done, ()) = tokio::join!(rolling, losing);
            assert_eq!(done.unwrap(), Done::Built(Built::Ready), "{lost}");
            let made: Vec<String> = world
                .cloud
                .audit()
                .iter()
                .skip(made)
                .map(|machine| machine.identity.slot.to_string())
                .collect();
            let healed = made.iter().position(|slot| slot == lost).unwrap();
            assert!(healed <= 1, "{lost} was lost when the first was being replaced: {made:?}");
            world.check_settled().await.unwrap();
            assert_eq!(versions(&world).await, [1; 9]);
        });
    }
}

#[test]
fn after_a_failure_nothing_else_is_replaced() {
    simulate(async {
        let shape = Shape::new("shop").node("db", 1, 1).node("worker", 5, 5);
        let world = built(shape.clone(), Settings::default(), 1).await;
        let before = ids(workers(&world));
        let bad = shape.version("worker", 1).with("db", json!({"broken": true}));
        assert!(matches!(world.perform(renew(bad)).await.unwrap(), Done::Built(Built::Failed { .. })));
        world.check_settled().await.unwrap();
        assert_eq!(world.record().await.unwrap().unwrap().generation, 1);
        let after = ids(workers(&world));
        let touched = before.iter().filter(|id| !after.contains(id)).count();
        assert!(touched <= 1, "only the one under way: {before:?} {after:?}");
    });
}

#[test]
fn after_a_new_instance_that_dies_nothing_else_is_replaced() {
    simulate(async {
        let shape = Shape::new("shop").node("db", 1, 1).node("worker", 5, 5);
        let world = built(shape.clone(), Settings::default(), 1).await;
        let before = ids(workers(&world));
        let made = world.cloud.audit().len();
        let process = world.process(None);
        let changing = world.perform_in(&process, renew(shape.version("worker", 1).version("db", 1)));
        let killing = async {
            // As long as the new description is in force, its db dies.
            until_changed(&world).await;
            while world.record().await.unwrap().unwrap().generation == 2 {
                for machine in world.cloud.audit().iter().skip(made) {
                    if machine.identity.slot.node == "db" {
                        world.cloud.kill(&machine.id);
                    }
                }
                world.wait(Duration::from_secs(1)).await;
            }
        };
        let (done, ()) = tokio::join!(changing, killing);
        assert!(matches!(done.unwrap(), Done::Built(Built::Failed { .. })));
        world.perform(Op::Maintain).await.unwrap();
        world.check_settled().await.unwrap();
        let after = ids(workers(&world));
        let touched = before.iter().filter(|id| !after.contains(id)).count();
        assert!(touched <= 2, "those until it is noticed: {before:?} {after:?}");
    });
}

#[test]
fn a_failing_change_that_is_tried_again_destroys_nothing_either() {
    let surge = Care { max_surge: Some(Share::Count(1)), ..Care::default() };
    let other = shape().node("old", 1, 1);
    let changes = [
        (other.clone(), shape().node("new", 1, 1).with("new", json!({"broken": true}))),
        (shape(), shape().version("worker", 1).care("worker", surge).with("worker", json!({"broken": true}))),
    ];
    for (before, change) in changes {
        simulate(async {
            let world = built(before, Settings::default(), 1).await;
            let all = ids(world.cloud.alive());
            for _ in 0..3 {
                let done = world.perform(renew(change.clone())).await.unwrap();
                assert!(matches!(done, Done::Built(Built::Failed { .. })));
                assert_eq!(world.record().await.unwrap().unwrap().generation, 1, "it is undone");
                assert_eq!(ids(world.cloud.alive()), all);
            }
            world.check_settled().await.unwrap();
        });
    }
}

#[test]
fn an_outage_during_a_change_leaves_nothing_outdated_for_good() {
    for lasting in [30, 200, 900] {
        simulate(async {
            let world = built(shape(), Settings::default(), 1).await;
            let process = world.process(None);
            world.cloud.take_down("sim://cloud", Duration::from_secs(lasting));
            let done = world.perform_in(&process, renew(shape().version("worker", 1))).await.unwrap();
            world.perform(Op::Maintain).await.unwrap();
            world.wait(Duration::from_secs(1000)).await;
            world.perform(Op::Maintain).await.unwrap();
            world.check_settled().await.unwrap();
            let generation = world.record().await.unwrap().unwrap().generation;
            let wanted = u64::from(generation == 2);
            assert_eq!(versions(&world).await, [wanted; 3], "{lasting} s: {done:?}");
        });
    }
}

#[test]
fn a_change_is_not_undone_because_a_node_that_it_leaves_alone_cannot_be_filled() {
    simulate(async {
        let shape = shape().node("mail", 1, 1).with("mail", json!({"endpoint": "sim://full"}));
        let world = built(shape.clone(), Settings::default(), 1).await;
        world.cloud.fill_up("sim://full", Duration::from_secs(3000));
        let mail = world.cloud.alive().into_iter().find(|one| one.identity.slot.node == "mail").unwrap();
        world.cloud.kill(&mail.id);
        world.perform(Op::Maintain).await.unwrap();
        let done = world.perform(renew(shape.version("worker", 1))).await.unwrap();
        let Done::Built(Built::Failed { failures }) = done else { panic!("mail cannot be made") };
        assert!(failures.iter().all(|failed| failed.slot.node == "mail"), "{failures:?}");
        let record = world.record().await.unwrap().unwrap();
        assert_eq!((record.generation, record.completed), (2, true));
        assert_eq!(versions(&world).await, [1; 3]);
        world.wait(Duration::from_secs(4000)).await;
        world.perform(Op::Maintain).await.unwrap();
        world.check_settled().await.unwrap();
    });
}

#[test]
fn what_fails_because_of_a_change_undoes_it() {
    simulate(async {
        let world = built(shape(), Settings::default(), 1).await;
        let process = world.process(None);
        let changing = world.perform_in(&process, renew(shape().version("db", 1)));
        let breaking = async {
            until_changed(&world).await;
            // They do not find the new one.
            workers(&world).iter().for_each(|machine| world.cloud.set_healthy(&machine.id, false));
        };
        let (done, ()) = tokio::join!(changing, breaking);
        assert!(matches!(done.unwrap(), Done::Built(Built::Failed { .. })));
        let record = world.record().await.unwrap().unwrap();
        assert!(record.generation == 1, "{record:?}");
    });
}

#[test]
fn a_hold_ends_with_the_infrastructure_that_it_was_put_on() {
    simulate(async {
        let world = built(shape(), Settings::default(), 1).await;
        world.perform(Op::Hold(HoldKind::Pause, None)).await.unwrap();
        world.perform(Op::Destroy).await.unwrap();
        let now = world.process(None).engine.clock.wall();
        assert!(holds(&world.records, &world.infra, now).await.unwrap().iter().next().is_none());
        assert_eq!(world.perform(Op::Build).await.unwrap(), Done::Built(Built::Ready));
    });
}
