//! What a plan was made for, and what is different now. Pure.

use std::collections::{BTreeMap, BTreeSet};

use occopus_engine::ids::{AttemptId, NodeId, Slot};
use occopus_engine::plan::Situation;
use occopus_engine::record::{InfraRecord, Phase, Rollout};
use serde::{Deserialize, Serialize};

use crate::status::word;

/// Everything that a plan depends on, as far as it can change by itself or by others.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct World {
    /// What is on record; `None` for a first build.
    record: Option<Recorded>,
    /// All instances.
    instances: BTreeMap<AttemptId, Seen>,
    /// What operators keep the engine from doing, in words.
    holds: BTreeSet<String>,
    /// Scaling requests that wait, in words.
    requests: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Recorded {
    name: String,
    /// Where it stands, in a word.
    state: String,
    generation: u64,
    targets: BTreeMap<String, u32>,
    rollout: Option<Rollout>,
}

/// An instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Seen {
    slot: Slot,
    node_id: NodeId,
    state: String,
    digest: String,
    provider_id: Option<String>,
    /// What can be changed about it by hand.
    facts: BTreeMap<String, String>,
}

impl World {
    /// The world of `situation`; `record` is what is on record before a build changes it.
    pub(super) fn of(record: Option<&InfraRecord>, situation: &Situation, requests: Vec<String>) -> Self {
        let instances = situation.instances.iter().map(|instance| {
            let attempt = &instance.attempt;
            let state = match (&attempt.phase, &instance.verdict) {
                (Phase::Live, Some(verdict)) => word(verdict.state),
                _ => attempt.word().to_owned(),
            };
            let seen = Seen {
                slot: attempt.slot.clone(),
                node_id: attempt.node_id.clone(),
                state,
                digest: attempt.digest.clone(),
                provider_id: attempt.provider_id.as_ref().map(ToString::to_string),
                facts: instance.verdict.as_ref().map(|verdict| verdict.facts.clone()).unwrap_or_default(),
            };
            (attempt.id.clone(), seen)
        });
        let recorded = |record: &InfraRecord| Recorded {
            name: record.name.clone(),
            state: record.word().to_owned(),
            generation: record.generation,
            targets: record.targets.clone(),
            rollout: record.rollout.clone(),
        };
        Self {
            record: record.map(recorded),
            instances: instances.collect(),
            holds: situation.holds.iter().map(|hold| hold.describe()).collect(),
            requests,
        }
    }

    /// What is different in `now`, in words, slot by slot; empty if nothing is.
    pub(super) fn differences(&self, now: &Self) -> Vec<String> {
        let mut found = Vec::new();
        match (&self.record, &now.record) {
            (None, None) => {}
            (None, Some(now)) => found.push(format!(
                "there was nothing of '{}'; now it is {} with description {}",
                now.name, now.state, now.generation
            )),
            (Some(then), None) => found.push(format!("'{}' is not on record any more", then.name)),
            (Some(then), Some(now)) => then.differences(now, &mut found),
        }
        self.differing_instances(now, &mut found);
        found.extend(now.holds.difference(&self.holds).map(|hold| format!("held since then: {hold}")));
        found.extend(self.holds.difference(&now.holds).map(|hold| format!("not held any more: {hold}")));
        if self.requests != now.requests {
            let shown = |requests: &[String]| match requests {
                [] => "none".to_owned(),
                requests => requests.join("; "),
            };
            let (then, now) = (shown(&self.requests), shown(&now.requests));
            found.push(format!("waiting scaling requests: {then}, now {now}"));
        }
        found
    }

