//! Machines that one call makes together: few calls, and each of them is known for what it is, whatever goes wrong.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests may do what tests may")]

use std::time::Duration;

use occopus_engine::handler::ErrorKind;
use occopus_engine::plan::Order;
use occopus_engine::record::ScaleChange::Set;
use occopus_sim::{Call, Crash, Deed, Fault, Op, Settings, Shape, When, World, simulate};
use serde_json::json;

fn shape(count: u32) -> Shape {
    Shape::new("shop").node("db", 1, 1).node("worker", count, 400).needs("worker", "db")
}

fn world(seed: u64, settings: Settings, count: u32) -> World {
    World::new(seed, Settings { batch: 100, ..settings }, shape(count))
}

async fn whole(world: &World, place: &str) {
    world.check_settled().await.unwrap_or_else(|found| panic!("{place}: {found}"));
    world.perform(Op::Destroy).await.unwrap();
    world.check_settled().await.unwrap_or_else(|found| panic!("{place}, destroyed: {found}"));
}

#[test]
fn what_is_alike_and_starts_together_is_made_by_one_call() {
    simulate(async {
        let world = world(1, Settings::default(), 250);
        world.perform(Op::Build).await.unwrap();
        assert_eq!((world.cloud.alive().len(), world.cloud.calls(Call::Create)), (251, 1 + 3));
        world.perform(Op::Scale("worker".into(), vec![Set(260)])).await.unwrap();
        assert_eq!((world.cloud.alive().len(), world.cloud.calls(Call::Create)), (261, 5));
        whole(&world, "many").await;
    });
}

#[test]
fn who_waits_for_them_does_not_wait_for_their_labels() {
    simulate(async {
        let shape = Shape::new("shop").node("worker", 20, 20).node("front", 1, 1).needs("front", "worker");
        let world = World::new(1, Settings { batch: 100, ..Settings::default() }, shape);
        world.cloud.inject(Call::Label, vec![Fault::Hang; 20]);
        world.perform(Op::Build).await.unwrap();
        let begun = |node: &str| {
            let made = world.cloud.alive().into_iter().filter(|machine| machine.identity.slot.node == node);
            made.map(|machine| machine.requested_at).max().unwrap()
        };
        let all_labels = world.cloud.capabilities().destroy_deadline * 5;
        assert!(begun("front") < begun("worker") + all_labels / 2);
        assert_eq!(world.cloud.calls(Call::Label), 20, "each is tried before the build ends");
        whole(&world, "without labels").await;
    });
}

#[test]
fn what_is_not_alike_is_made_alone() {
    simulate(async {
        let settings = Settings { batch: 100, ..Settings::default() };
        let world = World::new(1, settings, shape(5).with("worker", json!({"names_itself": true})));
        world.perform(Op::Build).await.unwrap();
        assert_eq!((world.cloud.calls(Call::Create), world.cloud.ledger.batches()), (6, 0));
        whole(&world, "alone").await;
    });
}

#[test]
fn one_after_the_other_means_one_call_for_each() {
    simulate(async {
        let mut world = world(1, Settings::default(), 5);
        world.order = Order::Sequential;
        world.perform(Op::Build).await.unwrap();
        assert_eq!((world.cloud.calls(Call::Create), world.cloud.ledger.batches()), (6, 0));
    });
}

