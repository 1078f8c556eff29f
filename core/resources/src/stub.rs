//! A handler in memory for the tests of this crate, with switches for the classic mistakes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use occopus_engine::handler::{
    Access, Capabilities, CreateRequest, ErrorKind, Found, HandlerError, Identity, Observation, Place,
    ProviderId, ResourceHandler, ResourceState, StepJournal,
};
use occopus_engine::ids::StoreId;
use serde_json::{Map, Value};

use crate::conformance::{Fixture, identity};

/// A mistake a handler might make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mistake {
    None,
    ReplayMakesAnother,
    ShowsForeign,
    DestroyFailsTwice,
    UnknownFailsAll,
    ObservesSorted,
    InvalidLeavesSomething,
    DestroyDoesNothing,
}

/// Resources in a map, in the order of their creation.
pub(crate) struct Stub {
    mistake: Mistake,
    resources: Mutex<BTreeMap<ProviderId, Identity>>,
}

impl Stub {
    pub(crate) fn new(mistake: Mistake) -> Arc<Self> {
        Arc::new(Self { mistake, resources: Mutex::default() })
    }
}

#[async_trait]
impl ResourceHandler for Stub {
    fn name(&self) -> &'static str {
        "stub"
    }

    fn capabilities(&self) -> Capabilities {
        let minute = Duration::from_secs(60);
        Capabilities {
            idempotent_create: true,
            findable: true,
            batch: 1,
            visibility_delay: Duration::ZERO,
            create_deadline: minute,
            destroy_deadline: minute,
            read_deadline: minute,
            prepare_deadline: minute,
            needs_credentials: false,
        }
    }

    fn place(&self, _resource: &Map<String, Value>) -> Result<Place, HandlerError> {
        Ok(place())
    }

    async fn create(
        &self,
        _access: &Access,
        request: &CreateRequest,
        _steps: &dyn StepJournal,
    ) -> Result<ProviderId, HandlerError> {
        let mut resources = self.resources.lock().unwrap();
        let invalid = request.resource.contains_key("invalid");
        let mut id = ProviderId::plain(request.token());
        if self.mistake == Mistake::ReplayMakesAnother {
            id.id = format!("{}-{}", id.id, resources.len());
        }
        if !invalid || self.mistake == Mistake::InvalidLeavesSomething {
            resources.insert(id.clone(), request.identity.clone());
        }
        if invalid { Err(HandlerError::new(ErrorKind::Invalid, "no such image")) } else { Ok(id) }
    }

    async fn observe(&self, _access: &Access, ids: &[ProviderId]) -> Result<Vec<Observation>, HandlerError> {
        let resources = self.resources.lock().unwrap();
        let mut ids = ids.to_vec();
        if self.mistake == Mistake::ObservesSorted {
            ids.sort();
        }
        if self.mistake == Mistake::UnknownFailsAll && ids.iter().any(|id| !resources.contains_key(id)) {
            return Err(HandlerError::new(ErrorKind::NotFound, "unknown id"));
        }
        let look = |id: &ProviderId| match resources.contains_key(id) {
            true => Observation {
                addresses: vec![format!("address of {id}")],
                ..Observation::bare(ResourceState::Running, "")
            },
            false => Observation::bare(ResourceState::Gone, ""),
        };
        Ok(ids.iter().map(look).collect())
    }

    async fn find(&self, _access: &Access, store: &StoreId) -> Result<Vec<Found>, HandlerError> {
        let resources = self.resources.lock().unwrap();
        let ours = |identity: &Identity| identity.store == *store || self.mistake == Mistake::ShowsForeign;
        let found = resources.iter().filter(|(_, identity)| ours(identity)).map(|(id, identity)| Found {
            identity: identity.clone(),
            provider_id: id.clone(),
            state: ResourceState::Running,
        });
        Ok(found.collect())
    }

    async fn destroy(
        &self,
        _access: &Access,
        id: &ProviderId,
        _steps: &dyn StepJournal,
    ) -> Result<(), HandlerError> {
        if self.mistake == Mistake::DestroyDoesNothing {
            return Ok(());
        }
        let known = self.resources.lock().unwrap().remove(id).is_some();
        if self.mistake == Mistake::DestroyFailsTwice && !known {
            return Err(HandlerError::new(ErrorKind::NotFound, "unknown id"));
        }
        Ok(())
    }

    async fn console(&self, _access: &Access, _id: &ProviderId) -> Result<String, HandlerError> {
        Ok(String::new())
    }
}

/// Where the stub lives.
pub(crate) fn place() -> Place {
    Place {
        handler: "stub".to_owned(),
        endpoint: "memory".to_owned(),
        region: None,
        project: None,
        account: String::new(),
    }
}

/// Access to the stub.
pub(crate) fn access() -> Access {
    Access { place: place(), credentials: None }
}

/// A request the stub accepts.
pub(crate) fn request() -> CreateRequest {
    request_for(identity(&StoreId::from("a-store"), 1))
}

fn request_for(identity: Identity) -> CreateRequest {
    CreateRequest {
        identity,
        infra_name: "infra".to_owned(),
        resource: Map::new(),
        context: None,
        attributes: Map::new(),
    }
}

/// The stub under the conformance suite.
pub(crate) struct StubFixture(pub(crate) Arc<Stub>);

#[async_trait]
impl Fixture for StubFixture {
    fn handler(&self) -> Arc<dyn ResourceHandler> {
        self.0.clone()
    }

    fn access(&self) -> Access {
        access()
    }

    fn request(&self, identity: Identity) -> CreateRequest {
        request_for(identity)
    }

    fn invalid_request(&self, identity: Identity) -> CreateRequest {
        let mut request = request_for(identity);
        request.resource.insert("invalid".to_owned(), Value::Bool(true));
        request
    }

    fn unknown_id(&self) -> ProviderId {
        ProviderId::plain("unknown")
    }

    async fn pause(&self) {
        tokio::task::yield_now().await;
    }
}
