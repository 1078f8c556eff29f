//! Losses: what a change destroys of what may be of use, now or later; and that it destroys no more than was confirmed.

use std::collections::{BTreeMap, BTreeSet};

use occopus_engine::control::{load, waiting_requests};
use occopus_engine::handler::ProviderId;
use occopus_engine::ids::{AttemptId, Slot};
use occopus_engine::plan::{Action, Order, Plan, Situation, What, unhindered};
use occopus_engine::record::{Attempt, Cause, Phase};

use crate::Occopus;
use crate::build::Prepared;
use crate::error::Error;

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

/// What somebody has agreed to lose, and what there was then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confirmed {
    slots: BTreeSet<Slot>,
    generation: u64,
    targets: BTreeMap<String, u32>,
    attempts: BTreeSet<AttemptId>,
}

impl Confirmed {
    /// The confirmation of exactly the losses `lost`, seen in `situation`.
    pub fn of(lost: &[Loss], situation: &Situation) -> Self {
        Self {
            slots: lost.iter().map(|loss| loss.slot.clone()).collect(),
            generation: situation.record.generation,
            targets: situation.record.targets.clone(),
            attempts: situation.instances.iter().map(|instance| instance.attempt.id.clone()).collect(),
        }
    }
}

impl Occopus {
    /// Refuses a build that, because of what others did since then, would destroy more than was confirmed.
    pub(crate) async fn check_confirmed(&self, prepared: &Prepared, order: Order) -> Result<(), Error> {
        let Some(confirmed) = &prepared.confirmed else { return Ok(()) };
        let (record, _, attempts) = load(&self.engine, &prepared.infra_id).await?;
        let attempts = attempts.into_iter().filter(|attempt| !attempt.is_closed()).map(|attempt| attempt.id);
        let requests = waiting_requests(&self.engine, &prepared.infra_id).await?;
        if requests.is_empty()
            && record.generation == confirmed.generation
            && record.targets == confirmed.targets
            && attempts.collect::<BTreeSet<_>>() == confirmed.attempts
        {
            return Ok(());
        }
        let (plan, situation) = self.preview(prepared, order).await?;
        let lost = self.losses(&plan, &situation).into_iter();
        let more: Vec<String> = lost
            .filter(|loss| !confirmed.slots.contains(&loss.slot))
            .map(|loss| format!("\n  {}: {}", loss.slot, loss.cause))
            .collect();
        if more.is_empty() {
            return Ok(());
        }
        Err(Error::Usage(format!(
            "the world has moved on since the plan was shown: the change would destroy or replace these, too:{}\n\
             look at another plan (nothing was changed)",
            more.concat()
        )))
    }

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
