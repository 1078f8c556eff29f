//! Holding back: what operators keep the engine from doing is taken out of a plan, with everything that
//! was to come behind it.

use std::collections::BTreeMap;

use super::{Action, Note, Plan, Situation, What};
use crate::hold::Holds;
use crate::record::Goal;

/// Whether `holds` forbid anything of `plan`, which leads to `goal`.
pub(crate) fn forbids(holds: &Holds, goal: Goal, plan: &Plan) -> bool {
    plan.actions.iter().any(|action| forbidden(action, holds, goal).is_some())
}

/// Takes the actions out of `plan` that a hold forbids. A pause does not keep from destroying the whole.
pub(super) fn hold_back(plan: Plan, situation: &Situation) -> Plan {
    let forbidden = |action: &Action| forbidden(action, &situation.holds, situation.record.goal);
    let mut kept = Plan { actions: Vec::new(), notes: plan.notes };
    let mut numbers: BTreeMap<usize, usize> = BTreeMap::new();
    let mut reasons: BTreeMap<usize, String> = BTreeMap::new();
    // What was to take the place of something that stays is not made.
    for action in plan.actions.iter().filter(|action| matches!(action.what, What::Destroy { .. })) {
        let replaces = |id: &&usize| plan.actions[**id].cause == action.cause;
        if let Some(reason) = forbidden(action) {
            reasons.extend(action.needs.iter().filter(replaces).map(|id| (*id, reason.clone())));
        }
    }
    // Needs may point forwards, so what is held back is known only when nothing more is added.
    loop {
        let before = reasons.len();
        for action in &plan.actions {
            let reason =
                || forbidden(action).or_else(|| action.needs.iter().find_map(|id| reasons.get(id).cloned()));
            if !reasons.contains_key(&action.id)
                && let Some(reason) = reason()
            {
                reasons.insert(action.id, reason);
            }
        }
        if reasons.len() == before {
            break;
        }
    }
    for mut action in plan.actions {
        if let Some(reason) = reasons.get(&action.id) {
            let text = format!("{}; {reason}", action.cause);
            let note = Note::Deferred { slot: action.slot, text };
            // Both halves of a replacement have the same cause.
            if !kept.notes.contains(&note) {
                kept.notes.push(note);
            }
            continue;
        }
        numbers.insert(action.id, kept.actions.len());
        action.id = kept.actions.len();
        kept.actions.push(action);
    }
    for action in &mut kept.actions {
        for numbered in [&mut action.needs, &mut action.follows] {
            *numbered = numbered.iter().filter_map(|id| numbers.get(id).copied()).collect();
        }
    }
    kept
}

/// Why an action must not be done, if so.
fn forbidden(action: &Action, holds: &Holds, goal: Goal) -> Option<String> {
    let node = action.slot.node.as_str();
    let paused = || holds.pause(node).filter(|_| goal == Goal::Present);
    let hold = match action.what {
        What::Await { .. } => None,
        What::Destroy { .. } | What::Settle { wanted: false, .. } => holds.protection(node).or_else(paused),
        What::Create { .. } | What::Settle { wanted: true, .. } | What::Adopt { .. } => paused(),
    };
    hold.map(crate::hold::Hold::describe)
}
