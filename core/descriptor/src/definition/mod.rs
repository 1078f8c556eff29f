//! Node definitions: from a loaded tree to the checked model.

mod builtin;
mod health;
mod rules;
#[cfg(test)]
mod tests;

use serde_json::{Map, Value as Json, json};

use crate::codes;
use crate::diagnostic::{Diagnostic, Diagnostics, suggestion};
use crate::model::{Implementation, NodeDefinition};
use crate::yaml::Node;

pub use rules::{Extra, Rules, Section, SectionCheck, SectionRules};

const PREFIX: &str = "node_def:";

/// Checks loaded node definitions. All problems are reported, in the order of Occopus 1.10, which
/// stopped at the first. There are no definitions if one of them is an error.
pub fn check(root: &Node, rules: &Rules) -> (Option<Vec<NodeDefinition>>, Diagnostics) {
    let mut diagnostics = Diagnostics::new();
    let Some(entries) = root.as_map() else {
        let message = format!("node definitions must be a mapping, but the file is {}", root.value.kind());
        let help = "write 'node_def:NAME': followed by a list of implementations";
        return (None, Diagnostic::error(codes::BAD_ROOT, message).at(&root.span).help(help).into());
    };
    let definitions =
        entries.iter().filter_map(|(key, value)| definition(key, value, rules, &mut diagnostics)).collect();
    if diagnostics.has_errors() { (None, diagnostics) } else { (Some(definitions), diagnostics) }
}

fn definition(
    key: &Node,
    value: &Node,
    rules: &Rules,
    diagnostics: &mut Diagnostics,
) -> Option<NodeDefinition> {
    let Some(name) = key.as_str().and_then(|key| key.strip_prefix(PREFIX)) else {
        let shown = key.to_text();
        let text = "Node definition must begin with 'node_def:<nodename>'!";
        diagnostics.push(
            Diagnostic::error(codes::BAD_DEFINITION_NAME, format!("{text} (node '{shown}')"))
                .at(&key.span)
                .help(format!("write '{PREFIX}{}':", shown.rsplit(':').next().unwrap_or_default()))
                .legacy(format!("[SchemaCheck] ERROR in node '{shown}': {text}")),
        );
        return None;
    };
    let place = format!("[SchemaCheck] ERROR in node '{name}': ");
    let Some(items) = value.as_seq() else {
        let text = "Node definition has to be a list of dictionaries!";
        diagnostics.push(
            Diagnostic::error(codes::BAD_IMPLEMENTATIONS, format!("{text} (node '{name}')"))
                .at(&value.span)
                .help("begin each implementation with a hyphen: - resource: …")
                .legacy(format!("{place}{text}")),
        );
        return None;
    };
    if items.is_empty() {
        let message = format!("node definition '{name}' has no implementation");
        diagnostics.push(Diagnostic::error(codes::BAD_IMPLEMENTATIONS, message).at(&value.span));
    }
    let implementations = items
        .iter()
        .enumerate()
        .map(|(index, item)| ImplementationCheck { name, index, rules, diagnostics }.run(item))
        .collect();
    Some(NodeDefinition { name: name.to_owned(), implementations })
}

/// One implementation under check.
struct ImplementationCheck<'a> {
    name: &'a str,
    index: usize,
    rules: &'a Rules,
    diagnostics: &'a mut Diagnostics,
}

