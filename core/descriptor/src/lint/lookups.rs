//! Nodes that templates look up: they must exist, and be there before the node that asks.

use super::uses::{LookUp, NodeArgument};
use super::variables::{self, is_built_in};
use super::view::{Described, Infrastructure};
use super::{Findings, Known, selection};
use crate::codes;
use crate::diagnostic::{Diagnostics, suggestion};
use crate::yaml::Span;

pub(super) fn check(infrastructure: &Infrastructure<'_>, known: &Known<'_>, warnings: &mut Diagnostics) {
    let mut findings = Findings::default();
    for node in &infrastructure.nodes {
        let all = known.of(node).iter().flat_map(|definition| &definition.implementations);
        for implementation in all.filter(|implementation| selection::leaves(node, implementation)) {
            let Some(source) = &implementation.source else { continue };
            let defined = |asked: &LookUp| match &asked.node {
                NodeArgument::Bare(name) => is_built_in(name) || source.may_define(name),
                _ => false,
            };
            for template in source.templates.iter().filter(|template| !template.health) {
                for asked in template.uses.nodes.iter().filter(|asked| !defined(asked)) {
                    let place = || template.place(&asked.at);
                    look_up(infrastructure, node, asked, &place, &mut findings);
                }
            }
        }
    }
    findings.report(warnings);
}

fn look_up(
    infrastructure: &Infrastructure<'_>,
    node: &Described<'_>,
    asked: &LookUp,
    place: &dyn Fn() -> Span,
    findings: &mut Findings,
) {
    if findings.is_full() {
        return;
    }
    let function = &asked.function;
    let wanted = match &asked.node {
        NodeArgument::Literal(name) => name.clone(),
        NodeArgument::Variable(path) => match variables::text(infrastructure, node, path) {
            Some(name) => name,
            None => return,
        },
        NodeArgument::Bare(name) => {
            let message = format!("{function}({name}) has no quotes, so that nothing is passed, in");
            let help = format!("write {function}('{name}')");
            findings.add(codes::UNQUOTED_NODE, place(), message, node.name, help);
            name.clone()
        }
    };
    if !infrastructure.names.contains(wanted.as_str()) {
        if !matches!(asked.node, NodeArgument::Bare(_)) {
            let message = format!("{function} asks for '{wanted}', but there is no such node, in");
            let help = suggestion(&wanted, infrastructure.names.iter().copied());
            findings.add(codes::UNKNOWN_LOOK_UP, place(), message, node.name, help);
        }
    } else if wanted != node.name && infrastructure.waits(node.name, &wanted) == Some(false) {
        let message = format!("{function} asks for '{wanted}', which may not be there yet, in");
        let help = format!("let '{}' depend on '{wanted}': add the pair to dependencies", node.name);
        findings.add(codes::NO_DEPENDENCY, place(), message, node.name, help);
    }
}
