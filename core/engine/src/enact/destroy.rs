//! Destroying an instance: record the intent, call, wait for the back-end's confirmation.

use std::time::Duration;

use super::ready::Reached;
use super::{Enactor, JournalSteps, Trouble};
use crate::clock::timeout;
use crate::handler::{Access, ErrorKind, Found, HandlerError, ProviderId, ResourceHandler};
use crate::ids::AttemptId;
use crate::record::{Attempt, Cause};

/// Why an instance is destroyed.
struct Reason<'a> {
    cause: &'a Cause,
    failed: bool,
    /// How many others must be ready before it starts.
    others: Option<usize>,
}

impl Enactor<'_> {
    pub(super) async fn destroy(
        &self,
        id: &AttemptId,
        (cause, failed, others): (&Cause, bool, Option<usize>),
        late: Option<&Found>,
    ) -> Result<(), Trouble> {
        let Some(attempt) = self.journal.attempt(id) else { return Ok(()) };
        let provider_id = late.map(|found| &found.provider_id).or(attempt.provider_id.as_ref());
        let Some(provider_id) = provider_id else { return Ok(()) };
        let handler = self.engine.handlers.get(&attempt.place.handler)?.clone();
        let reason = Reason { cause, failed, others };
        match self.try_destroy(handler.as_ref(), &attempt, provider_id, &reason).await {
            Ok(()) => Ok(self.journal.destroyed(id).await?),
            Err(Trouble::Failed { reason, passing }) => {
                self.journal.destroy_failed(id, &reason).await?;
                Err(Trouble::Failed { reason: format!("{} still exists: {reason}", attempt.slot), passing })
            }
            Err(other) => Err(other),
        }
    }

    /// Calls until the back-end says that the resource is gone, a few times at most.
    async fn try_destroy(
        &self,
        handler: &dyn ResourceHandler,
        attempt: &Attempt,
        provider_id: &ProviderId,
        reason: &Reason<'_>,
    ) -> Result<(), Trouble> {
        let access = self.engine.access(&attempt.place)?;
        let limit = handler.capabilities().destroy_deadline;
        let (tries, pause) = self.engine.policy.destroy_tries;
        let mut last = HandlerError::new(ErrorKind::Transient, "the back-end did not confirm it");
        let begun = self.engine.clock.monotonic();
        for round in 0..tries.max(1) {
            if round > 0 {
                self.pause(pause).await?;
            }
            let permit = self.turn_at(&attempt.place, &attempt.slot).await?;
            if round == 0 {
                if let Some(others) = reason.others {
                    self.require_others(attempt, others).await?;
                }
                self.journal.open_destroy(&attempt.id, provider_id, reason.cause, reason.failed).await?;
            }
            self.journal.lease().outlasts(limit).await?;
            let result = self.call_destroy(handler, &access, attempt, provider_id).await;
            // Waiting for the confirmation is no call under way: others may have their turn.
            drop(permit);
            match result {
                Err(error) if error.kind == ErrorKind::NotFound => {}
                Err(error) if error.kind.is_passing() => {
                    last = error;
                    continue;
                }
                Err(error) => return Err(error.into()),
                Ok(()) => {}
            }
            match self.until_gone(&attempt.id, self.engine.policy.confirm_limit).await? {
                Err(heard) => last = HandlerError::new(ErrorKind::Transient, heard),
                Ok(Reached::Gone) => return Ok(()),
                // What is too young to be listed looks as if it were gone.
                Ok(_) => match self.still_hidden(handler, attempt, begun) {
                    None => return Ok(()),
                    Some(left) => self.pause(left).await?,
                },
            }
        }
        Err(last.into())
    }

    /// How much longer the back-end may not know the resource yet; `None` if it must by now. For what was
    /// never seen ready, only the time counts that this run has waited: the wall clock may have jumped since
    /// it was accepted, and whoever believes too early that it is gone leaves it behind.
    fn still_hidden(
        &self,
        handler: &dyn ResourceHandler,
        attempt: &Attempt,
        begun: Duration,
    ) -> Option<Duration> {
        let age = self.engine.clock.wall().duration_since(attempt.accepted_at?).unsigned_abs();
        let waited = self.engine.clock.monotonic().saturating_sub(begun);
        let delay = handler.capabilities().visibility_delay;
        let known = if attempt.ready_at.is_some() { age.max(waited) } else { waited };
        delay.checked_sub(known).filter(|left| !left.is_zero())
    }

    async fn call_destroy(
        &self,
        handler: &dyn ResourceHandler,
        access: &Access,
        attempt: &Attempt,
        id: &ProviderId,
    ) -> Result<(), HandlerError> {
        let limit = handler.capabilities().destroy_deadline;
        let steps = JournalSteps { journal: self.journal, attempt: &attempt.id, action: "destroy" };
        let call = timeout(self.engine.clock.as_ref(), limit, handler.destroy(access, id, &steps));
        self.timed_call(std::slice::from_ref(&attempt.id), &access.place, call).await.unwrap_or_else(|late| {
            let message = format!("{}: {late} to the destroy call", access.place);
            Err(HandlerError::new(ErrorKind::UnknownOutcome, message))
        })
    }
}
