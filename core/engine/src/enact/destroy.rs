//! Destroying an instance: record the intent, call, wait for the back-end's confirmation.

use super::{Enactor, JournalSteps, Trouble};
use crate::clock::timeout;
use crate::handler::{Access, ErrorKind, Found, HandlerError, ProviderId, ResourceHandler, ResourceState};
use crate::ids::AttemptId;
use crate::record::{Attempt, Cause};

impl Enactor<'_> {
    pub(super) async fn destroy(
        &self,
        id: &AttemptId,
        cause: &Cause,
        failed: bool,
        late: Option<&Found>,
    ) -> Result<(), Trouble> {
        if let Some(found) = late {
            self.journal.adopted(id, found.provider_id.clone()).await?;
        }
        let Some(attempt) = self.journal.attempt(id) else { return Ok(()) };
        let Some(provider_id) = attempt.provider_id.clone() else { return Ok(()) };
        let handler = self.engine.handlers.get(&attempt.place.handler)?.clone();
        let permit = self.turn_at(&attempt.place).await?;
        self.journal.lease().outlasts(handler.capabilities().destroy_deadline).await?;
        self.journal.open_destroy(id, cause, failed).await?;
        let result = self.try_destroy(handler.as_ref(), &attempt, &provider_id).await;
        drop(permit);
        match result {
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
        id: &ProviderId,
    ) -> Result<(), Trouble> {
        let access = self.access(&attempt.place)?;
        let (tries, pause) = self.engine.policy.destroy_tries;
        let mut last = HandlerError::new(ErrorKind::Transient, "the back-end did not confirm it");
        for round in 0..tries.max(1) {
            if round > 0 {
                self.pause(pause).await?;
                self.journal.lease().outlasts(handler.capabilities().destroy_deadline).await?;
            }
            match self.call_destroy(handler, &access, attempt, id).await {
                Ok(()) => match self.is_gone(handler, &access, id).await? {
                    Ok(()) => return Ok(()),
                    Err(error) => last = error,
                },
                Err(error) if error.kind == ErrorKind::NotFound => return Ok(()),
                Err(error) if error.kind.is_passing() => last = error,
                Err(error) => return Err(error.into()),
            }
        }
        Err(last.into())
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
        timeout(self.engine.clock.as_ref(), limit, handler.destroy(access, id, &steps)).await.unwrap_or_else(
            |late| {
                let message = format!("{}: {late} to the destroy call", access.place);
                Err(HandlerError::new(ErrorKind::UnknownOutcome, message))
            },
        )
    }

    /// Polls until the resource is gone; the inner error says what it is instead.
    async fn is_gone(
        &self,
        handler: &dyn ResourceHandler,
        access: &Access,
        id: &ProviderId,
    ) -> Result<Result<(), HandlerError>, Trouble> {
        let (first, longest) = self.engine.policy.poll;
        let end = self.engine.clock.monotonic() + handler.capabilities().destroy_deadline;
        let limit = handler.capabilities().read_deadline;
        let mut pause = first;
        loop {
            let ids = [id.clone()];
            let answer = timeout(self.engine.clock.as_ref(), limit, handler.observe(access, &ids)).await;
            let state = match answer {
                Ok(Ok(seen)) => match seen.first() {
                    Some(seen) if seen.state == ResourceState::Gone => return Ok(Ok(())),
                    Some(seen) => format!("it is still there ({})", seen.detail),
                    None => "the back-end gave no answer about it".to_owned(),
                },
                Ok(Err(error)) => error.message,
                Err(late) => late.to_string(),
            };
            if self.engine.clock.monotonic() >= end {
                return Ok(Err(HandlerError::new(ErrorKind::Transient, state)));
            }
            self.pause(pause).await?;
            pause = (pause * 2).min(longest);
        }
    }
}
