//! Templates that can never be rendered: the only lint that is an error, since no node could ever be made.

use super::Known;
use super::uses::{Flaw, Step, TemplateScanner};
use crate::codes;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::model;
use crate::yaml::{Node, Span};

pub(super) fn check(known: &Known<'_>, scanner: &dyn TemplateScanner, problems: &mut Diagnostics) {
    let all = known.all().flat_map(|definition| &definition.implementations);
    for source in all.filter_map(|implementation| implementation.source.as_ref()) {
        for flaw in scanner.flaws(&typed(source.node)) {
            let message = format!("this template can never be rendered: {}", flaw.reason);
            let help = "text that is no template goes between {% raw %} and {% endraw %}";
            let problem =
                Diagnostic::error(codes::BAD_TEMPLATE, message).at(&place(source.node, &flaw)).help(help);
            problems.push(problem);
        }
    }
}

/// The implementation as the rest of Occopus has it.
fn typed(node: &Node) -> model::Implementation {
    let section = |key: &str| node.get(key).filter(|section| section.as_map().is_some()).map(Node::to_object);
    model::Implementation {
        resource: section("resource").unwrap_or_default(),
        contextualisation: section("contextualisation"),
        config_management: section("config_management"),
        health_check: section("health_check"),
    }
}

/// The place of `flaw` in the file of `implementation`.
pub fn place(implementation: &Node, flaw: &Flaw) -> Span {
    let mut node = implementation;
    for step in &flaw.path {
        let next = match step {
            Step::Key(key) => node.get(key),
            Step::Index(index) => node.as_seq().and_then(|items| items.get(*index)),
        };
        // A key that is no text is named by its text; what holds it is near enough.
        let Some(next) = next else { break };
        node = next;
    }
    inside(node, flaw).unwrap_or_else(|| node.span.clone())
}

/// The place of the flaw inside the text of `node`.
fn inside(node: &Node, flaw: &Flaw) -> Option<Span> {
    let (text, number) = (node.as_str()?, flaw.line?);
    let line = text.lines().nth(number.checked_sub(1)?)?;
    let before = text.lines().take(number - 1).filter(|other| other.contains(line)).count();
    let found = node.written().find(line, before)?;
    let column = found.column + flaw.column.unwrap_or(1).saturating_sub(1);
    // Where no column is known, the whole line is meant.
    let end_column = if flaw.column.is_some() { column + 1 } else { found.end_column };
    Some(Span { column, end_column, ..found })
}
