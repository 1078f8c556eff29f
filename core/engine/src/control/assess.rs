//! Assessing: everything a plan depends on, gathered without changing anything.

use serde::Serialize;

use crate::engine::Engine;
use crate::error::EngineError;
use crate::handler::Found;
use crate::hold::{Holds, holds};
use crate::ids::InfraId;
use crate::journal::{generation_key, infra_key, read, read_all};
use crate::judge::judge;
use crate::lease::{LeaseInfo, inspect};
use crate::names::Renames;
use crate::observe::{find, observe};
use crate::plan::{Instance, Order, Plan, Situation, plan};
use crate::record::{Attempt, Generation, Goal, InfraRecord, Outcome, Phase, ScaleRequest};
use crate::store::Table;
use crate::topology::Topology;

/// Gathers the situation of an infrastructure: looks at every living instance, and for late arrivals
/// where creations were given up. `eager`: a user asks for a build now.
pub async fn assess(
    engine: &Engine,
    (record, generation): (InfraRecord, Generation),
    attempts: Vec<Attempt>,
    holds: Holds,
    order: Order,
    eager: bool,
) -> Situation {
    let infra = &record.id;
    let (closed, open): (Vec<Attempt>, Vec<Attempt>) = attempts.into_iter().partition(Attempt::is_closed);
    let (mut seen, late) =
        tokio::join!(observe(engine, (infra, &record.name), &open), late_arrivals(engine, &closed, infra));
    let now = engine.clock.wall();
    let instances = open
        .into_iter()
        .map(|attempt| {
            let verdict = seen.remove(&attempt.id).map(|seen| judge(&attempt, &seen, now, &engine.policy));
            Instance { attempt, verdict }
        })
        .collect();
    let topology = Topology::of(&generation, engine.contextualiser.as_ref());
    let eager = eager.then_some(now);
    Situation { now, record, generation, topology, instances, closed, late, order, holds, eager }
}

/// Resources of closed attempts that appeared after all: an answer that one does not exist may have been
/// given too early, or by the wrong project. Each place is asked once.
async fn late_arrivals(engine: &Engine, closed: &[Attempt], infra: &InfraId) -> Vec<Found> {
    let watched: Vec<&Attempt> = closed.iter().filter(|attempt| is_watched(attempt)).collect();
    let mut places: Vec<_> = watched.iter().map(|attempt| &attempt.place).collect();
    places.sort();
    places.dedup();
    let mut late = Vec::new();
    for place in places {
        match find(engine, place).await {
            Ok(found) => {
                let ours = found.into_iter().filter(|found| found.identity.infra == *infra);
                late.extend(ours.filter_map(|mut found| {
                    let attempt = watched.iter().find(|attempt| attempt.id == found.identity.attempt)?;
                    // Its node may have been renamed since its tags were written.
                    found.identity.slot = attempt.slot.clone();
                    Some(found)
                }));
            }
            Err(error) => tracing::warn!(%infra, %error, "could not look for late arrivals"),
        }
    }
    late
}

/// Whether a resource of a closed attempt would be a surprise: nothing was made by what was refused, and
/// what was abandoned is nobody's business any more.
fn is_watched(closed: &Attempt) -> bool {
    !matches!(closed.phase, Phase::Closed { outcome: Outcome::Abandoned | Outcome::Refused { .. }, .. })
}

/// Reads record, generation in force and attempts of an infrastructure without taking its lease.
pub async fn load(
    engine: &Engine,
    infra: &InfraId,
) -> Result<(InfraRecord, Generation, Vec<Attempt>), EngineError> {
    let store = engine.store.as_ref();
    let record: InfraRecord = read(store, &infra_key(infra)).await?.ok_or_else(|| {
        EngineError::UnknownInfrastructure { infra: infra.to_string(), store: store.location() }
    })?;
    let key = generation_key(infra, record.generation);
    let generation = read(store, &key).await?.ok_or_else(|| EngineError::Record {
        key: key.to_string(),
        reason: "it is missing; restore the store from a backup".to_owned(),
    })?;
    let attempts: Vec<(String, Attempt)> = read_all(store, Table::Attempt, infra.as_str()).await?;
    let mut attempts: Vec<Attempt> = attempts.into_iter().map(|(_, attempt)| attempt).collect();
    attempts.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
    Ok((record, generation, attempts))
}

/// An infrastructure seen from outside, for `status` and `plan`. Reading it changes nothing.
#[derive(Debug, Clone)]
pub struct Survey {
    /// The situation.
    pub situation: Situation,
    /// What a pass would do now, but for the requests that wait.
    pub plan: Plan,
    /// Who controls it.
    pub lease: LeaseInfo,
    /// Scaling requests that wait for a pass.
    pub requests: Vec<ScaleRequest>,
}

/// How an infrastructure is, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// Everything described is ready.
    Ready,
    /// Something is missing, starting or unhealthy.
    Incomplete,
    /// It is being destroyed.
    Destroying,
    /// Nothing is left.
    Destroyed,
}

impl Survey {
    /// The infrastructure in one word.
    pub fn health(&self) -> Health {
        let situation = &self.situation;
        match (situation.record.goal, situation.record.closed_at) {
            (Goal::Absent, Some(_)) => Health::Destroyed,
            (Goal::Absent, None) => Health::Destroying,
            (Goal::Present, _) => {
                let deferred = |note: &crate::plan::Note| matches!(note, crate::plan::Note::Deferred { .. });
                let ready = situation.instances.iter().all(|instance| {
                    instance.verdict.as_ref().is_some_and(|v| v.state == crate::judge::InstanceState::Ready)
                });
                if ready && self.plan.is_empty() && !self.plan.notes.iter().any(deferred) {
                    Health::Ready
                } else {
                    Health::Incomplete
                }
            }
        }
    }
}

/// What the next pass over `infra` finds and does: waiting requests are applied first. Changes nothing.
pub async fn outlook(
    engine: &Engine,
    infra: &InfraId,
    order: Order,
) -> Result<(Plan, Situation), EngineError> {
    let (mut record, generation, mut attempts) = load(engine, infra).await?;
    super::anticipate(engine, &mut record, &generation, &mut attempts, &Renames::default()).await?;
    let holds = holds(engine.store.as_ref(), infra, engine.clock.wall()).await?;
    let situation = assess(engine, (record, generation), attempts, holds, order, false).await;
    Ok((plan(&situation, &engine.policy), situation))
}

/// Surveys `infra` without taking its lease.
pub async fn survey(engine: &Engine, infra: &InfraId, order: Order) -> Result<Survey, EngineError> {
    let (record, generation, attempts) = load(engine, infra).await?;
    let lease = inspect(engine.store.as_ref(), infra).await?;
    let requests = super::waiting_requests(engine, infra).await?;
    let holds = holds(engine.store.as_ref(), infra, engine.clock.wall()).await?;
    let situation = assess(engine, (record, generation), attempts, holds, order, false).await;
    let plan = plan(&situation, &engine.policy);
    Ok(Survey {
        situation,
        plan,
        lease,
        requests: requests.into_iter().map(|(_, request)| request).collect(),
    })
}
