//! What the lints see of loaded files: leniently, so that one mistake does not hide the next.

use std::collections::{BTreeSet, HashMap, HashSet};

use serde_json::{Map, Value as Json};

use super::templates::{self, Template};
use super::uses::TemplateScanner;
use crate::model::NodeDefinition;
use crate::overrides::Overrides;
use crate::yaml::{Node, Span};

/// An infrastructure description.
pub(super) struct Infrastructure<'a> {
    pub(super) root: &'a Node,
    pub(super) nodes: Vec<Described<'a>>,
    /// The names of the nodes.
    pub(super) names: BTreeSet<&'a str>,
    /// Variables of the infrastructure, with those from outside.
    pub(super) variables: Map<String, Json>,
    /// Whom each node depends on; `None` if a dependency could not be understood.
    edges: Option<HashMap<&'a str, Vec<&'a str>>>,
}

/// A node of a description.
pub(super) struct Described<'a> {
    pub(super) name: &'a str,
    pub(super) kind: Option<&'a Node>,
    pub(super) filter: Option<&'a Node>,
    pub(super) variables: Option<&'a Node>,
    /// The node's own variables.
    pub(super) own: Map<String, Json>,
}

impl<'a> Infrastructure<'a> {
    pub(super) fn new(root: &'a Node, overrides: &Overrides) -> Self {
        let sources = root.get("nodes").and_then(Node::as_seq).unwrap_or_default();
        let declared = root.get("variables").map(Node::to_object).unwrap_or_default();
        let nodes: Vec<_> = sources.iter().filter_map(described).collect();
        Self {
            root,
            names: nodes.iter().map(|node| node.name).collect(),
            nodes,
            variables: overrides.over(declared),
            edges: edges(root, sources),
        }
    }

    /// Whether `dependent` is created after `dependee`, directly or through others; `None` if that
    /// cannot be told.
    pub(super) fn waits(&self, dependent: &str, dependee: &str) -> Option<bool> {
        let edges = self.edges.as_ref()?;
        let (mut seen, mut open) = (BTreeSet::new(), vec![dependent]);
        while let Some(next) = open.pop() {
            for other in edges.get(next).map(Vec::as_slice).unwrap_or_default() {
                if *other == dependee {
                    return Some(true);
                }
                if seen.insert(*other) {
                    open.push(other);
                }
            }
        }
        Some(false)
    }
}

fn described(source: &Node) -> Option<Described<'_>> {
    Some(Described {
        name: source.get("name")?.as_str()?,
        kind: source.get("type"),
        filter: source.get("filter"),
        variables: source.get("variables"),
        own: source.get("variables").map(Node::to_object).unwrap_or_default(),
    })
}

fn edges<'a>(root: &'a Node, sources: &'a [Node]) -> Option<HashMap<&'a str, Vec<&'a str>>> {
    let names: HashMap<usize, &str> =
        sources.iter().filter_map(|source| Some((source.identity, source.get("name")?.as_str()?))).collect();
    let known: BTreeSet<&str> = names.values().copied().collect();
    let end = |node: &'a Node| {
        let named = || node.as_str().or_else(|| node.get("name")?.as_str());
        names.get(&node.identity).copied().or_else(named).filter(|name| known.contains(name))
    };
    let mut edges: HashMap<&str, Vec<&str>> = HashMap::new();
    for edge in root.get("dependencies").and_then(Node::as_seq).unwrap_or_default() {
        let [dependent, dependee] = edge.get("connection").unwrap_or(edge).as_seq()? else { return None };
        edges.entry(end(dependent)?).or_default().push(end(dependee)?);
    }
    Some(edges)
}

/// A node definition, from a file or imported before.
pub(super) struct Definition<'a> {
    pub(super) name: &'a str,
    pub(super) implementations: Vec<Implementation<'a>>,
}

/// One way to make a node.
pub(super) struct Implementation<'a> {
    pub(super) resource: Map<String, Json>,
    /// Where it stands; `None` if it was imported before.
    pub(super) source: Option<Source<'a>>,
}

/// An implementation in a file.
pub(super) struct Source<'a> {
    pub(super) node: &'a Node,
    pub(super) templates: Vec<Template<'a>>,
    /// The names that its templates define.
    defined: HashSet<String>,
}

impl<'a> Source<'a> {
    fn new(node: &'a Node, scanner: &dyn TemplateScanner) -> Self {
        let templates = templates::of(node, scanner);
        let defined = templates.iter().flat_map(|template| &template.uses.defined).cloned().collect();
        Self { node, templates, defined }
    }

    /// Whether a template or `context_variables` define `name`, or may do so when they are rendered.
    pub(super) fn may_define(&self, name: &str) -> bool {
        let added = self.node.get("contextualisation").and_then(|section| section.get("context_variables"));
        added.is_some_and(|added| added.get(name).is_some() || added.as_str().is_some())
            || self.defined.contains(name)
    }

    /// The place of `key` of the resource section; that of the implementation if there is no such key.
    pub(super) fn resource_key(&self, key: &str) -> &Span {
        let section = self.node.get("resource");
        let found = section.and_then(|section| section.get(key)).or(section);
        &found.unwrap_or(self.node).span
    }
}

/// The definitions in the file `root`.
pub(super) fn definitions<'a>(root: &'a Node, scanner: &dyn TemplateScanner) -> Vec<Definition<'a>> {
    let entries = root.as_map().unwrap_or_default().iter();
    let definition = |(key, value): &'a (Node, Node)| {
        let items = value.as_seq().unwrap_or_default().iter().filter(|item| item.as_map().is_some());
        let implementations = items.map(|node| Implementation {
            resource: node.get("resource").map(Node::to_object).unwrap_or_default(),
            source: Some(Source::new(node, scanner)),
        });
        let name = key.as_str()?.strip_prefix("node_def:")?;
        Some(Definition { name, implementations: implementations.collect() })
    };
    entries.filter_map(definition).collect()
}

/// A definition that was imported before.
pub(super) fn imported(definition: &NodeDefinition) -> Definition<'_> {
    let implementations = definition.implementations.iter();
    Definition {
        name: &definition.name,
        implementations: implementations
            .map(|implementation| Implementation { resource: implementation.resource.clone(), source: None })
            .collect(),
    }
}
