//! Plans are compared in the words in which users read them.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use occopus_descriptor::model::{Care, Heal, ScaleDown, Share};

use crate::handler::{ErrorKind, Identity, ProviderId, ResourceState};
use crate::hold::{Hold, HoldKind};
use crate::ids::{InfraId, StoreId};
use crate::judge::InstanceState::{self, Dead, Gone, Pending, Ready, Unhealthy, Unknown, Unresponsive};
use crate::record::{Cause, Outcome, Phase};
use crate::sample::{Asks, at, attempt, generation};

mod barriers;
mod holds;
mod repair;
mod rollout;

use holds::held;
use repair::failed;

const NOW: i64 = 100_000;

/// `db`, two workers that need it, and a front that needs the workers.
const NODES: [(&str, u32, u32); 3] = [("db", 1, 1), ("worker", 2, 9), ("front", 1, 1)];
const NEEDS: [(&str, &str); 2] = [("worker", "db"), ("front", "worker")];

fn situation(instances: &[(&str, InstanceState)]) -> Situation {
    let instance = |(number, (slot, state)): (usize, &(&str, InstanceState))| Instance {
        attempt: attempt(slot, number as i64),
        verdict: Some(verdict(*state)),
    };
    let instances = instances.iter().enumerate().map(instance).collect();
    Situation { instances, ..first_build(&NODES, &NEEDS) }
}

/// Nothing is there yet of these nodes.
fn first_build(nodes: &[(&str, u32, u32)], needs: &[(&str, &str)]) -> Situation {
    let generation = generation(nodes, needs);
    Situation {
        now: at(NOW),
        record: InfraRecord {
            id: InfraId("i".to_owned()),
            name: "shop".to_owned(),
            goal: Goal::Present,
            generation: 1,
            targets: BTreeMap::new(),
            created_at: at(0),
            completed: true,
            closed_at: None,
            rollout: None,
            completed_before: None,
            names: Default::default(),
        },
        topology: Topology::of(&generation, &Asks(Vec::new())),
        generation,
        instances: Vec::new(),
        closed: Vec::new(),
        late: Vec::new(),
        order: Order::Parallel,
        holds: Holds::default(),
        eager: None,
    }
}

fn verdict(state: InstanceState) -> Verdict {
    let reason = match state {
        Ready => String::new(),
        other => format!("is {other:?}"),
    };
    Verdict {
        state,
        reason,
        failing: None,
        addresses: Vec::new(),
        private_address: None,
        checks: Vec::new(),
        facts: Default::default(),
    }
}

fn ready() -> Situation {
    situation(&[("db/1", Ready), ("worker/1", Ready), ("worker/2", Ready), ("front/1", Ready)])
}

fn with_state(slot: &str, state: InstanceState) -> Situation {
    let mut situation = ready();
    edit(&mut situation, slot, |instance| instance.verdict = Some(verdict(state)));
    situation
}

fn edit(situation: &mut Situation, slot: &str, edit: impl FnOnce(&mut Instance)) {
    edit(situation.instances.iter_mut().find(|i| i.attempt.slot.to_string() == slot).unwrap());
}

fn late(slot: &str) -> Found {
    Found {
        identity: Identity {
            store: StoreId("s".to_owned()),
            infra: InfraId("i".to_owned()),
            slot: slot.parse().unwrap(),
            node_id: "n".into(),
            attempt: "late".into(),
        },
        provider_id: ProviderId::plain("m-late"),
        state: ResourceState::Running,
    }
}

/// What an action needs and what it follows, barriers seen through.
fn prerequisites(plan: &Plan, action: &Action) -> (BTreeSet<usize>, BTreeSet<usize>) {
    let mut needs: BTreeSet<usize> = action.needs.iter().copied().collect();
    let mut follows: BTreeSet<usize> = action.follows.iter().copied().collect();
    let mut open = action.behind.clone();
    while let Some(number) = open.pop() {
        let barrier = &plan.barriers[number];
        needs.extend(&barrier.needs);
        follows.extend(&barrier.follows);
        open.extend(&barrier.behind);
    }
    (needs, follows)
}

