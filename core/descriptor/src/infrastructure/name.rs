//! The naming rule of infrastructures and nodes.

use crate::yaml::Node;

/// The name if it keeps the rule, else the reason in the words of Occopus 1.10.
pub(super) fn check(value: &Node) -> Result<&str, &'static str> {
    let Some(name) = value.as_str() else { return Err("must be a string") };
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-';
    match name.chars().count() {
        _ if name.contains('.') => Err("cannot contain '.' character"),
        65.. => Err("is too long"),
        1..=63 if name.chars().all(allowed) => Ok(name),
        _ => Err("may contain only [a-z,0-9,-] characters"),
    }
}
