//! Removing: what is too much, what is no longer described, and what appeared late.

use std::collections::{BTreeMap, BTreeSet};

use occopus_descriptor::model::{Node, ScaleDown};

use super::{Path, Planner, is_useless, state};
use crate::ids::{AttemptId, Slot};
use crate::plan::budget::has_failed;
use crate::plan::graph::Behind;
use crate::plan::{Action, Instance, What};
use crate::record::{Attempt, Cause, Phase};

impl<'a> Planner<'a> {
    /// Repeats what was begun, and returns the slots that it will free.
    pub(super) fn continue_destroys(&mut self, mine: &[&'a Instance]) -> BTreeMap<Slot, Behind> {
        let mut freed: BTreeMap<Slot, Behind> = BTreeMap::new();
        for instance in mine {
            if let Phase::Destroying { cause, failed, .. } = &instance.attempt.phase {
                let number = self.destroy(&instance.attempt, cause.clone(), *failed);
                freed.entry(instance.attempt.slot.clone()).or_default().extend(&Behind::needing([number]));
            }
        }
        freed
    }

    /// Removes instances that were named for it, and as many more as there are too many: second ones of
    /// a slot and lost ones first, then the youngest. Returns those that stay, and those that the rollout
    /// under way removes: what takes their place may not be ready yet.
    pub(super) fn remove_surplus(
        &mut self,
        node: &'a Node,
        mine: Vec<&'a Instance>,
        target: usize,
    ) -> (Vec<&'a Instance>, Vec<(&'a Instance, Cause)>) {
        let mut kept: Vec<&'a Instance> = Vec::new();
        for instance in mine {
            match (&instance.attempt.phase, &instance.attempt.retire) {
                (Phase::Destroying { .. } | Phase::Closed { .. }, _) => {}
                (_, Some(cause)) => self.remove(node.name.as_str(), instance, cause.clone()),
                _ => kept.push(instance),
            }
        }
        kept.sort_by_cached_key(|instance| {
            let leaving = (state(instance).is_lost(), self.renewal(instance).is_some());
            (leaving, staying(node, &instance.attempt))
        });
        let mut slots: BTreeSet<&Slot> = BTreeSet::new();
        let (mut kept, second): (Vec<_>, Vec<_>) =
            kept.into_iter().partition(|instance| slots.insert(&instance.attempt.slot));
        for instance in second {
            let cause = Cause(format!("{} has another instance", instance.attempt.slot));
            self.remove(node.name.as_str(), instance, cause);
        }
        let cause = Cause(format!("'{}' has {} instances, {target} are wanted", node.name, kept.len()));
        let mut surplus = Vec::new();
        for instance in kept.split_off(kept.len().min(target)) {
            let rolling = self.situation.record.rollout.is_some();
            if rolling && (is_useless(instance) || self.renewal(instance).is_some()) {
                surplus.push((instance, cause.clone()));
            } else {
                self.remove_after_change(node.name.as_str(), instance, cause.clone());
            }
        }
        (kept, surplus)
    }

    /// Removes an instance that the description leaves out. As long as a change of the description has
    /// not been completed, what ran before it stays until all that is new is ready.
    pub(super) fn remove_after_change(&mut self, node: &'a str, instance: &'a Instance, cause: Cause) {
        let situation = self.situation;
        if !situation.record.completed && instance.attempt.generation < situation.generation.number {
            self.held.push((node, instance, cause));
        } else {
            self.remove(node, instance, cause);
        }
    }

    /// Removes what was held back, behind all that is new; not at all if some of that is not to come yet.
    pub(super) fn remove_held(&mut self) {
        let blocked = self.paths.values().flatten().any(|path| matches!(path, Path::Blocked));
        let held = std::mem::take(&mut self.held);
        if held.is_empty() {
            return;
        }
        let all_new = self.plan.joined(Behind::needing(self.starts.as_slice()));
        for (node, instance, cause) in held {
            if blocked {
                let text = format!("{cause}; it stays until all that is new is ready");
                self.defer(instance.attempt.slot.clone(), text);
                continue;
            }
            let first = self.plan.actions.len();
            self.remove(node, instance, cause);
            (first..self.plan.actions.len()).for_each(|id| self.plan.put_behind(id, &all_new));
        }
    }

    pub(super) fn remove(&mut self, node: &'a str, instance: &Instance, cause: Cause) {
        let attempt = &instance.attempt;
        if matches!(attempt.phase, Phase::Creating { .. }) {
            let what = What::Settle { attempt: attempt.id.clone(), wanted: false };
            self.plan.push(attempt.slot.clone(), what, cause);
            return;
        }
        let number = self.destroy(attempt, cause, state(instance).is_lost());
        self.removals.entry(node).or_default().push(number);
    }

    pub(super) fn destroy(&mut self, attempt: &Attempt, cause: Cause, failed: bool) -> usize {
        let what = What::Destroy { attempt: attempt.id.clone(), failed, others: None, found: None };
        self.plan.push(attempt.slot.clone(), what, cause)
    }

    /// Removes the instances of nodes that are no longer described.
    pub(super) fn remove_undescribed(&mut self) {
        let situation = self.situation;
        for instance in &situation.instances {
            let name = instance.attempt.slot.node.as_str();
            if self.paths.contains_key(name) {
                continue;
            }
            if let Phase::Destroying { cause, failed, .. } = &instance.attempt.phase {
                self.destroy(&instance.attempt, cause.clone(), *failed);
                continue;
            }
            let cause = Cause(format!("node '{name}' is no longer described"));
            self.remove_after_change(name, instance, cause);
        }
    }

    /// Destroys what appeared late and was not adopted.
    pub(super) fn remove_late(&mut self) {
        let adopted: BTreeSet<AttemptId> = self.plan.actions.iter().filter_map(adopts).cloned().collect();
        for found in &self.situation.late {
            let adopted = adopted.contains(&found.identity.attempt);
            if !adopted {
                let cause = if self.was_removed(found) {
                    "appeared again after it had been removed"
                } else {
                    "appeared late; its slot is taken"
                };
                // That it is there after all does not undo that its slot was filled again because of it.
                let failed = self.attempt_of(found).is_some_and(has_failed);
                let attempt = found.identity.attempt.clone();
                let what = What::Destroy { attempt, failed, others: None, found: Some(found.clone()) };
                self.plan.push(found.identity.slot.clone(), what, Cause(cause.to_owned()));
            }
        }
    }
}

/// The attempt whose late resource an action takes over.
fn adopts(action: &Action) -> Option<&AttemptId> {
    match &action.what {
        What::Adopt { attempt, .. } => Some(attempt),
        _ => None,
    }
}

/// Sorts the instances of a node: those that stay longest when there are too many come first.
fn staying(node: &Node, attempt: &Attempt) -> (i128, u32) {
    let (created, index) = (attempt.created_at.as_nanosecond(), attempt.slot.index);
    match node.care.scale_down {
        ScaleDown::Youngest => (created, index),
        ScaleDown::Oldest => (-created, index),
        ScaleDown::Highest => (0, index),
    }
}
