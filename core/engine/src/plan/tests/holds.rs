//! What operators keep the planner from.

use super::*;
use crate::names::Renames;

pub(super) fn held(kind: HoldKind, node: Option<&str>) -> Holds {
    let hold = Hold {
        kind,
        node: node.map(str::to_owned),
        reason: "migration".to_owned(),
        actor: "ann".to_owned(),
        since: at(0),
        until: None,
    };
    Holds::in_force(vec![hold], at(NOW))
}

#[test]
fn a_paused_node_is_left_alone_and_so_is_what_waits_for_it() {
    let situation = Situation {
        holds: held(HoldKind::Pause, Some("worker")),
        ..situation(&[("db/1", Dead), ("worker/1", Dead)])
    };
    let plan = lines(&situation);
    assert_eq!(plan[..2], ["0 destroy db/1: db/1 is Dead", "1 create db/1 on sim: db/1 is Dead [needs [0]]"]);
    let reason = "'worker' is paused by ann since 1970-01-01T00:00:00Z: migration";
    assert_eq!(plan[2], format!("later worker/1: worker/1 is Dead; {reason}"));
    assert!(plan[3..].iter().all(|line| line.starts_with("later ") && line.ends_with(reason)), "{plan:?}");
    assert!(plan.iter().any(|line| line.starts_with("later front/1")), "{plan:?}");
}

#[test]
fn a_pause_that_is_over_holds_nothing_back() {
    let hold = Hold { until: Some(at(NOW)), ..held(HoldKind::Pause, None).iter().next().unwrap().clone() };
    let over = Situation { holds: Holds::in_force(vec![hold], at(NOW)), ..with_state("db/1", Dead) };
    assert_eq!(lines(&over), lines(&with_state("db/1", Dead)));
}

#[test]
fn a_pause_does_not_keep_from_destroying_the_whole_and_protection_does() {
    let mut leaving = ready();
    leaving.record.goal = Goal::Absent;
    let paused = Situation { holds: held(HoldKind::Pause, None), ..leaving.clone() };
    assert_eq!(lines(&paused), lines(&leaving));
    let protected = Situation { holds: held(HoldKind::Protect, Some("db")), ..leaving };
    assert!(!lines(&protected).iter().any(|line| line.contains("destroy db/1:")), "{:?}", lines(&protected));
}

#[test]
fn what_is_protected_is_neither_replaced_nor_scaled_away_but_still_filled() {
    let mut protected = situation(&[("db/1", Dead), ("worker/1", Ready), ("front/1", Ready)]);
    protected.holds = held(HoldKind::Protect, None);
    let plan = lines(&protected);
    assert!(plan.iter().all(|line| !line.contains("destroy")), "{plan:?}");
    assert!(
        plan.contains(
            &"later db/1: db/1 is Dead; it is protected by ann since 1970-01-01T00:00:00Z: migration"
                .to_owned()
        ),
        "{plan:?}"
    );
    let mut shrinking = situation(&[
        ("db/1", Ready),
        ("worker/1", Ready),
        ("worker/2", Ready),
        ("worker/3", Ready),
        ("front/1", Ready),
    ]);
    shrinking.holds = held(HoldKind::Protect, Some("worker"));
    edit(&mut shrinking, "worker/2", |i| i.attempt.retire = Some(Cause("it was named".to_owned())));
    let kept =
        "later worker/2: it was named; 'worker' is protected by ann since 1970-01-01T00:00:00Z: migration";
    assert_eq!(lines(&shrinking), [kept]);
    let mut growing = situation(&[("db/1", Ready), ("worker/1", Ready), ("front/1", Ready)]);
    growing.holds = held(HoldKind::Protect, None);
    assert_eq!(lines(&growing), ["0 create worker/2 on sim: 'worker' has 1 of 2 instances"]);
}

#[test]
fn a_change_is_refused_with_all_that_is_held_and_in_its_way() {
    let refusal = |situation: &Situation| refusal(situation, &Policy::default());
    let mut shrinking =
        situation(&[("db/1", Ready), ("worker/1", Ready), ("worker/2", Ready), ("front/1", Ready)]);
    shrinking.generation.infrastructure.nodes.retain(|node| node.name != "front" && node.name != "worker");
    assert_eq!(refusal(&shrinking), None);
    // What is held and stays is in nobody's way.
    shrinking.holds = held(HoldKind::Protect, Some("db"));
    assert_eq!(refusal(&shrinking), None);
    shrinking.holds = held(HoldKind::Protect, Some("worker"));
    assert_eq!(
        refusal(&shrinking).unwrap(),
        "infrastructure 'shop' is not changed: worker/1, worker/2 would have to be changed, but 'worker' is \
         protected by ann since 1970-01-01T00:00:00Z: migration; lift that with `occopus unprotect shop worker` \
         first"
    );
    shrinking.holds = held(HoldKind::Pause, None);
    let said = refusal(&shrinking).unwrap();
    assert!(said.contains("front/1, worker/1, worker/2 would have"), "{said}");
    assert!(said.contains("it is paused by ann") && said.contains("`occopus resume shop`"), "{said}");
}

#[test]
fn in_a_row_those_behind_a_paused_node_go_on_unless_they_depend_on_it() {
    let situation = Situation {
        order: Order::Sequential,
        holds: held(HoldKind::Pause, Some("first")),
        ..first_build(
            &[("first", 1, 1), ("second", 1, 1), ("third", 1, 1), ("last", 1, 1)],
            &[("last", "first")],
        )
    };
    let plan = lines(&situation);
    assert_eq!(
        plan[..2],
        [
            "0 create second/1 on sim: 'second' has 0 of 1 instances",
            "1 create third/1 on sim: 'third' has 0 of 1 instances [needs [0]]",
        ]
    );
    assert!(plan[2].starts_with("later first/1") && plan[3].starts_with("later last/1"), "{plan:?}");
}

#[test]
fn a_hold_on_a_node_that_is_to_be_renamed_is_lifted_by_its_name_of_today() {
    let renamed = held(HoldKind::Protect, Some("worker")).renamed(&Renames::of([("worker", "web")]));
    let hold = renamed.iter().next().unwrap();
    assert!(hold.covers("web"));
    assert_eq!(renamed.lifted_with(hold, "shop"), "occopus unprotect shop worker");
    // A new node called as the old one was is another one.
    assert!(!hold.covers("worker"));
}
