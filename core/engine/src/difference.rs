//! What differs: between an instance and the description in force, and between two descriptions. Pure.

mod words;

use std::collections::{BTreeMap, BTreeSet};

use occopus_descriptor::model::{Implementation, Node};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::ids::NodeId;
use crate::names::Renames;
use crate::record::{Attempt, Generation};
use words::compare;

/// What makes `attempt` outdated under `generation`, in words such as `variables.port: 80, now 8080`;
/// `None` if it is what would be made today. Compared is the description with its references to secrets,
/// not what they or the templates come to.
pub fn outdated(generation: &Generation, attempt: &Attempt) -> Option<Vec<String>> {
    outdated_as(generation, generation.infrastructure.node(&attempt.slot.node)?, attempt)
}

/// As [`outdated`], for an instance of `node`, which is described in `generation`.
pub fn outdated_as(generation: &Generation, node: &Node, attempt: &Attempt) -> Option<Vec<String>> {
    let candidates = generation.candidates(node, attempt.slot.index);
    if candidates
        .iter()
        .any(|(_, implementation)| generation.instance_digest(node, implementation) == attempt.digest)
    {
        return None;
    }
    let same = candidates.iter().find(|(index, _)| *index == attempt.implementation_index);
    let Some((_, implementation)) = same.or(candidates.first()) else {
        return Some(vec!["no implementation passes the filter of its node any more".to_owned()]);
    };
    let mut found = differences(attempt, node, implementation);
    if found.is_empty() {
        found.push("it is not known what it was made from".to_owned());
    }
    Some(found)
}

/// Whose address `attempt` was made with that is gone now, by node; `living` are the instances that stay.
pub fn stale<'a>(attempt: &'a Attempt, living: &BTreeSet<&NodeId>) -> Option<&'a str> {
    stale_peers(attempt, living).next()
}

/// All nodes whose address `attempt` was made with that is gone now.
pub(crate) fn stale_peers<'a>(
    attempt: &'a Attempt,
    living: &BTreeSet<&NodeId>,
) -> impl Iterator<Item = &'a str> {
    let gone = |ids: &BTreeSet<NodeId>| ids.iter().any(|id| !living.contains(id));
    attempt.peers.iter().filter(move |(_, ids)| gone(ids)).map(|(node, _)| node.as_str())
}

/// One difference between two descriptions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "change")]
pub enum Change {
    /// The description as a whole: its name, dependencies or outputs.
    Infrastructure {
        /// What differs, in words such as `name: shop, now store`.
        differs: Vec<String>,
    },
    /// A node that is new.
    Added {
        /// Its name.
        node: String,
    },
    /// A node that is no longer described.
    Removed {
        /// Its name.
        node: String,
    },
    /// A node that has another name.
    Renamed {
        /// Its name.
        node: String,
        /// Its old name.
        from: String,
    },
    /// A node that is described otherwise.
    Changed {
        /// Its name.
        node: String,
        /// What differs, in words such as `variables.port: 80, now 8080`.
        differs: Vec<String>,
    },
}

/// What differs between two descriptions with their definitions: the whole first, then the nodes of `new`, and
/// then those that only `old` has. `renames` are the new names of its nodes. Secrets are shown by their references.
pub fn between(old: &Generation, new: &Generation, renames: &Renames) -> Vec<Change> {
    let mut changes = Vec::new();
    let differs = of_the_whole(old, new, renames);
    if !differs.is_empty() {
        changes.push(Change::Infrastructure { differs });
    }
    let former = old.infrastructure.nodes.iter();
    let former: BTreeMap<&str, &Node> = former.map(|node| (renames.name(&node.name), node)).collect();
    for node in &new.infrastructure.nodes {
        let name = node.name.clone();
        let Some(before) = former.get(name.as_str()) else {
            changes.push(Change::Added { node: name });
            continue;
        };
        if before.name != name {
            changes.push(Change::Renamed { node: name.clone(), from: before.name.clone() });
        }
        let differs = of_a_node((old, before), (new, node));
        if !differs.is_empty() {
            changes.push(Change::Changed { node: name, differs });
        }
    }
    let left = new.infrastructure.by_name();
    let removed = old.infrastructure.nodes.iter().filter(|node| !left.contains_key(renames.name(&node.name)));
    changes.extend(removed.map(|node| Change::Removed { node: node.name.clone() }));
    changes
}

