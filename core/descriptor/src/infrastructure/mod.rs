//! The infrastructure description: from a loaded tree to the checked model.

mod care;
mod dependencies;
mod graph;
mod moved;
mod name;
mod outputs;
mod scaling;
#[cfg(test)]
mod tests;

use serde_json::{Map, Value as Json};

use crate::codes;
use crate::diagnostic::{Diagnostic, Diagnostics, suggestion};
use crate::fields::{self, Field, INFRASTRUCTURE, NODE};
use crate::model;
use crate::overrides::Overrides;
use crate::secret;
use crate::yaml::{MAX_WEIGHT, Node};

pub use graph::levels;
pub(crate) use name::is_name;

/// Checks a loaded infrastructure description. All problems are reported, in the order of Occopus
/// 1.10, which stopped at the first. There is no description if one of them is an error. Variables given
/// from outside, `overrides`, stand above those of the infrastructure and below those of its nodes.
pub fn check(root: &Node, overrides: &Overrides) -> (Option<model::Infrastructure>, Diagnostics) {
    let mut diagnostics = Diagnostics::new();
    let Some(entries) = root.as_map() else {
        let message =
            format!("an infrastructure description must be a mapping, but it is {}", root.value.kind());
        let allowed: Vec<&str> = fields::keys(INFRASTRUCTURE).collect();
        let help = format!("write at least infra_name and nodes; allowed keys: {}", allowed.join(", "));
        return (None, Diagnostic::error(codes::BAD_ROOT, message).at(&root.span).help(help).into());
    };
    if root.get("user_id").is_none() {
        let text = "user_id is not defined in infrastructure description";
        diagnostics.push(
            Diagnostic::warning(codes::NO_USER_ID, text)
                .at(&root.span)
                .legacy(format!("[SchemaCheck] WARNING: {text}")),
        );
    }
    let name = infra_name(root, &mut diagnostics);
    secret::forbid(root.get("user_id"), "user_id", &mut diagnostics);
    let variables = mapping_or_empty(root.get("variables"), "variables", &mut diagnostics);
    let variables = overrides.over(variables);
    let sources = node_list(root, &mut diagnostics);
    overrides.check(root.get("variables"), sources, &mut diagnostics);
    let shared =
        if copies_fit(root, overrides, sources, &mut diagnostics) { &variables } else { &Map::new() };
    let nodes: Vec<_> = sources.iter().map(|source| node(source, shared, &mut diagnostics)).collect();
    duplicates(sources, &mut diagnostics);
    let dependencies = dependencies::check(root, sources, &mut diagnostics);
    let outputs = outputs::check(root.get("outputs"), &mut diagnostics);
    let moved = moved::check(root.get("moved"), sources, &mut diagnostics);
    for key in unknown_keys(entries, INFRASTRUCTURE) {
        let shown = key.to_text();
        diagnostics.push(
            Diagnostic::error(
                codes::UNKNOWN_KEY,
                format!("unknown key '{shown}' in infrastructure description"),
            )
            .at(&key.span)
            .help(suggestion(&shown, fields::keys(INFRASTRUCTURE)))
            .legacy(format!("[SchemaCheck] ERROR: unknown key '{shown}' in infastructure description")),
        );
    }
    if diagnostics.has_errors() {
        return (None, diagnostics);
    }
    let infrastructure = name.map(|name| model::Infrastructure {
        name,
        user_id: root.get("user_id").map(Node::to_json).unwrap_or_default(),
        nodes: nodes.into_iter().flatten().collect(),
        dependencies,
        variables,
        outputs,
        moved,
    });
    (infrastructure, diagnostics)
}

fn infra_name(root: &Node, diagnostics: &mut Diagnostics) -> Option<String> {
    let Some(value) = root.get("infra_name") else {
        diagnostics.push(missing(root, "infra_name must be defined in infrastructure description"));
        return None;
    };
    match name::check(value) {
        Ok(name) => Some(name.to_owned()),
        Err(reason) => {
            let text = format!("infra_name \"{}\" {reason}", value.to_text());
            diagnostics.push(bad_name(value, &text));
            None
        }
    }
}

fn missing(at: &Node, text: &str) -> Diagnostic {
    Diagnostic::error(codes::MISSING_KEY, text).at(&at.span).legacy(format!("[SchemaCheck] ERROR: {text}"))
}

fn bad_name(at: &Node, text: &str) -> Diagnostic {
    Diagnostic::error(codes::BAD_NAME, text)
        .at(&at.span)
        .help("use 1 to 63 letters, digits and hyphens")
        .legacy(format!("[SchemaCheck] ERROR: {text}"))
}

fn wrong_kind(at: &Node, what: &str, wanted: &str) -> Diagnostic {
    let message = format!("{what} must be {wanted}, but it is {}", at.value.kind());
    Diagnostic::error(codes::WRONG_KIND, message).at(&at.span)
}

/// A mapping of free content; absent and empty are the same.
fn mapping_or_empty(node: Option<&Node>, what: &str, diagnostics: &mut Diagnostics) -> Map<String, Json> {
    match node {
        Some(node) if node.as_map().is_none() && !node.is_null() => {
            diagnostics.push(wrong_kind(node, what, "a mapping"));
            Map::new()
        }
        Some(node) => node.to_object(),
        None => Map::new(),
    }
}

/// The entries of `nodes`.
fn node_list<'a>(root: &'a Node, diagnostics: &mut Diagnostics) -> &'a [Node] {
    match root.get("nodes") {
        None => {
            diagnostics.push(missing(root, "nodes section must be defined in infrastructure description"))
        }
        Some(nodes) => match nodes.as_seq() {
            Some(nodes) => return nodes,
            None => diagnostics.push(wrong_kind(nodes, "nodes", "a list of nodes")),
        },
    }
    &[]
}

