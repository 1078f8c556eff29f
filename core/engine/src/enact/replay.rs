//! Making the call of a whole batch again: once in a run, and only while every one of it is open and wanted.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OnceCell;

use super::settle::Replay;
use super::{Enactor, Trouble};
use crate::batch::CreateBatch;
use crate::handler::{CreateRequest, ErrorKind, HandlerError, ProviderId, ResourceHandler};
use crate::ids::AttemptId;
use crate::plan::{Plan, What};
use crate::record::{Attempt, Phase};

/// The calls that were made again in a run.
pub(super) struct Replays {
    /// The open attempts of which the plan wants an instance.
    wanted: BTreeSet<AttemptId>,
    /// By the token of the call.
    made: Mutex<BTreeMap<String, Arc<OnceCell<Replayed>>>>,
}

/// What making the call again came to, for all of the batch.
enum Replayed {
    /// It must not be made again.
    Impossible,
    /// All were made; what was open is recorded.
    Made(Vec<CreateRequest>),
    /// Certainly nothing happened this time.
    Nothing(HandlerError),
    /// It may have taken effect this time.
    Unclear(HandlerError),
    /// Refused for good, this time.
    Refused(HandlerError),
}

impl Replays {
    /// For a run that carries `plan` out.
    pub(super) fn of(plan: &Plan) -> Self {
        let wanted = plan.actions.iter().filter_map(|action| match &action.what {
            What::Settle { attempt, wanted: true } => Some(attempt.clone()),
            _ => None,
        });
        Self { wanted: wanted.collect(), made: Mutex::default() }
    }

    fn of_call(&self, token: String) -> Arc<OnceCell<Replayed>> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner).entry(token).or_default().clone()
    }
}

impl Enactor<'_> {
    /// Sends the call of `batch` again if nobody else has in this run, and tells what that means for `attempt`;
    /// `None` if it must not be sent again.
    pub(super) async fn replay_together(
        &self,
        attempt: &Attempt,
        batch: &CreateBatch,
        handler: &dyn ResourceHandler,
    ) -> Result<Option<Replay>, Trouble> {
        let cell = self.replays.of_call(batch.call_token());
        Ok(match cell.get_or_try_init(|| self.send_again(attempt, batch, handler)).await? {
            Replayed::Impossible => None,
            Replayed::Made(_) => {
                self.label_replayed(attempt);
                Some(Replay::Settled(self.until_ready(&attempt.id).await))
            }
            Replayed::Nothing(error) => Some(Replay::Nothing(error.clone())),
            Replayed::Unclear(error) => Some(Replay::Unclear(error.clone())),
            Replayed::Refused(error) => Some(Replay::Refused(error.clone())),
        })
    }

    /// Has `attempt` labelled if the call that made it was made again in this run.
    pub(super) fn label_replayed(&self, attempt: &Attempt) {
        let Some(batch) = &attempt.batch else { return };
        let cell = self.replays.of_call(batch.call_token());
        let Some(Replayed::Made(requests)) = cell.get() else { return };
        let own = requests.iter().find(|request| request.identity.attempt == attempt.id);
        if let Some(request) = own {
            self.labels.add(attempt.clone(), request.clone());
        }
    }

    async fn send_again(
        &self,
        attempt: &Attempt,
        batch: &CreateBatch,
        handler: &dyn ResourceHandler,
    ) -> Result<Replayed, Trouble> {
        let ids: Vec<AttemptId> = batch.attempts().collect();
        let limit = handler.capabilities().create_deadline;
        let mut requests = Vec::new();
        for id in &ids {
            requests.extend(self.journal.request(id).await?);
        }
        let access = self.engine.access(&attempt.place)?;
        let turn = self.turn_at(&attempt.place, &attempt.slot).await?;
        // One that is settled, or not wanted any more, must not be made by the effect of this call.
        let wanted = |id: &AttemptId| self.gathering.made(batch) || self.replays.wanted.contains(id);
        if requests.len() < ids.len() || !ids.iter().all(|id| self.is_open(id) && wanted(id)) {
            return Ok(Replayed::Impossible);
        }
        self.journal.reopen_together(&ids, self.journal.deadline(limit)).await?;
        self.journal.lease().outlasts(limit).await?;
        let result = self.call_together(handler, &access, batch, &requests).await;
        drop(turn);
        // A listing may have settled some of them meanwhile.
        let made = result.as_ref().map_or(&[][..], Vec::as_slice);
        let (open, made) = self.still_open(&ids, made);
        let Err(error) = result else {
            self.journal.created_together(open.into_iter().zip(made).collect()).await?;
            return Ok(Replayed::Made(requests));
        };
        self.journal.unknown_together(&open, &error.message).await?;
        Ok(match error.kind {
            ErrorKind::UnknownOutcome => Replayed::Unclear(error),
            ErrorKind::Invalid | ErrorKind::Quota | ErrorKind::NotFound => Replayed::Refused(error),
            _ => Replayed::Nothing(error),
        })
    }

    fn is_open(&self, id: &AttemptId) -> bool {
        self.journal.attempt(id).is_some_and(|attempt| matches!(attempt.phase, Phase::Creating { .. }))
    }

    /// Those of `ids` that are open, with what was made of them.
    fn still_open(&self, ids: &[AttemptId], made: &[ProviderId]) -> (Vec<AttemptId>, Vec<ProviderId>) {
        let open: Vec<usize> = (0..ids.len()).filter(|index| self.is_open(&ids[*index])).collect();
        let ids = open.iter().map(|index| ids[*index].clone()).collect();
        (ids, open.iter().filter_map(|index| made.get(*index).cloned()).collect())
    }
}
