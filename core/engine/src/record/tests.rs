use super::*;
use crate::sample::{at, attempt};

#[test]
fn an_attempt_reads_back_in_every_phase() {
    let cause = Cause("why it ended".to_owned());
    let closed = |outcome| Phase::Closed { outcome, at: at(5) };
    let phases = [
        Phase::Creating { deadline: at(9), error: None },
        Phase::Creating { deadline: at(9), error: Some("late".to_owned()) },
        Phase::Live,
        Phase::Destroying { cause: cause.clone(), failed: true, error: Some("no".to_owned()) },
        closed(Outcome::Refused { kind: ErrorKind::Quota, message: "full".to_owned() }),
        closed(Outcome::NeverAppeared { failed: false }),
        closed(Outcome::Destroyed { cause, failed: false }),
        closed(Outcome::Abandoned),
    ];
    for phase in phases {
        let before = Attempt { phase, ..attempt("worker/1", 1) };
        let text = serde_json::to_string(&before).unwrap();
        let after: Attempt = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error} in {text}"));
        assert_eq!(before, after);
    }
}

#[test]
fn a_shuffled_slot_keeps_its_order_of_implementations_and_tries_all_of_them() {
    let mut generation = crate::sample::generation(&[("worker", 1, 9)], &[]);
    let definition = generation.definitions.get_mut("worker").unwrap();
    definition.implementations = ["a", "b", "c"].map(crate::sample::implementation).to_vec();
    let order = |generation: &Generation, slot| -> Vec<usize> {
        let node = generation.infrastructure.node("worker").unwrap();
        generation.candidates(node, slot).into_iter().map(|(index, _)| index).collect()
    };
    assert_eq!(order(&generation, 7), [0, 1, 2]);
    generation.shuffle = Some(42);
    let orders: Vec<Vec<usize>> = (1..30).map(|slot| order(&generation, slot)).collect();
    assert_eq!(orders, (1..30).map(|slot| order(&generation, slot)).collect::<Vec<_>>());
    assert!(orders.iter().any(|order| order[0] != orders[0][0]), "slots differ");
    for mut order in orders {
        order.sort_unstable();
        assert_eq!(order, [0, 1, 2]);
    }
}

#[test]
fn a_filter_leaves_only_what_matches() {
    let mut generation = crate::sample::generation(&[("worker", 1, 1)], &[]);
    let definition = generation.definitions.get_mut("worker").unwrap();
    definition.implementations = ["a", "b"].map(crate::sample::implementation).to_vec();
    let node = &mut generation.infrastructure.nodes[0];
    node.filter = Some(serde_json::Map::from_iter([("type".to_owned(), "b".into())]));
    let node = generation.infrastructure.nodes[0].clone();
    assert_eq!(generation.candidates(&node, 1).iter().map(|(index, _)| *index).collect::<Vec<_>>(), [1]);
}

#[test]
fn a_request_that_names_an_instance_by_its_slot_is_renamed_with_it() {
    let renames = Renames::of([("worker", "web")]);
    let request = |node: &str, change| ScaleRequest { node: node.to_owned(), change, at: at(1), epoch: 0 };
    for (change, expected) in [
        (ScaleChange::Add(2), ScaleChange::Add(2)),
        (ScaleChange::RemoveInstance("worker/2".into()), ScaleChange::RemoveInstance("web/2".into())),
        (ScaleChange::ReplaceInstance("10.0.0.2".into()), ScaleChange::ReplaceInstance("10.0.0.2".into())),
    ] {
        assert_eq!(request("worker", change).renamed(&renames), request("web", expected));
    }
}