impl ImplementationCheck<'_> {
    fn run(mut self, item: &Node) -> Implementation {
        self.sections(item);
        let mut section = |section| self.section(item, section);
        let resource = section(Section::Resource).unwrap_or_default();
        Implementation {
            resource,
            config_management: section(Section::ConfigManagement),
            contextualisation: section(Section::Contextualisation),
            health_check: section(Section::HealthCheck),
        }
    }

    /// Reports what is no section.
    fn sections(&mut self, item: &Node) {
        let name = self.name;
        let Some(entries) = item.as_map() else {
            let message =
                format!("implementation {} of node '{name}' must be a mapping of sections", self.index);
            self.diagnostics.push(Diagnostic::error(codes::BAD_IMPLEMENTATIONS, message).at(&item.span));
            return;
        };
        let known = Section::ALL.map(Section::key);
        let is_known = |key: &Node| key.as_str().is_some_and(|key| known.contains(&key));
        for (key, _) in entries.iter().filter(|(key, _)| !is_known(key)) {
            let shown = key.to_text();
            let text = format!("Invalid section '{shown}'");
            self.diagnostics.push(
                Diagnostic::error(codes::UNKNOWN_SECTION, format!("{text} (node '{name}')"))
                    .at(&key.span)
                    .help(suggestion(&shown, known))
                    .legacy(format!("[SchemaCheck] ERROR in node '{name}': {text}")),
            );
        }
    }

    /// Checks one section and gives its content; `None` if it is absent or empty.
    fn section(&mut self, item: &Node, section: Section) -> Option<Map<String, Json>> {
        let place = format!("'{}' section of node '{}'[{}]", section.key(), self.name, self.index);
        let context = format!("[SchemaCheck] ERROR in {place}: ");
        let found = item.get(section.key());
        let required = section == Section::Resource && item.as_map().is_some();
        let node = match found {
            None if !required => return None,
            Some(node) if node.as_map().is_some() => node,
            absent => {
                self.unusable(item, absent, section, &place, &context);
                return None;
            }
        };
        let mut check =
            SectionCheck { node, context: &context, place: &place, diagnostics: self.diagnostics };
        let rules = kind(&mut check, section, self.rules)?;
        rules.apply(&mut check);
        Some(content(node, rules))
    }

    fn unusable(&mut self, item: &Node, found: Option<&Node>, section: Section, place: &str, context: &str) {
        let problem = match found {
            None => {
                let text = "Missing 'resource' section!";
                let problem =
                    Diagnostic::error(codes::NO_RESOURCE, format!("{text} ({place})")).at(&item.span);
                problem.legacy(format!("{context}{text}"))
            }
            Some(node) if node.is_null() && section != Section::Resource => {
                let message = format!("the {place} is empty and counts as absent");
                Diagnostic::warning(codes::DOUBTFUL, message).at(&node.span)
            }
            Some(node) => {
                let message = format!("the {place} must be a mapping, but it is {}", node.value.kind());
                Diagnostic::error(codes::BAD_VALUE, message).at(&node.span)
            }
        };
        self.diagnostics.push(problem);
    }
}

/// The rules of the section's type.
fn kind<'r>(check: &mut SectionCheck<'_>, section: Section, rules: &'r Rules) -> Option<&'r SectionRules> {
    let node = match check.get("type") {
        Some(node) => node.clone(),
        None if section == Section::HealthCheck => return rules.get(section, "basic"),
        None => {
            let mark = if section == Section::Resource { "" } else { "!" };
            let known: Vec<&str> = rules.kinds(section).collect();
            let help = Some(format!("add type: one of {}", known.join(", ")));
            check.error_with_help(codes::NO_TYPE, check.node, &format!("Missing key 'type'{mark}"), help);
            return None;
        }
    };
    let shown = node.to_text();
    let found = node.as_str().and_then(|kind| rules.get(section, kind));
    if found.is_none() {
        let help = Some(suggestion(&shown, rules.kinds(section)));
        check.error_with_help(codes::UNKNOWN_TYPE, &node, &format!("unknown type '{shown}'"), help);
    }
    found
}

/// The section as it is kept: booleans written as words are booleans, and a health check has a type.
fn content(node: &Node, rules: &SectionRules) -> Map<String, Json> {
    let mut content = node.to_object();
    for key in &rules.booleans {
        if let Some(value) = content.get_mut(key)
            && let Some(flag) = boolean_word(value.as_str())
        {
            *value = Json::Bool(flag);
        }
    }
    if rules.section == Section::HealthCheck {
        content.entry("type").or_insert_with(|| json!("basic"));
        if let Some(flag) = content.get("timeout").and_then(Json::as_bool) {
            content.insert("timeout".to_owned(), json!(u8::from(flag)));
        }
    }
    content
}

/// The boolean that a word means to people.
fn boolean_word(text: Option<&str>) -> Option<bool> {
    match text?.to_ascii_lowercase().as_str() {
        "yes" | "on" | "true" => Some(true),
        "no" | "off" | "false" => Some(false),
        _ => None,
    }
}