/// The plan line by line: number, action, what it needs and what it follows; then what is deferred.
fn lines(situation: &Situation) -> Vec<String> {
    let plan = plan(situation, &Policy::default());
    let action = |action: &Action| {
        let mut line = format!("{} {action}", action.id);
        let (needs, follows) = prerequisites(&plan, action);
        if !needs.is_empty() {
            line += &format!(" [needs {needs:?}]");
        }
        if !follows.is_empty() {
            line += &format!(" [follows {follows:?}]");
        }
        line.replace('{', "[").replace('}', "]")
    };
    let note = |note: &Note| match note {
        Note::Deferred { slot, text, .. } => format!("later {slot}: {text}"),
        Note::Warning { text } => format!("warning: {text}"),
        Note::Moved { from, to, .. } => format!("moved: {from} to {to}"),
    };
    plan.actions.iter().map(action).chain(plan.notes.iter().map(note)).collect()
}

#[test]
fn what_is_in_order_needs_nothing() {
    assert!(lines(&ready()).is_empty());
}

#[test]
fn a_first_build_makes_everything_behind_what_it_depends_on() {
    let expected = [
        "0 create db/1 on sim: 'db' has 0 of 1 instances",
        "1 create worker/1 on sim: 'worker' has 0 of 2 instances [needs [0]]",
        "2 create worker/2 on sim: 'worker' has 0 of 2 instances [needs [0]]",
        "3 create front/1 on sim: 'front' has 0 of 1 instances [needs [1, 2]]",
    ];
    assert_eq!(lines(&situation(&[])), expected);
    let sequential = lines(&Situation { order: Order::Sequential, ..situation(&[]) });
    assert_eq!(sequential[2], "2 create worker/2 on sim: 'worker' has 0 of 2 instances [needs [0, 1]]");
}

#[test]
fn a_lost_instance_is_replaced_and_its_dependants_are_not() {
    for state in [Gone, Dead, Unresponsive] {
        let expected = [
            format!("0 destroy db/1: db/1 is {state:?}"),
            format!("1 create db/1 on sim: db/1 is {state:?} [needs [0]]"),
        ];
        assert_eq!(lines(&with_state("db/1", state)), expected);
    }
}

#[test]
fn what_may_recover_is_left_alone() {
    assert_eq!(lines(&with_state("worker/1", Unhealthy)), ["later worker/1: is Unhealthy"]);
    assert_eq!(lines(&with_state("worker/1", Unknown)), ["later worker/1: its state is unknown: is Unknown"]);
    assert_eq!(lines(&with_state("worker/1", Pending)), ["0 await worker/1: is Pending"]);
}

#[test]
fn nothing_is_made_before_its_dependencies_are_ready() {
    let situation = situation(&[("db/1", Unknown)]);
    let expected = [
        "later db/1: its state is unknown: is Unknown",
        "later worker/1: 'worker' has 0 of 2 instances; 'db' is not ready",
        "later worker/2: 'worker' has 0 of 2 instances; 'db' is not ready",
        "later front/1: 'front' has 0 of 1 instances; 'worker' is not ready",
    ];
    assert_eq!(lines(&situation), expected);
}

#[test]
fn an_open_create_is_resumed_behind_its_dependencies() {
    let mut situation =
        situation(&[("db/1", Pending), ("worker/1", Ready), ("worker/2", Ready), ("front/1", Ready)]);
    edit(&mut situation, "worker/2", |instance| {
        instance.attempt.phase = Phase::Creating { deadline: at(NOW), error: None };
        instance.verdict = None;
    });
    let expected =
        ["0 await db/1: is Pending", "1 resume worker/2: its creation was interrupted [needs [0]]"];
    assert_eq!(lines(&situation), expected);
}

#[test]
fn a_destroy_that_was_begun_is_finished_before_its_slot_is_filled() {
    let mut situation = ready();
    edit(&mut situation, "worker/2", |instance| {
        instance.attempt.phase =
            Phase::Destroying { cause: Cause("it died".to_owned()), failed: true, error: None };
        instance.verdict = None;
    });
    let expected = [
        "0 destroy worker/2: it died",
        "1 create worker/2 on sim: 'worker' has 1 of 2 instances [needs [0]]",
    ];
    assert_eq!(lines(&situation), expected);
}