fn of_the_whole(old: &Generation, new: &Generation, renames: &Renames) -> Vec<String> {
    let mut found = Vec::new();
    let whole = |generation: &Generation, renames: &Renames| {
        let described = &generation.infrastructure;
        let edges = described.dependencies.iter().map(|edge| {
            let mappings = if edge.mappings.is_empty() { json!("yes") } else { json!(edge.mappings) };
            let (dependent, dependee) = (renames.name(&edge.dependent), renames.name(&edge.dependee));
            (format!("{dependent} on {dependee}"), mappings)
        });
        json!({
            "dependencies": edges.collect::<Map<String, Value>>(),
            "name": described.name,
            "outputs": described.outputs,
            "user_id": described.user_id,
        })
    };
    compare("", &whole(old, renames), &whole(new, &Renames::default()), &mut found);
    found
}

fn of_a_node((old, before): (&Generation, &Node), (new, after): (&Generation, &Node)) -> Vec<String> {
    let mut found = Vec::new();
    let written = |node: &Node| {
        let mut entries = Map::from_iter([
            ("type".to_owned(), json!(node.definition)),
            ("scaling".to_owned(), json!(node.scaling)),
            ("filter".to_owned(), json!(node.filter)),
            ("variables".to_owned(), json!(node.variables)),
        ]);
        if let Value::Object(care) = json!(node.care) {
            entries.extend(care);
        }
        Value::Object(entries)
    };
    compare("", &written(before), &written(after), &mut found);
    let implementations = |generation: &Generation, node: &Node| {
        let definition = generation.definitions.get(&node.definition);
        definition.map(|definition| definition.implementations.clone()).unwrap_or_default()
    };
    let (before, after) = (implementations(old, before), implementations(new, after));
    for number in 0..before.len().max(after.len()) {
        let of = |all: &[Implementation]| all.get(number).map_or(Value::Null, |one| json!(one));
        let place = if before.len().max(after.len()) == 1 {
            String::new()
        } else {
            format!("implementation {}", number + 1)
        };
        compare(&place, &of(&before), &of(&after), &mut found);
    }
    found
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
                "variables.key: absent, now <secret env:KEY>",
                "variables.port: absent, now 8080",
                "resource.type: sim, now other"
            ]
        );
    }

    #[test]
    fn two_descriptions_differ_node_by_node() {
        let old = generation(&[("db", 1, 1), ("worker", 1, 3)], &[("worker", "db")]);
        assert_eq!(between(&old, &old, &Renames::default()), []);
        let mut new = generation(&[("cache", 1, 1), ("worker", 2, 3)], &[]);
        new.infrastructure.name = "store".to_owned();
        new.infrastructure.nodes[1].variables.insert("key".to_owned(), json!({"!secret": "env:KEY"}));
        let definition = new.definitions.get_mut("worker").unwrap();
        definition.implementations[0].resource.insert("type".to_owned(), json!("other"));
        definition.implementations[0].health_check = None;
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        assert_eq!(
            between(&old, &new, &Renames::default()),
            [
                Change::Infrastructure {
                    differs: words(&["dependencies.worker on db: yes, now absent", "name: shop, now store"])
                },
                Change::Added { node: "cache".to_owned() },
                Change::Changed {
                    node: "worker".to_owned(),
                    differs: words(&[
                        "scaling.min: 1, now 2",
                        "variables.key: absent, now <secret env:KEY>",
                        "health_check.timeout: 100, now absent",
                        "resource.type: sim, now other",
                    ])
                },
                Change::Removed { node: "db".to_owned() },
            ]
        );
    }

    #[test]
    fn a_new_name_alone_is_one_difference() {
        let old = generation(&[("db", 1, 1), ("worker", 1, 3)], &[("worker", "db")]);
        let mut new = generation(&[("store", 1, 1), ("web", 2, 3)], &[("web", "store")]);
        for (node, before) in new.infrastructure.nodes.iter_mut().zip(&old.infrastructure.nodes) {
            node.definition.clone_from(&before.definition);
        }
        new.definitions.clone_from(&old.definitions);
        let renames = Renames::of([("worker", "web"), ("db", "store")]);
        let renamed =
            |node: &str, from: &str| Change::Renamed { node: node.to_owned(), from: from.to_owned() };
        assert_eq!(
            between(&old, &new, &renames),
            [
                renamed("store", "db"),
                renamed("web", "worker"),
                Change::Changed { node: "web".to_owned(), differs: vec!["scaling.min: 1, now 2".to_owned()] },
            ]
        );
    }
}
