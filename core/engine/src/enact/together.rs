//! Creating several instances by one call: all intents in one batch, the call, all outcomes in one batch.

use super::gate::Turn;
use super::gather::{Arrival, Company, Leave, Next, Prepared, Seat};
use super::{Enactor, Trouble};
use crate::batch::CreateBatch;
use crate::clock::timeout;
use crate::error::EngineError;
use crate::handler::{Access, CreateRequest, ErrorKind, HandlerError, Place, ProviderId, ResourceHandler};
use crate::ids::AttemptId;
use crate::plan::{Action, What};
use crate::record::Phase;

impl Enactor<'_> {
    /// Takes down that a create starts which can be made together with others.
    pub(super) fn expect(&self, action: &Action) -> Option<Arrival<'_>> {
        let What::Create { implementation: index, .. } = &action.what else { return None };
        let (_, implementation) = self.chosen(&action.slot, *index).ok()?;
        let capabilities = self.engine.handlers.get(implementation.resource_type()).ok()?.capabilities();
        // What became of one of many can be found out by a listing only.
        let is_possible = capabilities.batch > 1 && capabilities.findable;
        is_possible.then(|| self.gathering.expect(&action.slot, *index)).flatten()
    }

    /// Waits for a turn, and makes the call with those that are alike, unless one of them has taken this along.
    pub(super) async fn create_together(&self, mut seat: Seat<'_>, place: &Place) -> Result<Next, Trouble> {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => return Err(Trouble::Interrupted),
            () = seat.others_have_come() => {}
        }
        let slot = seat.slot.clone();
        let turn = tokio::select! {
            biased;
            next = seat.taken_along() => return next,
            turn = self.turn_at(place, &slot) => turn?,
        };
        let most = self.engine.handlers.get(&place.handler)?.capabilities().batch;
        match seat.leave(most) {
            Leave::Taken => drop(turn),
            Leave::Alone(prepared) => return self.create_alone(*prepared, turn).await.map(|()| Next::Ended),
            Leave::Together(Company { batch, members, senders }) => {
                let outcomes = self.launch(&batch, members, turn).await?;
                for (sender, outcome) in senders.into_iter().zip(outcomes) {
                    // Who was interrupted meanwhile has gone away; what became of it is recorded.
                    drop(sender.send(outcome));
                }
            }
        }
        seat.taken_along().await
    }

    /// Makes the call for `members`, in the order of their launch indices, and records what came of it.
    async fn launch(
        &self,
        batch: &CreateBatch,
        mut members: Vec<Prepared>,
        turn: Turn,
    ) -> Result<Vec<Result<Next, Trouble>>, Trouble> {
        let Some(access) = members.first().map(|member| member.access.clone()) else { return Ok(Vec::new()) };
        let handler = self.engine.handlers.get(&access.place.handler)?.clone();
        let limit = handler.capabilities().create_deadline;
        let (now, deadline) = (self.engine.clock.wall(), self.journal.deadline(limit));
        for Prepared { attempt, .. } in &mut members {
            attempt.created_at = now;
            attempt.phase = Phase::Creating { deadline, error: None };
            attempt.batch = Some(batch.clone());
        }
        self.journal
            .open_together(members.iter().map(|member| (&member.attempt, &member.request)).collect())
            .await?;
        // Asked last, so that a process that was suspended up to here makes no call under a lost lease.
        self.journal.lease().outlasts(limit).await?;
        let requests: Vec<CreateRequest> = members.iter().map(|member| member.request.clone()).collect();
        let result = self.call_together(handler.as_ref(), &access, batch, &requests).await;
        drop(turn);
        Ok(self.conclude(members, result).await?)
    }

    /// Makes the create call for all of `batch`; without an answer in time nobody knows what came of it.
    pub(super) async fn call_together(
        &self,
        handler: &dyn ResourceHandler,
        access: &Access,
        batch: &CreateBatch,
        requests: &[CreateRequest],
    ) -> Result<Vec<ProviderId>, HandlerError> {
        let limit = handler.capabilities().create_deadline;
        let ids: Vec<AttemptId> = requests.iter().map(|request| request.identity.attempt.clone()).collect();
        let call = timeout(self.engine.clock.as_ref(), limit, handler.create_batch(access, batch, requests));
        let result = self.timed_call(&ids, &access.place, call).await;
        let unknown = |message| HandlerError::new(ErrorKind::UnknownOutcome, message);
        let made = result
            .unwrap_or_else(|late| Err(unknown(format!("{}: {late} to the create call", access.place))))?;
        if made.len() == requests.len() {
            return Ok(made);
        }
        Err(unknown(format!("{}: {} were asked for, {} are named", access.place, requests.len(), made.len())))
    }

    /// Records what came of the call.
    async fn conclude(
        &self,
        members: Vec<Prepared>,
        result: Result<Vec<ProviderId>, HandlerError>,
    ) -> Result<Vec<Result<Next, Trouble>>, EngineError> {
        let ids: Vec<AttemptId> = members.iter().map(|member| member.attempt.id.clone()).collect();
        Ok(match result {
            Ok(made) => {
                self.journal.created_together(ids.into_iter().zip(made).collect()).await?;
                members.into_iter().map(|member| Ok(Next::Accepted(Box::new(member)))).collect()
            }
            Err(error) if error.kind == ErrorKind::UnknownOutcome => {
                self.journal.unknown_together(&ids, &error.message).await?;
                ids.into_iter().map(|id| Ok(Next::Settle(id))).collect()
            }
            Err(error) => {
                self.journal.refused_together(&ids, &error).await?;
                let alone = error.kind.may_not_hold_alone();
                let next = |_| if alone { Ok(Next::Alone) } else { Err(error.clone().into()) };
                ids.iter().map(next).collect()
            }
        })
    }
}
