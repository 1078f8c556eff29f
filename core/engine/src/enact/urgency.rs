//! How urgent a call is: how long the way is that begins with it, by what instances of each node definition
//! are known to take. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use super::schedule::Schedule;
use crate::ids::Slot;
use crate::plan::{Action, Plan, What};
use crate::record::Generation;

/// How long the way is that begins with a call: the longer, the more urgent.
pub(super) type Urgency = Duration;

/// How long an instance takes of whose node definition nothing is known.
const USUAL_START: Duration = Duration::from_secs(60);
/// What was learned is used after this time at most. To weigh a large plan anew for each of many node
/// definitions would take the square of its size.
const WEIGHED_EVERY: Duration = Duration::from_secs(1);

/// The urgency of every slot of a plan.
pub(super) struct Urgencies<'p> {
    schedule: Schedule<'p>,
    /// The node definition of each node.
    definitions: BTreeMap<&'p str, &'p str>,
    /// How long one of a node definition took until it was ready.
    known: BTreeMap<String, Duration>,
    slots: BTreeMap<Slot, Urgency>,
    /// Something was learned that `slots` do not know yet.
    stale: bool,
    /// Since when `slots` are as they are, in monotonic time.
    weighed_at: Duration,
}

impl<'p> Urgencies<'p> {
    /// The urgencies of `plan` at the monotonic time `now`, with what is `known` of node definitions.
    pub(super) fn of(
        plan: &'p Plan,
        generation: &'p Generation,
        known: BTreeMap<String, Duration>,
        now: Duration,
    ) -> Self {
        let nodes = &generation.infrastructure.nodes;
        let definitions = nodes.iter().map(|node| (node.name.as_str(), node.definition.as_str())).collect();
        let schedule = Schedule::of(plan);
        let mut urgencies =
            Self { schedule, definitions, known, slots: BTreeMap::new(), stale: false, weighed_at: now };
        urgencies.weigh();
        urgencies
    }

    /// How urgent the calls for `slot` are.
    pub(super) fn of_slot(&self, slot: &Slot) -> Urgency {
        self.slots.get(slot).copied().unwrap_or_default()
    }

    /// Takes down how long one of a node definition of which nothing was known took.
    pub(super) fn learn(&mut self, definition: &str, took: Duration) {
        if !self.known.contains_key(definition) {
            self.known.insert(definition.to_owned(), took);
            self.stale = true;
        }
    }

    /// Uses what was learned, unless that was done a moment ago; tells whether it did.
    pub(super) fn refresh(&mut self, now: Duration) -> bool {
        let due = self.stale && now.saturating_sub(self.weighed_at) >= WEIGHED_EVERY;
        if due {
            (self.stale, self.weighed_at) = (false, now);
            self.weigh();
        }
        due
    }

    fn weigh(&mut self) {
        let takes = |action: &Action| match &action.what {
            What::Destroy { .. } => Duration::ZERO,
            _ => {
                let definition = self.definitions.get(action.slot.node.as_str());
                definition.and_then(|definition| self.known.get(*definition)).copied().unwrap_or(USUAL_START)
            }
        };
        let remaining = self.schedule.remaining(takes);
        self.slots.clear();
        for (action, remaining) in self.schedule.actions().iter().zip(remaining) {
            let urgency = self.slots.entry(action.slot.clone()).or_default();
            *urgency = remaining.max(*urgency);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::ids::AttemptId;
    use crate::record::Cause;

    use super::*;

    /// `a` and `b` side by side, one of each node definition.
    fn generation() -> Generation {
        let nodes = json!([{"name": "a", "type": "one"}, {"name": "b", "type": "other"}]);
        serde_json::from_value(json!({
            "number": 1,
            "infrastructure": {"name": "i", "user_id": null, "nodes": nodes, "dependencies": []},
            "definitions": {},
            "created_at": "2026-01-01T00:00:00Z",
        }))
        .unwrap()
    }

    fn plan() -> Plan {
        let action = |(id, node): (usize, &&str)| Action {
            id,
            slot: Slot::new(*node, 1),
            what: What::Await { attempt: AttemptId::from(*node) },
            cause: Cause(String::new()),
            needs: Vec::new(),
            follows: Vec::new(),
            behind: Vec::new(),
        };
        Plan {
            actions: ["a", "b"].iter().enumerate().map(action).collect(),
            barriers: Vec::new(),
            notes: Vec::new(),
        }
    }

    #[test]
    fn what_was_learned_on_the_way_changes_what_is_urgent() {
        let (plan, generation) = (plan(), generation());
        let mut urgencies = Urgencies::of(&plan, &generation, BTreeMap::new(), Duration::ZERO);
        let (a, b) = (Slot::new("a", 1), Slot::new("b", 1));
        assert_eq!(urgencies.of_slot(&a), urgencies.of_slot(&b));
        urgencies.learn("one", Duration::from_secs(20));
        urgencies.learn("other", Duration::from_secs(90));
        assert!(urgencies.refresh(WEIGHED_EVERY));
        assert_eq!(urgencies.of_slot(&a), Duration::from_secs(20));
        assert_eq!(urgencies.of_slot(&b), Duration::from_secs(90));
        assert!(!urgencies.refresh(WEIGHED_EVERY * 9), "nothing was learned since");
    }

    #[test]
    fn many_node_definitions_do_not_weigh_the_plan_as_often() {
        let (plan, generation) = (plan(), generation());
        let mut urgencies = Urgencies::of(&plan, &generation, BTreeMap::new(), Duration::ZERO);
        let mut weighed = 0;
        for step in 0..1000_u32 {
            urgencies.learn(&format!("definition {step}"), Duration::from_secs(1));
            weighed += usize::from(urgencies.refresh(Duration::from_millis(10) * step));
        }
        assert!((1..=10).contains(&weighed), "{weighed} times in 10 s");
    }
}