#[test]
fn scaling_down_removes_the_lost_then_the_youngest() {
    let mut situation = situation(&[
        ("db/1", Ready),
        ("front/1", Ready),
        ("worker/1", Dead),
        ("worker/2", Ready),
        ("worker/3", Ready),
        ("worker/4", Ready),
    ]);
    let expected = [
        "0 destroy worker/4: 'worker' has 4 instances, 2 are wanted",
        "1 destroy worker/1: 'worker' has 4 instances, 2 are wanted",
    ];
    assert_eq!(lines(&situation), expected);
    situation.record.targets.insert("worker".to_owned(), 3);
    assert_eq!(lines(&situation), ["0 destroy worker/1: 'worker' has 4 instances, 3 are wanted"]);
}

#[test]
fn scaling_up_takes_the_first_free_slots() {
    let mut situation = situation(&[("db/1", Ready), ("front/1", Ready), ("worker/2", Ready)]);
    situation.record.targets.insert("worker".to_owned(), 3);
    let expected = [
        "0 create worker/1 on sim: 'worker' has 1 of 3 instances",
        "1 create worker/3 on sim: 'worker' has 1 of 3 instances",
    ];
    assert_eq!(lines(&situation), expected);
}

#[test]
fn a_named_instance_goes_and_its_slot_is_not_filled_before_that() {
    let mut situation = ready();
    edit(&mut situation, "worker/1", |i| i.attempt.retire = Some(Cause("it was named".to_owned())));
    let expected =
        ["0 destroy worker/1: it was named", "1 create worker/3 on sim: 'worker' has 1 of 2 instances"];
    assert_eq!(lines(&situation), expected);
}

#[test]
fn of_two_instances_in_one_slot_one_goes() {
    let mut situation = ready();
    let second = Instance { attempt: attempt("worker/1", 50), verdict: Some(verdict(Ready)) };
    situation.instances.push(second);
    situation.record.targets.insert("worker".to_owned(), 3);
    let expected = [
        "0 destroy worker/1: worker/1 has another instance",
        "1 create worker/3 on sim: 'worker' has 2 of 3 instances",
    ];
    assert_eq!(lines(&situation), expected);
}

#[test]
fn what_appeared_late_fills_an_empty_slot_or_goes() {
    let mut situation = ready();
    situation.late.push(late("worker/1"));
    assert_eq!(lines(&situation), ["0 destroy worker/1: appeared late; its slot is taken"]);
    situation.instances.retain(|instance| instance.attempt.slot.to_string() != "worker/1");
    assert_eq!(lines(&situation), ["0 adopt worker/1: appeared after it had been given up"]);
}

#[test]
fn what_appeared_late_still_counts_as_a_failure_when_its_slot_was_filled_again() {
    for failed in [true, false] {
        let mut situation = ready();
        let mut lost = attempt("worker/1", 50);
        lost.id = "late".into();
        lost.phase = Phase::Closed { outcome: Outcome::NeverAppeared { failed }, at: situation.now };
        situation.closed.push(lost);
        situation.late.push(late("worker/1"));
        let actions = plan(&situation, &Policy::default()).actions;
        assert!(
            matches!(&actions[..], [Action { what: What::Destroy { failed: f, .. }, .. }] if *f == failed)
        );
    }
}

#[test]
fn what_had_been_removed_on_purpose_is_removed_again_and_not_adopted() {
    let mut situation = situation(&[("db/1", Ready), ("worker/1", Ready), ("front/1", Ready)]);
    situation.late.push(late("worker/2"));
    let removed = |failed| {
        let outcome = Outcome::Destroyed { cause: Cause("two were wanted".to_owned()), failed };
        let phase = Phase::Closed { outcome, at: at(NOW - 5000) };
        Attempt { id: "late".into(), phase, ..attempt("worker/2", 10) }
    };
    let named = Attempt { retire: Some(Cause("it was named".to_owned())), ..removed(true) };
    for closed in [removed(false), named] {
        situation.closed = vec![closed];
        let expected = [
            "0 create worker/2 on sim: 'worker' has 1 of 2 instances",
            "1 destroy worker/2: appeared again after it had been removed",
        ];
        assert_eq!(lines(&situation), expected);
    }
    situation.closed = vec![removed(true)];
    assert_eq!(lines(&situation), ["0 adopt worker/2: appeared after it had been given up"]);
}

