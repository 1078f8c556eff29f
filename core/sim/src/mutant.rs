//! Bugs to try the test bench with: an engine that has one of them must be caught. Each is built around
//! the engine, as a store or a handler that makes it behave as if it had the bug, so that the product
//! carries no switches.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use occopus_engine::batch::CreateBatch;
use occopus_engine::clock::{Clock, timeout};
use occopus_engine::handler::{
    Access, Capabilities, CreateRequest, ErrorKind, Found, HandlerError, Observation, Place, ProviderId,
    ResourceHandler, ResourceState, StepJournal,
};
use occopus_engine::ids::{Slot, StoreId};
use occopus_engine::store::{Batch, Key, Record, Store, StoreError, Table, Write};
use serde_json::{Map, Value};

use crate::cloud::BROKE_OFF;

/// A bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mutant {
    /// The intent to create is written when the call has been answered.
    IntentAfterCall,
    /// Nobody checks whether the lease is still held before a change.
    LeaseNotChecked,
    /// A destroy call that failed counts as done.
    DestroyForgets,
    /// A create call without an answer counts as refused, and is made again as a new attempt.
    RetryWithoutSettling,
    /// A listing that broke off counts as complete.
    PartialListingBelieved,
    /// A new attempt uses the token of the one before.
    TokenReused,
    /// A repeated request without an answer counts as one that had no effect.
    UnclearReplayIgnored,
    /// A refusal of a repeated request counts as the answer to the first.
    RefusedReplayBelieved,
    /// A write to the store without an answer counts as made.
    UnclearWriteBelieved,
    /// Of what one call made, nobody looks at who is who.
    LaunchIndexIgnored,
}

impl Mutant {
    /// Puts the bug around what a process works with.
    pub(crate) fn infect(
        self,
        store: Arc<dyn Store>,
        handler: Arc<dyn ResourceHandler>,
        clock: Arc<dyn Clock>,
    ) -> (Arc<dyn Store>, Arc<dyn ResourceHandler>) {
        let memory = Arc::new(Mutex::new(Memory::default()));
        let store = Arc::new(SickStore { mutant: self, inner: store, memory: memory.clone() });
        let handler = SickHandler { mutant: self, inner: handler, clock, store: store.clone(), memory };
        (store, Arc::new(handler))
    }
}

/// What a bug has to remember.
#[derive(Default)]
struct Memory {
    /// Intents that are not written yet.
    held_back: Vec<Batch>,
    /// Resources that were forgotten.
    forgotten: BTreeSet<ProviderId>,
    /// What a token has made.
    tokens: BTreeMap<Slot, ProviderId>,
    /// Tokens that were sent.
    sent: BTreeSet<String>,
}

fn locked(memory: &Mutex<Memory>) -> MutexGuard<'_, Memory> {
    memory.lock().unwrap_or_else(PoisonError::into_inner)
}

struct SickStore {
    mutant: Mutant,
    inner: Arc<dyn Store>,
    memory: Arc<Mutex<Memory>>,
}

impl SickStore {
    /// Writes what was held back.
    async fn catch_up(&self) -> Result<(), StoreError> {
        let batches = std::mem::take(&mut locked(&self.memory).held_back);
        for batch in batches {
            self.inner.commit(batch).await?;
        }
        Ok(())
    }
}

#[async_trait]
impl Store for SickStore {
    fn id(&self) -> &StoreId {
        self.inner.id()
    }

    fn location(&self) -> String {
        self.inner.location()
    }

    async fn read(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        self.inner.read(key).await
    }

    async fn list(&self, table: Table, scope: &str, after: &str) -> Result<Vec<Record>, StoreError> {
        self.inner.list(table, scope, after).await
    }

    async fn commit(&self, mut batch: Batch) -> Result<(), StoreError> {
        let puts = |table: Table, id: &str| {
            batch.writes.iter().any(|write| {
                matches!(write, Write::Put(key, _) if key.table == table && (id.is_empty() || key.id == id))
            })
        };
        match self.mutant {
            Mutant::IntentAfterCall if puts(Table::Request, "") => {
                locked(&self.memory).held_back.push(batch);
                return Ok(());
            }
            Mutant::LeaseNotChecked if !puts(Table::Lease, "fence") => {
                batch.expect.retain(|expect| expect.key().table != Table::Lease);
            }
            _ => {}
        }
        match self.inner.commit(batch).await {
            Err(StoreError::UnknownOutcome(_)) if self.mutant == Mutant::UnclearWriteBelieved => Ok(()),
            other => other,
        }
    }
}

struct SickHandler {
    mutant: Mutant,
    inner: Arc<dyn ResourceHandler>,
    clock: Arc<dyn Clock>,
    store: Arc<SickStore>,
    memory: Arc<Mutex<Memory>>,
}

