//! Planning towards nothing: settle every open create, destroy everything, dependants first.

use std::collections::BTreeMap;

use super::{Plan, Situation, What};
use crate::record::{Cause, Phase};

pub(super) fn plan(situation: &Situation) -> Plan {
    let mut plan = Plan::default();
    let mut by_node: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    let cause = Cause(format!("'{}' is to be destroyed", situation.record.name));
    for instance in situation.instances.iter().rev() {
        let attempt = &instance.attempt;
        let id = attempt.id.clone();
        let (what, cause) = match &attempt.phase {
            Phase::Creating { .. } => (What::Settle { attempt: id, wanted: false }, cause.clone()),
            Phase::Destroying { failed, cause, .. } => {
                (What::Destroy { attempt: id, failed: *failed, found: None }, cause.clone())
            }
            Phase::Live => (What::Destroy { attempt: id, failed: false, found: None }, cause.clone()),
            Phase::Closed { .. } => continue,
        };
        let number = plan.push(attempt.slot.clone(), what, cause);
        by_node.entry(&attempt.slot.node).or_default().push(number);
    }
    for found in &situation.late {
        let cause = Cause("appeared after it had been given up".to_owned());
        let what = What::Destroy {
            attempt: found.identity.attempt.clone(),
            failed: false,
            found: Some(found.clone()),
        };
        plan.push(found.identity.slot.clone(), what, cause);
    }
    dependants_first(situation, &mut plan, &by_node);
    plan
}

/// A node's instances are destroyed after those of the nodes that depend on it; a failed destroy does
/// not stop the others.
pub(super) fn dependants_first(
    situation: &Situation,
    plan: &mut Plan,
    destroys: &BTreeMap<&str, Vec<usize>>,
) {
    for (dependent, numbers) in destroys {
        for (dependee, later) in destroys {
            if dependent != dependee && situation.topology.reaches(dependent, dependee) {
                later.iter().for_each(|later| plan.actions[*later].follows.extend(numbers));
            }
        }
    }
}
