//! Which definition a node takes: its type must have one, and its filter must leave an implementation.

use serde_json::{Map, Value as Json};

use super::Known;
use super::view::{Described, Implementation, Infrastructure};
use crate::codes;
use crate::diagnostic::{Diagnostic, Diagnostics, suggestion};
use crate::model::contains;
use crate::yaml::Node;

/// Most implementations of which a warning says why they are left out.
const MOST_REASONS: usize = 5;

pub(super) fn check(infrastructure: &Infrastructure<'_>, known: &Known<'_>, warnings: &mut Diagnostics) {
    for node in &infrastructure.nodes {
        let Some((at, kind)) = node.kind.and_then(|kind| Some((kind, kind.as_str()?))) else { continue };
        let definitions = known.of(node);
        if definitions.is_empty() && known.complete {
            let message = format!("node '{}' has the type '{kind}', which has no definition", node.name);
            let mut names: Vec<&str> = known.by_name.keys().copied().collect();
            names.sort_unstable();
            let help = format!("{}, or give the file that defines it", suggestion(kind, names));
            warnings.push(Diagnostic::warning(codes::NO_DEFINITION, message).at(&at.span).help(help));
        }
        let all: Vec<_> = definitions.iter().flat_map(|definition| &definition.implementations).collect();
        filter(node, kind, &all, warnings);
    }
}

fn filter(node: &Described<'_>, kind: &str, all: &[&Implementation<'_>], warnings: &mut Diagnostics) {
    let Some(at) = node.filter.filter(|filter| filter.as_map().is_some()) else { return };
    let filter = at.to_object();
    if all.is_empty() || all.iter().any(|implementation| contains(&implementation.resource, &filter)) {
        return;
    }
    let message = format!("no implementation of '{kind}' satisfies the filter of node '{}'", node.name);
    let mut problem = Diagnostic::warning(codes::UNSATISFIED_FILTER, message).at(&at.span);
    for (number, implementation) in all.iter().enumerate().take(MOST_REASONS) {
        let Some((key, reason)) = difference(&implementation.resource, &filter) else { continue };
        if let Some(source) = &implementation.source {
            let label = format!("implementation {}: {reason}", number + 1);
            problem = problem.also(source.resource_key(key), label);
        }
    }
    let keys: Vec<String> = filter.iter().map(|(key, value)| format!("{key}: {value}")).collect();
    let help = format!("the resource section of one must have, exactly and unrendered: {}", keys.join(", "));
    warnings.push(problem.help(help));
}

/// The first key of `filter` that `resource` does not satisfy, and why.
fn difference<'f>(resource: &Map<String, Json>, filter: &'f Map<String, Json>) -> Option<(&'f str, String)> {
    let (key, wanted) = filter.iter().find(|(key, wanted)| {
        let alone = Map::from_iter([((*key).clone(), (*wanted).clone())]);
        !contains(resource, &alone)
    })?;
    let reason = match resource.get(key) {
        None => format!("has no key '{key}'"),
        Some(found) if is_text_of(found, wanted) => {
            format!("{key} is of another type: quoted and unquoted values differ")
        }
        Some(_) => format!("{key} is not {wanted}"),
    };
    Some((key, reason))
}

/// Whether the two print alike but are not equal, such as `3` and `"3"`.
fn is_text_of(one: &Json, other: &Json) -> bool {
    let text = |value: &Json| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    text(one) == text(other)
}

/// Whether the filter of `node` leaves `implementation`.
pub(super) fn leaves(node: &Described<'_>, implementation: &Implementation<'_>) -> bool {
    node.filter.map(Node::to_object).is_none_or(|filter| contains(&implementation.resource, &filter))
}
