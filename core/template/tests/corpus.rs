//! Real descriptors give what the original made of them.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a panic is how a test fails")]
mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use occopus_descriptor::model::{Dependency, Implementation, Infrastructure, Node};
use occopus_descriptor::yaml::{self, Dialect};
use occopus_engine::context::{Contextualiser, InstanceView, RenderInput, Rendered};
use occopus_engine::ids::{InfraId, NodeId};
use occopus_template::Templates;
use serde_json::{Map, Value, json};

const INFRA_ID: &str = "deadbeef-1111-2222-3333-444444444444";
const NODE_ID: &str = "abcd1234-0000";

fn corpus() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus");
    if folder.is_dir() {
        return Some(folder);
    }
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{} is absent", folder.display());
    println!("skipped: {} is absent", folder.display());
    None
}

fn load(path: &Path) -> yaml::Node {
    yaml::load_file(path, Dialect::default())
        .unwrap_or_else(|problems| panic!("{}: {problems:?}", path.display()))
}

/// The description with the merged variables of `expected`, which are not under test here.
fn infrastructure(file: &yaml::Node, expected: &Value) -> Infrastructure {
    let text = |node: &yaml::Node, key: &str| node.get(key).unwrap().to_text();
    let nodes = file.get("nodes").unwrap().as_seq().unwrap().iter().map(|node| Node {
        name: text(node, "name"),
        definition: text(node, "type"),
        scaling: Default::default(),
        scaling_source: node.get("scaling").map(yaml::Node::to_json),
        filter: None,
        variables: expected["nodes"][text(node, "name")]["variables"].as_object().unwrap().clone(),
        care: Default::default(),
    });
    Infrastructure {
        name: text(file, "infra_name"),
        user_id: file.get("user_id").map_or(Value::Null, yaml::Node::to_json),
        nodes: nodes.collect(),
        dependencies: dependencies(expected),
        variables: Map::new(),
        outputs: Default::default(),
        moved: Vec::new(),
    }
}

fn dependencies(expected: &Value) -> Vec<Dependency> {
    let mut edges = Vec::new();
    for (dependent, node) in expected["nodes"].as_object().unwrap() {
        for (dependee, mappings) in node["mappings"]["inbound"].as_object().unwrap() {
            let (dependent, dependee) = (dependent.clone(), dependee.clone());
            edges.push(Dependency {
                dependent,
                dependee,
                mappings: serde_json::from_value(mappings.clone()).unwrap(),
            });
        }
    }
    edges
}

/// Two living instances of every node.
fn instances(infrastructure: &Infrastructure) -> BTreeMap<String, Vec<InstanceView>> {
    let view = |name: &str, number: u32| InstanceView {
        node_id: NodeId(format!("id-{name}-{number}")),
        addresses: vec![format!("10.0.0.{number}"), format!("192.168.0.{number}")],
        private_address: Some("192.168.0.9".to_owned()),
        record: json!({}),
    };
    infrastructure
        .nodes
        .iter()
        .map(|node| (node.name.clone(), vec![view(&node.name, 1), view(&node.name, 2)]))
        .collect()
}

fn check(place: &str, rendered: &Rendered, expected: &Value) {
    assert_eq!(&json!(rendered.resource), &expected["resource"], "resource of {place}");
    assert_eq!(&json!(rendered.attributes), &expected["attributes"], "attributes of {place}");
    let context = rendered.context.clone();
    if expected["context_is_cloud_config"] == json!(true) {
        let text = context.unwrap();
        assert!(text.starts_with("#cloud-config\n"), "context of {place} does not start like a cloud-config");
        assert_eq!(common::parsed(&text), expected["context"], "context of {place}");
    } else {
        assert_eq!(json!(context), *expected.get("context").unwrap_or(&Value::Null), "context of {place}");
    }
}

#[test]
fn every_descriptor_renders_as_in_the_original() {
    let Some(corpus) = corpus() else { return };
    let mut nodes = 0;
    for folder in fs::read_dir(corpus).unwrap().map(|entry| entry.unwrap().path()) {
        let Ok(expected) = fs::read_to_string(folder.join("expected.json")) else { continue };
        let expected: Value = serde_json::from_str(&expected).unwrap();
        let file = |key: &str| folder.join(expected[key].as_str().unwrap());
        let infrastructure = infrastructure(&load(&file("infra_file")), &expected);
        let definitions = load(&file("node_definitions_file")).to_object();
        let instances = instances(&infrastructure);
        for node in &infrastructure.nodes {
            let implementation = definitions[&format!("node_def:{}", node.definition)][0].clone();
            let implementation: Implementation = serde_json::from_value(implementation).unwrap();
            let place = format!("{} in {}", node.name, folder.display());
            let rendered = Templates::new()
                .render(&RenderInput {
                    infra_id: &InfraId::from(INFRA_ID),
                    infrastructure: &infrastructure,
                    node,
                    implementation: &implementation,
                    node_id: &NodeId::from(NODE_ID),
                    instances: &instances,
                })
                .unwrap_or_else(|error| panic!("{place}: {error}"));
            check(&place, &rendered, &expected["nodes"][&node.name]);
            nodes += 1;
        }
    }
    assert!(nodes >= 25, "only {nodes} nodes were found");
}