    fn differing_instances(&self, now: &Self, found: &mut Vec<String>) {
        let mut lines: Vec<(&Slot, String)> = Vec::new();
        for (id, then) in &self.instances {
            let slot = &then.slot;
            match now.instances.get(id) {
                None => lines.push((slot, format!("{slot} ({}) is not on record any more", then.node_id))),
                Some(now) if now.state != then.state => {
                    lines.push((slot, format!("{slot} was {}, now it is {}", then.state, now.state)));
                }
                Some(now) if now.facts != then.facts => {
                    let names: BTreeSet<&String> = then.facts.keys().chain(now.facts.keys()).collect();
                    let of = |facts: &BTreeMap<String, String>, name| {
                        facts.get(name).cloned().unwrap_or_else(|| "absent".to_owned())
                    };
                    let differing =
                        names.into_iter().filter(|name| then.facts.get(*name) != now.facts.get(*name));
                    lines.extend(differing.map(|name| {
                        let (then, now) = (of(&then.facts, name), of(&now.facts, name));
                        (slot, format!("{slot}: {name} was {then}, now it is {now}"))
                    }));
                }
                Some(now) if now != then => {
                    lines.push((slot, format!("{slot} ({}) is not what it was", then.node_id)));
                }
                Some(_) => {}
            }
        }
        for (_, new) in now.instances.iter().filter(|(id, _)| !self.instances.contains_key(*id)) {
            let slot = &new.slot;
            lines.push((
                slot,
                format!("{slot} is filled by another instance ({}), {}", new.node_id, new.state),
            ));
        }
        lines.sort();
        found.extend(lines.into_iter().map(|(_, line)| line));
    }
}

impl Recorded {
    fn differences(&self, now: &Self, found: &mut Vec<String>) {
        let mut differ = |what: &str, then: String, now: String| {
            if then != now {
                found.push(format!("{what}: {then}, now {now}"));
            }
        };
        differ("name", self.name.clone(), now.name.clone());
        differ("description in force", self.generation.to_string(), now.generation.to_string());
        differ("state", self.state.clone(), now.state.clone());
        let shown =
            |rollout: &Option<Rollout>| if rollout.is_some() { "under way" } else { "none" }.to_owned();
        differ("replacement of outdated instances", shown(&self.rollout), shown(&now.rollout));
        let nodes: BTreeSet<&String> = self.targets.keys().chain(now.targets.keys()).collect();
        for node in nodes {
            let of = |targets: &BTreeMap<String, u32>| {
                targets.get(node).map_or_else(|| "its minimum".to_owned(), u32::to_string)
            };
            differ(&format!("instances wanted of '{node}'"), of(&self.targets), of(&now.targets));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(slot: &str, state: &str) -> Seen {
        Seen {
            slot: slot.parse().unwrap(),
            node_id: NodeId::from("n"),
            state: state.to_owned(),
            digest: String::new(),
            provider_id: None,
            facts: BTreeMap::new(),
        }
    }

    fn world(generation: u64, target: u32, instances: &[(&str, &str, &str)]) -> World {
        World {
            record: Some(Recorded {
                name: "shop".to_owned(),
                state: "built".to_owned(),
                generation,
                targets: BTreeMap::from([("worker".to_owned(), target)]),
                rollout: None,
            }),
            instances: instances
                .iter()
                .map(|(id, slot, state)| (AttemptId::from(*id), seen(slot, state)))
                .collect(),
            ..World::default()
        }
    }

    #[test]
    fn nothing_is_different_in_the_same_world() {
        let world = world(1, 2, &[("a", "worker/1", "ready")]);
        assert!(world.differences(&world.clone()).is_empty());
    }

    #[test]
    fn every_difference_is_told_slot_by_slot() {
        let then =
            world(1, 2, &[("z", "db/1", "ready"), ("a", "worker/1", "ready"), ("b", "worker/2", "ready")]);
        let mut now =
            world(2, 3, &[("z", "db/1", "ready"), ("a", "worker/1", "stopped"), ("c", "worker/2", "ready")]);
        now.requests.push("worker: 1 more".to_owned());
        now.holds.insert("it is paused".to_owned());
        assert_eq!(
            then.differences(&now),
            [
                "description in force: 1, now 2",
                "instances wanted of 'worker': 2, now 3",
                "worker/1 was ready, now it is stopped",
                "worker/2 (n) is not on record any more",
                "worker/2 is filled by another instance (n), ready",
                "held since then: it is paused",
                "waiting scaling requests: none, now worker: 1 more",
            ]
        );
    }

    #[test]
    fn what_was_built_since_then_is_no_first_build() {
        let nothing = World::default();
        assert_eq!(
            nothing.differences(&world(1, 2, &[])),
            ["there was nothing of 'shop'; now it is built with description 1"]
        );
    }
}
