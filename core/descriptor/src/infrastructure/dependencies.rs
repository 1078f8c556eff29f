//! The edges between nodes: shapes, references, attribute mappings.

use std::collections::HashMap;

use serde_json::Value as Json;

use super::{graph, wrong_kind};
use crate::codes;
use crate::diagnostic::{Diagnostic, Diagnostics, suggestion};
use crate::model::{Dependency, Mapping};
use crate::secret;
use crate::yaml::{Node, Value};

/// The nodes that a dependency can refer to.
struct Nodes<'a> {
    by_identity: HashMap<usize, &'a str>,
    names: Vec<&'a str>,
}

impl<'a> Nodes<'a> {
    fn new(nodes: &'a [Node]) -> Self {
        let named = || nodes.iter().filter_map(|node| Some((node.identity, node.get("name")?.as_str()?)));
        Self { by_identity: named().collect(), names: named().map(|(_, name)| name).collect() }
    }

    /// The node that `reference` means: by alias, by name, or as a retyped copy.
    fn resolve(&self, reference: &Node) -> Result<&'a str, Box<Diagnostic>> {
        if let Some(name) = self.by_identity.get(&reference.identity) {
            return Ok(name);
        }
        let Some(name) = reference.as_str().or_else(|| reference.get("name")?.as_str()) else {
            let problem = wrong_kind(reference, "an end of a dependency", "a node");
            return Err(Box::new(Diagnostic {
                code: codes::BAD_DEPENDENCY,
                ..problem.help("write the name of a node, or an alias (*NODE) of its anchor (&NODE)")
            }));
        };
        self.names.iter().find(|known| **known == name).copied().ok_or_else(|| {
            Box::new(
                Diagnostic::error(codes::UNKNOWN_NODE, format!("unknown node '{name}' in dependencies"))
                    .at(&reference.span)
                    .help(suggestion(name, self.names.iter().copied())),
            )
        })
    }
}

/// Checks `dependencies` of the description `root`, whose nodes are `nodes`. Edges between the same
/// two nodes become one with the mappings of all.
pub(super) fn check(root: &Node, nodes: &[Node], diagnostics: &mut Diagnostics) -> Vec<Dependency> {
    let Some(section) = root.get("dependencies") else {
        let text = "no dependencies specified - using sequential ordering";
        diagnostics.push(
            Diagnostic::warning(codes::NO_DEPENDENCIES, text)
                .at(&root.span)
                .legacy(format!("[SchemaCheck] WARNING: {text}")),
        );
        return Vec::new();
    };
    let edges = match &section.value {
        Value::Seq(edges) => &**edges,
        Value::Null => &[],
        // An empty mapping passes for an empty list.
        Value::Map(entries) if entries.is_empty() => &[],
        _ => {
            diagnostics.push(wrong_kind(section, "dependencies", "a list of edges"));
            &[]
        }
    };
    let known = Nodes::new(nodes);
    by_name(edges, &known, diagnostics);
    let mut positions: HashMap<(String, String), usize> = HashMap::new();
    let mut dependencies: Vec<Dependency> = Vec::new();
    for found in edges.iter().filter_map(|source| edge(source, &known, diagnostics)) {
        let pair = (found.dependent.clone(), found.dependee.clone());
        match positions.get(&pair) {
            Some(position) => dependencies[*position].mappings.extend(found.mappings),
            None => {
                positions.insert(pair, dependencies.len());
                dependencies.push(found);
            }
        }
    }
    if let Some(path) = graph::cycle(&known.names, &dependencies) {
        let message = format!("nodes depend on each other in a cycle: {}", path.join(" -> "));
        diagnostics.push(
            Diagnostic::error(codes::CYCLE, message)
                .at(&section.span)
                .help("an edge [A, B] means that A waits for B; remove one edge of the cycle")
                .legacy("Cycle detected."),
        );
    }
    dependencies
}

/// Occopus 1.10 took names without a word and did not heed them, so that a file which names nodes
/// changes its meaning: told once, at the first name. Names of nobody are errors anyway.
fn by_name(edges: &[Node], known: &Nodes<'_>, diagnostics: &mut Diagnostics) {
    let ends =
        edges.iter().flat_map(|edge| edge.get("connection").unwrap_or(edge).as_seq().unwrap_or_default());
    if let Some(name) =
        ends.into_iter().find(|end| end.as_str().is_some_and(|name| known.names.contains(&name)))
    {
        let message = "dependencies by name are honoured here, but had no effect in Occopus 1.10";
        diagnostics.push(
            Diagnostic::warning(codes::NAMED_DEPENDENCY, message)
                .at(&name.span)
                .help("write an alias (*NODE) of an anchor (&NODE) to mean the same in both"),
        );
    }
}

