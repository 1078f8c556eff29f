//! Outputs whose templates can never be rendered, or that ask for nodes that do not exist.

use serde_json::{Map, json};

use super::flaws::place;
use super::uses::{Flaw, NodeArgument, TemplateScanner, Uses};
use super::view::Infrastructure;
use crate::codes;
use crate::diagnostic::{Diagnostic, Diagnostics, suggestion};
use crate::model::Implementation;
use crate::yaml::Node;

pub(super) fn check(
    infrastructure: &Infrastructure<'_>,
    scanner: &dyn TemplateScanner,
    problems: &mut Diagnostics,
) {
    for (key, source, text) in of(infrastructure) {
        let name = key.to_text();
        for flaw in output_flaws(&name, text, scanner) {
            let message = format!("output '{name}' can never be rendered: {}", flaw.reason);
            let help = "text that is no template goes between {% raw %} and {% endraw %}";
            let problem =
                Diagnostic::error(codes::BAD_TEMPLATE, message).at(&place(source, &flaw)).help(help);
            problems.push(problem);
        }
        for asked in scanner.uses(text).nodes {
            let NodeArgument::Literal(node) = &asked.node else { continue };
            if !infrastructure.names.contains(node.as_str()) {
                let function = &asked.function;
                let message =
                    format!("{function} asks for '{node}', but there is no such node, in output '{name}'");
                let help = suggestion(node, infrastructure.names.iter().copied());
                problems
                    .push(Diagnostic::warning(codes::UNKNOWN_LOOK_UP, message).at(&source.span).help(help));
            }
        }
    }
}

/// What the outputs ask for.
pub(super) fn uses(infrastructure: &Infrastructure<'_>, scanner: &dyn TemplateScanner) -> Vec<Uses> {
    of(infrastructure).map(|(_, _, text)| scanner.uses(text)).collect()
}

/// Name, source and text of every output.
fn of<'a>(infrastructure: &Infrastructure<'a>) -> impl Iterator<Item = (&'a Node, &'a Node, &'a str)> {
    let entries = infrastructure.root.get("outputs").and_then(Node::as_map).unwrap_or_default();
    entries.iter().filter_map(|(key, source)| Some((key, source, source.as_str()?)))
}

/// The flaws of the template `text` of the output called `name`, each without a way to it.
pub fn output_flaws(name: &str, text: &str, scanner: &dyn TemplateScanner) -> Vec<Flaw> {
    // Attributes are rendered each on its own, as outputs are.
    let attributes = json!({"type": "basic", "attributes": {name: text}});
    let flaws = scanner.flaws(&Implementation {
        resource: Map::new(),
        contextualisation: attributes.as_object().cloned(),
        config_management: None,
        health_check: None,
    });
    flaws.into_iter().map(|flaw| Flaw { path: Vec::new(), ..flaw }).collect()
}
