//! Waiting until instances are ready or gone: one watcher looks at all that are waited for, in batches.

mod waiters;

use std::collections::BTreeMap;
use std::time::Duration;

use futures::stream::FuturesUnordered;
use futures::{StreamExt, TryStreamExt};

pub(super) use self::waiters::{Reached, Readiness};

use self::waiters::{Ending, Ticket};
use super::pace::{Kind, Until};
use super::{Enactor, Trouble};
use crate::error::EngineError;
use crate::event::EventKind;
use crate::handler::ResourceState;
use crate::ids::AttemptId;
use crate::judge::{InstanceState, Seen, Verdict, judge};
use crate::observe::{observing, states};
use crate::record::Attempt;
use crate::remember::remember;

/// Looks under way at the same time. A look ends with its slowest check: others must not wait for that.
const LOOKS_AT_ONCE: usize = 8;
/// However fast the answers come, there is this much time between two looks.
const SHORTEST_PAUSE: Duration = Duration::from_millis(10);

/// One look at some that are waited for.
struct Look {
    begun: Duration,
    attempts: Vec<Attempt>,
    tickets: BTreeMap<AttemptId, Ticket>,
}

impl Look {
    fn ticket(&self, attempt: &Attempt) -> Ticket {
        self.tickets.get(&attempt.id).copied().unwrap_or_default()
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
        let now = self.engine.clock.monotonic();
        let attempt = self.journal.attempt(id);
        let kind = attempt.as_ref().map_or((until, String::new(), 0), |attempt| kind(until, attempt));
        let since = match (until, &attempt) {
            (Until::Ready, Some(attempt)) => now.saturating_sub(self.age(attempt)),
            _ => now,
        };
        let receiver = self.readiness.register(id, kind, since, now);
        tokio::select! {
            biased;
            () = self.stop.cancelled() => Err(Trouble::Interrupted),
            ending = receiver => ending.map(Ok).map_err(|_| Trouble::Interrupted),
            () = self.engine.clock.sleep(limit) => Ok(Err(self.readiness.give_up(id))),
        }
    }

    /// How long ago the back-end accepted it; nothing if the wall clock was set back since.
    pub(super) fn age(&self, attempt: &Attempt) -> Duration {
        let accepted = attempt.accepted_at.unwrap_or(attempt.created_at);
        Duration::try_from(self.engine.clock.wall().duration_since(accepted)).unwrap_or_default()
    }

    /// Looks at all that are waited for, each in its own time, until the run ends; returns only on an error
    /// of the engine.
    pub(super) async fn watch_readiness(&self) -> EngineError {
        let (clock, first) = (&self.engine.clock, self.engine.policy.poll.0);
        let mut looks = FuturesUnordered::new();
        // A back-end that answers fast may be asked more often.
        let mut pause = SHORTEST_PAUSE.min(first);
        let mut next_look = Duration::ZERO;
        loop {
            let now = clock.monotonic();
            let has_room = looks.len() < LOOKS_AT_ONCE;
            let due = if has_room && now >= next_look { self.readiness.take_due(now) } else { Vec::new() };
            if !due.is_empty() {
                next_look = now + pause;
                looks.push(self.look(due, now));
            }
            let next = self.readiness.next_due().filter(|_| has_room).map(|due| due.max(next_look));
            tokio::select! {
                biased;
                Some(done) = looks.next(), if !looks.is_empty() => match done {
                    Ok(took) => pause = took.clamp(SHORTEST_PAUSE.min(first), first),
                    Err(error) => return error,
                },
                () = self.readiness.arrival() => {}
                () = clock.sleep(next.unwrap_or_default().saturating_sub(now)), if next.is_some() => {}
            }
        }
    }

