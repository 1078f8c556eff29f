//! A decorator that repeats calls which failed in passing, where repeating is certain to be harmless.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use occopus_engine::batch::CreateBatch;
use occopus_engine::clock::{Clock, Random};
use occopus_engine::handler::{
    Access, Capabilities, CreateRequest, ErrorKind, Found, HandlerError, Listed, Observation, Place,
    Progress, ProviderId, ResourceHandler, StepJournal,
};
use occopus_engine::ids::StoreId;
use serde_json::{Map, Value};

/// How often and how long to repeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Calls at most, the first one included; 1 never repeats.
    pub tries: u32,
    /// Pause after the first failure; doubles with each further one. Jitter comes on top.
    pub first_pause: Duration,
    /// No pause of our own is longer; what the back-end asks for may be.
    pub longest_pause: Duration,
    /// No repetition starts later than this after the first call started.
    pub total: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            tries: 4,
            first_pause: Duration::from_millis(500),
            longest_pause: Duration::from_secs(8),
            total: Duration::from_secs(20),
        }
    }
}

impl RetryPolicy {
    /// The pause after failure number `failures` (from 1), without jitter.
    fn pause(&self, failures: u32) -> Duration {
        let doublings = failures.saturating_sub(1).min(20);
        self.first_pause.saturating_mul(1 << doublings).min(self.longest_pause)
    }
}

/// Repeats calls of the wrapped handler that failed in passing.
///
/// Reads are repeated after [`ErrorKind::Throttled`], [`ErrorKind::Transient`] and
/// [`ErrorKind::UnknownOutcome`]: looking twice harms nothing. Changes are repeated only after the
/// first two, which promise that nothing happened; settling an unknown outcome is the engine's.
pub struct Retry {
    inner: Arc<dyn ResourceHandler>,
    clock: Arc<dyn Clock>,
    random: Random,
    policy: RetryPolicy,
}

impl Retry {
    /// Wraps `inner`; pauses pass on `clock`, their jitter comes from `random`.
    pub fn new(
        inner: Arc<dyn ResourceHandler>,
        clock: Arc<dyn Clock>,
        random: Random,
        policy: RetryPolicy,
    ) -> Self {
        Self { inner, clock, random, policy }
    }

    async fn repeat<T, F>(
        &self,
        harmless: fn(ErrorKind) -> bool,
        limit: Duration,
        mut call: impl FnMut() -> F + Send,
    ) -> Result<T, HandlerError>
    where
        F: Future<Output = Result<T, HandlerError>> + Send,
        T: Send,
    {
        let started = self.clock.monotonic();
        // A pause must leave the caller's own deadline room for one more answer.
        let total = self.policy.total.min(limit / 2);
        let mut failures = 0;
        loop {
            let error = match call().await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            failures += 1;
            if !harmless(error.kind) || failures >= self.policy.tries {
                return Err(error);
            }
            // Never earlier than the back-end asks for: jitter only lengthens.
            let wish = error.retry_after.unwrap_or_default();
            let pause = self.random.jitter(self.policy.pause(failures).max(wish));
            if self.clock.monotonic() - started + pause > total {
                return Err(error);
            }
            tracing::debug!(handler = self.inner.name(), failures, ?pause, %error, "call repeated");
            self.clock.sleep(pause).await;
        }
    }

    async fn repeat_change<T, F>(
        &self,
        limit: Duration,
        call: impl FnMut() -> F + Send,
    ) -> Result<T, HandlerError>
    where
        F: Future<Output = Result<T, HandlerError>> + Send,
        T: Send,
    {
        let nothing_happened = |kind| matches!(kind, ErrorKind::Throttled | ErrorKind::Transient);
        self.repeat(nothing_happened, limit, call).await
    }

    async fn repeat_read<T, F>(&self, call: impl FnMut() -> F + Send) -> Result<T, HandlerError>
    where
        F: Future<Output = Result<T, HandlerError>> + Send,
        T: Send,
    {
        self.repeat(ErrorKind::is_passing, self.inner.capabilities().read_deadline, call).await
    }
}

#[async_trait]
impl ResourceHandler for Retry {
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
        let limit = self.inner.capabilities().prepare_deadline;
        // Preparing makes no resource and may be repeated at any time, as a read.
        self.repeat(ErrorKind::is_passing, limit, || self.inner.prepare(access, request, progress)).await
    }

    async fn create(
        &self,
        access: &Access,
        request: &CreateRequest,
        steps: &dyn StepJournal,
    ) -> Result<ProviderId, HandlerError> {
        let limit = self.inner.capabilities().create_deadline;
        self.repeat_change(limit, || self.inner.create(access, request, steps)).await
    }

    async fn create_batch(
        &self,
        access: &Access,
        batch: &CreateBatch,
        requests: &[CreateRequest],
    ) -> Result<Vec<ProviderId>, HandlerError> {
        let limit = self.inner.capabilities().create_deadline;
        self.repeat_change(limit, || self.inner.create_batch(access, batch, requests)).await
    }

    async fn label(
        &self,
        access: &Access,
        id: &ProviderId,
        request: &CreateRequest,
    ) -> Result<(), HandlerError> {
        let limit = self.inner.capabilities().destroy_deadline;
        self.repeat(ErrorKind::is_passing, limit, || self.inner.label(access, id, request)).await
    }

    async fn observe(&self, access: &Access, ids: &[ProviderId]) -> Result<Vec<Observation>, HandlerError> {
        self.repeat_read(|| self.inner.observe(access, ids)).await
    }

    async fn find(&self, access: &Access, store: &StoreId) -> Result<Vec<Found>, HandlerError> {
        self.repeat_read(|| self.inner.find(access, store)).await
    }

    async fn find_all(&self, access: &Access, store: &StoreId) -> Result<Vec<Listed>, HandlerError> {
        self.repeat_read(|| self.inner.find_all(access, store)).await
    }

    async fn destroy(
        &self,
        access: &Access,
        id: &ProviderId,
        steps: &dyn StepJournal,
    ) -> Result<(), HandlerError> {
        let limit = self.inner.capabilities().destroy_deadline;
        self.repeat_change(limit, || self.inner.destroy(access, id, steps)).await
    }

    async fn console(&self, access: &Access, id: &ProviderId) -> Result<String, HandlerError> {
        self.repeat_read(|| self.inner.console(access, id)).await
    }
}

#[cfg(test)]
mod tests;
