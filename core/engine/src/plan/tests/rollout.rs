//! Rolling replacements, in the words in which users read them.

use super::*;
use crate::record::Rollout;

/// The situation after a change of the variables of all nodes, whose outdated instances are replaced.
fn rolling(mut situation: Situation, rollout: Rollout) -> Situation {
    situation.record.completed = false;
    situation.record.rollout = Some(rollout);
    for instance in &mut situation.instances {
        let attempt = &mut instance.attempt;
        let node = situation.generation.infrastructure.node(&attempt.slot.node).unwrap();
        attempt.implementation =
            situation.generation.definitions[&node.definition].implementations[0].clone();
        attempt.digest = situation.generation.instance_digest(node, &attempt.implementation);
        attempt.node = node.clone();
    }
    situation.generation.number = 2;
    for node in &mut situation.generation.infrastructure.nodes {
        node.variables.insert("n".to_owned(), 2.into());
    }
    situation
}

fn only(node: &str) -> Rollout {
    Rollout { nodes: Some([node.to_owned()].into()), ..Rollout::default() }
}

/// Three workers that are ready, outdated, and cared for in this way.
fn three_workers(care: Care) -> Situation {
    let workers =
        [("db/1", Ready), ("worker/1", Ready), ("worker/2", Ready), ("worker/3", Ready), ("front/1", Ready)];
    let mut situation = rolling(cared_for(situation(&workers), care), only("worker"));
    situation.record.targets.insert("worker".to_owned(), 3);
    situation
}

const WHY: &str = "is outdated (variables.n: absent, now 2)";

#[test]
fn outdated_instances_are_replaced_one_after_the_other_and_each_when_the_one_before_is_ready() {
    assert_eq!(
        lines(&three_workers(Care::default())),
        [
            format!("0 destroy worker/1: worker/1 {WHY}"),
            format!("1 create worker/1 on sim: worker/1 {WHY} [needs [0]]"),
            format!("2 destroy worker/2: worker/2 {WHY} [needs [1]]"),
            format!("3 create worker/2 on sim: worker/2 {WHY} [needs [2]]"),
            format!("4 destroy worker/3: worker/3 {WHY} [needs [3]]"),
            format!("5 create worker/3 on sim: worker/3 {WHY} [needs [4]]"),
        ]
    );
}

#[test]
fn as_many_are_replaced_at_a_time_as_may_be_missing() {
    let care = Care { max_unavailable: Some(Share::Percent(67)), ..Care::default() };
    let plan = lines(&three_workers(care));
    let needs: Vec<&str> =
        plan.iter().filter(|line| line.contains("destroy")).map(|line| &line[2..]).collect();
    assert!(!needs[0].contains("needs") && !needs[1].contains("needs"), "{plan:?}");
    assert!(needs[2].ends_with("[needs [1]]"), "{plan:?}");
}

#[test]
fn with_a_surge_a_new_instance_is_ready_before_an_old_one_goes() {
    let care = Care { max_surge: Some(Share::Count(1)), ..Care::default() };
    assert_eq!(
        lines(&three_workers(care)),
        [
            format!("0 create worker/4 on sim: worker/1 {WHY}"),
            format!("1 destroy worker/1: worker/1 {WHY} [needs [0]]"),
            format!("2 create worker/1 on sim: worker/2 {WHY} [needs [1]]"),
            format!("3 destroy worker/2: worker/2 {WHY} [needs [2]]"),
            format!("4 create worker/2 on sim: worker/3 {WHY} [needs [3]]"),
            format!("5 destroy worker/3: worker/3 {WHY} [needs [4]]"),
        ]
    );
}

#[test]
fn the_surplus_of_an_interrupted_surge_is_the_outdated() {
    let mut situation = three_workers(Care { max_surge: Some(Share::Count(1)), ..Care::default() });
    let node = situation.generation.infrastructure.node("worker").unwrap().clone();
    let mut new = situation.instances[1].clone();
    new.attempt =
        Attempt { id: "new".into(), node_id: "new".into(), generation: 2, ..attempt("worker/4", 50) };
    new.attempt.implementation = situation.generation.definitions["worker"].implementations[0].clone();
    new.attempt.digest = situation.generation.instance_digest(&node, &new.attempt.implementation);
    situation.instances.push(new);
    let plan = lines(&situation);
    assert!(!plan.iter().any(|line| line.contains("destroy worker/4")), "{plan:?}");
    assert_eq!(plan.iter().filter(|line| line.contains("destroy")).count(), 3, "{plan:?}");
}