#[test]
fn a_change_removes_the_old_behind_all_that_is_new_and_not_at_all_if_that_cannot_come() {
    let mut situation = ready();
    situation.instances.push(Instance { attempt: attempt("old/1", 60), verdict: Some(verdict(Ready)) });
    situation.instances.retain(|instance| instance.attempt.slot.to_string() != "front/1");
    situation.generation.number = 2;
    situation.record.completed = false;
    let expected = [
        "0 create front/1 on sim: 'front' has 0 of 1 instances",
        "1 destroy old/1: node 'old' is no longer described [needs [0]]",
    ];
    assert_eq!(lines(&situation), expected);
    situation.closed = vec![failed("front/1", 1)];
    let lines = lines(&situation);
    assert!(lines.iter().all(|line| line.starts_with("later")), "{lines:?}");
    assert!(lines[1].contains("it stays until all that is new is ready"), "{lines:?}");
}

#[test]
fn a_destroy_removes_dependants_first_and_settles_what_is_open() {
    let mut situation = ready();
    situation.record.goal = Goal::Absent;
    edit(&mut situation, "worker/2", |instance| {
        instance.attempt.phase = Phase::Creating { deadline: at(NOW), error: None };
    });
    let expected = [
        "0 destroy front/1: 'shop' is to be destroyed",
        "1 clear up worker/2: 'shop' is to be destroyed [follows [0]]",
        "2 destroy worker/1: 'shop' is to be destroyed [follows [0]]",
        "3 destroy db/1: 'shop' is to be destroyed [follows [0, 1, 2]]",
    ];
    assert_eq!(lines(&situation), expected);
    situation.instances.retain(|instance| instance.attempt.slot.node != "worker");
    let expected = [
        "0 destroy front/1: 'shop' is to be destroyed",
        "1 destroy db/1: 'shop' is to be destroyed [follows [0]]",
    ];
    assert_eq!(lines(&situation), expected);
}

#[test]
fn an_instance_that_a_user_wants_replaced_is_exchanged_although_it_is_well() {
    let mut situation = ready();
    edit(&mut situation, "worker/2", |i| i.attempt.replace = Some(Cause("asked for".to_owned())));
    assert_eq!(
        lines(&situation),
        ["0 destroy worker/2: asked for", "1 create worker/2 on sim: asked for [needs [0]]"]
    );
}

#[test]
fn what_is_well_is_not_replaced_at_a_users_wish_while_no_other_could_be_made() {
    let mut situation = ready();
    edit(&mut situation, "db/1", |i| i.verdict = Some(verdict(Unknown)));
    edit(&mut situation, "worker/2", |i| i.attempt.replace = Some(Cause("asked for".to_owned())));
    assert_eq!(
        lines(&situation),
        ["later db/1: its state is unknown: is Unknown", "later worker/2: asked for; 'db' is not ready"]
    );
}

fn cared_for(mut situation: Situation, care: Care) -> Situation {
    situation.generation.infrastructure.nodes.iter_mut().for_each(|node| node.care = care);
    situation
}

#[test]
fn a_node_says_which_instances_go_first() {
    let go = |scale_down| {
        let mut situation = situation(&[
            ("db/1", Ready),
            ("worker/3", Ready),
            ("worker/1", Ready),
            ("worker/2", Ready),
            ("front/1", Ready),
        ]);
        situation = cared_for(situation, Care { scale_down, ..Care::default() });
        lines(&situation)[0].split(':').next().unwrap().to_owned()
    };
    assert_eq!(go(ScaleDown::Youngest), "0 destroy worker/2");
    assert_eq!(go(ScaleDown::Oldest), "0 destroy worker/3");
    assert_eq!(go(ScaleDown::Highest), "0 destroy worker/3");
}
