//! Planning towards nothing: settle every open create, destroy everything, dependants first.

use std::collections::BTreeMap;

use super::graph::Behind;
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
                (What::Destroy { attempt: id, failed: *failed, others: None, found: None }, cause.clone())
            }
            Phase::Live => {
                (What::Destroy { attempt: id, failed: false, others: None, found: None }, cause.clone())
            }
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
            others: None,
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
    if destroys.len() < 2 {
        return;
    }
    let dependants = situation.topology.dependants();
    // What stands before the moment at which a node and all that depends on it is gone.
    let mut gone: BTreeMap<&str, Behind> = BTreeMap::new();
    for node in situation.topology.order.iter().rev().map(String::as_str) {
        let mut before = Behind::default();
        let dependants = dependants.get(node).into_iter().flatten();
        dependants.filter_map(|name| gone.get(name)).for_each(|earlier| before.extend(earlier));
        let mine = destroys.get(node).map_or(&[][..], Vec::as_slice);
        if mine.len() > 1 {
            before = plan.joined(before);
        }
        mine.iter().for_each(|number| plan.put_behind(*number, &before));
        before.extend(&Behind::following(mine));
        gone.insert(node, plan.joined(before));
    }
}
