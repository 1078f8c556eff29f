//! Scaling arithmetic: what a set of requests comes to. Pure; all requests of a pass are read once and
//! folded into one new target, and exactly those instances are retired that were validly named.

use std::collections::BTreeMap;

use occopus_descriptor::model::Scaling;

use crate::ids::AttemptId;
use crate::record::{Attempt, Cause, Generation, InfraRecord, Phase, ScaleChange, ScaleRequest};

/// What the requests for one node come to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scaled {
    /// The new number of instances wanted, inside the limits.
    pub target: u32,
    /// Instances that were named for removal and will be removed.
    pub retire: Vec<AttemptId>,
    /// Instances that were named to be replaced.
    pub replace: Vec<AttemptId>,
    /// What could not be done as asked, in words.
    pub notes: Vec<String>,
}

/// Instances that requests named, with the reason to record.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Named {
    /// To be removed.
    pub retire: BTreeMap<AttemptId, Cause>,
    /// To be replaced.
    pub replace: BTreeMap<AttemptId, Cause>,
}

impl Named {
    /// Marks `attempt` if it was named.
    pub fn mark(&self, attempt: &mut Attempt) {
        if let Some(cause) = self.retire.get(&attempt.id) {
            attempt.retire = Some(cause.clone());
        }
        if let Some(cause) = self.replace.get(&attempt.id) {
            attempt.replace = Some(cause.clone());
        }
    }
}

/// What all waiting requests come to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rescaled {
    /// The new numbers of instances wanted, each behind the number before.
    pub targets: Vec<(String, u32, u32)>,
    /// The instances that were named.
    pub named: Named,
    /// What could not be done as asked, in words.
    pub notes: Vec<String>,
}

impl Rescaled {
    /// Folds all `requests` for the nodes of `generation`.
    pub fn of(
        requests: &[ScaleRequest],
        record: &InfraRecord,
        generation: &Generation,
        attempts: &[Attempt],
    ) -> Self {
        let mut rescaled = Self::default();
        for node in &generation.infrastructure.nodes {
            let mine = requests.iter().filter(|request| request.node == node.name);
            let changes: Vec<ScaleChange> = mine.map(|request| request.change.clone()).collect();
            if changes.is_empty() {
                continue;
            }
            let mine: Vec<&Attempt> =
                attempts.iter().filter(|a| !a.is_closed() && a.slot.node == node.name).collect();
            let target = record.targets.get(&node.name).copied().unwrap_or(node.scaling.min);
            let scaled = fold(&node.name, target, node.scaling, &mine, &changes);
            let cause = Cause(format!("a scaling request for '{}' named it", node.name));
            rescaled.named.retire.extend(scaled.retire.into_iter().map(|id| (id, cause.clone())));
            let cause = Cause("a user asked for another instance in its place".to_owned());
            rescaled.named.replace.extend(scaled.replace.into_iter().map(|id| (id, cause.clone())));
            rescaled.notes.extend(scaled.notes);
            if changes.iter().any(|change| !matches!(change, ScaleChange::ReplaceInstance(_))) {
                rescaled.targets.push((node.name.clone(), target, scaled.target));
            }
        }
        rescaled
    }

    /// Puts the new numbers down in `record`.
    pub fn put_targets(&self, record: &mut InfraRecord) {
        let targets = self.targets.iter().map(|(node, _, target)| (node.clone(), *target));
        record.targets.extend(targets);
    }
}

/// Folds `changes`, in the order of their registration, into the present `target` of `node`.
/// `instances` are the node's attempts that are not closed.
pub fn fold(
    node: &str,
    target: u32,
    limits: Scaling,
    instances: &[&Attempt],
    changes: &[ScaleChange],
) -> Scaled {
    let mut base = i64::from(target.clamp(limits.min, limits.max));
    let mut anonymous: i64 = 0;
    let mut named: Vec<AttemptId> = Vec::new();
    let mut replace: Vec<AttemptId> = Vec::new();
    let mut notes = Vec::new();
    for change in changes {
        match change {
            ScaleChange::Add(count) => base += i64::from(*count),
            ScaleChange::Remove(count) => anonymous += i64::from(*count),
            // An absolute number already leaves out what was named before.
            ScaleChange::Set(count) => (base, anonymous) = (i64::from(*count) + named.len() as i64, 0),
            ScaleChange::RemoveInstance(text) => match find(instances, text) {
                Some(attempt) if is_leaving(attempt) || named.contains(&attempt.id) => {
                    notes.push(format!("instance '{text}' of node '{node}' is being removed already"));
                }
                Some(attempt) => named.push(attempt.id.clone()),
                None => notes.push(format!("node '{node}' has no instance '{text}'; request ignored")),
            },
            ScaleChange::ReplaceInstance(text) => match find(instances, text) {
                Some(attempt) if is_leaving(attempt) => {
                    notes.push(format!("instance '{text}' of node '{node}' is being removed already"));
                }
                Some(attempt) => replace.push(attempt.id.clone()),
                None => notes.push(format!("node '{node}' has no instance '{text}'; request ignored")),
            },
        }
    }
    let wanted = base - anonymous - named.len() as i64;
    if wanted > i64::from(limits.max) {
        notes.push(format!("maximum reached: node '{node}' has at most {} instances", limits.max));
    }
    if wanted < i64::from(limits.min) {
        notes.push(format!("minimum reached: node '{node}' has at least {} instances", limits.min));
    }
    let target = wanted.clamp(i64::from(limits.min), i64::from(limits.max));
    // An instance is removed because it was named only as far as the limits allow a removal at all.
    named.truncate(usize::try_from(base - target).unwrap_or(0));
    replace.retain(|id| !named.contains(id));
    Scaled { target: u32::try_from(target).unwrap_or(limits.min), retire: named, replace, notes }
}

/// The instance called `text`: by node id, else by slot, else by address; one that stays before one that
/// goes.
fn find<'a>(instances: &[&'a Attempt], text: &str) -> Option<&'a Attempt> {
    let by = |matches: &dyn Fn(&Attempt) -> bool| {
        instances.iter().copied().filter(|a| matches(a)).min_by_key(|a| is_leaving(a))
    };
    by(&|attempt| attempt.node_id.as_str() == text)
        .or_else(|| by(&|attempt| attempt.slot.to_string() == text))
        .or_else(|| by(&|attempt| attempt.addresses.iter().any(|address| address == text)))
}

/// Whether its removal was decided before; to count it a second time would cost another instance.
fn is_leaving(attempt: &Attempt) -> bool {
    attempt.retire.is_some() || matches!(attempt.phase, Phase::Destroying { .. })
}

#[cfg(test)]
mod tests;
