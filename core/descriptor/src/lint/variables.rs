//! Variables: those that no template uses, and those that templates use and nobody declares.

use std::collections::BTreeSet;

use serde_json::{Map, Value as Json};

use super::templates::Template;
use super::uses::{Use, Uses};
use super::view::{Described, Infrastructure, Source};
use super::{Findings, Known, selection};
use crate::codes;
use crate::diagnostic::{Diagnostic, Diagnostics, suggestion};
use crate::yaml::Node;

/// What templates see beside `variables`, some of it only where definition or config manager provide it.
const NAMES: [&str; 15] = [
    "infra_id",
    "infra_name",
    "name",
    "node_id",
    "type",
    "user_id",
    "mappings",
    "scaling",
    "filter",
    "resource",
    "contextualisation",
    "config_management",
    "health_check",
    "puppet",
    "context_variables",
];
/// What the templates of health checks see beside `variables`.
const HEALTH_NAMES: [&str; 3] = ["ip", "node_id", "instance_data"];

/// Whether templates see `name` without anybody defining it.
pub(super) fn is_built_in(name: &str) -> bool {
    NAMES.contains(&name)
}

/// The variables that the templates of one node read.
enum Read<'a> {
    /// These, at the top level.
    Only(BTreeSet<&'a str>),
    /// Possibly all.
    Any,
}

impl Read<'_> {
    fn has(&self, name: &str) -> bool {
        match self {
            Self::Only(names) => names.contains(name),
            Self::Any => true,
        }
    }
}

/// `outputs` is what the outputs ask for.
pub(super) fn check(
    infrastructure: &Infrastructure<'_>,
    known: &Known<'_>,
    outputs: &[Uses],
    warnings: &mut Diagnostics,
) {
    let reads: Vec<Read<'_>> = infrastructure.nodes.iter().map(|node| reads(node, known)).collect();
    unused(infrastructure, &reads, &read_by(outputs.iter()), warnings);
    let mut findings = Findings::default();
    for node in &infrastructure.nodes {
        for source in of(node, known) {
            undeclared(infrastructure, node, source, &mut findings);
            undefined(infrastructure, node, source, &mut findings);
        }
    }
    findings.report(warnings);
}

/// The implementations that `node` may take, as far as they stand in files.
fn of<'k>(node: &Described<'_>, known: &'k Known<'_>) -> impl Iterator<Item = &'k Source<'k>> {
    let all = known.of(node).iter().flat_map(|definition| &definition.implementations);
    let taken = all.filter(|implementation| selection::leaves(node, implementation));
    taken.filter_map(|implementation| implementation.source.as_ref())
}

fn reads<'k>(node: &Described<'_>, known: &'k Known<'_>) -> Read<'k> {
    let mut all = known.of(node).iter().flat_map(|definition| &definition.implementations).peekable();
    // Without the texts of its templates nothing can be said about a node.
    if all.peek().is_none() || all.any(|implementation| implementation.source.is_none()) {
        return Read::Any;
    }
    read_by(of(node, known).flat_map(|source| &source.templates).map(|template| &template.uses))
}

fn read_by<'a>(templates: impl Iterator<Item = &'a Uses>) -> Read<'a> {
    let mut names = BTreeSet::new();
    for uses in templates {
        if uses.all_variables {
            return Read::Any;
        }
        names.extend(uses.variables.iter().map(|read| read.path[0].as_str()));
    }
    Read::Only(names)
}

