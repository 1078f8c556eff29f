//! The simulated cloud behind the handler contract, as one process reaches it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use occopus_engine::batch::CreateBatch;
use occopus_engine::handler::{
    Access, Capabilities, CreateRequest, ErrorKind, Found, HandlerError, Observation, Place, Progress,
    ProviderId, ResourceHandler, StepJournal,
};
use occopus_engine::ids::{AttemptId, StoreId};
use serde_json::{Map, Value};

use crate::cloud::{Call, ENDPOINT, Reply};
use crate::fault::FaultKind;
use crate::ledger::{CallEntry, Ending};
use crate::process::{Deed, Life};
use crate::referee::Referee;

/// The handler `sim` of one process.
pub(crate) struct Client {
    referee: Referee,
    life: Arc<Life>,
}

/// A call under way. One that is dropped without an answer was given up by its caller.
struct Entry<'a> {
    client: &'a Client,
    number: usize,
    entry: CallEntry,
    limit: Duration,
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        let Self { client: Client { referee, life }, number, entry, limit } = self;
        // A dead process gives nothing up: whether its call is answered is nobody's business any more.
        if life.is_dead() {
            return;
        }
        if entry.ending == Ending::Open {
            entry.ending = Ending::Unclear;
        }
        entry.ended = life.now();
        life.ledger().call_ended(*number, entry.ended, entry.ending);
        if !life.was_frozen_since(entry.begun) {
            referee.call_ended(entry, *limit);
        }
    }
}

impl Client {
    /// The way of a process to the cloud.
    pub(crate) fn new(referee: Referee, life: Arc<Life>) -> Self {
        Self { referee, life }
    }

    /// Makes one call: `decide` is asked for the reply when the request arrives.
    async fn call<T>(
        &self,
        call: Call,
        endpoint: &str,
        attempts: &[AttemptId],
        decide: impl FnOnce() -> Reply<T>,
    ) -> Result<T, HandlerError> {
        let number = self.life.before(Deed::Call).await;
        if call.changes() {
            self.referee.lease_held(self.life.number, call);
        }
        if self.life.is_cut_off() {
            self.life.ledger().count(FaultKind::ObserverCutOff);
            return Err(HandlerError::new(ErrorKind::Transient, "no route to the cloud"));
        }
        let mut entry = self.begin(call, endpoint, attempts);
        let reply = decide();
        self.referee.cloud.clock.sleep(reply.after).await;
        self.life.running().await;
        let Some(answer) = reply.answer else { return std::future::pending().await };
        let overtaken = self.life.ledger().answered(entry.number);
        if overtaken && reply.held_back {
            self.life.ledger().count(FaultKind::Reordered);
        }
        self.life.after(Deed::Call, number).await;
        entry.entry.ending = match &answer {
            Ok(_) => Ending::Done,
            Err(error) if error.kind == ErrorKind::UnknownOutcome => Ending::Unclear,
            Err(_) => Ending::Refused,
        };
        answer
    }

    fn begin(&self, call: Call, endpoint: &str, attempts: &[AttemptId]) -> Entry<'_> {
        let (begun, capabilities) = (self.life.now(), self.referee.cloud.capabilities());
        let entry = CallEntry {
            process: self.life.number,
            call,
            endpoint: endpoint.to_owned(),
            attempts: attempts.to_vec(),
            begun,
            ended: begun,
            ending: Ending::Open,
        };
        let limit = match call {
            Call::Create => capabilities.create_deadline,
            Call::Destroy | Call::Label => capabilities.destroy_deadline,
            Call::Observe | Call::Find => capabilities.read_deadline,
        };
        Entry { client: self, number: self.life.ledger().call_began(entry.clone()), entry, limit }
    }
}

#[async_trait]
impl ResourceHandler for Client {
    fn name(&self) -> &'static str {
        "sim"
    }

    fn capabilities(&self) -> Capabilities {
        self.referee.cloud.capabilities()
    }

    fn place(&self, resource: &Map<String, Value>) -> Result<Place, HandlerError> {
        let endpoint = resource.get("endpoint").and_then(Value::as_str).unwrap_or(ENDPOINT);
        Ok(Place {
            handler: "sim".to_owned(),
            endpoint: endpoint.to_owned(),
            region: None,
            project: None,
            account: String::new(),
        })
    }

    async fn prepare(
        &self,
        _access: &Access,
        request: &CreateRequest,
        _progress: &dyn Progress,
    ) -> Result<(), HandlerError> {
        if let Some(seconds) = request.resource.get("fetch").and_then(Value::as_f64) {
            self.referee.cloud.clock.sleep(Duration::from_secs_f64(seconds)).await;
        }
        Ok(())
    }

    async fn create(
        &self,
        access: &Access,
        request: &CreateRequest,
        _steps: &dyn StepJournal,
    ) -> Result<ProviderId, HandlerError> {
        let (endpoint, attempt) = (access.place.endpoint.as_str(), &request.identity.attempt);
        self.referee.intended(attempt, Call::Create).await;
        let attempts = std::slice::from_ref(attempt);
        self.call(Call::Create, endpoint, attempts, || self.referee.cloud.create(endpoint, request)).await
    }

    async fn create_batch(
        &self,
        access: &Access,
        batch: &CreateBatch,
        requests: &[CreateRequest],
    ) -> Result<Vec<ProviderId>, HandlerError> {
        let endpoint = access.place.endpoint.as_str();
        let attempts: Vec<AttemptId> = batch.attempts().collect();
        for attempt in &attempts {
            self.referee.intended(attempt, Call::Create).await;
        }
        let make = || self.referee.cloud.create_batch(endpoint, batch, requests);
        self.call(Call::Create, endpoint, &attempts, make).await
    }

    async fn label(
        &self,
        access: &Access,
        id: &ProviderId,
        _request: &CreateRequest,
    ) -> Result<(), HandlerError> {
        let endpoint = access.place.endpoint.as_str();
        self.call(Call::Label, endpoint, &[], || self.referee.cloud.label(endpoint, id)).await
    }

    async fn observe(&self, access: &Access, ids: &[ProviderId]) -> Result<Vec<Observation>, HandlerError> {
        let endpoint = access.place.endpoint.as_str();
        self.call(Call::Observe, endpoint, &[], || self.referee.cloud.observe(endpoint, ids)).await
    }

    async fn find(&self, access: &Access, store: &StoreId) -> Result<Vec<Found>, HandlerError> {
        let endpoint = access.place.endpoint.as_str();
        self.call(Call::Find, endpoint, &[], || self.referee.cloud.find(endpoint, store)).await
    }

    async fn destroy(
        &self,
        access: &Access,
        id: &ProviderId,
        _steps: &dyn StepJournal,
    ) -> Result<(), HandlerError> {
        let endpoint = access.place.endpoint.as_str();
        let owner = self.referee.cloud.owner(&id.id);
        if let Some(attempt) = owner {
            self.referee.intended(&attempt, Call::Destroy).await;
        }
        self.call(Call::Destroy, endpoint, &[], || self.referee.cloud.destroy(endpoint, id)).await
    }

    async fn console(&self, _access: &Access, id: &ProviderId) -> Result<String, HandlerError> {
        Ok(format!("{id}: booted\n"))
    }
}
