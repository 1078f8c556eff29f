//! Settling an open create: finding out what became of a call whose outcome is not recorded.

use std::time::Duration;

use super::{Enactor, Trouble};
use crate::clock::timeout;
use crate::handler::{ErrorKind, ProviderId, ResourceHandler};
use crate::ids::AttemptId;
use crate::observe::find;
use crate::record::{Attempt, Outcome};

/// Replays and listings of one run; what is still open then stays open for the next pass.
const TRIES: usize = 6;
/// Complete, error-free listings that must all miss a resource before it is believed not to exist.
const LISTINGS: usize = 2;
/// Pause between two looks.
const PAUSE: Duration = Duration::from_secs(1);

impl Enactor<'_> {
    /// Settles `id`: found resources are taken over; otherwise the same request is replayed if the
    /// instance is `wanted` and the back-end knows tokens, or the create is believed to have had no
    /// effect after complete listings that start when the effect must have become visible.
    pub(super) async fn settle(&self, id: &AttemptId, wanted: bool) -> Result<(), Trouble> {
        let Some(attempt) = self.journal.attempt(id) else { return Ok(()) };
        let handler = self.engine.handlers.get(&attempt.place.handler)?.clone();
        let visible_at = self.engine.clock.monotonic() + handler.capabilities().visibility_delay;
        let mut listings = 0;
        let mut last_error = None;
        for round in 0..TRIES {
            if round > 0 {
                self.pause(PAUSE).await?;
            }
            match find(self.engine, &attempt.place).await {
                Ok(found) => {
                    if let Some(found) = found.into_iter().find(|found| found.identity.attempt == *id) {
                        return self.settled(id, found.provider_id, wanted).await;
                    }
                }
                Err(error) => {
                    last_error = Some(error.message);
                    continue;
                }
            }
            if wanted && let Some(result) = self.replay(&attempt, handler.as_ref(), &mut last_error).await? {
                return result;
            }
            if !handler.capabilities().findable {
                last_error = Some(format!("{} cannot list its resources by tag", attempt.place));
                break;
            }
            let now = self.engine.clock.monotonic();
            if now < visible_at {
                self.pause(visible_at.saturating_sub(now)).await?;
                continue;
            }
            listings += 1;
            if listings >= LISTINGS {
                self.journal.create_failed(id, Outcome::NeverAppeared).await?;
                return never_appeared(&attempt, wanted);
            }
        }
        let reason = last_error.unwrap_or_else(|| "no answer can be trusted yet".to_owned());
        Err(Trouble::Failed {
            reason: format!("it is still unknown whether {} was created: {reason}", attempt.slot),
            passing: true,
        })
    }

    /// Sends the same request again, where that can never make a second resource. `None`: not possible,
    /// or again without a clear answer.
    async fn replay(
        &self,
        attempt: &Attempt,
        handler: &dyn ResourceHandler,
        last_error: &mut Option<String>,
    ) -> Result<Option<Result<(), Trouble>>, Trouble> {
        let capabilities = handler.capabilities();
        if !capabilities.idempotent_create {
            return Ok(None);
        }
        let Some(request) = self.journal.request(&attempt.id).await? else { return Ok(None) };
        let access = self.access(&attempt.place)?;
        let permit = self.turn_at(&attempt.place).await?;
        self.journal.lease().outlasts(capabilities.create_deadline).await?;
        let deadline = self.journal.deadline(capabilities.create_deadline);
        self.journal.reopen_create(&attempt.id, deadline).await?;
        let result = self.call_create(handler, &access, &request).await;
        drop(permit);
        match result {
            Ok(provider_id) => Ok(Some(self.settled(&attempt.id, provider_id, true).await)),
            Err(error) if error.kind.is_passing() => {
                self.journal.create_unknown(&attempt.id, &error.message).await?;
                *last_error = Some(error.message);
                Ok(None)
            }
            // The token makes the answer valid for the first call as well: it had no effect.
            Err(error) => {
                let outcome = Outcome::Refused { kind: error.kind, message: error.message.clone() };
                self.journal.create_failed(&attempt.id, outcome).await?;
                Ok(Some(Err(error.into())))
            }
        }
    }

    async fn settled(&self, id: &AttemptId, provider_id: ProviderId, wanted: bool) -> Result<(), Trouble> {
        self.journal.created(id, provider_id).await?;
        if wanted { self.until_ready(id).await } else { Ok(()) }
    }

    pub(super) async fn adopt(&self, id: &AttemptId, provider_id: &ProviderId) -> Result<(), Trouble> {
        self.journal.adopted(id, provider_id.clone()).await?;
        self.until_ready(id).await
    }

    /// Waits, but not beyond the end of the run.
    pub(super) async fn pause(&self, duration: Duration) -> Result<(), Trouble> {
        let pause = self.engine.random.jitter(duration);
        timeout(self.engine.clock.as_ref(), pause, self.stop.cancelled())
            .await
            .map_or(Ok(()), |()| Err(Trouble::Interrupted))
    }
}

fn never_appeared(attempt: &Attempt, wanted: bool) -> Result<(), Trouble> {
    if !wanted {
        return Ok(());
    }
    Err(Trouble::Failed {
        reason: format!("{} was not created: {} never showed it", attempt.slot, attempt.place),
        passing: ErrorKind::UnknownOutcome.is_passing(),
    })
}