fn unused(
    infrastructure: &Infrastructure<'_>,
    reads: &[Read<'_>],
    by_outputs: &Read<'_>,
    warnings: &mut Diagnostics,
) {
    let mut report = |key: &Node, who: &str| {
        let name = key.to_text();
        let message = format!("variable '{name}' is used by no template of {who}");
        let problem = Diagnostic::warning(codes::UNUSED_VARIABLE, message).at(&key.span);
        warnings.push(problem.help(format!("remove it, or read it as {{{{ variables.{name} }}}}")));
    };
    let shared = infrastructure.root.get("variables").and_then(Node::as_map).unwrap_or_default();
    for (key, _) in shared {
        if !reads.iter().chain([by_outputs]).any(|read| read.has(&key.to_text())) {
            report(key, "any node");
        }
    }
    for (node, read) in infrastructure.nodes.iter().zip(reads) {
        for (key, _) in node.variables.and_then(Node::as_map).unwrap_or_default() {
            if !read.has(&key.to_text()) {
                report(key, &format!("node '{}'", node.name));
            }
        }
    }
}

/// Variables that templates read and neither node nor infrastructure declare.
fn undeclared(
    infrastructure: &Infrastructure<'_>,
    node: &Described<'_>,
    source: &Source<'_>,
    findings: &mut Findings,
) {
    let reads = || source.templates.iter().flat_map(|template| &template.uses.variables);
    let guarded: BTreeSet<&[String]> =
        reads().filter(|read| read.guarded).map(|read| read.path.as_slice()).collect();
    let is_guarded = |path: &[String]| (1..=path.len()).any(|length| guarded.contains(&path[..length]));
    for template in &source.templates {
        for read in &template.uses.variables {
            let Some(length) = missing(infrastructure, node, &read.path) else { continue };
            if findings.is_full() {
                return;
            }
            if is_guarded(&read.path) {
                continue;
            }
            let name = read.path[..length].join(".");
            let message = format!("variable '{name}' is declared nowhere for");
            let known = infrastructure.variables.keys().chain(node.own.keys()).map(String::as_str);
            let help = match length {
                1 => format!("it prints nothing; {}", suggestion(&name, known.collect::<BTreeSet<_>>())),
                _ => "it prints nothing; declare it, or write a default: | default('…')".to_owned(),
            };
            let place = template.place(&read.at);
            findings.add(codes::UNDEFINED_NAME, place, message, node.name, help);
        }
    }
}

/// Names beside `variables` that nothing defines.
fn undefined(
    infrastructure: &Infrastructure<'_>,
    node: &Described<'_>,
    source: &Source<'_>,
    findings: &mut Findings,
) {
    for template in &source.templates {
        let seen = if template.health { HEALTH_NAMES.as_slice() } else { NAMES.as_slice() };
        for read in template.uses.names.iter().filter(|read| !read.guarded) {
            let name = read.path[0].as_str();
            if findings.is_full() {
                return;
            }
            if !seen.contains(&name) && !source.may_define(name) {
                undefined_name(infrastructure, node, template, read, findings);
            }
        }
    }
}

/// A name outside `variables` that nothing defines.
fn undefined_name(
    infrastructure: &Infrastructure<'_>,
    node: &Described<'_>,
    template: &Template<'_>,
    read: &Use,
    findings: &mut Findings,
) {
    let name = read.path[0].as_str();
    let is_variable = infrastructure.variables.contains_key(name) || node.own.contains_key(name);
    let (message, help) = if is_variable && !template.health {
        let message = format!("'{name}' is a variable, but read without 'variables.', for");
        (message, format!("it prints nothing; write {{{{ variables.{name} }}}}"))
    } else {
        let known = if template.health { HEALTH_NAMES.as_slice() } else { NAMES.as_slice() };
        let help = suggestion(name, known.iter().copied().chain(["variables"]));
        (format!("nothing defines '{name}' for"), format!("it prints nothing; {help}"))
    };
    findings.add(codes::UNDEFINED_NAME, template.place(&read.at), message, node.name, help);
}

/// How many names of `path` lead to the first that neither the node nor the infrastructure declares;
/// `None` if all are declared, or if the path leads into something that is no mapping.
fn missing(infrastructure: &Infrastructure<'_>, node: &Described<'_>, path: &[String]) -> Option<usize> {
    let mut layers: Vec<&Map<String, Json>> = vec![&node.own, &infrastructure.variables];
    for (position, name) in path.iter().enumerate() {
        let found: Vec<&Json> = layers.iter().filter_map(|layer| layer.get(name)).collect();
        let Some(first) = found.first() else { return Some(position + 1) };
        // What is no mapping replaces what is below, and its attributes are its own.
        first.as_object()?;
        layers = found.into_iter().filter_map(Json::as_object).collect();
    }
    None
}

/// The text that `path` has for `node`.
pub(super) fn text(
    infrastructure: &Infrastructure<'_>,
    node: &Described<'_>,
    path: &[String],
) -> Option<String> {
    let lookup = |map: &Map<String, Json>| {
        let (first, rest) = path.split_first()?;
        rest.iter().try_fold(map.get(first)?, |value, name| value.get(name)).cloned()
    };
    let value = lookup(&node.own).or_else(|| lookup(&infrastructure.variables))?;
    value.as_str().filter(|name| !name.is_empty()).map(str::to_owned)
}
