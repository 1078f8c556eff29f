use occopus_descriptor::model::Moved;
use serde_json::json;

use super::*;
use crate::ids::InfraId;
use crate::record::Goal;
use crate::sample::{at, attempt, generation};

fn described(nodes: &[&str], hints: &[(&str, &str)]) -> Generation {
    let nodes: Vec<(&str, u32, u32)> = nodes.iter().map(|name| (*name, 1, 3)).collect();
    let mut generation = generation(&nodes, &[]);
    let hint = |(from, to): &(&str, &str)| Moved { from: (*from).to_owned(), to: (*to).to_owned() };
    generation.infrastructure.moved = hints.iter().map(hint).collect();
    generation
}

fn record() -> InfraRecord {
    InfraRecord {
        id: InfraId::from("i"),
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
    }
}

/// What a change renames, and whether anything about it is doubtful.
fn renamed(old: &Generation, new: &Generation, slots: &[&str]) -> (Vec<String>, bool) {
    let attempts: Vec<Attempt> = slots.iter().map(|slot| attempt(slot, 1)).collect();
    let moves = moves(&record(), old, new, &attempts);
    (moves.nodes.iter().map(|(from, to)| format!("{from} {to}")).collect(), !moves.doubts.is_empty())
}

fn list(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

#[test]
fn hints_are_followed_all_at_once() {
    for (old, new, hints, expected) in [
        (&["a"][..], &["b"][..], &[("a", "b")][..], &["a b"][..]),
        (&["a", "b"], &["b", "c"], &[("a", "b"), ("b", "c")], &["a b", "b c"]),
        (&["a", "b"], &["a", "b"], &[("a", "b"), ("b", "a")], &["a b", "b a"]),
        // Two changes in one: the name between is not described any more.
        (&["a"], &["c"], &[("a", "b"), ("b", "c")], &["a c"]),
        (&["b"], &["c"], &[("a", "b"), ("b", "c")], &["b c"]),
    ] {
        let slots: Vec<String> = old.iter().map(|node| format!("{node}/1")).collect();
        let slots: Vec<&str> = slots.iter().map(String::as_str).collect();
        let found = renamed(&described(old, &[]), &described(new, hints), &slots);
        assert_eq!(found, (list(expected), false), "{old:?} {new:?} {hints:?}");
    }
}

#[test]
fn a_hint_without_anything_to_rename_is_fine() {
    let new = described(&["b"], &[("a", "b")]);
    assert_eq!(renamed(&described(&["b"], &[]), &new, &["b/1"]), (vec![], false));
    assert_eq!(renamed(&described(&["x"], &[]), &new, &[]), (vec![], false));
}

#[test]
fn a_hint_is_followed_once_even_if_it_swaps() {
    let swap = [("a", "b"), ("b", "a")];
    let (old, new) = (described(&["a", "b"], &swap), described(&["a", "b"], &swap));
    assert_eq!(renamed(&old, &new, &["a/1", "b/1"]), (vec![], false));
    // Where the old name goes again, that is what the hint says.
    let new = described(&["b", "c"], &[("a", "b"), ("b", "c")]);
    assert_eq!(renamed(&old, &new, &["a/1", "b/1"]), (list(&["a b", "b c"]), false));
}

#[test]
fn instances_of_a_node_that_is_gone_can_be_moved_still() {
    let found = renamed(&described(&["x"], &[]), &described(&["x", "b"], &[("a", "b")]), &["a/1"]);
    assert_eq!(found, (list(&["a b"]), false));
}

#[test]
fn a_name_that_another_node_keeps_is_not_taken() {
    let old = described(&["a", "b"], &[]);
    let new = described(&["b"], &[("a", "b")]);
    assert_eq!(renamed(&old, &new, &["a/1", "b/1"]), (vec![], true));
    // What hangs on it is not followed either.
    let new = described(&["b", "a"], &[("a", "b"), ("x", "a")]);
    let old = described(&["a", "b", "x"], &[]);
    assert_eq!(renamed(&old, &new, &["a/1", "b/1", "x/1"]), (vec![], true));
}

#[test]
fn an_earlier_description_brings_its_names_back() {
    let mut record = record();
    record.rename(&Renames::of([("a", "b")]), at(10));
    record.rename(&Renames::of([("b", "c"), ("x", "b")]), at(20));
    let back = |epoch, nodes: &[&str]| {
        let next = Generation { epoch: Some(epoch), ..described(nodes, &[("z", "a")]) };
        let in_force = described(&["c", "b"], &[]);
        moves(&record, &in_force, &next, &[attempt("c/1", 1), attempt("b/1", 1)]).nodes
    };
    let pairs = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        pairs.iter().map(|(from, to)| ((*from).to_owned(), (*to).to_owned())).collect()
    };
    assert_eq!(back(0, &["a", "x"]), pairs(&[("b", "x"), ("c", "a")]));
    assert_eq!(back(0, &["a"]), pairs(&[("c", "a")]));
    assert_eq!(back(1, &["b"]), pairs(&[("c", "b")]));
    assert_eq!(back(1, &["b", "x"]), pairs(&[("b", "x"), ("c", "b")]));
    assert_eq!(back(2, &["c", "b"]), []);
}

#[test]
fn a_forgotten_hint_is_suggested() {
    let old = described(&["worker", "db"], &[]);
    let mut new = described(&["db", "web"], &[]);
    // The same definition under another name of the node.
    new.infrastructure.nodes[1].definition = "worker".to_owned();
    new.definitions.clone_from(&old.definitions);
    let doubts = |old: &Generation, new: &Generation, slots: &[&str]| {
        let attempts: Vec<Attempt> = slots.iter().map(|slot| attempt(slot, 1)).collect();
        moves(&record(), old, new, &attempts).doubts
    };
    let found = doubts(&old, &new, &["worker/1", "db/1"]);
    assert!(found.len() == 1 && found[0].contains("moved: [{from: worker, to: web}]"), "{found:?}");
    assert!(doubts(&old, &new, &["db/1"]).is_empty(), "there is nothing to keep");
    new.infrastructure.nodes[1].variables.insert("x".to_owned(), json!(1));
    assert!(doubts(&old, &new, &["worker/1"]).is_empty(), "it is described otherwise");
}
