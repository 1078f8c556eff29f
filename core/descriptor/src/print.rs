//! Checked descriptors as YAML texts, which give the same descriptors when they are read again.
//!
//! A node, a dependency and an implementation stand in one line each, in the JSON notation that is also
//! YAML: nothing in it depends on how YAML types a text without quotes.

use std::fmt::Write as _;

use serde_json::{Map, Value as Json, json};

use crate::model::{Dependency, Infrastructure, Node, NodeDefinition, Share};

/// The text of an infrastructure description. Nodes are written with the variables of the infrastructure
/// merged in.
pub fn infrastructure(infrastructure: &Infrastructure) -> String {
    let Infrastructure { name, user_id, nodes, dependencies, variables, outputs, moved } = infrastructure;
    let mut text = format!("infra_name: {}\nuser_id: {}\n", flow(&json!(name)), flow(user_id));
    text += &format!("variables: {}\n", flow(&json!(variables)));
    if !outputs.is_empty() {
        text += &format!("outputs: {}\n", flow(&json!(outputs)));
    }
    list(&mut text, "nodes", nodes.iter().map(node));
    list(&mut text, "dependencies", dependencies.iter().map(dependency));
    if !moved.is_empty() {
        list(&mut text, "moved", moved.iter().map(|hint| json!(hint)));
    }
    text
}

/// The text of a file of node definitions.
pub fn definitions(definitions: &[NodeDefinition]) -> String {
    let mut text = String::new();
    for definition in definitions {
        let name = flow(&json!(format!("node_def:{}", definition.name)));
        list(&mut text, &name, definition.implementations.iter().map(|one| json!(one)));
    }
    if text.is_empty() { "{}\n".to_owned() } else { text }
}

fn list(text: &mut String, key: &str, items: impl Iterator<Item = Json>) {
    let start = text.len();
    for item in items {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "- {}", flow(&item));
    }
    let head = if text.len() == start { format!("{key}: []\n") } else { format!("{key}:\n") };
    text.insert_str(start, &head);
}

fn node(node: &Node) -> Json {
    let mut entries = Map::new();
    entries.insert("name".to_owned(), json!(node.name));
    entries.insert("type".to_owned(), json!(node.definition));
    entries.insert("variables".to_owned(), json!(node.variables));
    if let Some(scaling) = &node.scaling_source {
        entries.insert("scaling".to_owned(), scaling.clone());
    }
    if let Some(filter) = &node.filter {
        entries.insert("filter".to_owned(), json!(filter));
    }
    entries.insert("heal".to_owned(), json!(node.care.heal));
    entries.insert("scale_down".to_owned(), json!(node.care.scale_down));
    let care = &node.care;
    for (key, share) in [
        ("max_unhealthy", care.max_unhealthy),
        ("max_unavailable", care.max_unavailable),
        ("max_surge", care.max_surge),
    ] {
        let written = match share {
            None => continue,
            Some(Share::Count(count)) => json!(count),
            Some(Share::Percent(percent)) => json!(format!("{percent}%")),
        };
        entries.insert(key.to_owned(), written);
    }
    Json::Object(entries)
}

fn dependency(edge: &Dependency) -> Json {
    json!({"connection": [edge.dependent, edge.dependee], "mappings": edge.mappings})
}

/// `value` in one line.
fn flow(value: &Json) -> String {
    // Unlike JSON, YAML has no room for these inside quotes.
    let is_refused = |c: char| c.is_control() || matches!(c, '\u{feff}' | '\u{fffe}' | '\u{ffff}');
    value.to_string().chars().fold(String::new(), |mut text, character| {
        if is_refused(character) {
            let _ = write!(text, "\\u{:04x}", u32::from(character));
        } else {
            text.push(character);
        }
        text
    })
}
