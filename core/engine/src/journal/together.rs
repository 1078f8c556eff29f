//! What is written about several attempts at once: those that one call makes together.

use std::collections::BTreeSet;

use jiff::Timestamp;
use occopus_descriptor::secret;
use tokio::sync::MutexGuard;

use super::{Changed, Journal, encode, lock_of};
use crate::error::EngineError;
use crate::event::EventKind;
use crate::handler::{CreateRequest, HandlerError, ProviderId};
use crate::ids::AttemptId;
use crate::record::{Attempt, Mark, Outcome, Phase};
use crate::secret::KeptRequest;
use crate::store::Write;

/// A change of an attempt: what it is in words, what is told about it, and what is changed.
type Change<'a> =
    ((Mark, &'a str, String), Option<(EventKind, String)>, Box<dyn FnOnce(&mut Attempt) + Send>);

impl Journal {
    /// Records the intents to create `new` by one call, durable before it.
    pub async fn open_together(&self, new: Vec<(&Attempt, &CreateRequest)>) -> Result<(), EngineError> {
        let (mut attempts, mut writes, mut events) = (Vec::new(), Vec::new(), Vec::new());
        for (attempt, request) in new {
            let attempt = self.redactor.attempt(attempt.clone());
            let references = secret::of_instance(&attempt.node, &attempt.implementation);
            let kept = KeptRequest::new(request.clone(), &references, &self.redactor);
            writes.push(Write::Put(self.request_key(&attempt.id), encode(&kept)));
            writes.push(self.entry(&attempt, Mark::Intent, "create", attempt.request_digest.clone()));
            let event = self.event(EventKind::NodeCreating, Some(&attempt), attempt.cause.to_string());
            events.push(event.from_to("empty", attempt.word()));
            attempts.push(attempt);
        }
        self.enter(attempts, writes, events).await
    }

    /// The back-end accepted the create call.
    pub async fn created_together(&self, made: Vec<(AttemptId, ProviderId)>) -> Result<(), EngineError> {
        let at = self.clock.wall();
        let (ids, made): (Vec<_>, Vec<_>) = made.into_iter().unzip();
        let mut made = made.into_iter();
        self.change_together(&ids, || {
            let provider_id = made.next();
            let name = provider_id.as_ref().map(ToString::to_string).unwrap_or_default();
            let entry = (Mark::Outcome, "create", format!("created {name}"));
            let edit = move |attempt: &mut Attempt| {
                attempt.phase = Phase::Live;
                attempt.accepted_at = Some(at);
                attempt.provider_id = provider_id;
            };
            (entry, Some((EventKind::NodeStarted, name)), Box::new(edit))
        })
        .await
    }

    /// Extends the deadlines of open creates before their call is made again.
    pub async fn reopen_together(&self, ids: &[AttemptId], deadline: Timestamp) -> Result<(), EngineError> {
        self.change_together(ids, || {
            let edit = move |attempt: &mut Attempt| attempt.phase = Phase::Creating { deadline, error: None };
            ((Mark::Intent, "create", "replay of the same request".to_owned()), None, Box::new(edit))
        })
        .await
    }

    /// The outcome of the create call is unknown, but the call itself has ended; the intents stay open.
    pub async fn unknown_together(&self, ids: &[AttemptId], error: &str) -> Result<(), EngineError> {
        let now = self.clock.wall();
        self.change_together(ids, || {
            let why = Some(error.to_owned());
            let edit = move |attempt: &mut Attempt| {
                attempt.phase = Phase::Creating { deadline: now, error: why };
            };
            ((Mark::Outcome, "create", format!("unknown: {error}")), None, Box::new(edit))
        })
        .await
    }

    /// The create call was refused: it certainly had no effect. That is no failure of any of them if each may be
    /// accepted alone.
    pub async fn refused_together(&self, ids: &[AttemptId], error: &HandlerError) -> Result<(), EngineError> {
        let at = self.clock.wall();
        self.change_together(ids, || {
            let HandlerError { kind, message, .. } = error.clone();
            let event = if kind.may_not_hold_alone() {
                let text = format!("not created together with {} others: {message}", ids.len() - 1);
                (EventKind::Notice, text)
            } else {
                (EventKind::NodeFailed, message.clone())
            };
            let outcome = Outcome::Refused { kind, message: message.clone() };
            let edit = move |attempt: &mut Attempt| attempt.phase = Phase::Closed { outcome, at };
            ((Mark::Outcome, "create", message), Some(event), Box::new(edit))
        })
        .await
    }

    /// Makes a change of each of `ids`, in one batch.
    async fn change_together<'a>(
        &self,
        ids: &[AttemptId],
        mut change: impl FnMut() -> Change<'a>,
    ) -> Result<(), EngineError> {
        let _changing = self.lock_all(ids.iter()).await;
        let (mut attempts, mut all_writes, mut events) = (Vec::new(), Vec::new(), Vec::new());
        for id in ids {
            let (entry, event, edit) = change();
            let Changed { attempt, writes, event } = self.changed(id, Some(entry), event, edit)?;
            attempts.push(attempt);
            all_writes.extend(writes);
            events.extend(event);
        }
        self.commit(all_writes, events).await?;
        self.with(|state| attempts.into_iter().for_each(|attempt| state.put(attempt)));
        Ok(())
    }

    /// Holds changes of `ids` off, as long as the answer lives.
    pub(super) async fn lock_all<'a>(
        &self,
        ids: impl Iterator<Item = &'a AttemptId>,
    ) -> Vec<MutexGuard<'_, ()>> {
        let mut changing = Vec::new();
        // In the order of the locks, so that nobody waits for each other.
        for lock in ids.map(lock_of).collect::<BTreeSet<usize>>() {
            changing.push(self.changing[lock].lock().await);
        }
        changing
    }
}
