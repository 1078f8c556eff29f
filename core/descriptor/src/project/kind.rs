//! What a file is, judged by its content.

use std::fmt;

use serde::Serialize;

use crate::yaml::Node;

/// A kind of file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// An infrastructure description.
    Infrastructure,
    /// Node definitions.
    NodeDefinitions,
    /// Credentials.
    AuthData,
    /// The configuration of Occopus.
    Config,
    /// User data for machines, which node definitions import.
    CloudInit,
}

/// The keys that only files of a kind have at their top level.
const KEYS: [(Kind, &[&str]); 3] = [
    (Kind::Infrastructure, &["infra_name", "user_id", "nodes", "dependencies", "variables"]),
    (Kind::AuthData, &["resource", "config_management"]),
    (Kind::Config, &["components", "plugins", "autoimport", "logging", "store"]),
];

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Infrastructure => "infrastructure description",
            Self::NodeDefinitions => "node definitions",
            Self::AuthData => "credentials",
            Self::Config => "configuration",
            Self::CloudInit => "cloud-init",
        })
    }
}

impl Kind {
    /// The kind of a text that need not be valid YAML, by the keys at the beginning of its lines.
    pub(super) fn of_text(text: &str) -> Option<Self> {
        let keys = || text.lines().filter_map(top_level_key);
        let found = by_keys(keys());
        // Any first line with a sharp is a comment: the keys of a descriptor count more.
        found.or_else(|| text.starts_with("#cloud-config").then_some(Self::CloudInit))
    }

    /// The kind of a loaded file.
    pub(super) fn of_tree(root: &Node) -> Option<Self> {
        let entries = root.as_map()?;
        let found = by_keys(entries.iter().filter_map(|(key, _)| key.as_str()));
        let is_definition = |value: &Node| {
            let items = value.as_seq().unwrap_or_default();
            items.iter().any(|item| item.get("resource").is_some() || item.get("contextualisation").is_some())
        };
        // A definition whose name lacks its prefix is still recognised by its content.
        let defines = || entries.iter().any(|(_, value)| is_definition(value));
        found.or_else(|| defines().then_some(Self::NodeDefinitions))
    }
}

/// The kind with most keys among `keys`; of equals the first.
fn by_keys<'a>(keys: impl Iterator<Item = &'a str>) -> Option<Kind> {
    let keys: Vec<&str> = keys.collect();
    if keys.iter().any(|key| key.starts_with("node_def:")) {
        return Some(Kind::NodeDefinitions);
    }
    let count = |known: &[&str]| keys.iter().filter(|key| known.contains(key)).count();
    let ranked = KEYS.iter().rev().map(|(kind, known)| (count(known), *kind));
    ranked.max_by_key(|(count, _)| *count).filter(|(count, _)| *count > 0).map(|(_, kind)| kind)
}

/// The key at the very beginning of a line, without its quotes.
fn top_level_key(line: &str) -> Option<&str> {
    let line = line.strip_prefix('\u{feff}').unwrap_or(line);
    for quote in ['\'', '"'] {
        if let Some(quoted) = line.strip_prefix(quote) {
            let (key, rest) = quoted.split_once(quote)?;
            return rest.trim_start().starts_with(':').then_some(key);
        }
    }
    if line.starts_with([' ', '\t', '#', '-', '{', '[']) {
        return None;
    }
    // `node_def:NAME:` without quotes has a colon inside.
    let end = line.find(": ").or_else(|| line.trim_end().strip_suffix(':').map(str::len))?;
    Some(line[..end].trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_is_told_by_content_even_of_broken_files() {
        for (text, kind) in [
            ("user_id: a\ninfra_name: b\nnodes: [\n", Some(Kind::Infrastructure)),
            ("infra_nam: b\nnodes:\n- name: a\n", Some(Kind::Infrastructure)),
            ("'node_def:a':\n- resource: {", Some(Kind::NodeDefinitions)),
            ("node_def:a:\n- resource: {}\n", Some(Kind::NodeDefinitions)),
            ("resource:\n  - type: ec2\n", Some(Kind::AuthData)),
            ("plugins: !python_import\ncomponents:\n  resource: x\n", Some(Kind::Config)),
            ("#cloud-config\nwrite_files: []\n", Some(Kind::CloudInit)),
            ("#cloud-config: a comment\ninfra_name: a\nnodes: []\n", Some(Kind::Infrastructure)),
            ("hello: world\n", None),
            ("", None),
        ] {
            assert_eq!(Kind::of_text(text), kind, "{text}");
        }
    }
}