/// Each node gets a copy of the variables: many nodes times large variables must stay bounded, too.
fn copies_fit(root: &Node, overrides: &Overrides, nodes: &[Node], diagnostics: &mut Diagnostics) -> bool {
    let variables = root.get("variables").unwrap_or(root);
    let own = root.get("variables").map_or(0, Node::weight);
    let fit = (own + overrides.weight()).saturating_mul(nodes.len()) <= MAX_WEIGHT;
    if !fit {
        let message = format!("variables are too large for {} nodes, each of which gets a copy", nodes.len());
        diagnostics.push(Diagnostic::error(codes::TOO_LARGE, message).at(&variables.span));
    }
    fit
}

/// Checks one entry of `nodes`; `None` if it cannot be used.
fn node(source: &Node, shared: &Map<String, Json>, diagnostics: &mut Diagnostics) -> Option<model::Node> {
    let Some(entries) = source.as_map() else {
        diagnostics.push(wrong_kind(source, "a node", "a mapping with name and type"));
        return None;
    };
    let name = node_name(source, diagnostics);
    let shown = source.get("name").map_or_else(String::new, Node::to_text);
    let definition = match source.get("type") {
        None => {
            diagnostics.push(missing(source, &format!("missing key \"type\" in node '{shown}'")));
            None
        }
        // Occopus 1.10 took a number for its text.
        Some(value) if value.is_plain() => Some(value.to_text()),
        Some(value) => {
            let what = format!("type of node '{shown}'");
            diagnostics.push(wrong_kind(value, &what, "the name of a node definition"));
            None
        }
    };
    let scaling = scaling::check(source, &shown, diagnostics);
    let filter = filter(source, &shown, diagnostics);
    let own = mapping_or_empty(source.get("variables"), &format!("variables of node '{shown}'"), diagnostics);
    for key in unknown_keys(entries, NODE) {
        diagnostics.push(unknown_key(key, &format!("in node '{shown}'"), NODE));
    }
    Some(model::Node {
        name: name?,
        definition: definition?,
        scaling: scaling?,
        scaling_source: source.get("scaling").map(Node::to_json),
        filter,
        variables: overlay(shared.clone(), own),
        care: care::care(source, &shown, diagnostics),
    })
}

fn node_name(source: &Node, diagnostics: &mut Diagnostics) -> Option<String> {
    let Some(value) = source.get("name") else {
        diagnostics.push(missing(source, "missing key \"name\" in node"));
        return None;
    };
    match name::check(value) {
        Ok(name) => Some(name.to_owned()),
        Err(reason) => {
            diagnostics.push(bad_name(value, &format!("node \"{}\" {reason}", value.to_text())));
            None
        }
    }
}

/// The keys that a table does not know, in file order.
fn unknown_keys<'n>(entries: &'n [(Node, Node)], known: &'static [Field]) -> impl Iterator<Item = &'n Node> {
    let is_known = move |key: &Node| key.as_str().is_some_and(|key| fields::find(known, key).is_some());
    entries.iter().map(|(key, _)| key).filter(move |key| !is_known(key))
}

fn unknown_key(key: &Node, place: &str, known: &'static [Field]) -> Diagnostic {
    let shown = key.to_text();
    Diagnostic::error(codes::UNKNOWN_KEY, format!("unknown key '{shown}' {place}"))
        .at(&key.span)
        .help(suggestion(&shown, fields::keys(known)))
        .legacy(format!("[SchemaCheck] ERROR: unknown key \"'{shown}'\" {place}"))
}

fn filter(source: &Node, name: &str, diagnostics: &mut Diagnostics) -> Option<Map<String, Json>> {
    let filter = source.get("filter")?;
    secret::forbid(Some(filter), &format!("a value in the filter of node '{name}'"), diagnostics);
    if filter.as_map().is_none() {
        let text = format!("unknown type of filter in node '{name}' - has to be a dict!");
        diagnostics.push(
            Diagnostic::error(codes::WRONG_KIND, &text)
                .at(&filter.span)
                .help("write keys and values of the resource section, such as filter: {type: ec2}")
                .legacy(format!("[SchemaCheck] ERROR: {text}")),
        );
        return None;
    }
    Some(filter.to_object())
}

/// Two nodes of one name would be counted together and deleted in turns, so that this is an error
/// although Occopus 1.10 accepted it.
fn duplicates(nodes: &[Node], diagnostics: &mut Diagnostics) {
    let mut seen = std::collections::HashMap::new();
    for value in nodes.iter().filter_map(|node| node.get("name")) {
        let Some(name) = value.as_str() else { continue };
        if let Some(line) = seen.insert(name, value.span.line) {
            let message = format!("there are two nodes called '{name}'");
            let help = format!("the other one is in line {line}; rename one of them");
            diagnostics.push(Diagnostic::error(codes::DUPLICATE_NODE, message).at(&value.span).help(help));
        }
    }
}

/// Variables of the infrastructure overlaid with those of a node: mappings are merged key by key,
/// anything else is replaced.
pub(crate) fn overlay(mut below: Map<String, Json>, above: Map<String, Json>) -> Map<String, Json> {
    for (key, value) in above {
        let merged = match (below.remove(&key), value) {
            // A reference to a secret only looks like a mapping.
            (Some(Json::Object(below)), Json::Object(above))
                if ![&below, &above].iter().any(|entries| entries.contains_key(secret::KEY)) =>
            {
                Json::Object(overlay(below, above))
            }
            (_, value) => value,
        };
        below.insert(key, merged);
    }
    below
}
