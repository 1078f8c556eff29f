use super::*;
use crate::sample::{Asks, generation};

const NODES: [(&str, u32, u32); 4] = [("front", 1, 1), ("log", 1, 1), ("worker", 1, 1), ("db", 1, 1)];
const NEEDS: [(&str, &str); 2] = [("front", "worker"), ("worker", "db")];

fn topology(needs: &[(&str, &str)], asks: &[(&'static str, &'static str)]) -> Topology {
    Topology::of(&generation(&NODES, needs), &Asks(asks.to_vec()))
}

#[test]
fn every_node_follows_those_it_waits_for_and_else_the_file() {
    let topology = topology(&NEEDS, &[]);
    assert_eq!(topology.order, ["log", "db", "worker", "front"]);
    assert_eq!(topology.levels, [vec!["log", "db"], vec!["worker"], vec!["front"]]);
    assert_eq!(topology.waits_for("front").collect::<Vec<_>>(), ["worker"]);
    assert!(topology.warnings.is_empty());
}

#[test]
fn asking_for_an_address_is_waiting_for_it_with_a_warning() {
    let topology = topology(&NEEDS, &[("log", "front")]);
    assert_eq!(topology.order, ["db", "worker", "front", "log"]);
    assert_eq!(
        topology.warnings,
        [
            "a template of node 'log' asks for the address of 'front', which is no declared dependency; 'log' is \
          started after it. Declare it under 'dependencies'"
        ]
    );
}

#[test]
fn asking_for_the_address_of_a_dependant_makes_no_cycle() {
    let topology = topology(&NEEDS, &[("db", "front"), ("db", "db"), ("db", "nobody")]);
    assert_eq!(topology.order, ["log", "db", "worker", "front"]);
    assert_eq!(
        topology.warnings,
        ["a template of node 'db' asks for the address of 'front', which itself waits for 'db'"]
    );
}

#[test]
fn nodes_that_ask_for_each_other_are_put_in_one_order() {
    let topology = topology(&[], &[("log", "front"), ("front", "log")]);
    assert_eq!(topology.order.len(), 4);
    assert_eq!(topology.warnings.len(), 2);
}

#[test]
fn a_loopback_address_that_is_no_use_is_a_warning() {
    let mut generation = generation(&NODES, &NEEDS);
    generation.definitions.get_mut("db").unwrap().implementations =
        vec![crate::sample::implementation("process")];
    let topology = Topology::of(&generation, &Asks(vec![("worker", "db")]));
    assert_eq!(topology.warnings.len(), 1);
    assert!(topology.warnings[0].contains("cannot be reached from there"), "{}", topology.warnings[0]);
}
