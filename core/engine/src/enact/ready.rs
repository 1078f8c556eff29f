//! Waiting until instances are ready or gone: one watcher observes all that are waited for, in batches.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures::StreamExt;
use tokio::sync::{Notify, oneshot};

use super::{Enactor, Trouble};
use crate::error::EngineError;
use crate::event::EventKind;
use crate::handler::ResourceState;
use crate::ids::AttemptId;
use crate::judge::{InstanceState, Verdict, judge};
use crate::observe::{observing, states};
use crate::record::Attempt;
use crate::remember::remember;

/// How a wait ended: as wished, or why it never will.
type Ending = Result<Reached, String>;

/// What a wait reached.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Reached {
    /// It is ready.
    Ready,
    /// It is gone for good.
    Gone,
    /// It is not listed.
    Missing,
}

/// What is waited for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Until {
    Ready,
    Gone,
}

struct Waiter {
    until: Until,
    sender: oneshot::Sender<Ending>,
    /// What was seen last, in words.
    heard: String,
}

/// Who is waited for; an attempt is the business of one action at a time.
#[derive(Default)]
pub(super) struct Readiness {
    waiting: Mutex<BTreeMap<AttemptId, Waiter>>,
    arrived: Notify,
}

impl Readiness {
    fn with<T>(&self, use_waiting: impl FnOnce(&mut BTreeMap<AttemptId, Waiter>) -> T) -> T {
        use_waiting(&mut self.waiting.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn register(&self, id: &AttemptId, until: Until) -> oneshot::Receiver<Ending> {
        let (sender, receiver) = oneshot::channel();
        let waiter = Waiter { until, sender, heard: "the back-end gave no answer about it".to_owned() };
        self.with(|waiting| waiting.insert(id.clone(), waiter));
        self.arrived.notify_one();
        receiver
    }

    fn end(&self, id: &AttemptId, ending: Ending) {
        if let Some(waiter) = self.with(|waiting| waiting.remove(id)) {
            // A waiter that was interrupted has gone away, and needs no answer.
            drop(waiter.sender.send(ending));
        }
    }

    fn hear(&self, id: &AttemptId, words: &str) {
        self.with(|waiting| {
            if let Some(waiter) = waiting.get_mut(id) {
                words.clone_into(&mut waiter.heard);
            }
        });
    }

    /// Stops waiting for `id`, and tells what was seen last.
    fn give_up(&self, id: &AttemptId) -> String {
        self.with(|waiting| waiting.remove(id)).map(|waiter| waiter.heard).unwrap_or_default()
    }
}

impl Enactor<'_> {
    /// Waits until the instance is ready. Fails when it dies, fails its checks for too long, or is not
    /// ready within the limit for one run; in the last case the next pass goes on waiting.
    pub(super) async fn until_ready(&self, id: &AttemptId) -> Result<(), Trouble> {
        let limit = self.engine.policy.start_limit;
        match self.wait(id, Until::Ready, limit).await? {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(reason)) => Err(Trouble::Lost { reason }),
            Err(heard) => {
                let slot =
                    self.journal.attempt(id).map(|attempt| attempt.slot.to_string()).unwrap_or_default();
                let reason = format!(
                    "{slot} is not ready after {:.0} s ({heard}); it is left as it is, the next pass looks again",
                    limit.as_secs_f64()
                );
                Err(Trouble::Failed { reason, passing: true })
            }
        }
    }

    /// Waits until the resource is gone or not listed; the inner error says what it is instead.
    pub(super) async fn until_gone(&self, id: &AttemptId, limit: Duration) -> Result<Ending, Trouble> {
        Ok(match self.wait(id, Until::Gone, limit).await? {
            Ok(ending) => ending,
            Err(heard) => Err(heard),
        })
    }

