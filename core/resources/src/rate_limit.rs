//! A decorator that keeps the calls to one place below the rates its back-end tolerates, which it learns from
//! the answers: a call that was throttled slows the next ones down, calls that succeed make them faster again.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use occopus_engine::batch::CreateBatch;
use occopus_engine::clock::Clock;
use occopus_engine::handler::{
    Access, Capabilities, CreateRequest, ErrorKind, Found, HandlerError, Listed, Observation, Place,
    Progress, ProviderId, ResourceHandler, StepJournal,
};
use occopus_engine::ids::StoreId;
use serde_json::{Map, Value};

use self::pace::Pace;

mod pace;

/// A token bucket: `burst` calls at once, then one every `interval`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Calls that may start at the same moment after a quiet time; at least 1.
    pub burst: u32,
    /// Time in which one more call becomes possible.
    pub interval: Duration,
}

/// The rates for one place that are never exceeded. What a back-end tolerates may be less, and is learned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimits {
    /// For `observe`, `find` and `console`.
    pub reads: Rate,
    /// For `create`, `create_batch` and `destroy`; and, apart from them, for `label`.
    pub changes: Rate,
    /// A call that would have to wait longer is refused as [`ErrorKind::Throttled`] with the time to
    /// wait: a call must not spend its deadline in the queue. Bounds the queue as well.
    pub longest_wait: Duration,
}

impl Default for RateLimits {
    fn default() -> Self {
        Self {
            reads: Rate { burst: 20, interval: Duration::from_millis(50) },
            changes: Rate { burst: 10, interval: Duration::from_millis(2) },
            longest_wait: Duration::from_secs(5),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Read,
    Change,
    /// Nobody waits for them: what they are refused must not slow changes down.
    Label,
}

/// Delays calls of the wrapped handler, so that each place gets no more than its rates, and no more than it
/// tolerates.
pub struct RateLimit {
    inner: Arc<dyn ResourceHandler>,
    clock: Arc<dyn Clock>,
    limits: RateLimits,
    /// One entry per place and kind.
    paces: Mutex<BTreeMap<(Place, Kind), Pace>>,
}

impl RateLimit {
    /// Wraps `inner`; calls wait on `clock`.
    pub fn new(inner: Arc<dyn ResourceHandler>, clock: Arc<dyn Clock>, limits: RateLimits) -> Self {
        Self { inner, clock, limits, paces: Mutex::default() }
    }

    /// Makes a call as soon as it has a token, and learns from its answer. Tokens are handed out in the order
    /// of asking; a caller that gives up while waiting has used its token.
    async fn pass<T>(
        &self,
        place: &Place,
        kind: Kind,
        call: impl Future<Output = Result<T, HandlerError>> + Send,
    ) -> Result<T, HandlerError> {
        let mut asked = self.token(place, kind).await?;
        // A token from before others were throttled is one for a pace that is too fast.
        while self.paced(place, kind, |pace| pace.was_slowed_since(asked)) {
            asked = self.token(place, kind).await?;
        }
        let answer = call.await;
        let now = self.clock.monotonic();
        match &answer {
            Ok(_) => self.paced(place, kind, Pace::succeeded),
            Err(error) if error.kind == ErrorKind::Throttled => {
                tracing::debug!(%place, %error, "calls are made more slowly from now on");
                self.paced(place, kind, |pace| pace.throttled(asked, now));
            }
            Err(_) => {}
        }
        answer
    }

    /// Takes a token and waits until it is valid; returns when it was asked for.
    async fn token(&self, place: &Place, kind: Kind) -> Result<Duration, HandlerError> {
        let now = self.clock.monotonic();
        let wait = self.paced(place, kind, |pace| pace.take(now, self.limits.longest_wait));
        let wait = wait.map_err(|wait| HandlerError {
            kind: ErrorKind::Throttled,
            message: format!("too many calls to {place} at once; the next one may start in {wait:?}"),
            retry_after: Some(wait),
        })?;
        if !wait.is_zero() {
            self.clock.sleep(wait).await;
        }
        Ok(now)
    }

    fn paced<T>(&self, place: &Place, kind: Kind, use_pace: impl FnOnce(&mut Pace) -> T) -> T {
        let rate = match kind {
            Kind::Read => self.limits.reads,
            Kind::Change | Kind::Label => self.limits.changes,
        };
        let mut paces = self.paces.lock().unwrap_or_else(PoisonError::into_inner);
        use_pace(paces.entry((place.clone(), kind)).or_insert_with(|| Pace::new(rate)))
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
        self.pass(&access.place, Kind::Change, self.inner.create(access, request, steps)).await
    }

    async fn create_batch(
        &self,
        access: &Access,
        batch: &CreateBatch,
        requests: &[CreateRequest],
    ) -> Result<Vec<ProviderId>, HandlerError> {
        let call = self.inner.create_batch(access, batch, requests);
        self.pass(&access.place, Kind::Change, call).await
    }

    async fn label(
        &self,
        access: &Access,
        id: &ProviderId,
        request: &CreateRequest,
    ) -> Result<(), HandlerError> {
        self.pass(&access.place, Kind::Label, self.inner.label(access, id, request)).await
    }

    async fn observe(&self, access: &Access, ids: &[ProviderId]) -> Result<Vec<Observation>, HandlerError> {
        self.pass(&access.place, Kind::Read, self.inner.observe(access, ids)).await
    }

    async fn find(&self, access: &Access, store: &StoreId) -> Result<Vec<Found>, HandlerError> {
        self.pass(&access.place, Kind::Read, self.inner.find(access, store)).await
    }

    async fn find_all(&self, access: &Access, store: &StoreId) -> Result<Vec<Listed>, HandlerError> {
        self.pass(&access.place, Kind::Read, self.inner.find_all(access, store)).await
    }

    async fn destroy(
        &self,
        access: &Access,
        id: &ProviderId,
        steps: &dyn StepJournal,
    ) -> Result<(), HandlerError> {
        self.pass(&access.place, Kind::Change, self.inner.destroy(access, id, steps)).await
    }

    async fn console(&self, access: &Access, id: &ProviderId) -> Result<String, HandlerError> {
        self.pass(&access.place, Kind::Read, self.inner.console(access, id)).await
    }
}

#[cfg(test)]
mod tests;
