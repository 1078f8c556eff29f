//! Real descriptors, against what Occopus 1.10 made of them.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

use std::path::{Path, PathBuf};

use occopus_descriptor::model::{Infrastructure, Node};
use occopus_descriptor::{Overrides, Rules, levels, load_definitions, load_infrastructure};
use serde_json::{Value, json};

/// The folders of the corpus; `None`, with a printed reason, where it is absent.
fn corpus() -> Option<Vec<PathBuf>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus");
    if !root.is_dir() {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "no corpus at {}", root.display());
        println!("skipped: no corpus at {}", root.display());
        return None;
    }
    let folders = root.read_dir().unwrap().map(|entry| entry.unwrap().path());
    let mut folders: Vec<PathBuf> = folders.filter(|path| path.join("expected.json").is_file()).collect();
    folders.sort();
    Some(folders)
}

fn expected(folder: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(folder.join("expected.json")).unwrap()).unwrap()
}

/// The attribute mappings of a node, by peer.
fn mappings(infrastructure: &Infrastructure, node: &Node) -> Value {
    let mut result = json!({"inbound": {}, "outbound": {}});
    for edge in &infrastructure.dependencies {
        let stored = serde_json::to_value(&edge.mappings).unwrap();
        if edge.dependent == node.name {
            result["inbound"][&edge.dependee] = stored.clone();
        }
        if edge.dependee == node.name {
            result["outbound"][&edge.dependent] = stored;
        }
    }
    result
}

#[test]
fn infrastructures_mean_what_they_meant() {
    for folder in corpus().unwrap_or_default() {
        let expected = expected(&folder);
        let path = folder.join(expected["infra_file"].as_str().unwrap());
        let (infrastructure, _) =
            load_infrastructure(&path, &Overrides::default()).unwrap_or_else(|problems| panic!("{problems}"));
        assert_eq!(json!(levels(&infrastructure)), expected["levels"], "{}", folder.display());
        let nodes = expected["nodes"].as_object().unwrap();
        assert_eq!(nodes.len(), infrastructure.nodes.len());
        for (name, expected) in nodes {
            let node = infrastructure.node(name).unwrap();
            assert_eq!(Value::Object(node.variables.clone()), expected["variables"], "{name}");
            assert_eq!(mappings(&infrastructure, node), expected["mappings"], "{name}");
            let scaling = node.scaling_source.clone().unwrap_or_default();
            assert_eq!(scaling, expected["scaling"], "{name}");
        }
    }
}

#[test]
fn every_node_has_a_definition_of_the_expected_type() {
    for folder in corpus().unwrap_or_default() {
        let expected = expected(&folder);
        let path = folder.join(expected["node_definitions_file"].as_str().unwrap());
        let (definitions, _) =
            load_definitions(&path, &Rules::builtin()).unwrap_or_else(|problems| panic!("{problems}"));
        let path = folder.join(expected["infra_file"].as_str().unwrap());
        let (infrastructure, _) = load_infrastructure(&path, &Overrides::default()).unwrap();
        for node in &infrastructure.nodes {
            let definition =
                definitions.iter().find(|definition| definition.name == node.definition).unwrap();
            let found = definition.implementations[0].resource_type();
            assert_eq!(found, expected["nodes"][&node.name]["resource"]["type"]);
        }
    }
}
