//! Waiting until instances are ready: one watcher observes all that are waited for, in batches.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use tokio::sync::{Notify, oneshot};

use super::{Enactor, Trouble};
use crate::error::EngineError;
use crate::ids::AttemptId;
use crate::judge::{InstanceState, Verdict, judge};
use crate::observe::observe;
use crate::record::Attempt;
use crate::remember::remember;

/// How a wait ended: ready, or why it never will be.
type Ending = Result<(), String>;

/// Who waits for whom.
#[derive(Default)]
pub(super) struct Readiness {
    waiting: Mutex<BTreeMap<AttemptId, Vec<oneshot::Sender<Ending>>>>,
    arrived: Notify,
}

impl Readiness {
    fn with<T>(
        &self,
        use_waiting: impl FnOnce(&mut BTreeMap<AttemptId, Vec<oneshot::Sender<Ending>>>) -> T,
    ) -> T {
        use_waiting(&mut self.waiting.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn end(&self, id: &AttemptId, ending: &Ending) {
        for sender in self.with(|waiting| waiting.remove(id)).into_iter().flatten() {
            // A waiter that was interrupted has gone away, and needs no answer.
            drop(sender.send(ending.clone()));
        }
    }
}

impl Enactor<'_> {
    /// Waits until the instance is ready. Fails when it dies or fails its checks for too long.
    pub(super) async fn until_ready(&self, id: &AttemptId) -> Result<(), Trouble> {
        let (sender, receiver) = oneshot::channel();
        self.readiness.with(|waiting| waiting.entry(id.clone()).or_default().push(sender));
        self.readiness.arrived.notify_one();
        tokio::select! {
            biased;
            () = self.stop.cancelled() => Err(Trouble::Interrupted),
            ending = receiver => match ending {
                Ok(Ok(())) => Ok(()),
                Ok(Err(reason)) => Err(Trouble::Failed { reason, passing: true }),
                Err(_) => Err(Trouble::Interrupted),
            },
        }
    }

    /// Observes all that are waited for until the run ends; returns only on an error of the engine.
    pub(super) async fn watch_readiness(&self) -> EngineError {
        let (first, longest) = self.engine.policy.poll;
        let mut pause = first;
        loop {
            let waited: Vec<Attempt> = self
                .readiness
                .with(|waiting| waiting.keys().filter_map(|id| self.journal.attempt(id)).collect());
            if waited.is_empty() {
                pause = first;
                self.readiness.arrived.notified().await;
                continue;
            }
            match self.look_at(&waited).await {
                Ok(true) => pause = first,
                Ok(false) => pause = (pause * 3 / 2).min(longest),
                Err(error) => return error,
            }
            tokio::select! {
                biased;
                () = self.readiness.arrived.notified() => pause = first,
                () = self.engine.clock.sleep(self.engine.random.jitter(pause)) => {}
            }
        }
    }

    /// One look; tells whether any wait ended.
    async fn look_at(&self, waited: &[Attempt]) -> Result<bool, EngineError> {
        let infra = (self.journal.infra(), self.record.name.as_str());
        let seen = observe(self.engine, infra, waited).await;
        let now = self.engine.clock.wall();
        let mut any = false;
        for attempt in waited {
            let Some(seen) = seen.get(&attempt.id) else { continue };
            let verdict = judge(attempt, seen, now, self.engine.policy.observation_gap);
            remember(self.journal, attempt, &verdict, now).await?;
            if let Some(ending) = ending(attempt, &verdict) {
                self.readiness.end(&attempt.id, &ending);
                any = true;
            }
        }
        Ok(any)
    }
}

fn ending(attempt: &Attempt, verdict: &Verdict) -> Option<Ending> {
    match verdict.state {
        InstanceState::Ready => Some(Ok(())),
        InstanceState::Dead | InstanceState::Gone | InstanceState::Unresponsive => {
            Some(Err(format!("{} {}", attempt.slot, verdict.reason)))
        }
        InstanceState::Pending | InstanceState::Unhealthy | InstanceState::Unknown => None,
    }
}
