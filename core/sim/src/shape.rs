//! An infrastructure in a few words.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use occopus_descriptor::model::{
    Care, Dependency, Implementation, Infrastructure, Moved, Node, NodeDefinition, Scaling, Share,
};
use occopus_engine::names::Renames;
use occopus_engine::record::Generation;
use serde_json::{Map, Value, json};

use crate::cloud::ENDPOINT;

/// The nodes of random infrastructures.
const NODES: [&str; 6] = ["db", "worker", "front", "log", "cache", "mail"];

/// The end of other names of random nodes.
const NEW: &str = "-new";

/// The endpoints of random infrastructures.
pub(crate) const ENDPOINTS: [&str; 3] = [ENDPOINT, "sim://east", "sim://west"];

/// An infrastructure in a few words.
#[derive(Debug, Clone)]
pub struct Shape {
    name: String,
    nodes: Vec<(String, Scaling)>,
    needs: Vec<(String, String)>,
    resources: BTreeMap<String, Vec<Map<String, Value>>>,
    timeout: u64,
    versions: BTreeMap<String, u32>,
    care: BTreeMap<String, Care>,
    /// The definitions of nodes that were called otherwise when they were added.
    types: BTreeMap<String, String>,
    moved: Vec<Moved>,
}

impl Shape {
    /// A small random infrastructure: one to five nodes that depend on earlier ones, each with one to three
    /// implementations on one to three endpoints, of which the first may be broken.
    pub fn random(rng: &mut fastrand::Rng) -> Self {
        let endpoints = &ENDPOINTS[..rng.usize(1..=3)];
        let nodes = rng.usize(1..=5);
        NODES[..nodes]
            .iter()
            .fold(Self::new("shop"), |shape, node| shape.with_random_node(node, endpoints, rng))
    }

    fn with_random_node(mut self, name: &str, endpoints: &[&str], rng: &mut fastrand::Rng) -> Self {
        let earlier: Vec<String> = self.nodes.iter().map(|(node, _)| node.clone()).collect();
        let min = rng.u32(1..=2);
        self.nodes.push((name.to_owned(), Scaling::new(Some(min), Some(min + rng.u32(0..=3)))));
        for other in &earlier {
            if rng.u32(..3) == 0 {
                self = self.needs(name, other);
            }
        }
        let asked = rng.choice(&earlier).filter(|_| rng.u32(..6) == 0);
        let implementations = rng.usize(1..=3);
        let broken = implementations > 1 && rng.u32(..4) == 0;
        for index in 0..implementations {
            let mut extra = Map::new();
            let endpoint = rng.choice(endpoints).copied().unwrap_or(ENDPOINT);
            extra.insert("endpoint".to_owned(), json!(endpoint));
            if let Some(asked) = asked {
                extra.insert("asks".to_owned(), json!([asked]));
            }
            if broken && index == 0 {
                let how = if rng.bool() { "broken" } else { "unrenderable" };
                extra.insert(how.to_owned(), json!(true));
            }
            self = self.implementation(name, Value::Object(extra));
        }
        self
    }

    /// The same infrastructure with a random change: other limits, a node more, a node less, or a node
    /// that cannot be built.
    #[must_use]
    pub fn changed(&self, rng: &mut fastrand::Rng) -> Self {
        let shape = self.clone();
        let Some(node) = self.random_node(rng) else { return shape };
        match rng.u32(..4) {
            0 => {
                let min = rng.u32(1..=2);
                shape.scaling(&node, min, min + rng.u32(0..=3))
            }
            1 if self.nodes.len() > 1 => shape.without(&node),
            2 => shape.with(&node, json!({"broken": true})),
            _ => shape.with_random_node(NODES[5], &ENDPOINTS, rng),
        }
    }

    /// The name of one of its nodes.
    pub fn random_node(&self, rng: &mut fastrand::Rng) -> Option<String> {
        rng.choice(&self.nodes).map(|(name, _)| name.clone())
    }