fn edge(source: &Node, known: &Nodes<'_>, diagnostics: &mut Diagnostics) -> Option<Dependency> {
    let (connection, mappings) = match &source.value {
        Value::Seq(_) => (source, None),
        Value::Map(_) => match source.get("connection") {
            Some(connection) => (connection, source.get("mappings")),
            None => {
                diagnostics.push(
                    Diagnostic::error(codes::BAD_DEPENDENCY, "undefined connection in a dependency")
                        .at(&source.span)
                        .help("add connection: [DEPENDENT, DEPENDEE]")
                        .legacy("[SchemaCheck] ERROR: undefined connection "),
                );
                return None;
            }
        },
        _ => {
            diagnostics.push(malformed(
                source,
                codes::BAD_DEPENDENCY,
                "a dependency",
                "[DEPENDENT, DEPENDEE]",
            ));
            return None;
        }
    };
    let Some([dependent, dependee]) = connection.as_seq() else {
        let what = "a dependency";
        diagnostics.push(malformed(connection, codes::BAD_DEPENDENCY, what, "[DEPENDENT, DEPENDEE]"));
        return None;
    };
    let ends = [dependent, dependee]
        .map(|end| known.resolve(end).map_err(|problem| diagnostics.push(*problem)).ok().map(str::to_owned));
    secret::forbid(mappings, "an attribute mapping", diagnostics);
    let mappings = attribute_mappings(mappings, diagnostics);
    let [dependent, dependee] = ends;
    Some(Dependency { dependent: dependent?, dependee: dependee?, mappings })
}

fn malformed(at: &Node, code: codes::Code, what: &str, shape: &str) -> Diagnostic {
    let found = match at.as_seq() {
        Some([first, second]) => format!("a list with {} and {}", first.value.kind(), second.value.kind()),
        Some(items) => format!("a list of {} elements", items.len()),
        None => at.value.kind().to_owned(),
    };
    Diagnostic::error(code, format!("{what} must be a pair {shape}, but it is {found}")).at(&at.span)
}

fn attribute_mappings(section: Option<&Node>, diagnostics: &mut Diagnostics) -> Vec<Mapping> {
    let Some(section) = section.filter(|section| !section.is_null()) else { return Vec::new() };
    match &section.value {
        Value::Seq(items) => items.iter().filter_map(|item| attribute_mapping(item, diagnostics)).collect(),
        // An empty mapping passes for an empty list.
        Value::Map(entries) if entries.is_empty() => Vec::new(),
        _ => {
            let problem = wrong_kind(section, "mappings of a dependency", "a list");
            diagnostics.push(Diagnostic { code: codes::BAD_MAPPING, ..problem });
            Vec::new()
        }
    }
}

fn attribute_mapping(item: &Node, diagnostics: &mut Diagnostics) -> Option<Mapping> {
    let pair = if item.as_map().is_some() { item.get("attributes") } else { Some(item) };
    let Some(pair) = pair else {
        let problem = Diagnostic::error(codes::BAD_MAPPING, "an attribute mapping has no attributes");
        diagnostics.push(problem.at(&item.span).help("add attributes: [SOURCE, DESTINATION]"));
        return None;
    };
    let attributes = match pair.as_seq() {
        Some([source, destination]) => source.as_str().zip(destination.as_str()),
        _ => None,
    };
    let Some((source, destination)) = attributes else {
        let what = "an attribute mapping";
        diagnostics.push(malformed(pair, codes::BAD_MAPPING, what, "of names [SOURCE, DESTINATION]"));
        return None;
    };
    let mut extra = item.to_object();
    extra.remove("attributes");
    let synch = extra.remove("synch").is_some_and(|value| truth(&value));
    Some(Mapping { attributes: (source.to_owned(), destination.to_owned()), synch, extra })
}

/// Truth as in Python: everything but nothing, zero and empty.
fn truth(value: &Json) -> bool {
    match value {
        Json::Null => false,
        Json::Bool(flag) => *flag,
        Json::Number(number) => number.as_f64() != Some(0.0),
        Json::String(text) => !text.is_empty(),
        Json::Array(items) => !items.is_empty(),
        Json::Object(entries) => !entries.is_empty(),
    }
}