    /// One look at `due`; returns how long the answer took.
    async fn look(
        &self,
        due: Vec<(AttemptId, Until, Ticket)>,
        begun: Duration,
    ) -> Result<Duration, EngineError> {
        let of = |wanted: Until| {
            let chosen = || due.iter().filter(|(_, until, _)| *until == wanted);
            Look {
                begun,
                attempts: chosen().filter_map(|(id, ..)| self.journal.attempt(id)).collect(),
                tickets: chosen().map(|(id, _, ticket)| (id.clone(), *ticket)).collect(),
            }
        };
        let (starting, leaving) = (of(Until::Ready), of(Until::Gone));
        let (first_answer, ()) = tokio::join!(self.look_at(&starting), self.look_after(&leaving));
        // Whoever the answer left out is looked at again.
        for (id, _, ticket) in &due {
            self.look_again(id, *ticket, begun, false);
        }
        let ended = self.engine.clock.monotonic();
        Ok(first_answer?.unwrap_or(ended).saturating_sub(begun))
    }

    /// One look at what is to become ready; tells when the first answer came.
    async fn look_at(&self, look: &Look) -> Result<Option<Duration>, EngineError> {
        let infra = (self.journal.infra(), self.record.name.as_str());
        let mut first_answer = None;
        observing(self.engine, infra, &look.attempts)
            .map(|seen| {
                first_answer.get_or_insert_with(|| self.engine.clock.monotonic());
                Ok(seen)
            })
            // At the same time, so that what they write is written together.
            .try_for_each_concurrent(self.engine.policy.max_checks, |(attempt, seen)| {
                self.take_in(look, attempt, seen)
            })
            .await?;
        Ok(first_answer)
    }

    /// Takes in what a look has seen of one that is to become ready.
    async fn take_in(&self, look: &Look, attempt: Attempt, seen: Seen) -> Result<(), EngineError> {
        let now = self.engine.clock.wall();
        let verdict = judge(&attempt, &seen, now, &self.engine.policy);
        remember(self.journal, &attempt, &verdict, now).await?;
        let ticket = look.ticket(&attempt);
        self.readiness.hear(&attempt.id, ticket, &verdict.reason);
        let Some(ending) = ending(&attempt, &verdict) else {
            let passes = verdict.failing.as_ref().is_some_and(|failing| failing.passes > 0);
            self.look_again(&attempt.id, ticket, look.begun, passes);
            return Ok(());
        };
        if ending.is_ok() {
            self.learn_start(&attempt);
        } else {
            let event = self.journal.event(EventKind::NodeFailed, Some(&attempt), verdict.reason.clone());
            self.journal.commit(Vec::new(), vec![event]).await?;
        }
        let times = (look.begun, self.engine.clock.monotonic());
        let waiting = self.readiness.end(&attempt.id, ticket, ending, times);
        self.spend(&attempt.id, |spent| spent.waiting += waiting);
        Ok(())
    }

    /// One look at what is to go.
    async fn look_after(&self, look: &Look) {
        for (attempt, seen) in states(self.engine, &look.attempts).await {
            let (ticket, now) = (look.ticket(&attempt), self.engine.clock.monotonic());
            let reached = match seen.resource {
                Ok(seen) if seen.state == ResourceState::Gone => Reached::Gone,
                Ok(seen) if seen.state == ResourceState::Missing => Reached::Missing,
                Ok(seen) => {
                    let heard = format!("it is still there ({})", seen.detail);
                    self.readiness.hear(&attempt.id, ticket, &heard);
                    continue;
                }
                Err(reason) => {
                    self.readiness.hear(&attempt.id, ticket, &reason);
                    continue;
                }
            };
            let waiting = self.readiness.end(&attempt.id, ticket, Ok(reached), (look.begun, now));
            self.spend(&attempt.id, |spent| spent.waiting += waiting);
        }
    }

    /// Plans the next look at one that is still waited for. One that has begun to pass its checks has to
    /// pass them for a while, so that haste is no use, and waiting long neither.
    fn look_again(&self, id: &AttemptId, ticket: Ticket, begun: Duration, passes: bool) {
        let (now, (first, longest)) = (self.engine.clock.monotonic(), self.engine.policy.poll);
        let shortest = if passes { first } else { SHORTEST_PAUSE.min(first) };
        let longest = if passes { first } else { longest };
        self.readiness.look_again(id, ticket, (begun, now), |pause| {
            self.engine.random.jitter(pause.clamp(shortest, longest.max(shortest)))
        });
    }
}

fn kind(until: Until, attempt: &Attempt) -> Kind {
    (until, attempt.node.definition.clone(), attempt.implementation_index)
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
