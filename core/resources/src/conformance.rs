//! The conformance suite: what every resource handler must do, run against a real or simulated back-end.
//!
//! A handler's tests implement [`Fixture`] and call [`check`]. Each property works under a store id of
//! its own and removes what it made, so several suites may share one back-end.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use occopus_engine::handler::{
    Access, CreateRequest, Found, HandlerError, Identity, NoProgress, Observation, ProviderId,
    ResourceHandler, ResourceState, Step, StepJournal,
};
use occopus_engine::ids::{AttemptId, InfraId, NodeId, Slot, StoreId};
use uuid::Uuid;

mod properties;

/// What the suite needs to know about the handler under test.
#[async_trait]
pub trait Fixture: Send + Sync {
    /// The handler under test.
    fn handler(&self) -> Arc<dyn ResourceHandler>;

    /// The place to create resources at, with credentials.
    fn access(&self) -> Access;

    /// A valid request for a resource that goes on running, with this identity.
    fn request(&self, identity: Identity) -> CreateRequest;

    /// A request with this identity that the back-end (or the handler) refuses as wrong.
    fn invalid_request(&self, identity: Identity) -> CreateRequest;

    /// The identifier of a resource that does not exist, in the form the back-end uses.
    fn unknown_id(&self) -> ProviderId;

    /// Whether a running resource has an address.
    fn has_address(&self) -> bool {
        true
    }

    /// Waits a little between two looks at the back-end, or lets a simulated one proceed. The suite
    /// calls it at most [`PATIENCE`] times for one state it waits for.
    async fn pause(&self);
}

/// How often [`Fixture::pause`] is called at most before an awaited state counts as missing.
pub const PATIENCE: usize = 600;

/// A handler does not do what the contract says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{property}: {what}")]
pub struct Violation {
    /// Name of the property.
    pub property: &'static str,
    /// What was seen instead.
    pub what: String,
}

/// Result of one property: `Err` says what was seen instead.
pub type Verdict = Result<(), String>;

/// Several violations, one a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violations(pub Vec<Violation>);

impl fmt::Display for Violations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|violation| writeln!(f, "{violation}"))
    }
}

impl std::error::Error for Violations {}

/// Runs all properties, one after the other, and reports every one that does not hold.
pub async fn check(fixture: &dyn Fixture) -> Result<(), Violations> {
    let mut violations = Vec::new();
    macro_rules! property {
        ($name:ident) => {
            tracing::debug!(property = stringify!($name), "checking");
            let bench = Bench::new(fixture);
            let verdict = properties::$name(&bench).await;
            for what in [verdict, bench.clean().await].into_iter().filter_map(Result::err) {
                violations.push(Violation { property: stringify!($name), what });
            }
        };
    }
    property!(created_resource_runs);
    property!(created_resource_is_found_with_its_identity);
    property!(same_request_twice_makes_one_resource);
    property!(two_attempts_make_two_resources);
    property!(foreign_store_sees_nothing);
    property!(destroyed_resource_is_gone);
    property!(destroying_the_unknown_succeeds);
    property!(unknown_id_is_gone_and_harms_no_other);
    property!(observations_keep_the_order);
    property!(nothing_to_observe_is_fine);
    property!(invalid_request_leaves_nothing);
    property!(console_answers);
    property!(fault_before_create_makes_nothing);
    property!(lost_answer_of_create_settles_to_one);
    property!(lost_answer_of_destroy_settles_to_none);
    if violations.is_empty() { Ok(()) } else { Err(Violations(violations)) }
}

/// A step journal in memory.
#[derive(Debug, Default)]
pub struct MemorySteps(Mutex<Vec<Step>>);

#[async_trait]
impl StepJournal for MemorySteps {
    fn steps(&self) -> Vec<Step> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn record(&self, step: Step) -> Result<(), HandlerError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(step);
        Ok(())
    }
}

/// A fresh identity in `store` for slot `index` of the node `worker`.
pub fn identity(store: &StoreId, index: u32) -> Identity {
    Identity {
        store: store.clone(),
        infra: InfraId::from(Uuid::new_v4()),
        slot: Slot::new("worker", index),
        node_id: NodeId::from(Uuid::new_v4()),
        attempt: AttemptId::from(Uuid::new_v4()),
    }
}

