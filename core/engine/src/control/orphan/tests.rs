use serde_json::json;

use super::*;
use crate::ids::{AttemptId, NodeId, StoreId};
use crate::record::Outcome;
use crate::sample::{at, attempt, generation};

fn identity(slot: &str) -> Identity {
    Identity {
        store: StoreId::from("store"),
        infra: "i".into(),
        slot: slot.parse().unwrap(),
        node_id: NodeId::from("lost"),
        attempt: AttemptId::from("lost"),
    }
}

fn record() -> InfraRecord {
    let record = json!({"id": "i", "name": "shop", "goal": "present", "generation": 1, "created_at": at(0)});
    serde_json::from_value(record).unwrap()
}

fn place() -> Place {
    attempt("worker/1", 1).place
}

/// What `vacancy` says of slot `slot` where `others` are on record, of which two are wanted.
fn said(slot: &str, others: &[Attempt], edit: impl FnOnce(&mut InfraRecord)) -> Result<usize, String> {
    let generation = generation(&[("worker", 2, 4)], &[]);
    let mut record = record();
    edit(&mut record);
    vacancy((&record, &generation), others, &identity(slot), &place()).map(|vacancy| vacancy.index)
}

#[test]
fn an_empty_slot_that_is_wanted_is_a_vacancy() {
    assert_eq!(said("worker/2", &[attempt("worker/1", 1)], |_| {}), Ok(0));
    let closed = Phase::Closed { outcome: Outcome::Abandoned, at: at(9) };
    let gone = Attempt { phase: closed, ..attempt("worker/2", 1) };
    assert_eq!(said("worker/2", &[attempt("worker/1", 1), gone], |_| {}), Ok(0));
}

#[test]
fn whatever_fills_a_slot_or_is_not_wanted_leaves_no_vacancy() {
    let one = attempt("worker/1", 1);
    assert!(said("worker/1", std::slice::from_ref(&one), |_| {}).unwrap_err().contains("is filled by"));
    let two = [one, attempt("worker/2", 1)];
    assert!(said("worker/3", &two, |_| {}).unwrap_err().contains("2 of 2 instances"));
    let scaled = |record: &mut InfraRecord| record.targets.extend([("worker".to_owned(), 3)]);
    assert_eq!(said("worker/3", &two, scaled), Ok(0));
    assert!(said("db/1", &[], |_| {}).unwrap_err().contains("no node 'db'"));
    assert!(
        said("worker/2", &[], |record| record.goal = Goal::Absent).unwrap_err().contains("being destroyed")
    );
}

#[test]
fn the_implementation_of_the_place_is_preferred_and_another_type_is_refused() {
    let mut generation = generation(&[("worker", 1, 1)], &[]);
    let implementations = &mut generation.definitions.get_mut("worker").unwrap().implementations;
    let mut here = implementations[0].clone();
    here.resource.insert("endpoint".to_owned(), json!(place().endpoint));
    implementations.push(here);
    let (record, identity) = (record(), identity("worker/1"));
    let index =
        |place: &Place| vacancy((&record, &generation), &[], &identity, place).map(|found| found.index);
    assert_eq!(index(&place()), Ok(1));
    assert_eq!(index(&Place { endpoint: "elsewhere".to_owned(), ..place() }), Ok(0));
    assert!(index(&Place { handler: "docker".to_owned(), ..place() }).unwrap_err().contains("on docker"));
}