fn nothing_happened<T>(error: HandlerError) -> Result<T, HandlerError> {
    Err(HandlerError::new(ErrorKind::Transient, error.message))
}

impl SickHandler {
    /// Makes a create call that never ends without an answer.
    async fn in_time<T>(
        &self,
        call: impl Future<Output = Result<T, HandlerError>>,
    ) -> Result<T, HandlerError> {
        let limit = self.capabilities().create_deadline - Duration::from_secs(1);
        timeout(self.clock.as_ref(), limit, call)
            .await
            .unwrap_or_else(|late| Err(HandlerError::new(ErrorKind::UnknownOutcome, late.to_string())))
    }

    /// Whether it forgets that a call with this token may have had an effect.
    fn forgets(&self, token: &str) -> bool {
        let repeated = !locked(&self.memory).sent.insert(token.to_owned());
        match self.mutant {
            Mutant::RetryWithoutSettling => true,
            Mutant::UnclearReplayIgnored => repeated,
            _ => false,
        }
    }

    /// Writes what was held back until the call was answered.
    async fn catch_up(&self) -> Result<(), HandlerError> {
        let late = |error: StoreError| HandlerError::new(ErrorKind::UnknownOutcome, error.to_string());
        self.store.catch_up().await.map_err(late)
    }
}

#[async_trait]
impl ResourceHandler for SickHandler {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn capabilities(&self) -> Capabilities {
        // What cannot be found can be settled by its token only, and is refused by its token for good.
        let findable = self.mutant != Mutant::RefusedReplayBelieved;
        Capabilities { findable, ..self.inner.capabilities() }
    }

    fn place(&self, resource: &Map<String, Value>) -> Result<Place, HandlerError> {
        self.inner.place(resource)
    }

    async fn create(
        &self,
        access: &Access,
        request: &CreateRequest,
        steps: &dyn StepJournal,
    ) -> Result<ProviderId, HandlerError> {
        let forgetful = self.forgets(request.token());
        let slot = &request.identity.slot;
        if self.mutant == Mutant::TokenReused
            && let Some(known) = locked(&self.memory).tokens.get(slot).cloned()
        {
            return Ok(known);
        }
        let result = match self.in_time(self.inner.create(access, request, steps)).await {
            Err(error) if forgetful && error.kind == ErrorKind::UnknownOutcome => nothing_happened(error),
            other => other,
        };
        if let Ok(id) = &result {
            locked(&self.memory).tokens.insert(slot.clone(), id.clone());
        }
        self.catch_up().await?;
        result
    }

    async fn create_batch(
        &self,
        access: &Access,
        batch: &CreateBatch,
        requests: &[CreateRequest],
    ) -> Result<Vec<ProviderId>, HandlerError> {
        let token = batch.call_token();
        let mut result = self.in_time(self.inner.create_batch(access, batch, requests)).await;
        if let Err(error) = &mut result
            && self.forgets(&token)
            && error.kind == ErrorKind::UnknownOutcome
        {
            error.kind = ErrorKind::Transient;
        }
        if let (Mutant::LaunchIndexIgnored, Ok(made)) = (self.mutant, &mut result) {
            made.reverse();
        }
        self.catch_up().await?;
        result
    }

    async fn observe(&self, access: &Access, ids: &[ProviderId]) -> Result<Vec<Observation>, HandlerError> {
        let mut seen = self.inner.observe(access, ids).await?;
        let memory = locked(&self.memory);
        for (id, seen) in ids.iter().zip(&mut seen) {
            if memory.forgotten.contains(id) {
                seen.state = ResourceState::Gone;
            }
        }
        Ok(seen)
    }

    async fn find(&self, access: &Access, store: &StoreId) -> Result<Vec<Found>, HandlerError> {
        let found = match self.inner.find(access, store).await {
            Err(error) if self.mutant == Mutant::PartialListingBelieved && error.message == BROKE_OFF => {
                Vec::new()
            }
            other => other?,
        };
        let memory = locked(&self.memory);
        Ok(found.into_iter().filter(|found| !memory.forgotten.contains(&found.provider_id)).collect())
    }

    async fn destroy(
        &self,
        access: &Access,
        id: &ProviderId,
        steps: &dyn StepJournal,
    ) -> Result<(), HandlerError> {
        let result = self.inner.destroy(access, id, steps).await;
        if self.mutant == Mutant::DestroyForgets && result.is_err() {
            locked(&self.memory).forgotten.insert(id.clone());
            return Ok(());
        }
        result
    }

    async fn console(&self, access: &Access, id: &ProviderId) -> Result<String, HandlerError> {
        self.inner.console(access, id).await
    }
}
