//! Observing: asking back-ends and running health checks, batched and concurrent. Changes nothing.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::stream;
use futures::{Stream, StreamExt};
use occopus_descriptor::secret::of_instance;
use serde_json::json;

use crate::clock::timeout;
use crate::drift::TAG;
use crate::engine::Engine;
use crate::handler::{ErrorKind, Found, HandlerError, Listed, Observation, Place, ProviderId, ResourceState};
use crate::health::{CheckResult, CheckTarget};
use crate::ids::{AttemptId, InfraId};
use crate::judge::Seen;
use crate::record::Attempt;
use crate::secret::SecretError;

/// Calls to different places under way at the same time.
const PLACES_AT_ONCE: usize = 16;

/// Attempts of one place with their provider ids.
type Group = Vec<(Attempt, ProviderId)>;

/// Looks at every live attempt: one batch per place, all places at the same time, then the health
/// checks of what runs. A place that cannot be asked makes its own instances unknown, no others.
pub async fn observe(
    engine: &Engine,
    infra: (&InfraId, &str),
    attempts: &[Attempt],
) -> BTreeMap<AttemptId, Seen> {
    observing(engine, infra, attempts).map(|(attempt, seen)| (attempt.id, seen)).collect().await
}

/// As [`observe`], one by one as the answers come: a check that takes long holds nothing else up.
pub fn observing<'a>(
    engine: &'a Engine,
    infra: (&'a InfraId, &'a str),
    attempts: &[Attempt],
) -> impl Stream<Item = (Attempt, Seen)> + Send + 'a {
    looking(engine, by_place(attempts.iter().filter(|attempt| attempt.is_live())))
        .map(move |(attempt, seen)| with_checks(engine, infra, attempt, seen))
        .buffer_unordered(engine.policy.max_checks)
}

async fn with_checks(
    engine: &Engine,
    infra: (&InfraId, &str),
    attempt: Attempt,
    mut seen: Seen,
) -> (Attempt, Seen) {
    if let Ok(Observation { state: ResourceState::Running, addresses, .. }) = &seen.resource {
        match check(engine, infra, &attempt, addresses.first()).await {
            Ok(checks) => seen.checks = engine.secrets.redactor().checks(checks),
            // What cannot be asked for lack of a secret says nothing about the instance.
            Err(error) => seen.resource = Err(format!("its health is unknown: {error}")),
        }
    }
    (attempt, seen)
}

/// Asks for the states of the resources of `attempts`, without health checks.
pub async fn states(engine: &Engine, attempts: impl IntoIterator<Item = &Attempt>) -> Vec<(Attempt, Seen)> {
    looking(engine, by_place(attempts)).collect().await
}

fn by_place<'a>(attempts: impl IntoIterator<Item = &'a Attempt>) -> BTreeMap<Place, Group> {
    let mut groups: BTreeMap<Place, Group> = BTreeMap::new();
    for attempt in attempts {
        if let Some(id) = &attempt.provider_id {
            groups.entry(attempt.place.clone()).or_default().push((attempt.clone(), id.clone()));
        }
    }
    groups
}

/// The states of resources, place by place as the answers come.
fn looking(
    engine: &Engine,
    groups: BTreeMap<Place, Group>,
) -> impl Stream<Item = (Attempt, Seen)> + Send + '_ {
    stream::iter(groups)
        .map(move |(place, group)| look(engine, place, group))
        .buffer_unordered(PLACES_AT_ONCE)
        .flat_map(stream::iter)
}

async fn look(engine: &Engine, place: Place, group: Group) -> Vec<(Attempt, Seen)> {
    let ids: Vec<ProviderId> = group.iter().map(|(_, id)| id.clone()).collect();
    let visibility_delay = engine
        .handlers
        .get(&place.handler)
        .map_or(Duration::ZERO, |handler| handler.capabilities().visibility_delay);
    let answers: Vec<Result<Observation, String>> = match ask(engine, &place, &ids).await {
        Ok(observations) => observations.into_iter().map(Ok).collect(),
        Err(error) => vec![Err(error.to_string()); group.len()],
    };
    let mut seen = Vec::with_capacity(answers.len());
    for ((attempt, _), mut resource) in group.into_iter().zip(answers) {
        if let Ok(observation) = &mut resource {
            keep_open_facts(&attempt, observation);
            hide_secrets(engine, &attempt, observation).await;
        }
        seen.push((attempt, Seen { resource, checks: Vec::new(), visibility_delay }));
    }
    seen
}

