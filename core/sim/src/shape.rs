//! An infrastructure in a few words.

use std::collections::BTreeMap;

use jiff::Timestamp;
use occopus_descriptor::model::{Dependency, Implementation, Infrastructure, Node, NodeDefinition, Scaling};
use occopus_engine::record::Generation;
use serde_json::{Map, Value, json};

/// An infrastructure in a few words.
#[derive(Debug, Clone)]
pub struct Shape {
    name: String,
    nodes: Vec<(String, Scaling)>,
    needs: Vec<(String, String)>,
    resources: BTreeMap<String, Vec<Map<String, Value>>>,
    timeout: u64,
}

impl Shape {
    /// An infrastructure without nodes. Health checks time out after ten minutes.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            nodes: Vec::new(),
            needs: Vec::new(),
            resources: BTreeMap::new(),
            timeout: 600,
        }
    }

    /// Adds a node.
    #[must_use]
    pub fn node(mut self, name: &str, min: u32, max: u32) -> Self {
        self.nodes.push((name.to_owned(), Scaling::new(Some(min), Some(max))));
        self.implementation(name, json!({}))
    }

    /// Leaves a node out.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.nodes.retain(|(node, _)| node != name);
        self.needs.retain(|(dependent, dependee)| dependent != name && dependee != name);
        self.resources.remove(name);
        self
    }

    /// Changes the limits of a node.
    #[must_use]
    pub fn scaling(mut self, name: &str, min: u32, max: u32) -> Self {
        for (node, scaling) in &mut self.nodes {
            if node == name {
                *scaling = Scaling::new(Some(min), Some(max));
            }
        }
        self
    }

    /// Makes `dependent` wait for `dependee`.
    #[must_use]
    pub fn needs(mut self, dependent: &str, dependee: &str) -> Self {
        self.needs.push((dependent.to_owned(), dependee.to_owned()));
        self
    }

    /// Adds another implementation to a node, with further keys of its resource section: `broken` makes
    /// the cloud refuse it, `unrenderable` its templates fail, `asks` lists nodes whose addresses it wants.
    #[must_use]
    pub fn implementation(mut self, node: &str, extra: Value) -> Self {
        let mut resource = Map::from_iter([("type".to_owned(), json!("sim"))]);
        resource.extend(extra.as_object().cloned().unwrap_or_default());
        self.resources.entry(node.to_owned()).or_default().push(resource);
        self
    }

    /// Puts further keys into the resource section of a node's only implementation.
    #[must_use]
    pub fn with(mut self, node: &str, extra: Value) -> Self {
        self.resources.remove(node);
        self.implementation(node, extra)
    }

    /// Changes after how many seconds of failing checks an instance has failed.
    #[must_use]
    pub fn timeout(mut self, seconds: u64) -> Self {
        self.timeout = seconds;
        self
    }

    /// The description and definitions, ready to be pinned.
    pub fn generation(&self, now: Timestamp) -> Generation {
        let node = |(name, scaling): &(String, Scaling)| Node {
            name: name.clone(),
            definition: name.clone(),
            scaling: *scaling,
            scaling_source: None,
            filter: None,
            variables: Map::new(),
            care: Default::default(),
        };
        let edge = |(dependent, dependee): &(String, String)| Dependency {
            dependent: dependent.clone(),
            dependee: dependee.clone(),
            mappings: Vec::new(),
        };
        let infrastructure = Infrastructure {
            name: self.name.clone(),
            user_id: Value::Null,
            nodes: self.nodes.iter().map(node).collect(),
            dependencies: self.needs.iter().map(edge).collect(),
            variables: Map::new(),
        };
        let definitions =
            self.resources.iter().map(|(name, resources)| (name.clone(), self.definition(name, resources)));
        Generation {
            number: 1,
            infrastructure,
            definitions: definitions.collect(),
            shuffle: None,
            created_at: now,
        }
    }

    fn definition(&self, name: &str, resources: &[Map<String, Value>]) -> NodeDefinition {
        let implementation = |resource: &Map<String, Value>| Implementation {
            resource: resource.clone(),
            contextualisation: None,
            config_management: None,
            health_check: Some(Map::from_iter([("timeout".to_owned(), json!(self.timeout))])),
        };
        NodeDefinition {
            name: name.to_owned(),
            implementations: resources.iter().map(implementation).collect(),
        }
    }
}
