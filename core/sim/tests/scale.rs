//! Scaling end to end: requests are consumed once, by whoever and however often they were made. What they
//! come to is in `scaling_table.rs`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests may do what tests may")]

use occopus_engine::control::request_scaling;
use occopus_engine::error::EngineError;
use occopus_engine::handler::ErrorKind;
use occopus_engine::record::ScaleChange::{Add, Remove, RemoveInstance, Set};
use occopus_sim::{Call, Fault, Op, Settings, Shape, World, simulate};

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
fn quirk_18_an_instance_whose_removal_fails_stays_the_one_that_goes() {
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
        let left: Vec<u32> = world.cloud.alive().iter().map(|machine| machine.identity.slot.index).collect();
        assert_eq!(left, [2, 3, 4, 5]);
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
