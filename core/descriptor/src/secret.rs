//! References to secrets: `!secret env:NAME` and `!secret file:PATH`.
//!
//! Descriptions, stores and digests hold the reference only. In JSON it is the object
//! `{"!secret": "env:NAME"}`; nothing in this crate ever reads the secret itself.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde_json::{Map, Value as Json, json};

use crate::codes;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::model::{Implementation, Node};
use crate::yaml;

/// The tag without its exclamation mark.
pub const TAG: &str = "secret";
/// The only key of the object that stands for a reference.
pub const KEY: &str = "!secret";

/// Where a secret is to be had. Not secret itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SecretRef {
    /// An environment variable of the process that works.
    Env(String),
    /// A file; absolute once the description is loaded.
    File(PathBuf),
}

/// A text that refers to no secret; says what would.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}; write !secret env:NAME or !secret file:PATH")]
pub struct BadReference(String);

impl FromStr for SecretRef {
    type Err = BadReference;

    fn from_str(text: &str) -> Result<Self, BadReference> {
        match text.trim().split_once(':') {
            Some(("env", name)) if is_variable(name) => Ok(Self::Env(name.to_owned())),
            Some(("env", name)) => {
                Err(BadReference(format!("'{name}' cannot be the name of an environment variable")))
            }
            Some(("file", path)) if !path.is_empty() && !path.contains('\0') => Ok(Self::File(path.into())),
            Some(("file", _)) => Err(BadReference("the path of the file is missing".to_owned())),
            // The text is not quoted: somebody may have written the secret itself.
            _ => Err(BadReference("this names no place where a secret is kept".to_owned())),
        }
    }
}

fn is_variable(name: &str) -> bool {
    !name.is_empty() && !name.contains(['=', '\0']) && !name.contains(char::is_whitespace)
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "env:{name}"),
            Self::File(path) => write!(f, "file:{}", path.display()),
        }
    }
}

impl SecretRef {
    /// The reference with the path of a file made absolute, seen from the folder `base`.
    #[must_use]
    pub fn seen_from(self, base: &Path) -> Self {
        match self {
            Self::File(path) => {
                let path = base.join(path);
                // Without a working folder the path stays as it is, and reading it says why.
                Self::File(std::path::absolute(&path).unwrap_or(path))
            }
            other => other,
        }
    }

    /// What is shown in place of the secret: `<secret env:NAME>`.
    pub fn mask(&self) -> String {
        format!("<secret {self}>")
    }

    /// The reference as it stands in the model.
    pub fn to_json(&self) -> Json {
        json!({ KEY: self.to_string() })
    }

    /// The reference that `value` stands for; `None` if it is any other value.
    pub fn of(value: &Json) -> Option<Self> {
        match value {
            Json::Object(entries) if entries.len() == 1 => entries.get(KEY)?.as_str()?.parse().ok(),
            _ => None,
        }
    }
}

/// Adds every reference inside `value` to `found`.
pub fn collect(value: &Json, found: &mut BTreeSet<SecretRef>) {
    match value {
        Json::Array(items) => items.iter().for_each(|item| collect(item, found)),
        Json::Object(entries) => match SecretRef::of(value) {
            Some(reference) => drop(found.insert(reference)),
            None => entries.values().for_each(|value| collect(value, found)),
        },
        _ => {}
    }
}

/// `value` with a text in place of every reference.
pub fn fill(value: &Json, text_of: &dyn Fn(&SecretRef) -> String) -> Json {
    match value {
        Json::Array(items) => Json::Array(items.iter().map(|item| fill(item, text_of)).collect()),
        Json::Object(entries) => match SecretRef::of(value) {
            Some(reference) => Json::String(text_of(&reference)),
            None => Json::Object(fill_map(entries, text_of)),
        },
        other => other.clone(),
    }
}

/// `entries` with a text in place of every reference.
pub fn fill_map(entries: &Map<String, Json>, text_of: &dyn Fn(&SecretRef) -> String) -> Map<String, Json> {
    entries.iter().map(|(key, value)| (key.clone(), fill(value, text_of))).collect()
}

fn sections(implementation: &Implementation) -> impl Iterator<Item = &Map<String, Json>> {
    let optional =
        [&implementation.contextualisation, &implementation.config_management, &implementation.health_check];
    std::iter::once(&implementation.resource).chain(optional.into_iter().flatten())
}