/// A tag may have been rendered of a secret, and facts are stored and shown: of an instance that was given any
/// secret, only Occopus' own tags are told.
fn keep_open_facts(attempt: &Attempt, observation: &mut Observation) {
    if observation.facts.is_empty() || of_instance(&attempt.node, &attempt.implementation).is_empty() {
        return;
    }
    let is_open = |name: &str| name.strip_prefix(TAG).is_none_or(|tag| tag.starts_with("occopus."));
    observation.facts.retain(|name, _| is_open(name));
}

/// What a back-end says of an instance that ended may quote the log of that instance.
async fn hide_secrets(engine: &Engine, attempt: &Attempt, observation: &mut Observation) {
    if matches!(observation.state, ResourceState::Running | ResourceState::Pending) {
        return;
    }
    let made_of = (&attempt.node, &attempt.implementation);
    let detail = std::mem::take(&mut observation.detail);
    let hidden = engine.secrets.hide(engine.clock.as_ref(), made_of, detail).await;
    observation.detail = hidden.unwrap_or_else(|error| format!("its last words may hold a secret: {error}"));
}

async fn ask(engine: &Engine, place: &Place, ids: &[ProviderId]) -> Result<Vec<Observation>, HandlerError> {
    let handler = engine.handlers.get(&place.handler)?;
    let access = engine.access(place)?;
    let limit = handler.capabilities().read_deadline;
    let observations = timeout(engine.clock.as_ref(), limit, handler.observe(&access, ids))
        .await
        .unwrap_or_else(|late| Err(late_read(place, &late.to_string())))?;
    if observations.len() != ids.len() {
        let message = format!("{place} answered for {} of {} resources", observations.len(), ids.len());
        return Err(HandlerError::new(ErrorKind::Transient, message));
    }
    Ok(observations)
}

/// Lists everything of this store at `place`: completely, or not at all.
pub async fn find(engine: &Engine, place: &Place) -> Result<Vec<Found>, HandlerError> {
    let handler = engine.handlers.get(&place.handler)?;
    let access = engine.access(place)?;
    let limit = handler.capabilities().read_deadline;
    timeout(engine.clock.as_ref(), limit, handler.find(&access, engine.store.id()))
        .await
        .unwrap_or_else(|late| Err(late_read(place, &late.to_string())))
}

/// Lists everything of Occopus at `place`, of whatever store: completely, or not at all.
pub async fn find_all(engine: &Engine, place: &Place) -> Result<Vec<Listed>, HandlerError> {
    let handler = engine.handlers.get(&place.handler)?;
    let access = engine.access(place)?;
    let limit = handler.capabilities().read_deadline;
    timeout(engine.clock.as_ref(), limit, handler.find_all(&access, engine.store.id()))
        .await
        .unwrap_or_else(|late| Err(late_read(place, &late.to_string())))
}

fn late_read(place: &Place, late: &str) -> HandlerError {
    HandlerError::new(ErrorKind::Transient, format!("{place}: {late}"))
}

async fn check(
    engine: &Engine,
    (infra, infra_name): (&InfraId, &str),
    attempt: &Attempt,
    address: Option<&String>,
) -> Result<Vec<CheckResult>, SecretError> {
    let clock = engine.clock.as_ref();
    let (node, implementation) = engine.secrets.health(clock, &attempt.node, &attempt.implementation).await?;
    let health = implementation.health();
    if !health.ping && health.ports.is_empty() && health.urls.is_empty() && health.mysqldbs.is_empty() {
        return Ok(Vec::new());
    }
    let Some(address) = address else {
        return Ok(vec![failed_check("address", "no address yet")]);
    };
    let mut record = attempt.view(infra, infra_name);
    record["resource_address"] = json!([address]);
    let rendering =
        engine.contextualiser.render_health(&node, &implementation, &attempt.node_id, address, &record);
    let rendered = match rendering {
        Ok(rendered) => rendered,
        Err(error) => return Ok(vec![failed_check("template", &error.to_string())]),
    };
    let target = CheckTarget {
        address: address.clone(),
        ping: health.ping,
        ports: health.ports,
        urls: rendered.urls,
        mysqldbs: rendered.mysqldbs,
        deadline: engine.policy.check_deadline,
    };
    let health = Arc::clone(&engine.health);
    // Each check has its own deadline; this one only guards against a checker that ignores it.
    let limit = engine.policy.check_deadline * 2;
    Ok(match timeout(clock, limit, health.check(&target)).await {
        Ok(results) => results,
        Err(late) => vec![failed_check("checks", &late.to_string())],
    })
}

fn failed_check(kind: &str, reason: &str) -> CheckResult {
    CheckResult { kind: kind.to_owned(), subject: String::new(), passed: false, reason: reason.to_owned() }
}