/// One property's view of the back-end: a store of its own, and the step journals of its resources.
struct Bench<'a> {
    fixture: &'a dyn Fixture,
    handler: Arc<dyn ResourceHandler>,
    access: Access,
    store: StoreId,
    journals: Mutex<BTreeMap<AttemptId, Arc<MemorySteps>>>,
}

impl<'a> Bench<'a> {
    fn new(fixture: &'a dyn Fixture) -> Self {
        Self {
            fixture,
            handler: fixture.handler(),
            access: fixture.access(),
            store: StoreId::from(Uuid::new_v4()),
            journals: Mutex::default(),
        }
    }

    fn request(&self, index: u32) -> CreateRequest {
        self.fixture.request(identity(&self.store, index))
    }

    fn steps(&self, attempt: &AttemptId) -> Arc<MemorySteps> {
        let mut journals = self.journals.lock().unwrap_or_else(PoisonError::into_inner);
        journals.entry(attempt.clone()).or_default().clone()
    }

    async fn create_with(
        &self,
        handler: &dyn ResourceHandler,
        request: &CreateRequest,
    ) -> Result<ProviderId, HandlerError> {
        handler.prepare(&self.access, request, &NoProgress).await?;
        handler.create(&self.access, request, &*self.steps(&request.identity.attempt)).await
    }

    async fn create(&self, request: &CreateRequest) -> Result<ProviderId, String> {
        self.create_with(&*self.handler, request).await.map_err(told("create"))
    }

    async fn destroy(&self, request: &CreateRequest, id: &ProviderId) -> Verdict {
        let steps = self.steps(&request.identity.attempt);
        self.handler.destroy(&self.access, id, &*steps).await.map_err(told("destroy"))
    }

    async fn observe(&self, ids: &[ProviderId]) -> Result<Vec<Observation>, String> {
        let seen = self.handler.observe(&self.access, ids).await.map_err(told("observe"))?;
        if seen.len() != ids.len() {
            return Err(format!("{} observations of {} resources", seen.len(), ids.len()));
        }
        Ok(seen)
    }

    async fn find(&self, store: &StoreId) -> Result<Vec<Found>, String> {
        self.handler.find(&self.access, store).await.map_err(told("find"))
    }

    /// Looks until `id` is in `wanted`.
    async fn await_state(&self, id: &ProviderId, wanted: ResourceState) -> Result<Observation, String> {
        self.await_that(id, &format!("{wanted:?}"), |seen| seen.state == wanted).await
    }

    /// Looks until `id` is gone.
    async fn await_gone(&self, id: &ProviderId) -> Result<Observation, String> {
        self.await_that(id, "gone", is_gone).await
    }

    async fn await_that(
        &self,
        id: &ProviderId,
        wanted: &str,
        holds: impl Fn(&Observation) -> bool,
    ) -> Result<Observation, String> {
        let mut last = None;
        for _ in 0..PATIENCE {
            let seen = self.observe(std::slice::from_ref(id)).await?.remove(0);
            if holds(&seen) {
                return Ok(seen);
            }
            last = Some(seen);
            self.fixture.pause().await;
        }
        Err(format!("{id} never became {wanted}; last seen: {last:?}"))
    }

    /// Looks until exactly `count` resources of this property's store are listed.
    async fn await_count(&self, count: usize) -> Result<Vec<Found>, String> {
        let mut last = Vec::new();
        for _ in 0..PATIENCE {
            last = self.find(&self.store).await?;
            if last.len() == count {
                return Ok(last);
            }
            self.fixture.pause().await;
        }
        Err(format!("find never listed exactly {count} resources; last: {last:?}"))
    }

    /// Destroys whatever the property left, so that a violation of one leaves the others alone.
    async fn clean(&self) -> Verdict {
        for found in self.find(&self.store).await? {
            let steps = self.steps(&found.identity.attempt);
            self.handler
                .destroy(&self.access, &found.provider_id, &*steps)
                .await
                .map_err(told("destroy at the end"))?;
        }
        self.await_count(0).await.map(drop)
    }
}

fn told(call: &'static str) -> impl Fn(HandlerError) -> String {
    move |error| format!("{call} failed ({:?}): {error}", error.kind)
}

#[cfg(test)]
mod tests;

fn is_gone(seen: &Observation) -> bool {
    matches!(seen.state, ResourceState::Gone | ResourceState::Missing)
}