    /// Waits for at most `limit`; the inner error is what was seen last.
    async fn wait(
        &self,
        id: &AttemptId,
        until: Until,
        limit: Duration,
    ) -> Result<Result<Ending, String>, Trouble> {
        let receiver = self.readiness.register(id, until);
        tokio::select! {
            biased;
            () = self.stop.cancelled() => Err(Trouble::Interrupted),
            ending = receiver => ending.map(Ok).map_err(|_| Trouble::Interrupted),
            () = self.engine.clock.sleep(limit) => Ok(Err(self.readiness.give_up(id))),
        }
    }

    /// Observes all that are waited for until the run ends; returns only on an error of the engine.
    pub(super) async fn watch_readiness(&self) -> EngineError {
        let (first, longest) = self.engine.policy.poll;
        let mut pause = first;
        loop {
            let (starting, leaving) = (self.waited(Until::Ready), self.waited(Until::Gone));
            if starting.is_empty() && leaving.is_empty() {
                pause = first;
                self.readiness.arrived.notified().await;
                continue;
            }
            match tokio::join!(self.look_at(&starting), self.look_after(&leaving)) {
                (Ok(ready), gone) if ready || gone => pause = first,
                (Ok(_), _) => pause = (pause * 3 / 2).min(longest),
                (Err(error), _) => return error,
            }
            tokio::select! {
                biased;
                () = self.readiness.arrived.notified() => pause = first,
                () = self.engine.clock.sleep(self.engine.random.jitter(pause)) => {}
            }
        }
    }

    fn waited(&self, until: Until) -> Vec<Attempt> {
        self.readiness.with(|waiting| {
            let ids = waiting.iter().filter(|(_, waiter)| waiter.until == until).map(|(id, _)| id);
            ids.filter_map(|id| self.journal.attempt(id)).collect()
        })
    }

    /// One look at what is to become ready; tells whether any wait ended.
    async fn look_at(&self, waited: &[Attempt]) -> Result<bool, EngineError> {
        let infra = (self.journal.infra(), self.record.name.as_str());
        let mut all = pin!(observing(self.engine, infra, waited));
        let mut any = false;
        while let Some((attempt, seen)) = all.next().await {
            let now = self.engine.clock.wall();
            let verdict = judge(&attempt, &seen, now, &self.engine.policy);
            remember(self.journal, &attempt, &verdict, now).await?;
            self.readiness.hear(&attempt.id, &verdict.reason);
            if let Some(ending) = ending(&attempt, &verdict) {
                if ending.is_err() {
                    let event =
                        self.journal.event(EventKind::NodeFailed, Some(&attempt), verdict.reason.clone());
                    self.journal.commit(Vec::new(), vec![event]).await?;
                }
                self.readiness.end(&attempt.id, ending);
                any = true;
            }
        }
        Ok(any)
    }

    /// One look at what is to go; tells whether any wait ended.
    async fn look_after(&self, leaving: &[Attempt]) -> bool {
        let mut any = false;
        for (attempt, seen) in states(self.engine, leaving).await {
            match seen.resource {
                Ok(seen) if seen.state == ResourceState::Gone => {
                    self.readiness.end(&attempt.id, Ok(Reached::Gone));
                    any = true;
                }
                Ok(seen) if seen.state == ResourceState::Missing => {
                    self.readiness.end(&attempt.id, Ok(Reached::Missing));
                    any = true;
                }
                Ok(seen) => self.readiness.hear(&attempt.id, &format!("it is still there ({})", seen.detail)),
                Err(reason) => self.readiness.hear(&attempt.id, &reason),
            }
        }
        any
    }
}

fn ending(attempt: &Attempt, verdict: &Verdict) -> Option<Ending> {
    match verdict.state {
        InstanceState::Ready => Some(Ok(Reached::Ready)),
        InstanceState::Dead | InstanceState::Gone | InstanceState::Unresponsive => {
            Some(Err(format!("{} {}", attempt.slot, verdict.reason)))
        }
        InstanceState::Pending | InstanceState::Unhealthy | InstanceState::Unknown => None,
    }
}
