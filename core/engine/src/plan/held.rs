//! Holding back: what operators keep the engine from doing is taken out of a plan, with everything that
//! was to come behind it.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use super::{Action, Note, Plan, Situation, What, unhindered, vertices};
use crate::engine::Policy;
use crate::hold::{Hold, Holds};
use crate::ids::Slot;
use crate::record::Goal;

/// Most slots that a refusal names.
const NAMED: usize = 3;

/// Whether `holds` forbid anything of `plan`, which leads to `goal`.
pub(crate) fn forbids(holds: &Holds, goal: Goal, plan: &Plan) -> bool {
    plan.actions.iter().any(|action| forbidden(action, holds, goal).is_some())
}

/// Whether all that a plan with these `notes` leaves for later is left because of holds, or of trouble that
/// the description in force has nothing to do with.
pub(crate) fn waits_for_others(notes: &[Note]) -> bool {
    notes.iter().all(|note| !matches!(note, Note::Deferred { hold: None, earlier: false, .. }))
}

/// Why a change to `situation` cannot come to its end: what operators hold that would have to be changed, with
/// the commands that lift the holds. `None` if nothing is in the way.
pub fn refusal(situation: &Situation, policy: &Policy) -> Option<String> {
    if situation.holds.is_empty() {
        return None;
    }
    let goal = situation.record.goal;
    let name = &situation.record.name;
    let mut kept: Vec<(&Hold, BTreeSet<Slot>)> = Vec::new();
    for action in unhindered(situation, policy).actions {
        let Some(hold) = forbidden(&action, &situation.holds, goal) else { continue };
        match kept.iter_mut().find(|(known, _)| *known == hold) {
            Some((_, slots)) => drop(slots.insert(action.slot)),
            None => kept.push((hold, [action.slot].into())),
        }
    }
    let reason = |(hold, slots): &(&Hold, BTreeSet<Slot>)| {
        format!(
            "{} would have to be changed, but {}; lift that with `{}` first",
            listed(slots),
            hold.describe(),
            situation.holds.lifted_with(hold, name)
        )
    };
    let reasons: Vec<String> = kept.iter().map(reason).collect();
    (!reasons.is_empty()).then(|| format!("infrastructure '{name}' is not changed: {}", reasons.join("; ")))
}

/// The slots in words, the first few by name.
fn listed(slots: &BTreeSet<Slot>) -> String {
    let named: Vec<String> = slots.iter().take(NAMED).map(Slot::to_string).collect();
    match slots.len().saturating_sub(NAMED) {
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}

/// Takes the actions out of `plan` that a hold forbids. A pause does not keep from destroying the whole.
pub(super) fn hold_back(mut plan: Plan, situation: &Situation) -> Plan {
    let holds = kept_back(&plan, situation);
    if holds.is_empty() {
        return plan;
    }
    // Both halves of a replacement have the same cause, and are one remark.
    let mut told: BTreeSet<(&Slot, String)> = BTreeSet::new();
    for (id, hold) in &holds {
        let Action { slot, cause, .. } = &plan.actions[*id];
        let text = format!("{cause}; {}", hold.describe());
        if told.insert((slot, text.clone())) {
            plan.notes.push(Note::Deferred {
                slot: slot.clone(),
                text,
                hold: Some((*hold).clone()),
                earlier: false,
            });
        }
    }
    plan.retain(|id| !holds.contains_key(&id));
    plan
}

/// The actions of `plan` that are not to be done, by number, each with the hold that is the reason.
fn kept_back<'h>(plan: &Plan, situation: &'h Situation) -> BTreeMap<usize, &'h Hold> {
    let forbidden = |action: &Action| forbidden(action, &situation.holds, situation.record.goal);
    let mut holds: BTreeMap<usize, &Hold> = BTreeMap::new();
    // What was to take the place of something that stays is not made.
    for action in plan.actions.iter().filter(|action| matches!(action.what, What::Destroy { .. })) {
        let replaces = |id: &&usize| plan.actions[**id].cause == action.cause;
        if let Some(hold) = forbidden(action) {
            holds.extend(action.needs.iter().filter(replaces).map(|id| (*id, hold)));
        }
    }
    for action in &plan.actions {
        if let Some(hold) = forbidden(action) {
            holds.entry(action.id).or_insert(hold);
        }
    }
    // And nothing that was to come behind it.
    let vertices = vertices(plan);
    let mut reached: Vec<(usize, &Hold)> = holds.iter().map(|(id, hold)| (*id, *hold)).collect();
    while let Some((id, hold)) = reached.pop() {
        for behind in &vertices[id].needed_by {
            if let Entry::Vacant(free) = holds.entry(*behind) {
                free.insert(hold);
                reached.push((*behind, hold));
            }
        }
    }
    holds.split_off(&plan.actions.len());
    holds
}

/// The hold because of which an action must not be done, if so.
fn forbidden<'h>(action: &Action, holds: &'h Holds, goal: Goal) -> Option<&'h Hold> {
    let node = action.slot.node.as_str();
    let paused = || holds.pause(node).filter(|_| goal == Goal::Present);
    match action.what {
        What::Await { .. } => None,
        What::Destroy { .. } | What::Settle { wanted: false, .. } => holds.protection(node).or_else(paused),
        What::Create { .. } | What::Settle { wanted: true, .. } | What::Adopt { .. } => paused(),
    }
}