#[test]
fn nothing_is_replaced_while_something_else_is_not_ready_and_the_unhealthy_come_first() {
    let mut situation = three_workers(Care::default());
    edit(&mut situation, "worker/3", |i| i.verdict = Some(verdict(Unhealthy)));
    let plan = lines(&situation);
    assert_eq!(plan[0], format!("0 destroy worker/3: worker/3 {WHY}"));
    assert_eq!(plan[2], format!("2 destroy worker/1: worker/1 {WHY} [needs [1]]"));
    edit(&mut situation, "db/1", |i| i.verdict = Some(verdict(Unknown)));
    let plan = lines(&situation);
    assert!(plan.iter().all(|line| !line.contains("destroy worker/1")), "{plan:?}");
    let later = unhindered(&situation, &Policy::default());
    let destroyed = later.actions.iter().filter(|action| matches!(action.what, What::Destroy { .. })).count();
    assert_eq!(destroyed, 3, "what has to wait is told when asked for");
}

#[test]
fn dependants_are_replaced_behind_what_they_depend_on() {
    let plan = lines(&rolling(ready(), Rollout::default()));
    let position = |text: &str| plan.iter().position(|line| line.contains(text)).unwrap();
    let needs = |slot: &str| plan[position(&format!("destroy {slot}"))].clone();
    let created = |slot: &str| position(&format!("create {slot}")).to_string();
    assert!(needs("worker/1").contains(&created("db/1")), "{plan:?}");
    assert!(needs("front/1").contains(&created("worker/2")), "{plan:?}");
}

#[test]
fn an_undoing_replaces_only_what_the_change_made() {
    let mut situation = rolling(ready(), Rollout { made_after: Some(1), ..Rollout::default() });
    edit(&mut situation, "worker/2", |i| i.attempt.generation = 2);
    let plan = lines(&situation);
    assert_eq!(plan.len(), 2, "{plan:?}");
    assert!(plan[0].contains("destroy worker/2"));
}

#[test]
fn who_knows_an_address_that_is_gone_is_replaced_only_when_asked() {
    let stale = |rollout| {
        let mut situation = ready();
        situation.record.rollout = rollout;
        edit(&mut situation, "front/1", |i| {
            i.attempt.peers.insert("worker".to_owned(), ["another".into()].into());
        });
        let node = situation.generation.infrastructure.nodes.clone();
        for instance in &mut situation.instances {
            let node = node.iter().find(|node| node.name == instance.attempt.slot.node).unwrap();
            let implementation = &situation.generation.definitions[&node.definition].implementations[0];
            instance.attempt.digest = situation.generation.instance_digest(node, implementation);
        }
        lines(&situation)
    };
    assert_eq!(stale(None), [""; 0]);
    assert_eq!(stale(Some(Rollout::default())), [""; 0]);
    let cascade = Rollout { cascade: true, ..Rollout::default() };
    let why = "front/1 knows an address of 'worker' that is gone";
    assert_eq!(
        stale(Some(cascade)),
        [format!("0 destroy front/1: {why}"), format!("1 create front/1 on sim: {why} [needs [0]]")]
    );
}

/// `slot` as it would be made today, in this state.
fn renewed(situation: &Situation, slot: &str, state: InstanceState) -> Instance {
    let mut new = Attempt { id: slot.into(), node_id: slot.into(), generation: 2, ..attempt(slot, 50) };
    let node = situation.generation.infrastructure.node(&new.slot.node).unwrap();
    new.implementation = situation.generation.definitions[&node.definition].implementations[0].clone();
    new.digest = situation.generation.instance_digest(node, &new.implementation);
    Instance { attempt: new, verdict: Some(verdict(state)) }
}

fn surging() -> Situation {
    three_workers(Care { max_surge: Some(Share::Count(1)), ..Care::default() })
}

#[test]
fn the_surplus_of_a_surge_stays_until_what_takes_its_place_is_ready_and_goes_before_more_is_made() {
    let mut situation = surging();
    situation.instances.push(renewed(&situation, "worker/4", Pending));
    let plan = lines(&situation);
    assert_eq!(
        plan[..3],
        [
            "0 await worker/4: is Pending".to_owned(),
            "1 destroy worker/3: 'worker' has 4 instances, 3 are wanted [needs [0]]".to_owned(),
            format!("2 create worker/3 on sim: worker/1 {WHY} [needs [0, 1]]"),
        ]
    );
    situation.record.completed = true;
    assert_eq!(lines(&situation)[..3], plan[..3]);
    edit(&mut situation, "worker/4", |i| i.verdict = Some(verdict(Unknown)));
    let plan = lines(&situation);
    assert!(plan.iter().all(|line| !line.contains("destroy") && !line.contains("create")), "{plan:?}");
}

#[test]
fn a_surge_fills_a_slot_that_is_being_freed_behind_that() {
    let mut situation = surging();
    situation.instances.push(renewed(&situation, "worker/4", Ready));
    let cause = Cause("worker/1 is outdated".to_owned());
    edit(&mut situation, "worker/1", |i| {
        i.attempt.phase = Phase::Destroying { cause, failed: false, error: None };
        i.verdict = None;
    });
    assert_eq!(
        lines(&situation)[..2],
        [
            "0 destroy worker/1: worker/1 is outdated".to_owned(),
            format!("1 create worker/1 on sim: worker/2 {WHY} [needs [0]]"),
        ]
    );
}

