//! Scaling end to end: requests are consumed once and come to what a person would expect.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests may do what tests may")]

use occopus_engine::control::request_scaling;
use occopus_engine::error::EngineError;
use occopus_engine::handler::ErrorKind;
use occopus_engine::record::ScaleChange::{self, Add, Remove, RemoveInstance, Set};
use occopus_sim::{Call, Fault, Op, Settings, Shape, World, simulate};

/// How a case names the instance it wants removed.
const ONE: &str = "ID";

struct Case {
    start: u32,
    limits: (u32, u32),
    changes: Vec<ScaleChange>,
    /// Whether an instance that nobody named has stopped.
    failed: bool,
    expected: usize,
}

fn case(start: u32, changes: Vec<ScaleChange>, expected: usize) -> Case {
    Case { start, limits: (1, 9), changes, failed: false, expected }
}

/// The cases of the original's behaviour, each with the answer a person would expect.
fn cases() -> Vec<Case> {
    let one = || RemoveInstance(ONE.to_owned());
    vec![
        case(3, vec![Add(1), Add(1)], 5),
        case(5, vec![Remove(1), Remove(1)], 3),
        case(5, vec![one()], 4),
        case(5, vec![one(), Remove(1)], 3),
        case(5, vec![Add(1), one()], 5),
        case(5, vec![Add(1), Remove(1)], 5),
        case(5, vec![one(), one()], 4),
        Case { failed: true, ..case(5, vec![Remove(1)], 4) },
        Case { limits: (4, 9), ..case(5, vec![Remove(4)], 4) },
        Case { limits: (1, 5), ..case(5, vec![Add(3)], 5) },
        case(5, vec![Set(20)], 9),
        case(5, vec![one(), Set(5)], 5),
        case(5, vec![Set(3), one()], 2),
    ]
}

#[test]
fn requests_come_to_what_a_person_would_expect_and_stay_there() {
    for (number, case) in cases().into_iter().enumerate() {
        simulate(async {
            let (min, max) = case.limits;
            let shape = Shape::new("shop").node("db", 1, 1).node("worker", min, max).needs("worker", "db");
            let world = World::new(number as u64, Settings::default(), shape);
            world.perform(Op::Build).await.unwrap();
            world.perform(Op::Scale("worker".into(), vec![Set(case.start)])).await.unwrap();
            let workers = |world: &World| {
                let mut alive = world.cloud.alive();
                alive.retain(|machine| machine.identity.slot.node == "worker");
                alive
            };
            assert_eq!(workers(&world).len(), case.start as usize);
            let named = workers(&world)[0].clone();
            if case.failed {
                world.cloud.stop(&workers(&world)[1].id);
            }
            let mut names = false;
            let changes = case.changes.iter().map(|change| match change {
                RemoveInstance(_) => {
                    names = true;
                    RemoveInstance(named.identity.node_id.to_string())
                }
                other => other.clone(),
            });
            let changes: Vec<ScaleChange> = changes.collect();
            world.perform(Op::Scale("worker".into(), changes)).await.unwrap();
            for _ in 0..2 {
                assert_eq!(workers(&world).len(), case.expected, "case {number}: {:?}", case.changes);
                world.check_settled().await.unwrap_or_else(|found| panic!("case {number}: {found}"));
            }
            let named_lives = workers(&world).iter().any(|machine| machine.id == named.id);
            assert_eq!(named_lives, !names, "case {number}: exactly the named instance goes");
        });
    }
}

#[test]
fn the_youngest_go_first_and_a_lost_one_before_them() {
    simulate(async {
        let world = World::new(1, Settings::default(), Shape::new("shop").node("worker", 1, 9));
        world.perform(Op::Build).await.unwrap();
        world.perform(Op::Scale("worker".into(), vec![Set(4)])).await.unwrap();
        let machines = world.cloud.alive();
        world.cloud.stop(&machines[0].id);
        world.perform(Op::Scale("worker".into(), vec![Remove(1)])).await.unwrap();
        let left: Vec<String> = world.cloud.alive().into_iter().map(|machine| machine.id).collect();
        assert_eq!(left, [&machines[1], &machines[2], &machines[3]].map(|machine| machine.id.clone()));
        world.perform(Op::Scale("worker".into(), vec![Set(1)])).await.unwrap();
        assert_eq!(world.cloud.alive().len(), 1);
        world.check_settled().await.unwrap();
    });
}

#[test]
fn requests_that_make_no_sense_are_refused_and_leave_nothing_behind() {
    simulate(async {
        let world = World::new(2, Settings::default(), Shape::new("shop").node("worker", 5, 9));
        world.perform(Op::Build).await.unwrap();
        let engine = world.process(None).engine;
        let unknown = RemoveInstance("nobody".to_owned());
        for (node, change, word) in
            [("worker", unknown, "no instance 'nobody'"), ("boss", Add(1), "no node 'boss'")]
        {
            let error = request_scaling(&engine, &world.infra, node, &[change]).await.unwrap_err();
            assert!(matches!(error, EngineError::Description(_)));
            assert!(error.to_string().contains(word), "{error}");
        }
        world.check_settled().await.unwrap();
    });
}

#[test]
fn an_instance_that_is_named_twice_costs_no_second_one() {
    simulate(async {
        let world = World::new(4, Settings::default(), Shape::new("shop").node("worker", 2, 9));
        world.perform(Op::Build).await.unwrap();
        world.perform(Op::Scale("worker".into(), vec![Set(5)])).await.unwrap();
        // The first request is consumed, and its destroy call is refused.
        world.cloud.inject(Call::Destroy, [Fault::Refuse(ErrorKind::Auth)]);
        let named = || vec![RemoveInstance("worker/1".to_owned())];
        world.perform(Op::Scale("worker".into(), named())).await.unwrap();
        assert_eq!(world.cloud.alive().len(), 5);
        let engine = world.process(None).engine;
        let again = request_scaling(&engine, &world.infra, "worker", &named()).await.unwrap();
        assert_eq!(again.notes, ["instance 'worker/1' of node 'worker' is being removed already"]);
        world.perform(Op::Maintain).await.unwrap();
        assert_eq!(world.cloud.alive().len(), 4);
        world.check_settled().await.unwrap();
    });
}

#[test]
fn requests_of_several_processes_all_count() {
    simulate(async {
        let world = World::new(3, Settings::default(), Shape::new("shop").node("worker", 1, 9));
        world.perform(Op::Build).await.unwrap();
        for _ in 0..3 {
            request_scaling(&world.process(None).engine, &world.infra, "worker", &[Add(1)]).await.unwrap();
        }
        world.perform(Op::Maintain).await.unwrap();
        assert_eq!(world.cloud.alive().len(), 4);
        world.check_settled().await.unwrap();
    });
}
