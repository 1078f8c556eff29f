//! How many instances a node has.

use super::{unknown_key, unknown_keys, wrong_kind};
use crate::codes;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::fields::SCALING;
use crate::model::Scaling;
use crate::yaml::{Node, Value};

/// A limit from here on is probably a slip of the finger.
const MANY: u32 = 10_001;
/// No node begins with more: plan and journal have an entry for each instance.
const MOST: u32 = 1_000_000;

/// The limits of a node; `None` if they are malformed.
pub(super) fn check(source: &Node, name: &str, diagnostics: &mut Diagnostics) -> Option<Scaling> {
    let Some(section) = source.get("scaling") else {
        let text = format!(
            "missing \"scaling\" parameter in node '{name}', using default scaling (single instance)"
        );
        diagnostics.push(
            Diagnostic::warning(codes::NO_SCALING, &text)
                .at(&source.span)
                .legacy(format!("[SchemaCheck] WARNING: {text}")),
        );
        return Some(Scaling::default());
    };
    let Some(entries) = section.as_map() else {
        if section.is_null() {
            return Some(Scaling::default());
        }
        diagnostics.push(wrong_kind(
            section,
            &format!("scaling of node '{name}'"),
            "a mapping with min and max",
        ));
        return None;
    };
    for key in unknown_keys(entries, SCALING) {
        diagnostics.push(unknown_key(key, &format!("in scaling of node '{name}'"), SCALING));
    }
    let before = diagnostics.errors().count();
    let min = limit(section.get("min"), "min", name, diagnostics);
    let max = limit(section.get("max"), "max", name, diagnostics);
    if let (Some(least), Some(most), Some(at)) = (min, max, section.get("max"))
        && most < least.max(1)
        && most > 0
    {
        let message = format!("max of node '{name}' is below min; {least} is used for both");
        diagnostics.push(Diagnostic::warning(codes::BAD_SCALING, message).at(&at.span));
    }
    (diagnostics.errors().count() == before).then(|| Scaling::new(min, max))
}

/// One limit, clamped as in Occopus 1.10.
fn limit(value: Option<&Node>, key: &str, name: &str, diagnostics: &mut Diagnostics) -> Option<u32> {
    let value = value?;
    let what = format!("{key} of scaling in node '{name}'");
    let limit = match &value.value {
        Value::Int(number) => Some(u32::try_from((*number).max(0)).unwrap_or(u32::MAX)),
        Value::BigInt(text) => Some(if text.starts_with('-') { 0 } else { u32::MAX }),
        Value::Bool(flag) => Some(u32::from(*flag)),
        _ => None,
    };
    let Some(limit) = limit else {
        let message = format!("{what} must be an integer of at least 0, but it is {}", value.value.kind());
        diagnostics.push(Diagnostic::error(codes::BAD_SCALING, message).at(&value.span));
        return None;
    };
    if key == "min" && limit > MOST {
        let message = format!("{what} is more than the {MOST} instances that a node can begin with");
        diagnostics.push(Diagnostic::error(codes::BAD_SCALING, message).at(&value.span));
        return None;
    }
    let doubt = match limit {
        0 => Some("counts as 1: a node has at least one instance".to_owned()),
        MANY.. => Some(format!("is more than {}; is that meant?", MANY - 1)),
        _ if matches!(value.value, Value::Bool(_)) => Some(format!("is a boolean, taken as {limit}")),
        _ => None,
    };
    if let Some(doubt) = doubt {
        diagnostics.push(Diagnostic::warning(codes::BAD_SCALING, format!("{what} {doubt}")).at(&value.span));
    }
    Some(limit)
}