#[test]
fn a_surge_makes_nothing_in_the_place_of_what_is_protected() {
    let plan = lines(&Situation { holds: held(HoldKind::Protect, Some("worker")), ..surging() });
    assert!(plan.iter().all(|line| line.starts_with("later worker/")), "{plan:?}");
}

#[test]
fn where_none_may_be_missing_there_is_one_more_and_a_small_part_of_a_surge_is_one() {
    let surge = lines(&surging());
    for care in [
        Care { max_unavailable: Some(Share::Count(0)), ..Care::default() },
        Care {
            max_unavailable: Some(Share::Percent(0)),
            max_surge: Some(Share::Count(0)),
            ..Care::default()
        },
        Care { max_surge: Some(Share::Percent(10)), ..Care::default() },
    ] {
        assert_eq!(lines(&three_workers(care)), surge, "{care:?}");
    }
}

#[test]
fn what_only_fails_its_checks_is_not_replaced_all_at_once() {
    for state in [Unhealthy, Unresponsive] {
        let mut situation = three_workers(Care::default());
        for slot in ["worker/1", "worker/2", "worker/3"] {
            edit(&mut situation, slot, |i| i.verdict = Some(verdict(state)));
        }
        let plan: Vec<String> =
            lines(&situation).into_iter().filter(|line| line.contains("destroy")).collect();
        assert_eq!(plan.len(), 3, "{plan:?}");
        assert!(plan[1].ends_with("[needs [1]]") && plan[2].ends_with("[needs [3]]"), "{plan:?}");
    }
}

#[test]
fn what_is_ready_stays_while_more_are_missing_than_may_be() {
    let mut situation = three_workers(Care { max_unavailable: Some(Share::Count(2)), ..Care::default() });
    situation.record.targets.insert("worker".to_owned(), 6);
    for slot in ["worker/4", "worker/5", "worker/6"] {
        situation.instances.push(renewed(&situation, slot, Pending));
    }
    let plan = lines(&situation);
    let first = plan.iter().find(|line| line.contains("destroy")).unwrap();
    assert!(first.ends_with("[needs [0, 1, 2]]"), "{plan:?}");
}

#[test]
fn two_that_know_each_others_address_are_not_replaced_because_of_each_other() {
    let mut situation = ready();
    situation.record.rollout = Some(Rollout { cascade: true, ..Rollout::default() });
    for instance in &mut situation.instances {
        let slot = instance.attempt.slot.to_string();
        *instance = renewed(&Situation { instances: Vec::new(), ..self::situation(&[]) }, &slot, Ready);
    }
    for (slot, peer) in [("db/1", "worker"), ("worker/1", "worker")] {
        edit(&mut situation, slot, |i| drop(i.attempt.peers.insert(peer.to_owned(), ["gone".into()].into())));
    }
    assert_eq!(lines(&situation), [""; 0]);
}

#[test]
fn an_undoing_covers_what_earlier_undoings_have_left() {
    let mut situation = rolling(ready(), Rollout { made_after: Some(1), ..Rollout::default() });
    edit(&mut situation, "worker/1", |i| i.attempt.generation = 2);
    edit(&mut situation, "worker/2", |i| i.attempt.generation = 3);
    let plan = lines(&situation);
    assert_eq!(plan.iter().filter(|line| line.contains("destroy")).count(), 2, "{plan:?}");
}

#[test]
fn an_instance_of_which_nobody_knows_what_it_was_made_from_is_said_to_be_so() {
    let mut situation = ready();
    situation.record.rollout = Some(only("worker"));
    let node = situation.generation.infrastructure.node("worker").unwrap().clone();
    for instance in &mut situation.instances {
        instance.attempt.node = node.clone();
        instance.attempt.implementation =
            situation.generation.definitions["worker"].implementations[0].clone();
    }
    let plan = lines(&situation);
    assert!(plan[0].contains("worker/1 is outdated (it is not known what it was made from)"), "{plan:?}");
}

#[test]
fn a_new_instance_of_a_surge_that_failed_is_removed_before_another_is_tried_in_its_slot() {
    let mut situation = surging();
    situation.instances.push(renewed(&situation, "worker/4", Dead));
    let plan = lines(&situation);
    assert_eq!(plan[0], "0 destroy worker/4: 'worker' has 4 instances, 3 are wanted");
    assert!(plan[1..].iter().all(|line| line.starts_with("later worker/")), "{plan:?}");
    let failed = situation.instances.pop().unwrap().attempt;
    let outcome = Outcome::Destroyed { cause: Cause("it died".to_owned()), failed: true };
    let phase = Phase::Closed { outcome, at: at(NOW) };
    situation.closed = vec![Attempt { phase, ready_at: None, ..failed }];
    let plan = lines(&situation);
    let why = "it stays, because worker/4 cannot be made: it failed once";
    assert!(plan.iter().all(|line| line.starts_with("later worker/") && line.contains(why)), "{plan:?}");
}
