//! What differs between an instance and the description in force. Pure.

use std::collections::BTreeSet;

use occopus_descriptor::model::{Implementation, Node};
use serde_json::{Map, Value};

use crate::ids::NodeId;
use crate::record::{Attempt, Generation};

/// Most characters of a value that are shown.
const SHOWN: usize = 40;

/// What makes `attempt` outdated under `generation`, in words such as `variables.port: 80, now 8080`;
/// `None` if it is what would be made today. Compared is the description with its references to secrets,
/// not what they or the templates come to.
pub fn outdated(generation: &Generation, attempt: &Attempt) -> Option<Vec<String>> {
    let node = generation.infrastructure.node(&attempt.slot.node)?;
    let candidates = generation.candidates(node, attempt.slot.index);
    if candidates
        .iter()
        .any(|(_, implementation)| generation.instance_digest(node, implementation) == attempt.digest)
    {
        return None;
    }
    let same = candidates.iter().find(|(index, _)| *index == attempt.implementation_index);
    Some(match same.or(candidates.first()) {
        Some((_, implementation)) => differences(attempt, node, implementation),
        None => vec!["no implementation passes the filter of its node any more".to_owned()],
    })
}

/// Whose address `attempt` was made with that is gone now, by node; `living` are the instances that stay.
pub fn stale<'a>(attempt: &'a Attempt, living: &BTreeSet<&NodeId>) -> Option<&'a str> {
    let gone = |ids: &BTreeSet<NodeId>| ids.iter().any(|id| !living.contains(id));
    attempt.peers.iter().find(|(_, ids)| gone(ids)).map(|(node, _)| node.as_str())
}

fn differences(attempt: &Attempt, node: &Node, implementation: &Implementation) -> Vec<String> {
    let mut found = Vec::new();
    let mut differ = |place: &str, old: Value, new: Value| compare(place, &old, &new, &mut found);
    differ("type", attempt.node.definition.clone().into(), node.definition.clone().into());
    differ("variables", attempt.node.variables.clone().into(), node.variables.clone().into());
    let (old, new) = (&attempt.implementation, implementation);
    let section = |section: &Option<Map<String, Value>>| section.clone().map_or(Value::Null, Value::Object);
    differ("resource", old.resource.clone().into(), new.resource.clone().into());
    differ("contextualisation", section(&old.contextualisation), section(&new.contextualisation));
    differ("config_management", section(&old.config_management), section(&new.config_management));
    differ("health_check", section(&old.health_check), section(&new.health_check));
    found
}

fn compare(place: &str, old: &Value, new: &Value, found: &mut Vec<String>) {
    let nothing = Map::new();
    match (old, new) {
        (old, new) if old == new => {}
        (Value::Object(old), Value::Object(new)) => {
            let keys: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
            for key in keys {
                let of = |entries: &Map<String, Value>| entries.get(key).cloned().unwrap_or(Value::Null);
                compare(&format!("{place}.{key}"), &of(old), &of(new), found);
            }
        }
        (Value::Null, Value::Object(new)) => {
            compare(place, &Value::Object(nothing), &Value::Object(new.clone()), found);
        }
        (old, new) => found.push(format!("{place}: {}, now {}", shown(old), shown(new))),
    }
}

fn shown(value: &Value) -> String {
    let text = match value {
        Value::Null => return "absent".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let line = text.replace(['\n', '\r', '\t'], " ");
    if line.chars().count() <= SHOWN {
        return line;
    }
    format!("{}…", line.chars().take(SHOWN).collect::<String>())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::sample::{attempt, generation};

    #[test]
    fn what_differs_is_named_by_its_place_with_both_values() {
        let mut generation = generation(&[("worker", 1, 1)], &[]);
        let mut old = attempt("worker/1", 0);
        let node = &generation.infrastructure.nodes[0];
        old.implementation = generation.definitions["worker"].implementations[0].clone();
        old.digest = generation.instance_digest(node, &old.implementation);
        old.node = node.clone();
        assert_eq!(outdated(&generation, &old), None);
        let node = &mut generation.infrastructure.nodes[0];
        node.variables.insert("port".to_owned(), json!(8080));
        node.variables.insert("key".to_owned(), json!({"!secret": "env:KEY"}));
        let implementation = &mut generation.definitions.get_mut("worker").unwrap().implementations[0];
        implementation.resource.insert("type".to_owned(), json!("other"));
        assert_eq!(
            outdated(&generation, &old).unwrap(),
            [
                "variables.key.!secret: absent, now env:KEY",
                "variables.port: absent, now 8080",
                "resource.type: sim, now other"
            ]
        );
    }

    #[test]
    fn long_texts_are_shortened_to_one_line() {
        let mut found = Vec::new();
        compare("x", &json!("a\nb"), &json!("y".repeat(100)), &mut found);
        assert_eq!(found, [format!("x: a b, now {}…", "y".repeat(40))]);
    }
}
