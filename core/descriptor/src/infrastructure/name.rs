//! The naming rule of infrastructures and nodes.

use crate::yaml::Node;

/// The name if it keeps the rule, else the reason in the words of Occopus 1.10.
pub(super) fn check(value: &Node) -> Result<&str, &'static str> {
    let Some(name) = value.as_str() else { return Err("must be a string") };
    match name.chars().count() {
        _ if name.contains('.') => Err("cannot contain '.' character"),
        65.. => Err("is too long"),
        _ if is_name(name) => Ok(name),
        _ => Err("may contain only [a-z,0-9,-] characters"),
    }
}

/// Whether a text keeps the rule.
pub(crate) fn is_name(text: &str) -> bool {
    (1..=63).contains(&text.len()) && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
}
