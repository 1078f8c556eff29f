//! Planning: what to do, and why. A pure function of a [`Situation`]: no clock, no randomness, no IO.

mod absent;
mod action;
mod budget;
mod graph;
mod held;
mod present;

pub use action::{Action, Barrier, Note, Plan, What};
pub(crate) use graph::{Vertex, vertices};
pub use held::refusal;
pub(crate) use held::{forbids, waits_for_others};

use jiff::Timestamp;

use crate::drift;
use crate::engine::Policy;
use crate::handler::Found;
use crate::hold::Holds;
use crate::judge::{InstanceState, Verdict};
use crate::record::{Attempt, Generation, Goal, InfraRecord};
use crate::topology::Topology;

/// In which order independent instances are created.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// As soon as its own dependencies are ready.
    Parallel,
    /// One after the other in file order inside a level, as Occopus 1.10 does.
    Sequential,
}

/// An attempt that is not closed, and what was seen of it.
#[derive(Debug, Clone)]
pub struct Instance {
    /// The attempt.
    pub attempt: Attempt,
    /// The verdict; `None` for one that was not looked at (being created or destroyed).
    pub verdict: Option<Verdict>,
}

/// Everything a plan depends on.
#[derive(Debug, Clone)]
pub struct Situation {
    /// The time of the observation.
    pub now: Timestamp,
    /// Goal and targets.
    pub record: InfraRecord,
    /// The generation in force.
    pub generation: Generation,
    /// The order among its nodes.
    pub topology: Topology,
    /// All attempts that are not closed, oldest first.
    pub instances: Vec<Instance>,
    /// Closed attempts that are still watched.
    pub closed: Vec<Attempt>,
    /// Resources of closed attempts that appeared late.
    pub late: Vec<Found>,
    /// The order of creation.
    pub order: Order,
    /// What operators keep the engine from doing.
    pub holds: Holds,
    /// When a user asked for a build. A slot that failed before that is tried at once, with each of its
    /// implementations once; `None` for a maintainer, who gives a slot time.
    pub eager: Option<Timestamp>,
}

impl Situation {
    /// The number of the generation from which on instances were made by a change that has not come to its end,
    /// or by the one that is being undone; 0 if all of them were.
    pub(crate) fn first_of_change(&self) -> u64 {
        let undone = self.record.rollout.as_ref().and_then(|rollout| rollout.made_after);
        undone.or(self.record.completed_before).map_or(0, |kept| kept + 1)
    }
}

/// Plans the way from the situation to the goal.
pub fn plan(situation: &Situation, policy: &Policy) -> Plan {
    let plan = match situation.record.goal {
        Goal::Present => present::plan(situation, policy),
        Goal::Absent => absent::plan(situation),
    };
    let mut plan = held::hold_back(plan, situation);
    plan.drop_idle_barriers();
    // Whoever is held back is no longer in the row: those that come later need not wait for it.
    if situation.order == Order::Sequential {
        plan.put_in_a_row();
    }
    plan.notes.extend(drift::notes(situation));
    plan
}

/// The plan of what is going to be done once nothing is in its way any more: no hold, nothing that cannot be asked
/// or is not ready, and no failure from before. What [`plan`] keeps for later is in it.
pub fn unhindered(situation: &Situation, policy: &Policy) -> Plan {
    let mut situation = Situation { holds: Holds::default(), closed: Vec::new(), ..situation.clone() };
    for verdict in situation.instances.iter_mut().filter_map(|instance| instance.verdict.as_mut()) {
        if !verdict.state.is_lost() {
            verdict.state = InstanceState::Ready;
        }
    }
    plan(&situation, policy)
}

#[cfg(test)]
mod tests;
