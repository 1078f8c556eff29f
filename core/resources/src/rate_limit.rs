//! A decorator that keeps the calls to one place below the rates its back-end tolerates.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use occopus_engine::clock::Clock;
use occopus_engine::handler::{
    Access, Capabilities, CreateRequest, ErrorKind, Found, HandlerError, Listed, Observation, Place,
    Progress, ProviderId, ResourceHandler, StepJournal,
};
use occopus_engine::ids::StoreId;
use serde_json::{Map, Value};

/// A token bucket: `burst` calls at once, then one every `interval`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Calls that may start at the same moment after a quiet time; at least 1.
    pub burst: u32,
    /// Time in which one more call becomes possible.
    pub interval: Duration,
}

/// The rates for one place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimits {
    /// For `observe`, `find` and `console`.
    pub reads: Rate,
    /// For `create` and `destroy`.
    pub changes: Rate,
    /// A call that would have to wait longer is refused as [`ErrorKind::Throttled`] with the time to
    /// wait: a call must not spend its deadline in the queue. Bounds the queue as well.
    pub longest_wait: Duration,
}

impl Default for RateLimits {
    fn default() -> Self {
        Self {
            reads: Rate { burst: 20, interval: Duration::from_millis(50) },
            changes: Rate { burst: 10, interval: Duration::from_millis(100) },
            longest_wait: Duration::from_secs(5),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Read,
    Change,
}

/// Delays calls of the wrapped handler, so that each place gets no more than its rates.
pub struct RateLimit {
    inner: Arc<dyn ResourceHandler>,
    clock: Arc<dyn Clock>,
    limits: RateLimits,
    /// When each bucket is full again, in the clock's monotonic time. One entry per place and kind.
    full_at: Mutex<BTreeMap<(Place, Kind), Duration>>,
}

impl RateLimit {
    /// Wraps `inner`; calls wait on `clock`.
    pub fn new(inner: Arc<dyn ResourceHandler>, clock: Arc<dyn Clock>, limits: RateLimits) -> Self {
        Self { inner, clock, limits, full_at: Mutex::default() }
    }

    /// Takes a token and waits until it is valid. Tokens are handed out in the order of asking; a
    /// caller that gives up while waiting has used its token.
    async fn pass(&self, place: &Place, kind: Kind) -> Result<(), HandlerError> {
        let wait = self.take(place, kind).map_err(|wait| HandlerError {
            kind: ErrorKind::Throttled,
            message: format!("too many calls to {place} at once; the next one may start in {wait:?}"),
            retry_after: Some(wait),
        })?;
        if !wait.is_zero() {
            self.clock.sleep(wait).await;
        }
        Ok(())
    }

    /// The time until the taken token is valid; `Err` with that time, and nothing taken, if too long.
    fn take(&self, place: &Place, kind: Kind) -> Result<Duration, Duration> {
        let rate = match kind {
            Kind::Read => self.limits.reads,
            Kind::Change => self.limits.changes,
        };
        let now = self.clock.monotonic();
        let mut buckets = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        let full_at = buckets.entry((place.clone(), kind)).or_default();
        let next = (*full_at).max(now) + rate.interval;
        let wait = next.saturating_sub(now + rate.interval * rate.burst.max(1));
        if wait > self.limits.longest_wait {
            return Err(wait);
        }
        *full_at = next;
        Ok(wait)
    }
}

#[async_trait]
impl ResourceHandler for RateLimit {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn place(&self, resource: &Map<String, Value>) -> Result<Place, HandlerError> {
        self.inner.place(resource)
    }

    // Preparation is few and long transfers, often from elsewhere: no calls a rate limit counts.
    async fn prepare(
        &self,
        access: &Access,
        request: &CreateRequest,
        progress: &dyn Progress,
    ) -> Result<(), HandlerError> {
        self.inner.prepare(access, request, progress).await
    }

    async fn create(
        &self,
        access: &Access,
        request: &CreateRequest,
        steps: &dyn StepJournal,
    ) -> Result<ProviderId, HandlerError> {
        self.pass(&access.place, Kind::Change).await?;
        self.inner.create(access, request, steps).await
    }

    async fn observe(&self, access: &Access, ids: &[ProviderId]) -> Result<Vec<Observation>, HandlerError> {
        self.pass(&access.place, Kind::Read).await?;
        self.inner.observe(access, ids).await
    }

    async fn find(&self, access: &Access, store: &StoreId) -> Result<Vec<Found>, HandlerError> {
        self.pass(&access.place, Kind::Read).await?;
        self.inner.find(access, store).await
    }

    async fn find_all(&self, access: &Access, store: &StoreId) -> Result<Vec<Listed>, HandlerError> {
        self.pass(&access.place, Kind::Read).await?;
        self.inner.find_all(access, store).await
    }

    async fn destroy(
        &self,
        access: &Access,
        id: &ProviderId,
        steps: &dyn StepJournal,
    ) -> Result<(), HandlerError> {
        self.pass(&access.place, Kind::Change).await?;
        self.inner.destroy(access, id, steps).await
    }

    async fn console(&self, access: &Access, id: &ProviderId) -> Result<String, HandlerError> {
        self.pass(&access.place, Kind::Read).await?;
        self.inner.console(access, id).await
    }
}

#[cfg(test)]
mod tests;
