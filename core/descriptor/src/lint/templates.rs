//! Where templates stand in an implementation.

use crate::yaml::{Node, Span};

use super::uses::{TemplateScanner, Uses};

/// A template, and what it asks for.
pub(super) struct Template<'a> {
    /// The string.
    pub(super) node: &'a Node,
    /// What it asks for.
    pub(super) uses: Uses,
    /// Whether it belongs to the health check, whose templates see other names.
    pub(super) health: bool,
}

impl Template<'_> {
    /// The place of `range` of the text; that of the whole text where it cannot be told.
    pub(super) fn place(&self, range: &std::ops::Range<usize>) -> Span {
        let text = self.node.as_str().unwrap_or_default();
        let found = text.get(range.clone()).zip(text.get(..range.start)).and_then(|(needle, before)| {
            // An occurrence that began before and reaches into the range would be none of the source's.
            self.node.written().find(needle, before.matches(needle).count())
        });
        found.unwrap_or_else(|| self.node.span.clone())
    }
}

/// Everything of `implementation` that is rendered, in file order of the sections.
pub(super) fn of<'a>(implementation: &'a Node, scanner: &dyn TemplateScanner) -> Vec<Template<'a>> {
    let section = |key: &str| implementation.get(key);
    let mut strings = Vec::new();
    let context = section("contextualisation");
    match context.and_then(|context| context.get("type")?.as_str()) {
        Some("cloudinit") => {
            let rendered = [section("resource"), section("config_management")];
            rendered.into_iter().flatten().for_each(|section| collect(section, true, &mut strings));
            part(context, "context_template", true, &mut strings);
            part(context, "attributes", false, &mut strings);
        }
        Some("docker" | "process") => {
            part(context, "context_variables", true, &mut strings);
            part(context, "env", false, &mut strings);
            part(context, "command", false, &mut strings);
        }
        _ => part(context, "attributes", false, &mut strings),
    }
    let checked = strings.len();
    part(section("health_check"), "urls", false, &mut strings);
    part(section("health_check"), "mysqldbs", false, &mut strings);
    let scanned = |(index, node): (usize, &'a Node)| {
        let text = node.as_str().filter(|text| text.contains("{{") || text.contains("{%"))?;
        Some(Template { node, uses: scanner.uses(text), health: index >= checked })
    };
    strings.into_iter().enumerate().filter_map(scanned).collect()
}

fn part<'a>(section: Option<&'a Node>, key: &str, keys: bool, strings: &mut Vec<&'a Node>) {
    if let Some(node) = section.and_then(|section| section.get(key)) {
        collect(node, keys, strings);
    }
}

/// All strings of `node`; with `keys` also the keys of its mappings. The loader bounds the depth.
fn collect<'a>(node: &'a Node, keys: bool, strings: &mut Vec<&'a Node>) {
    if node.as_str().is_some() {
        strings.push(node);
    }
    node.as_seq().unwrap_or_default().iter().for_each(|item| collect(item, keys, strings));
    for (key, value) in node.as_map().unwrap_or_default() {
        if keys {
            collect(key, keys, strings);
        }
        collect(value, keys, strings);
    }
}
