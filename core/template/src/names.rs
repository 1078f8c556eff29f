//! The names a template can see.

use std::collections::BTreeMap;

use minijinja::Value as Rendered;
use occopus_descriptor::model::{Implementation, Infrastructure, Node};
use serde_json::{Map, Value, json};

use crate::engine;
use crate::error::Refusal;
use crate::functions::is_function;
use crate::printing;

/// Names with their values; later insertions hide earlier ones. Cloning is cheap.
#[derive(Debug, Clone)]
pub(crate) struct Names(BTreeMap<String, Rendered>);

impl Names {
    /// What every template of an implementation sees: the instance, the node and all sections.
    pub(crate) fn new(
        infra_id: &str,
        node_id: &str,
        infrastructure: &Infrastructure,
        node: &Node,
        implementation: &Implementation,
    ) -> Self {
        let mut names = Self(BTreeMap::new());
        names.set_text("node_id", node_id);
        names.set_text("name", &node.name);
        names.set_text("type", &node.definition);
        names.set_text("infra_id", infra_id);
        names.set_text("infra_name", &infrastructure.name);
        names.set("user_id", &infrastructure.user_id);
        names.set_mapping("variables", &node.variables);
        names.set("mappings", &mappings(infrastructure, node));
        if let Some(scaling) = &node.scaling_source {
            names.set("scaling", scaling);
        }
        names.set_section("filter", node.filter.as_ref());
        names.set_mapping("resource", &implementation.resource);
        names.set_section("contextualisation", implementation.contextualisation.as_ref());
        names.set_section("config_management", implementation.config_management.as_ref());
        names.set_section("health_check", implementation.health_check.as_ref());
        names
    }

    /// What the outputs of an infrastructure see.
    pub(crate) fn of_outputs(infra_id: &str, infrastructure: &Infrastructure) -> Self {
        let mut names = Self(BTreeMap::new());
        names.set_text("infra_id", infra_id);
        names.set_text("infra_name", &infrastructure.name);
        names.set("user_id", &infrastructure.user_id);
        names.set_mapping("variables", &infrastructure.variables);
        names
    }

    /// What the templates of a health check see.
    pub(crate) fn health(node: &Node, node_id: &str, ip: &str, record: &Value) -> Self {
        let mut names = Self(BTreeMap::new());
        names.set_text("ip", ip);
        names.set_text("node_id", node_id);
        names.set_mapping("variables", &node.variables);
        names.set("instance_data", record);
        names
    }

    /// Gives `name` a value.
    pub(crate) fn set(&mut self, name: &str, value: &Value) {
        self.0.insert(name.to_owned(), engine::value(value));
    }

    /// Gives `name` a mapping.
    pub(crate) fn set_mapping(&mut self, name: &str, entries: &Map<String, Value>) {
        self.0.insert(name.to_owned(), engine::mapping(entries));
    }

    fn set_text(&mut self, name: &str, text: &str) {
        self.0.insert(name.to_owned(), text.into());
    }

    fn set_section(&mut self, name: &str, section: Option<&Map<String, Value>>) {
        if let Some(section) = section {
            self.set_mapping(name, section);
        }
    }

    /// Adds variables below the names there are: they hide neither those nor functions.
    pub(crate) fn add_below(&mut self, variables: &Map<String, Value>) {
        for (name, value) in variables {
            if !self.0.contains_key(name) && !is_function(name) {
                self.set(name, value);
            }
        }
    }

    /// The names as the engine takes them.
    pub(crate) fn value(&self) -> Rendered {
        self.0.clone().into()
    }
}

/// What templates of `node` see as `mappings`: its attribute mappings, `inbound` and `outbound`, by the name
/// of the node at the other end. A dependency without mappings has an empty list.
pub fn mappings(infrastructure: &Infrastructure, node: &Node) -> Value {
    let mut inbound: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    let mut outbound: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    for edge in &infrastructure.dependencies {
        let mapped = edge.mappings.iter().map(|mapping| json!(mapping));
        if edge.dependent == node.name {
            inbound.entry(&edge.dependee).or_default().extend(mapped.clone());
        }
        if edge.dependee == node.name {
            outbound.entry(&edge.dependent).or_default().extend(mapped);
        }
    }
    json!({ "inbound": inbound, "outbound": outbound })
}

/// The `connections` attribute: one for each mapping of an edge to a node this one depends on.
pub(crate) fn connections(infra_id: &str, infrastructure: &Infrastructure, node: &Node) -> Value {
    let mut edges: Vec<_> =
        infrastructure.dependencies.iter().filter(|edge| edge.dependent == node.name).collect();
    edges.sort_by(|one, other| one.dependee.cmp(&other.dependee));
    let connection = |(dependee, (source, destination)): (&String, &(String, String))| {
        json!({
            "source_role": format!("{infra_id}_{dependee}"),
            "source_attribute": source,
            "destination_attribute": destination,
        })
    };
    let mapped = |edge: &&occopus_descriptor::model::Dependency| {
        edge.mappings
            .iter()
            .map(|mapping| connection((&edge.dependee, &mapping.attributes)))
            .collect::<Vec<_>>()
    };
    Value::Array(edges.iter().flat_map(mapped).collect())
}

/// What the config manager `puppet_solo` adds as `puppet`: the items of three lists, each in one line.
///
/// # Errors
/// An item is too large to print.
pub(crate) fn puppet(config_management: &Map<String, Value>) -> Result<Option<Value>, Refusal> {
    if config_management.get("type").and_then(Value::as_str) != Some("puppet_solo") {
        return Ok(None);
    }
    let line = |key: &str| joined(config_management.get(key).unwrap_or(&Value::Null));
    Ok(Some(json!({
        "modules": line("modules")?,
        "manifests": line("manifests")?,
        "attributes": line("attributes")?,
    })))
}

/// The items joined by a blank; of a mapping the keys, of a text the characters.
fn joined(value: &Value) -> Result<String, Refusal> {
    let items: Vec<String> = match value {
        Value::Array(items) => {
            items.iter().map(|item| printing::text(&engine::value(item))).collect::<Result<_, _>>()?
        }
        Value::Object(entries) => entries.keys().cloned().collect(),
        Value::String(text) => text.chars().map(String::from).collect(),
        _ => Vec::new(),
    };
    Ok(items.join(" "))
}
