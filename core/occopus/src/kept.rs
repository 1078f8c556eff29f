//! What stays although it is not as described today: told where a plan is asked for, so that nobody takes it for as
//! described.

use std::collections::BTreeSet;

use occopus_engine::difference::{outdated, stale};
use occopus_engine::ids::{AttemptId, NodeId};
use occopus_engine::plan::{Instance, Note, Plan, Situation, What};
use occopus_engine::record::{Goal, Phase};

/// A remark for each instance that is outdated, or will know the address of an instance that is gone, when `plan` has
/// been carried out; of one that `plan` destroys nothing is to be said.
pub(crate) fn remarks(plan: &Plan, situation: &Situation) -> Vec<Note> {
    if situation.record.goal == Goal::Absent {
        return Vec::new();
    }
    let destroyed: BTreeSet<&AttemptId> = plan
        .actions
        .iter()
        .filter_map(|action| match &action.what {
            What::Destroy { attempt, .. } => Some(attempt),
            _ => None,
        })
        .collect();
    let stays = |instance: &&Instance| {
        let attempt = &instance.attempt;
        !matches!(attempt.phase, Phase::Destroying { .. }) && !destroyed.contains(&attempt.id)
    };
    let kept: Vec<&Instance> = situation.instances.iter().filter(stays).collect();
    let living: BTreeSet<&NodeId> = kept.iter().map(|instance| &instance.attempt.node_id).collect();
    let mut remarks = Vec::new();
    for attempt in kept.iter().map(|instance| &instance.attempt) {
        let slot = &attempt.slot;
        if let Some(differs) = outdated(&situation.generation, attempt) {
            remarks.push(format!("outdated: {slot}: {}", differs.join("; ")));
        }
        if let Some(peer) = stale(attempt, &living) {
            remarks
                .push(format!("stale: {slot}: the instance of '{peer}' whose address it knows is gone then"));
        }
    }
    remarks.into_iter().map(|text| Note::Warning { text }).collect()
}
