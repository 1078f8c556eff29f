//! Losses: what a change destroys of what may be of use, now or later.

use std::collections::BTreeMap;

use occopus_engine::handler::ProviderId;
use occopus_engine::ids::{AttemptId, Slot};
use occopus_engine::plan::{Action, Plan, Situation, What, unhindered};
use occopus_engine::record::{Attempt, Cause, Phase};

use crate::Occopus;

/// An instance that a change destroys or replaces.
#[derive(Debug, Clone, PartialEq)]
pub struct Loss {
    /// Its slot.
    pub slot: Slot,
    /// Its resource type.
    pub resource: String,
    /// What its back-end calls it.
    pub provider_id: Option<ProviderId>,
    /// Seconds since it was made.
    pub age: i64,
    /// Why it is destroyed.
    pub cause: Cause,
}

impl Occopus {
    /// The instances that `plan`, made for `situation`, leads to destroy, and those that it keeps only until
    /// something is out of the way: a hold, or an instance that is not ready. Those that failed or are being destroyed
    /// already are no losses.
    pub fn losses(&self, plan: &Plan, situation: &Situation) -> Vec<Loss> {
        let later = unhindered(situation, &self.engine.policy);
        let attempts = situation.instances.iter().map(|instance| &instance.attempt);
        let living = attempts.filter(|attempt| !matches!(attempt.phase, Phase::Destroying { .. }));
        let mut living: BTreeMap<&AttemptId, &Attempt> =
            living.map(|attempt| (&attempt.id, attempt)).collect();
        let actions = plan.actions.iter().chain(&later.actions);
        // The same instance is told once.
        let lost = actions.filter_map(|action| Some((action, living.remove(destroyed(action)?)?)));
        lost.map(|(action, attempt)| Loss {
            slot: action.slot.clone(),
            resource: attempt.place.handler.clone(),
            provider_id: attempt.provider_id.clone(),
            age: situation.now.duration_since(attempt.created_at).as_secs(),
            cause: action.cause.clone(),
        })
        .collect()
    }
}

/// The attempt whose instance `action` destroys although it has not failed.
fn destroyed(action: &Action) -> Option<&AttemptId> {
    match &action.what {
        What::Destroy { attempt, failed: false, .. } => Some(attempt),
        _ => None,
    }
}
