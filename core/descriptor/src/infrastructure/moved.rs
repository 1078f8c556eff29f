//! Moves: nodes that were renamed and keep their instances. A section that Occopus 1.10 did not know.

use std::collections::{BTreeMap, BTreeSet};

use super::{name, unknown_key, wrong_kind};
use crate::codes;
use crate::diagnostic::{Diagnostic, Diagnostics, suggestion};
use crate::fields::{self, MOVED};
use crate::model::Moved;
use crate::secret;
use crate::yaml::Node;

/// A hint with the places of its names.
struct Hint<'a> {
    from: &'a Node,
    to: &'a Node,
    moved: Moved,
}

/// Reads `moved`: hints that nodes, whose entries are `nodes`, had other names.
pub(super) fn check(section: Option<&Node>, nodes: &[Node], diagnostics: &mut Diagnostics) -> Vec<Moved> {
    let Some(section) = section.filter(|section| !section.is_null()) else { return Vec::new() };
    secret::forbid(Some(section), "the name of a node", diagnostics);
    let Some(entries) = section.as_seq() else {
        diagnostics.push(wrong_kind(section, "moved", "a list of entries with from and to"));
        return Vec::new();
    };
    let hints: Vec<Hint<'_>> = entries.iter().filter_map(|entry| hint(entry, diagnostics)).collect();
    let names: BTreeSet<&str> = nodes.iter().filter_map(|node| node.get("name")?.as_str()).collect();
    contradictions(&hints, &names, diagnostics);
    hints.into_iter().map(|hint| hint.moved).collect()
}

fn hint<'a>(entry: &'a Node, diagnostics: &mut Diagnostics) -> Option<Hint<'a>> {
    let Some(keys) = entry.as_map() else {
        diagnostics.push(wrong_kind(entry, "an entry of moved", "a mapping with from and to"));
        return None;
    };
    for (key, _) in keys {
        if key.as_str().is_none_or(|key| fields::find(MOVED, key).is_none()) {
            diagnostics.push(unknown_key(key, "in an entry of moved", MOVED));
        }
    }
    let mut end = |key: &str| -> Option<(&'a Node, String)> {
        let Some(value) = entry.get(key) else {
            let text = format!("missing key \"{key}\" in an entry of moved");
            diagnostics.push(super::missing(entry, &text));
            return None;
        };
        match name::check(value) {
            Ok(name) => Some((value, name.to_owned())),
            Err(reason) => {
                let text = format!("'{key}' of an entry of moved \"{}\" {reason}", value.to_text());
                diagnostics.push(super::bad_name(value, &text));
                None
            }
        }
    };
    let (from, to) = (end("from"), end("to"));
    let ((from, old), (to, new)) = (from?, to?);
    Some(Hint { from, to, moved: Moved { from: old, to: new } })
}