#[test]
fn where_not_all_have_room_as_many_are_made_as_have_and_the_others_wait_once() {
    simulate(async {
        let world = world(1, Settings { quota: 4, ..Settings::default() }, 5);
        world.perform(Op::Build).await.unwrap();
        assert_eq!(world.cloud.alive().len(), 4, "db and three workers");
        world.check_always().await.unwrap();
        world.cloud.change(|settings| settings.quota = usize::MAX);
        // The pause after one failure; after two it is twice as long.
        world.wait(world.policy.backoff.0 + Duration::from_secs(1)).await;
        world.perform(Op::Maintain).await.unwrap();
        whole(&world, "room").await;
    });
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
fn every_fault_of_the_call_and_of_its_replay_is_recovered_from() {
    let none = || std::iter::once(None);
    let pairs = faults()
        .into_iter()
        .flat_map(|first| none().chain(faults().into_iter().map(Some)).map(move |second| (first, second)));
    for (idempotent, (first, second)) in
        [true, false].into_iter().flat_map(|i| pairs.clone().map(move |p| (i, p)))
    {
        simulate(async {
            // Listings miss the machines for long, so that the engine has to send its request again.
            let settings =
                Settings { idempotent, visibility: Duration::from_secs(120), ..Settings::default() };
            let settings = Settings { batch: 100, ..settings };
            let world = World::new(1, settings, Shape::new("shop").node("worker", 4, 9));
            world.cloud.inject(Call::Create, [Some(first), second].into_iter().flatten());
            world.perform(Op::Build).await.unwrap();
            world.check_always().await.unwrap();
            world.settle().await.unwrap();
            whole(&world, &format!("{first:?}, {second:?}, tokens: {idempotent}")).await;
        });
    }
}

#[test]
fn a_call_that_hung_is_made_again_once_for_all() {
    simulate(async {
        let settings = Settings { batch: 100, ..Settings::default() };
        let world = World::new(1, settings, Shape::new("shop").node("worker", 50, 90));
        world.cloud.inject(Call::Create, [Fault::Hang]);
        world.perform(Op::Build).await.unwrap();
        assert_eq!((world.cloud.alive().len(), world.cloud.calls(Call::Create)), (50, 2));
        whole(&world, "hung").await;
    });
}

#[test]
fn what_was_made_by_a_call_made_again_has_names_of_its_own() {
    for pause in [1, 5, 20] {
        simulate(async {
            let settings = Settings { batch: 100, visibility: Duration::ZERO, ..Settings::default() };
            let world = World::new(1, settings, Shape::new("shop").node("worker", 20, 90));
            world.cloud.inject(Call::Create, [Fault::Refuse(ErrorKind::UnknownOutcome)]);
            // Some of them look for what was made before the call is made again, and some later.
            world.cloud.inject(Call::Find, vec![Fault::Late(Duration::from_secs(pause)); 15]);
            world.perform(Op::Build).await.unwrap();
            let made = (world.cloud.calls(Call::Create), world.cloud.calls(Call::Label));
            assert_eq!(made, (2, 20), "{pause}");
            whole(&world, "again").await;
        });
    }
}

/// A process that dies at any write or call while it makes three at once, and the one that comes after it.
#[test]
fn a_crash_at_any_point_is_recovered_from() {
    let deeds = [Deed::Write, Deed::Call].into_iter();
    let ways = deeds.flat_map(|deed| [When::Before, When::After].map(|when| (deed, when)));
    for (idempotent, (deed, when)) in
        [true, false].into_iter().flat_map(|i| ways.clone().map(move |w| (i, w)))
    {
        for at in 1.. {
            let crashed = simulate(async {
                let world = world(at as u64, Settings { idempotent, ..Settings::default() }, 3);
                let crash = Crash { deed, at, when };
                let crashed = world.perform_until(crash, Op::Build).await.is_none();
                let place = format!("crash {when:?} {deed:?} {at}, tokens: {idempotent}");
                world.check_always().await.unwrap_or_else(|found| panic!("{place}: {found}"));
                if world.record().await.unwrap().is_none() {
                    world.perform(Op::Build).await.unwrap();
                }
                world.settle().await.unwrap();
                whole(&world, &place).await;
                crashed
            });
            if !crashed {
                assert!(at > 10, "there are fewer points than a build passes");
                break;
            }
        }
    }
}

/// What is to be destroyed while nobody knows what came of its call.
#[test]
fn a_batch_that_is_not_wanted_any_more_is_not_made_again() {
    simulate(async {
        let world = world(1, Settings { visibility: Duration::from_secs(60), ..Settings::default() }, 3);
        world.cloud.inject(Call::Create, [Fault::Slow(Duration::ZERO), Fault::HangAfterEffect]);
        let process = world.process(None);
        let building = world.perform_while_alive(&process, Op::Build);
        tokio::select! {
            _ = building => panic!("it waits for an answer"),
            () = world.wait(Duration::from_secs(70)) => process.life.kill(),
        }
        let calls = world.cloud.calls(Call::Create);
        world.perform(Op::Destroy).await.unwrap();
        assert_eq!(world.cloud.calls(Call::Create), calls);
        world.check_settled().await.unwrap();
    });
}
