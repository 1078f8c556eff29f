use proptest::prelude::*;

use super::ScaleChange::{Add, Remove, RemoveInstance, Set};
use super::*;
use crate::record::Cause;
use crate::sample::attempt;

fn workers(count: u32) -> Vec<Attempt> {
    (1..=count).map(|index| attempt(&format!("worker/{index}"), i64::from(index))).collect()
}

fn folded(start: u32, limits: (u32, u32), changes: &[ScaleChange]) -> Scaled {
    let instances = workers(start);
    let limits = Scaling { min: limits.0, max: limits.1 };
    fold("worker", start, limits, &instances.iter().collect::<Vec<_>>(), changes)
}

fn named(text: &str) -> ScaleChange {
    RemoveInstance(text.to_owned())
}

#[test]
fn requests_fold_into_one_target_and_the_named_are_retired() {
    let one = || named("worker/2");
    for (start, limits, changes, target, retired) in [
        (3, (1, 9), vec![Add(1), Add(1)], 5, 0),
        (5, (1, 9), vec![Remove(2)], 3, 0),
        (5, (1, 9), vec![one()], 4, 1),
        (5, (1, 9), vec![one(), Remove(1)], 3, 1),
        (5, (1, 9), vec![Add(1), one()], 5, 1),
        (5, (1, 9), vec![one(), one()], 4, 1),
        (5, (4, 9), vec![Remove(4)], 4, 0),
        (5, (5, 9), vec![one()], 5, 0),
        (5, (4, 9), vec![one(), named("worker/3")], 4, 1),
        (5, (1, 5), vec![Add(3)], 5, 0),
        (5, (1, 9), vec![Set(20)], 9, 0),
        (5, (1, 9), vec![Set(0)], 1, 0),
        (5, (1, 9), vec![Remove(2), Set(7), Add(1)], 8, 0),
        (5, (1, 9), vec![one(), Set(5)], 5, 1),
        (5, (1, 9), vec![Set(3), one()], 2, 1),
    ] {
        let scaled = folded(start, limits, &changes);
        assert_eq!((scaled.target, scaled.retire.len()), (target, retired), "{changes:?}");
    }
}

#[test]
fn what_cannot_be_done_as_asked_is_said() {
    let notes = |limits, changes: &[ScaleChange]| folded(5, limits, changes).notes;
    assert_eq!(notes((1, 5), &[Add(3)]), ["maximum reached: node 'worker' has at most 5 instances"]);
    assert_eq!(notes((4, 9), &[Remove(4)]), ["minimum reached: node 'worker' has at least 4 instances"]);
    assert_eq!(notes((1, 9), &[named("x")]), ["node 'worker' has no instance 'x'; request ignored"]);
    assert!(notes((1, 9), &[Add(1)]).is_empty());
}

#[test]
fn what_is_being_removed_already_counts_only_once() {
    let mut instances = workers(3);
    instances[0].retire = Some(Cause("it was named".to_owned()));
    instances[1].phase = Phase::Destroying { cause: Cause("it died".to_owned()), failed: true, error: None };
    let all: Vec<&Attempt> = instances.iter().collect();
    let limits = Scaling { min: 1, max: 9 };
    for text in ["worker/1", "worker/2"] {
        let scaled = fold("worker", 3, limits, &all, &[named(text)]);
        assert_eq!((scaled.target, scaled.retire.len()), (3, 0), "{text}");
        assert_eq!(scaled.notes, [format!("instance '{text}' of node 'worker' is being removed already")]);
    }
}

#[test]
fn a_name_means_the_instance_that_stays() {
    let (mut going, staying) = (attempt("worker/1", 1), attempt("worker/1", 2));
    going.retire = Some(Cause("it was named".to_owned()));
    let limits = Scaling { min: 1, max: 9 };
    let scaled = fold("worker", 2, limits, &[&going, &staying], &[named("worker/1")]);
    assert_eq!(scaled.retire, [staying.id]);
}

#[test]
fn quirk_42_an_instance_is_named_by_id_slot_or_address() {
    for text in ["node-worker/2", "worker/2", "10.0.0.2"] {
        assert_eq!(folded(5, (1, 9), &[named(text)]).retire, [AttemptId("worker/2@2".to_owned())], "{text}");
    }
    for address in ["fe80::1", "web", "web.example", "a.b.c.d.example"] {
        let only = Attempt { addresses: vec![address.to_owned()], ..attempt("worker/1", 1) };
        let scaled = fold("worker", 2, Scaling::new(Some(1), Some(9)), &[&only], &[named(address)]);
        assert_eq!((scaled.retire, scaled.target), (vec![only.id.clone()], 1), "{address}");
    }
}

fn change() -> impl Strategy<Value = ScaleChange> {
    prop_oneof![
        (0..12u32).prop_map(Add),
        (0..12u32).prop_map(Remove),
        (0..12u32).prop_map(Set),
        (0..8u32).prop_map(|index| named(&format!("worker/{index}"))),
    ]
}

proptest! {
    #[test]
    fn the_target_keeps_the_limits_and_nobody_is_retired_in_vain(
        start in 1..9u32,
        min in 1..5u32,
        more in 0..5u32,
        changes in prop::collection::vec(change(), 0..8),
    ) {
        let scaled = folded(start, (min, min + more), &changes);
        prop_assert!((min..=min + more).contains(&scaled.target));
        let mut retired = scaled.retire.clone();
        retired.dedup();
        prop_assert_eq!(retired.len(), scaled.retire.len());
        let was_named = |id: &AttemptId| {
            changes.iter().any(|change| matches!(change, RemoveInstance(text) if id.0.starts_with(&format!("{text}@"))))
        };
        prop_assert!(scaled.retire.iter().all(was_named));
    }
}
