//! What waits for what costs no more than what there is, however many wait for many.

use super::*;

/// How many prerequisites a plan writes down.
fn edges(plan: &Plan) -> usize {
    let of_actions = plan.actions.iter().map(|one| one.needs.len() + one.follows.len() + one.behind.len());
    let of_barriers = plan.barriers.iter().map(|one| one.needs.len() + one.follows.len() + one.behind.len());
    of_actions.chain(of_barriers).sum()
}

fn situation_of(slots: &[String], nodes: &[(&str, u32, u32)], needs: &[(&str, &str)]) -> Situation {
    let instances =
        slots.iter().map(|slot| Instance { attempt: attempt(slot, 1), verdict: Some(verdict(Ready)) });
    Situation { instances: instances.collect(), ..first_build(nodes, needs) }
}

#[test]
fn many_that_wait_for_many_write_down_as_much_as_they_are() {
    const MANY: u32 = 300;
    let nodes = [("db", MANY, MANY), ("worker", MANY, MANY), ("front", MANY, MANY)];
    let needs = [("worker", "db"), ("front", "worker"), ("front", "db")];
    let situation = situation_of(&[], &nodes, &needs);
    let created = plan(&situation, &Policy::default());
    assert_eq!(created.actions.len(), 3 * MANY as usize);
    assert!(edges(&created) < 5 * MANY as usize, "{} prerequisites", edges(&created));
    let before = |action: &Action| prerequisites(&created, action).0.len();
    let expected = [0, MANY as usize, 2 * MANY as usize];
    for (node, expected) in ["db", "worker", "front"].iter().zip(expected) {
        let mine = created.actions.iter().filter(|action| action.slot.node == *node);
        assert!(mine.map(before).all(|number| number == expected), "{node}");
    }
    let slots: Vec<String> =
        nodes.iter().flat_map(|(node, ..)| (1..=MANY).map(move |index| format!("{node}/{index}"))).collect();
    let mut leaving = situation_of(&slots, &nodes, &needs);
    leaving.record.goal = Goal::Absent;
    let destroyed = plan(&leaving, &Policy::default());
    assert!(edges(&destroyed) < 5 * MANY as usize, "{} prerequisites", edges(&destroyed));
    let followed = |action: &Action| prerequisites(&destroyed, action).1.len();
    let db = destroyed.actions.iter().filter(|action| action.slot.node == "db");
    assert!(db.map(followed).all(|number| number == 2 * MANY as usize));
}

#[test]
fn a_barrier_at_which_nobody_waits_is_not_part_of_a_plan() {
    let pending =
        situation(&[("db/1", Ready), ("worker/1", Pending), ("worker/2", Pending), ("front/1", Ready)]);
    let plan = plan(&pending, &Policy::default());
    assert_eq!((plan.actions.len(), plan.barriers.len()), (2, 0));
}

#[test]
fn what_is_held_back_takes_along_what_waits_for_it_at_a_barrier_and_nothing_else() {
    let nodes = [("db", 2, 2), ("cache", 2, 2), ("worker", 2, 2), ("front", 2, 2)];
    let mut situation = situation_of(&[], &nodes, &[("worker", "db"), ("front", "cache")]);
    situation.holds = held(HoldKind::Pause, Some("db"));
    let lines = lines(&situation);
    let expected = [
        "0 create cache/1 on sim: 'cache' has 0 of 2 instances",
        "1 create cache/2 on sim: 'cache' has 0 of 2 instances",
        "2 create front/1 on sim: 'front' has 0 of 2 instances [needs [0, 1]]",
        "3 create front/2 on sim: 'front' has 0 of 2 instances [needs [0, 1]]",
    ];
    assert_eq!(lines[..4], expected);
    assert!(lines[4..].iter().all(|line| line.starts_with("later db/") || line.starts_with("later worker/")));
    assert_eq!(lines.len(), 8);
}

#[test]
fn a_node_that_is_destroyed_follows_its_indirect_dependants_when_what_is_between_stays() {
    let mut situation = ready();
    situation.record.goal = Goal::Absent;
    situation.holds = held(HoldKind::Protect, Some("worker"));
    assert_eq!(lines(&situation)[1], "1 destroy db/1: 'shop' is to be destroyed [follows [0]]");
}
