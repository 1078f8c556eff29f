//! Settling an open create: finding out what became of a call whose outcome is not recorded.

use std::time::Duration;

use jiff::Timestamp;

use super::{Enactor, Trouble};
use crate::clock::timeout;
use crate::handler::{ErrorKind, HandlerError, ProviderId, ResourceHandler, ResourceState};
use crate::ids::AttemptId;
use crate::observe::find;
use crate::record::{Attempt, Outcome, Phase};

/// Replays and listings of one run; what is still open then stays open for the next pass.
const TRIES: usize = 6;
/// Complete, error-free listings that must all miss a resource before it is believed not to exist.
const LISTINGS: usize = 2;
/// Pause between two looks.
const PAUSE: Duration = Duration::from_secs(1);

/// What is known so far about an open create.
struct Evidence {
    /// Monotonic time from which a listing must show the resource, if the call took effect.
    visible_at: Duration,
    /// Listings that counted, and missed it.
    listings: usize,
    /// Why the same request was refused when it was sent again.
    refusal: Option<HandlerError>,
    /// Whether the call of a whole batch was made again, which is done once in a run.
    replayed: bool,
    /// Whether a call for it ended badly, as opposed to never having been made.
    ended_badly: bool,
    /// Why there is no answer yet.
    last_error: Option<String>,
}

/// What sending the same request again came to.
pub(super) enum Replay {
    /// It is clear what became of the attempt.
    Settled(Result<(), Trouble>),
    /// Certainly nothing happened this time; the first call remains open.
    Nothing(HandlerError),
    /// It may have taken effect this time.
    Unclear(HandlerError),
    /// Refused for good. That answers this call only: the first may have been accepted.
    Refused(HandlerError),
}

