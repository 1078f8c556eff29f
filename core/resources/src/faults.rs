//! A decorator that makes calls fail on purpose: the test bench around every handler.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use occopus_engine::batch::CreateBatch;
use occopus_engine::handler::{
    Access, Capabilities, CreateRequest, Found, HandlerError, Listed, Observation, Place, Progress,
    ProviderId, ResourceHandler, StepJournal,
};
use occopus_engine::ids::StoreId;
use serde_json::{Map, Value};

/// The calls of a handler that reach its back-end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// [`ResourceHandler::prepare`].
    Prepare,
    /// [`ResourceHandler::create`] and [`ResourceHandler::create_batch`].
    Create,
    /// [`ResourceHandler::label`].
    Label,
    /// [`ResourceHandler::observe`].
    Observe,
    /// [`ResourceHandler::find`].
    Find,
    /// [`ResourceHandler::destroy`].
    Destroy,
    /// [`ResourceHandler::console`].
    Console,
}

/// When a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// The call never reaches the handler: nothing happens.
    Before,
    /// The handler does its work; its answer is lost.
    After,
}

/// One failure to come: the next `call` fails at `moment` with `error`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Which call fails.
    pub call: Call,
    /// Before or after its effect.
    pub moment: Moment,
    /// What the caller is told.
    pub error: HandlerError,
}

/// Wraps a handler and plays a script of faults, each once, in the order they were added.
pub struct Faults {
    inner: Arc<dyn ResourceHandler>,
    script: Mutex<VecDeque<Fault>>,
    reached: Mutex<Vec<Call>>,
}

impl Faults {
    /// Wraps `inner`; without [`Self::add`] nothing fails.
    pub fn new(inner: Arc<dyn ResourceHandler>) -> Self {
        Self { inner, script: Mutex::default(), reached: Mutex::default() }
    }

    /// Adds `fault` to the script.
    pub fn add(&self, fault: Fault) {
        lock(&self.script).push_back(fault);
    }

    /// How many faults of the script have not happened yet.
    pub fn pending(&self) -> usize {
        lock(&self.script).len()
    }

    /// How many calls of this kind reached the wrapped handler.
    pub fn reached(&self, call: Call) -> usize {
        lock(&self.reached).iter().filter(|reached| **reached == call).count()
    }

    fn next(&self, call: Call) -> Option<Fault> {
        let mut script = lock(&self.script);
        let index = script.iter().position(|fault| fault.call == call)?;
        script.remove(index)
    }

    async fn play<T>(
        &self,
        call: Call,
        run: impl Future<Output = Result<T, HandlerError>> + Send,
    ) -> Result<T, HandlerError> {
        let fault = self.next(call);
        if let Some(fault) = &fault
            && fault.moment == Moment::Before
        {
            return Err(fault.error.clone());
        }
        lock(&self.reached).push(call);
        let answer = run.await?;
        fault.map_or(Ok(answer), |fault| Err(fault.error))
    }
}

// The guarded lists are valid after any panic, so a poisoned lock is no reason to stop.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[async_trait]
impl ResourceHandler for Faults {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn place(&self, resource: &Map<String, Value>) -> Result<Place, HandlerError> {
        self.inner.place(resource)
    }

    async fn prepare(
        &self,
        access: &Access,
        request: &CreateRequest,
        progress: &dyn Progress,
    ) -> Result<(), HandlerError> {
        self.play(Call::Prepare, self.inner.prepare(access, request, progress)).await
    }

    async fn create(
        &self,
        access: &Access,
        request: &CreateRequest,
        steps: &dyn StepJournal,
    ) -> Result<ProviderId, HandlerError> {
        self.play(Call::Create, self.inner.create(access, request, steps)).await
    }

    async fn create_batch(
        &self,
        access: &Access,
        batch: &CreateBatch,
        requests: &[CreateRequest],
    ) -> Result<Vec<ProviderId>, HandlerError> {
        self.play(Call::Create, self.inner.create_batch(access, batch, requests)).await
    }

    async fn label(
        &self,
        access: &Access,
        id: &ProviderId,
        request: &CreateRequest,
    ) -> Result<(), HandlerError> {
        self.play(Call::Label, self.inner.label(access, id, request)).await
    }

    async fn observe(&self, access: &Access, ids: &[ProviderId]) -> Result<Vec<Observation>, HandlerError> {
        self.play(Call::Observe, self.inner.observe(access, ids)).await
    }

    async fn find(&self, access: &Access, store: &StoreId) -> Result<Vec<Found>, HandlerError> {
        self.play(Call::Find, self.inner.find(access, store)).await
    }

    async fn find_all(&self, access: &Access, store: &StoreId) -> Result<Vec<Listed>, HandlerError> {
        self.play(Call::Find, self.inner.find_all(access, store)).await
    }

    async fn destroy(
        &self,
        access: &Access,
        id: &ProviderId,
        steps: &dyn StepJournal,
    ) -> Result<(), HandlerError> {
        self.play(Call::Destroy, self.inner.destroy(access, id, steps)).await
    }

    async fn console(&self, access: &Access, id: &ProviderId) -> Result<String, HandlerError> {
        self.play(Call::Console, self.inner.console(access, id)).await
    }
}