    /// An infrastructure without nodes. Health checks time out after ten minutes.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            nodes: Vec::new(),
            needs: Vec::new(),
            resources: BTreeMap::new(),
            timeout: 600,
            versions: BTreeMap::new(),
            care: BTreeMap::new(),
            types: BTreeMap::new(),
            moved: Vec::new(),
        }
    }

    /// Renames nodes, from what to what, all at once, and says so.
    #[must_use]
    pub fn renamed(mut self, moves: &[(&str, &str)]) -> Self {
        let owned = |name: &str| name.to_owned();
        self.moved = moves.iter().map(|(from, to)| Moved { from: owned(from), to: owned(to) }).collect();
        let renames = Renames::of(moves.iter().copied());
        let new = |name: &String| renames.name(name).to_owned();
        self.types = self.nodes.iter().map(|(name, _)| (new(name), self.definition_of(name))).collect();
        for (name, _) in &mut self.nodes {
            *name = new(name);
        }
        for (dependent, dependee) in &mut self.needs {
            (*dependent, *dependee) = (new(dependent), new(dependee));
        }
        let asked = self.resources.values_mut().flatten().filter_map(|resource| resource.get_mut("asks"));
        for name in asked.filter_map(Value::as_array_mut).flatten() {
            *name = json!(name.as_str().map(|name| renames.name(name)));
        }
        self.resources = self.resources.into_iter().map(|(name, all)| (new(&name), all)).collect();
        self.versions = self.versions.into_iter().map(|(name, number)| (new(&name), number)).collect();
        self.care = self.care.into_iter().map(|(name, care)| (new(&name), care)).collect();
        self
    }

    /// The same infrastructure with other names: of one node, of two that swap theirs, or of one that takes
    /// over the name of another one.
    #[must_use]
    pub fn called_otherwise(&self, rng: &mut fastrand::Rng) -> Self {
        let (Some(one), Some(other)) = (self.random_node(rng), self.random_node(rng)) else {
            return self.clone();
        };
        let (new, newer) = (self.other_name(&one), self.other_name(&other));
        let shape = self.clone();
        match rng.u32(..3) {
            0 if one != other => shape.renamed(&[(&one, &other), (&other, &one)]),
            1 if one != other => shape.renamed(&[(&one, &other), (&other, &newer)]),
            _ => shape.renamed(&[(&one, &new)]),
        }
    }

    /// A name like `name` that no node has.
    fn other_name(&self, name: &str) -> String {
        let other = format!("{name}{NEW}");
        let taken = self.nodes.iter().any(|(node, _)| *node == other);
        if taken { self.other_name(&other) } else { other }
    }

    /// Says of all nodes that they may have been called otherwise.
    #[must_use]
    pub fn called_as_before(mut self) -> Self {
        let hint = |(name, _): &(String, Scaling)| Moved { from: format!("{name}{NEW}"), to: name.clone() };
        self.moved = self.nodes.iter().map(hint).collect();
        self
    }

    fn definition_of(&self, node: &str) -> String {
        self.types.get(node).cloned().unwrap_or_else(|| node.to_owned())
    }

    /// Adds a node.
    #[must_use]
    pub fn node(mut self, name: &str, min: u32, max: u32) -> Self {
        self.nodes.push((name.to_owned(), Scaling::new(Some(min), Some(max))));
        self.implementation(name, json!({}))
    }

    /// Changes a variable of a node, so that its instances are outdated.
    #[must_use]
    pub fn version(mut self, name: &str, number: u32) -> Self {
        self.versions.insert(name.to_owned(), number);
        self
    }

    /// Says how the instances of a node are looked after.
    #[must_use]
    pub fn care(mut self, name: &str, care: Care) -> Self {
        self.care.insert(name.to_owned(), care);
        self
    }

    /// The same infrastructure with other variables of some nodes, of which any number of instances may be
    /// missing or be too many while they are replaced.
    #[must_use]
    pub fn renewed(&self, rng: &mut fastrand::Rng) -> Self {
        let share = |rng: &mut fastrand::Rng| match rng.u32(..4) {
            0 => Some(Share::Count(rng.u32(0..3))),
            1 => Some(Share::Percent(rng.u32(0..=100))),
            _ => None,
        };
        let mut shape = self.clone();
        for (name, _) in &self.nodes {
            if rng.bool() {
                continue;
            }
            let care = Care { max_unavailable: share(rng), max_surge: share(rng), ..Care::default() };
            shape = shape.version(name, rng.u32(..)).care(name, care);
        }
        shape
    }

    /// Leaves a node out.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.nodes.retain(|(node, _)| node != name);
        self.needs.retain(|(dependent, dependee)| dependent != name && dependee != name);
        self.resources.remove(name);
        for resource in self.resources.values_mut().flatten() {
            if resource.get("asks").is_some_and(|asks| *asks == json!([name])) {
                resource.remove("asks");
            }
        }
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
    /// the cloud refuse it, `unrenderable` its templates fail, `asks` lists nodes whose addresses it wants,
    /// `boot` says how many seconds its machines boot.
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
            definition: self.definition_of(name),
            scaling: *scaling,
            scaling_source: None,
            filter: None,
            variables: self
                .versions
                .get(name)
                .map(|number| ("version".to_owned(), json!(number)))
                .into_iter()
                .collect(),
            care: self.care.get(name).copied().unwrap_or_default(),
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
            outputs: Default::default(),
            moved: self.moved.clone(),
        };
        let definitions = self.resources.iter().map(|(node, resources)| {
            let name = self.definition_of(node);
            (name.clone(), self.definition(&name, resources))
        });
        Generation {
            number: 1,
            infrastructure,
            definitions: definitions.collect(),
            shuffle: None,
            author: String::new(),
            undone_at: None,
            epoch: None,
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

/// In one line: `db 1..3; worker 2..2 needs db`.
impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (name, scaling)) in self.nodes.iter().enumerate() {
            let separator = if index > 0 { "; " } else { "" };
            write!(f, "{separator}{name} {}..{}", scaling.min, scaling.max)?;
            if let (Some(version), Some(care)) = (self.versions.get(name), self.care.get(name)) {
                write!(
                    f,
                    " version {version}, {:?} missing, {:?} more",
                    care.max_unavailable, care.max_surge
                )?;
            }
            for (_, dependee) in self.needs.iter().filter(|(dependent, _)| dependent == name) {
                write!(f, " needs {dependee}")?;
            }
            for resource in self.resources.get(name).into_iter().flatten() {
                let extra: Vec<String> = resource
                    .iter()
                    .filter(|(key, _)| *key != "type")
                    .map(|(key, value)| format!("{key} {value}"))
                    .collect();
                write!(f, " ({})", extra.join(", "))?;
            }
        }
        for Moved { from, to } in &self.moved {
            write!(f, "; {from} is {to}")?;
        }
        Ok(())
    }
}