impl Enactor<'_> {
    /// Settles `id`: found resources are taken over; otherwise the same request is replayed if the
    /// instance is `wanted` and the back-end knows tokens, or the create is believed to have had no
    /// effect after complete listings that start when the effect must have become visible.
    pub(super) async fn settle(&self, id: &AttemptId, wanted: bool) -> Result<(), Trouble> {
        let Some(attempt) = self.journal.attempt(id) else { return Ok(()) };
        let Phase::Creating { deadline, error } = &attempt.phase else {
            // Others of its call may have been settled together with it.
            if !wanted || !attempt.is_live() {
                return Ok(());
            }
            self.label_replayed(&attempt);
            return self.until_ready(id).await;
        };
        let handler = self.engine.handlers.get(&attempt.place.handler)?.clone();
        let mut evidence = Evidence {
            visible_at: self.visible_at(handler.as_ref(), *deadline),
            listings: 0,
            refusal: None,
            replayed: false,
            ended_badly: error.is_some(),
            last_error: None,
        };
        for round in 0..TRIES {
            if round > 0 {
                self.pause(PAUSE).await?;
            }
            let begun = self.engine.clock.monotonic();
            match find(self.engine, &attempt.place).await {
                Ok(found) => {
                    if let Some(found) = found.into_iter().find(|found| found.identity.attempt == *id) {
                        // What does not run yet may lack the rest of the call: the same request, sent
                        // again, completes it. One call for many has no rest.
                        if wanted
                            && attempt.batch.is_none()
                            && found.state != ResourceState::Running
                            && let Some(result) =
                                self.try_again(&attempt, handler.as_ref(), &mut evidence).await?
                        {
                            return result;
                        }
                        return self.settled(&attempt, found.provider_id, wanted).await;
                    }
                }
                Err(error) => {
                    evidence.last_error = Some(error.message);
                    continue;
                }
            }
            if wanted && let Some(result) = self.try_again(&attempt, handler.as_ref(), &mut evidence).await? {
                return result;
            }
            if !handler.capabilities().findable {
                evidence.last_error = Some(format!("{} cannot list its resources by tag", attempt.place));
                break;
            }
            if begun < evidence.visible_at {
                self.pause(evidence.visible_at.saturating_sub(self.engine.clock.monotonic())).await?;
                continue;
            }
            evidence.listings += 1;
            if evidence.listings >= LISTINGS {
                return self.never_appeared(&attempt, wanted, evidence).await;
            }
        }
        let reason = evidence.last_error.unwrap_or_else(|| "no answer can be trusted yet".to_owned());
        Err(Trouble::Failed {
            reason: format!("it is still unknown whether {} was created: {reason}", attempt.slot),
            passing: true,
        })
    }

    /// When the effect of a call that ends before `deadline` must be visible. The call may be under way
    /// still: a process that was stopped does not take back what it sent.
    fn visible_at(&self, handler: &dyn ResourceHandler, deadline: Timestamp) -> Duration {
        let capabilities = handler.capabilities();
        let left = Duration::try_from(deadline.duration_since(self.engine.clock.wall())).unwrap_or_default();
        // A wall clock that was set back must not make this wait forever.
        self.engine.clock.monotonic() + left.min(capabilities.create_deadline) + capabilities.visibility_delay
    }

    /// Replays the request where that can never make a second resource, and takes down what follows.
    /// `None`: nothing is settled by it.
    async fn try_again(
        &self,
        attempt: &Attempt,
        handler: &dyn ResourceHandler,
        evidence: &mut Evidence,
    ) -> Result<Option<Result<(), Trouble>>, Trouble> {
        if !handler.capabilities().idempotent_create || evidence.refusal.is_some() || evidence.replayed {
            return Ok(None);
        }
        evidence.replayed = attempt.batch.is_some();
        let replay = match &attempt.batch {
            Some(batch) => self.replay_together(attempt, batch, handler).await?,
            None => self.replay(attempt, handler).await?,
        };
        let Some(replay) = replay else { return Ok(None) };
        evidence.ended_badly = true;
        match replay {
            Replay::Settled(result) => return Ok(Some(result)),
            Replay::Nothing(error) => evidence.last_error = Some(error.message),
            Replay::Unclear(error) => {
                evidence.last_error = Some(error.message);
                evidence.listings = 0;
                evidence.visible_at = self.visible_at(handler, self.engine.clock.wall());
            }
            Replay::Refused(error) => evidence.refusal = Some(error),
        }
        Ok(None)
    }

    /// Sends the same request again; `None` if it is no longer there.
    async fn replay(
        &self,
        attempt: &Attempt,
        handler: &dyn ResourceHandler,
    ) -> Result<Option<Replay>, Trouble> {
        let id = &attempt.id;
        let capabilities = handler.capabilities();
        let Some(request) = self.journal.request(id).await? else { return Ok(None) };
        let access = self.engine.access(&attempt.place)?;
        let permit = self.turn_at(&attempt.place, &attempt.slot).await?;
        self.journal.reopen_create(id, self.journal.deadline(capabilities.create_deadline)).await?;
        self.journal.lease().outlasts(capabilities.create_deadline).await?;
        let result = self.call_create(handler, &access, &request).await;
        drop(permit);
        let error = match result {
            Ok(provider_id) => {
                return Ok(Some(Replay::Settled(self.settled(attempt, provider_id, true).await)));
            }
            Err(error) => error,
        };
        let refused = matches!(error.kind, ErrorKind::Invalid | ErrorKind::Quota | ErrorKind::NotFound);
        if refused && !capabilities.findable {
            // Only the token can tell here, and it makes the answer valid for the first call as well.
            let outcome = Outcome::Refused { kind: error.kind, message: error.message.clone() };
            self.journal.create_failed(id, outcome).await?;
            return Ok(Some(Replay::Settled(Err(error.into()))));
        }
        self.journal.create_unknown(id, &error.message).await?;
        Ok(Some(match error.kind {
            ErrorKind::UnknownOutcome => Replay::Unclear(error),
            _ if refused => Replay::Refused(error),
            _ => Replay::Nothing(error),
        }))
    }

    async fn settled(&self, attempt: &Attempt, provider_id: ProviderId, wanted: bool) -> Result<(), Trouble> {
        // It is erased with the next write.
        let request = match attempt.batch {
            Some(_) if wanted => self.journal.request(&attempt.id).await?,
            _ => None,
        };
        self.journal.created(&attempt.id, provider_id).await?;
        match request {
            Some(request) => self.labels.add(attempt.clone(), request),
            // Others of its call may have been faster.
            None => self.label_replayed(attempt),
        }
        if wanted { self.until_ready(&attempt.id).await } else { Ok(()) }
    }

    pub(super) async fn adopt(&self, id: &AttemptId, provider_id: &ProviderId) -> Result<(), Trouble> {
        self.journal.adopted(id, provider_id.clone()).await?;
        self.until_ready(id).await
    }

    /// Closes an attempt that left no trace. If no call ended badly, the process that was to make it died:
    /// nothing failed, and the slot is simply empty.
    async fn never_appeared(
        &self,
        attempt: &Attempt,
        wanted: bool,
        evidence: Evidence,
    ) -> Result<(), Trouble> {
        let failed = evidence.ended_badly;
        self.journal.create_failed(&attempt.id, Outcome::NeverAppeared { failed }).await?;
        match evidence {
            _ if !wanted => Ok(()),
            _ if !failed => Err(Trouble::Vacant),
            Evidence { refusal: Some(refusal), .. } => Err(refusal.into()),
            _ => Err(Trouble::Failed {
                reason: format!("{} was not created: {} never showed it", attempt.slot, attempt.place),
                passing: true,
            }),
        }
    }

    /// Waits, but not beyond the end of the run.
    pub(super) async fn pause(&self, duration: Duration) -> Result<(), Trouble> {
        let pause = self.engine.random.jitter(duration);
        timeout(self.engine.clock.as_ref(), pause, self.stop.cancelled())
            .await
            .map_or(Ok(()), |()| Err(Trouble::Interrupted))
    }
}