/// Hints that cannot all be true, or not of these nodes.
fn contradictions(hints: &[Hint<'_>], names: &BTreeSet<&str>, diagnostics: &mut Diagnostics) {
    let next: BTreeMap<&str, &str> =
        hints.iter().map(|hint| (hint.moved.from.as_str(), hint.moved.to.as_str())).collect();
    let targets: BTreeSet<&str> = next.values().copied().collect();
    let mut seen: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for Hint { from, to, moved } in hints {
        let (old, new) = (moved.from.as_str(), moved.to.as_str());
        let mut refuse = |at: &Node, message: String, help: String| {
            diagnostics.push(Diagnostic::error(codes::BAD_MOVE, message).at(&at.span).help(help));
        };
        if old == new {
            refuse(to, format!("'{old}' is moved to itself"), "leave this entry out".to_owned());
            continue;
        }
        for (key, name, at) in [("from", old, from), ("to", new, to)] {
            if let Some(line) = seen.insert((key, name), at.span.line) {
                let ways = if key == "from" { "to two nodes" } else { "from two nodes" };
                let help = format!("the other entry is in line {line}; leave one of them out");
                refuse(at, format!("'{name}' is moved {ways}"), help);
            }
        }
        if names.contains(old) && !targets.contains(old) {
            let help = format!(
                "leave the entry out if '{old}' was not renamed; if another node is called so now, say which one \
                 by an entry with to: {old}"
            );
            refuse(from, format!("'{old}' is moved to '{new}', but still described"), help);
        }
        if !leads_to_a_node(new, &next, names) {
            let message = format!("'{old}' is moved to '{new}', which is no node of the description");
            refuse(to, message, suggestion(new, names.iter().copied()));
        }
    }
}

/// Whether `name` is a node, or was renamed since and is one now.
fn leads_to_a_node(name: &str, next: &BTreeMap<&str, &str>, names: &BTreeSet<&str>) -> bool {
    let path = std::iter::successors(Some(name), |name| next.get(name).copied());
    path.take(next.len() + 1).any(|name| names.contains(name))
}

#[cfg(test)]
mod tests {
    use crate::Overrides;
    use crate::yaml::{Dialect, load_text};

    fn checked(nodes: &[&str], moved: &str) -> Result<Vec<String>, String> {
        let nodes: Vec<String> = nodes.iter().map(|name| format!("{{name: {name}, type: t}}")).collect();
        let text = format!("{{infra_name: a, user_id: b, nodes: [{}], moved: {moved}}}", nodes.join(", "));
        let root = load_text("x", &text, std::path::Path::new("."), Dialect::default()).unwrap();
        let (found, problems) = super::super::check(&root, &Overrides::default());
        let errors: Vec<String> = problems.errors().map(ToString::to_string).collect();
        let hints = found.ok_or_else(|| errors.join("; "))?.moved;
        Ok(hints.iter().map(|hint| format!("{} {}", hint.from, hint.to)).collect())
    }

    #[test]
    fn renames_chains_and_swaps_are_read_in_their_order() {
        assert_eq!(checked(&["web"], "[{from: worker, to: web}]").unwrap(), ["worker web"]);
        assert_eq!(checked(&["web"], "").unwrap(), [""; 0]);
        for (nodes, moved) in [
            // All at once: what was a is b, and what was b is c.
            (&["b", "c"][..], "[{from: a, to: b}, {from: b, to: c}]"),
            // One after the other: the first entry is from an earlier change.
            (&["c"], "[{from: a, to: b}, {from: b, to: c}]"),
            (&["a", "b"], "[{from: a, to: b}, {from: b, to: a}]"),
        ] {
            assert_eq!(checked(nodes, moved).unwrap().len(), 2, "{moved}");
        }
    }

    #[test]
    fn what_contradicts_the_description_is_refused() {
        for (moved, message) in [
            ("[{from: x, to: a}, {from: x, to: b}]", "'x' is moved to two nodes"),
            ("[{from: x, to: a}, {from: y, to: a}]", "'a' is moved from two nodes"),
            ("[{from: x, to: y}]", "'x' is moved to 'y', which is no node of the description"),
            ("[{from: x, to: y}, {from: y, to: x}]", "'y' is moved to 'x', which is no node"),
            ("[{from: a, to: b}]", "'a' is moved to 'b', but still described"),
            ("[{from: a, to: a}]", "'a' is moved to itself"),
            ("[{from: x}]", "missing key \"to\""),
            ("[{from: x, to: a, why: y}]", "unknown key 'why'"),
            ("[{from: x.y, to: a}]", "cannot contain '.'"),
            ("[a]", "an entry of moved must be a mapping"),
            ("{a: b}", "moved must be a list"),
            ("[{from: !secret env:X, to: a}]", "cannot be a secret"),
        ] {
            let error = checked(&["a", "b"], moved).unwrap_err();
            assert!(error.contains(message), "{moved}: {error}");
        }
    }
}