/// The secrets that an instance of `node` made by `implementation` needs.
pub fn of_instance(node: &Node, implementation: &Implementation) -> BTreeSet<SecretRef> {
    let mut found = BTreeSet::new();
    let all = std::iter::once(&node.variables).chain(sections(implementation));
    all.flat_map(Map::values).for_each(|value| collect(value, &mut found));
    found
}

/// The references in the sections of `implementation`, whose texts are taken for templates.
pub fn of_sections(implementation: &Implementation) -> BTreeSet<SecretRef> {
    let mut found = BTreeSet::new();
    sections(implementation).flat_map(Map::values).for_each(|value| collect(value, &mut found));
    found
}

/// `node` and `implementation` with a text in place of every reference.
pub fn fill_instance(
    node: &Node,
    implementation: &Implementation,
    text_of: &dyn Fn(&SecretRef) -> String,
) -> (Node, Implementation) {
    let section = |section: &Option<Map<String, Json>>| section.as_ref().map(|s| fill_map(s, text_of));
    let node = Node { variables: fill_map(&node.variables, text_of), ..node.clone() };
    let implementation = Implementation {
        resource: fill_map(&implementation.resource, text_of),
        contextualisation: section(&implementation.contextualisation),
        config_management: section(&implementation.config_management),
        health_check: section(&implementation.health_check),
    };
    (node, implementation)
}

/// Every reference in a loaded tree, with the node it stands at.
pub fn places(root: &yaml::Node) -> Vec<(SecretRef, &yaml::Node)> {
    let mut found = Vec::new();
    let mut open = vec![root];
    while let Some(node) = open.pop() {
        if let yaml::Value::Secret(reference) = &node.value {
            found.push((reference.as_ref().clone(), node));
        }
        open.extend(node.as_seq().unwrap_or_default());
        open.extend(node.as_map().unwrap_or_default().iter().map(|(_, value)| value));
    }
    found
}

/// Reports every secret in `node`, which is `what`: it decides what is done and stays readable.
pub(crate) fn forbid(node: Option<&yaml::Node>, what: &str, diagnostics: &mut Diagnostics) {
    for (_, place) in node.into_iter().flat_map(places) {
        let message = format!("{what} cannot be a secret: Occopus has to store and show it");
        diagnostics.push(
            Diagnostic::error(codes::MISPLACED_SECRET, message)
                .at(&place.span)
                .help("secrets can stand in variables, in env, command and context, and as passwords"),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_survives_json_and_shows_only_where_the_secret_is() {
        for text in ["env:DB_PASSWORD", "file:/run/secrets/db"] {
            let reference: SecretRef = text.parse().unwrap();
            assert_eq!(reference.to_string(), text);
            assert_eq!(SecretRef::of(&reference.to_json()), Some(reference.clone()));
            assert_eq!(reference.mask(), format!("<secret {text}>"));
        }
    }

    #[test]
    fn what_refers_to_nothing_is_refused_without_repeating_it() {
        for text in ["hunter2", "env:", "env:A B", "env:A=B", "file:", "vault:hunter2"] {
            let error = text.parse::<SecretRef>().unwrap_err().to_string();
            assert!(error.contains("!secret env:NAME") && !error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn paths_are_absolute_seen_from_the_file_that_names_them() {
        let seen = |text: &str| text.parse::<SecretRef>().unwrap().seen_from(Path::new("/a")).to_string();
        assert_eq!(seen("file:b/c"), "file:/a/b/c");
        assert_eq!(seen("file:/b/c"), "file:/b/c");
        assert_eq!(seen("env:b"), "env:b");
    }

    #[test]
    fn references_are_found_and_filled_at_any_depth_and_nothing_else_changes() {
        let value = json!({"a": [1, {"b": {"!secret": "env:X"}}], "c": {"!secret": "env:X", "d": 1}});
        let mut found = BTreeSet::new();
        collect(&value, &mut found);
        assert_eq!(found, BTreeSet::from([SecretRef::Env("X".to_owned())]));
        let filled = fill(&value, &SecretRef::mask);
        assert_eq!(filled, json!({"a": [1, {"b": "<secret env:X>"}], "c": {"!secret": "env:X", "d": 1}}));
    }
}
