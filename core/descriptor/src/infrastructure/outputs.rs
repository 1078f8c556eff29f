//! Outputs: a section that Occopus 1.10 did not know.

use std::collections::BTreeMap;

use super::{mapping_or_empty, wrong_kind};
use crate::codes;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::secret;
use crate::yaml::Node;

/// Longest name of an output.
const MAX_NAME: usize = 63;

/// Reads `outputs`: templates by name.
pub(super) fn check(source: Option<&Node>, diagnostics: &mut Diagnostics) -> BTreeMap<String, String> {
    secret::forbid(source, "an output", diagnostics);
    mapping_or_empty(source, "outputs", diagnostics);
    let mut outputs = BTreeMap::new();
    for (key, value) in source.and_then(Node::as_map).unwrap_or_default() {
        let name = key.to_text();
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if !(1..=MAX_NAME).contains(&name.len()) || !name.chars().all(is_plain) {
            let text = format!("'{name}' cannot be the name of an output");
            let help = format!("use 1 to {MAX_NAME} letters, digits, hyphens and underscores");
            diagnostics.push(Diagnostic::error(codes::BAD_NAME, text).at(&key.span).help(help));
        } else if value.as_map().is_some() || value.as_seq().is_some() || value.is_null() {
            diagnostics.push(wrong_kind(value, &format!("output '{name}'"), "a text"));
        } else {
            outputs.insert(name, value.to_text());
        }
    }
    outputs
}

#[cfg(test)]
mod tests {
    use crate::Overrides;
    use crate::yaml::{Dialect, load_text};

    fn checked(outputs: &str) -> Result<String, String> {
        let text = format!("{{infra_name: a, user_id: b, nodes: [], outputs: {outputs}}}");
        let root = load_text("x", &text, std::path::Path::new("."), Dialect::default()).unwrap();
        let (found, problems) = super::super::check(&root, &Overrides::default());
        let errors: Vec<String> = problems.errors().map(|problem| problem.message.clone()).collect();
        found.map(|found| format!("{:?}", found.outputs)).ok_or_else(|| errors.join("; "))
    }

    #[test]
    fn outputs_are_texts_by_name() {
        assert_eq!(checked("{a: '{{x}}', b_2: 5}").unwrap(), r#"{"a": "{{x}}", "b_2": "5"}"#);
        assert_eq!(checked("").unwrap(), "{}");
    }

    #[test]
    fn what_is_no_output_is_refused() {
        for (outputs, message) in [
            ("{a b: c}", "'a b' cannot be the name"),
            ("{a: [1]}", "output 'a' must be a text"),
            ("{a: }", "output 'a' must be a text"),
            ("[a]", "outputs must be a mapping"),
            ("{a: !secret env:X}", "cannot be a secret"),
        ] {
            assert!(checked(outputs).unwrap_err().contains(message), "{outputs}: {:?}", checked(outputs));
        }
    }
}
