//! Replacing what serves: only while nothing has failed, and all that it could be missed by is ready.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::{Enactor, Trouble};
use crate::ids::AttemptId;
use crate::judge::{InstanceState, judge};
use crate::observe::observe;
use crate::plan::{Plan, What};
use crate::record::{Attempt, Rollout};

/// A check may fail once by chance: so many looks must show that somebody is missing.
const LOOKS: usize = 3;
/// Pause between two looks.
const PAUSE: Duration = Duration::from_secs(1);

/// What a run replaces gently.
pub(super) struct Gentle {
    /// What goes anyway: nobody is missed by it, and nobody misses it.
    going: BTreeSet<AttemptId>,
    /// Whether anything has failed in this run.
    failed: AtomicBool,
    /// What is ready as far as anybody has seen, but about to be destroyed.
    leaving: Mutex<BTreeSet<AttemptId>>,
}

impl Gentle {
    /// For a run that carries `plan` out.
    pub(super) fn of(plan: &Plan) -> Self {
        let going = plan.actions.iter().filter_map(|action| match &action.what {
            What::Destroy { attempt, others: None, .. } => Some(attempt.clone()),
            _ => None,
        });
        Self { going: going.collect(), failed: AtomicBool::default(), leaving: Mutex::default() }
    }

    /// Something has failed.
    pub(super) fn fail(&self) {
        self.failed.store(true, Ordering::Relaxed);
    }

    /// Has `id` leave if there are enough of the `ready` ones without it and those that leave already.
    fn leave(&self, id: &AttemptId, ready: &BTreeSet<AttemptId>, enough: usize) -> bool {
        let mut leaving = self.leaving.lock().unwrap_or_else(PoisonError::into_inner);
        let may_leave = ready.difference(&leaving).count() >= enough;
        if may_leave {
            leaving.insert(id.clone());
        }
        may_leave
    }
}

impl Enactor<'_> {
    /// Makes sure that `attempt` can be spared: `enough` others of its node are ready, and all that its node
    /// depends on. The plan was made before others were replaced: much may have happened since.
    pub(super) async fn require_others(&self, attempt: &Attempt, enough: usize) -> Result<(), Trouble> {
        let mut reason = String::new();
        for look in 0..LOOKS {
            if look > 0 {
                self.pause(PAUSE).await?;
            }
            if self.is_change() && self.gentle.failed.load(Ordering::Relaxed) {
                return Err(Trouble::Needed { reason: "something else has failed".to_owned() });
            }
            let (others, troubled) = self.look_around(attempt).await;
            reason = match troubled {
                Some(slot) => format!("{slot}, which it depends on, is not ready"),
                None if self.gentle.leave(&attempt.id, &others, enough) => return Ok(()),
                None => format!("{} others are ready, {enough} have to be", others.len()),
            };
        }
        Err(Trouble::Needed { reason })
    }

    /// Whether a change is being made, as opposed to one being undone: that goes on after failures.
    fn is_change(&self) -> bool {
        !matches!(self.record.rollout, Some(Rollout { made_after: Some(_), .. }))
    }

    /// The other instances of its node that are ready, and one that it depends on which is not.
    async fn look_around(&self, attempt: &Attempt) -> (BTreeSet<AttemptId>, Option<String>) {
        let node = &attempt.slot.node;
        let dependees: BTreeSet<&String> = self.topology.waits_for(node).collect();
        let mut around = self.journal.attempts();
        around.retain(|other| {
            let counts = other.slot.node == *node || dependees.contains(&other.slot.node);
            counts && other.id != attempt.id && other.is_live() && !self.gentle.going.contains(&other.id)
        });
        let infra = (self.journal.infra(), self.record.name.as_str());
        let mut seen = observe(self.engine, infra, &around).await;
        let now = self.engine.clock.wall();
        let (mut ready, mut troubled) = (BTreeSet::new(), None);
        for other in around {
            let Some(seen) = seen.remove(&other.id) else { continue };
            let verdict = judge(&other, &seen, now, &self.engine.policy);
            // One that has begun to fail its checks counts as ready for a while, but not here.
            let is_ready = verdict.state == InstanceState::Ready && verdict.reason.is_empty();
            if other.slot.node == *node {
                ready.extend(is_ready.then_some(other.id));
            } else if !is_ready {
                troubled = Some(other.slot.to_string());
            }
        }
        (ready, troubled)
    }
}
