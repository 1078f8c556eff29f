//! How the instances of a node are looked after: keys that Occopus 1.10 did not know.

use crate::codes;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::fields::{self, NODE};
use crate::model::{Care, Heal, ScaleDown, Share};
use crate::yaml::Node;

/// Reads `heal`, `max_unhealthy` and `scale_down` of the node called `name`.
pub(super) fn care(source: &Node, name: &str, diagnostics: &mut Diagnostics) -> Care {
    let mut read = |key: &str| fitting(source, key, name, diagnostics);
    Care {
        heal: match read("heal").as_deref() {
            Some("report") => Heal::Report,
            _ => Heal::Replace,
        },
        max_unhealthy: read("max_unhealthy").as_deref().and_then(Share::read),
        max_unavailable: read("max_unavailable").as_deref().and_then(Share::read),
        max_surge: read("max_surge").as_deref().and_then(Share::read),
        scale_down: match read("scale_down").as_deref() {
            Some("oldest") => ScaleDown::Oldest,
            Some("highest") => ScaleDown::Highest,
            _ => ScaleDown::Youngest,
        },
    }
}

/// The value of `key` as a word in lower case; `None` if it is absent, or if it does not fit, which is
/// reported.
fn fitting(source: &Node, key: &str, name: &str, diagnostics: &mut Diagnostics) -> Option<String> {
    let value = source.get(key)?;
    let kind = fields::find(NODE, key)?.kind;
    if kind.mismatches(value, false).is_empty() {
        return Some(value.to_text().to_ascii_lowercase());
    }
    let message = format!("{key} of node '{name}' must be {}", kind.words());
    diagnostics.push(Diagnostic::error(codes::WRONG_KIND, message).at(&value.span));
    None
}
