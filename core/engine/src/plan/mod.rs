//! Planning: what to do, and why. A pure function of a [`Situation`]: no clock, no randomness, no IO.

mod absent;
mod budget;
mod held;
mod present;

use std::fmt;

use jiff::Timestamp;
use serde::Serialize;

use crate::drift;
use crate::engine::Policy;
use crate::handler::Found;
use crate::hold::{Hold, Holds};
use crate::ids::{AttemptId, Slot};
use crate::judge::{InstanceState, Verdict};
use crate::record::{Attempt, Cause, Generation, Goal, InfraRecord};
use crate::topology::Topology;

pub use held::refusal;
pub(crate) use held::{forbids, waits_for_holds};

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

/// What an action does.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "action")]
pub enum What {
    /// Creates an instance and waits until it is ready.
    Create {
        /// Index of the implementation in the node definition.
        implementation: usize,
        /// Resource type, for people.
        resource: String,
        /// Endpoint, for people; templates unrendered.
        endpoint: String,
    },
    /// Waits until a starting instance is ready.
    Await {
        /// The attempt.
        attempt: AttemptId,
    },
    /// Finds out what became of an open create, and waits until the instance is ready if it is wanted.
    Settle {
        /// The attempt.
        attempt: AttemptId,
        /// Whether an instance is still wanted.
        wanted: bool,
    },
    /// Takes over a resource that appeared late.
    Adopt {
        /// The attempt that made it.
        attempt: AttemptId,
        /// The resource.
        #[serde(skip)]
        found: Found,
    },
    /// Destroys an instance and waits for the confirmation.
    Destroy {
        /// The attempt.
        attempt: AttemptId,
        /// Whether it failed, which counts against its slot.
        failed: bool,
        /// The late resource itself, if the attempt had been closed.
        #[serde(skip)]
        found: Option<Found>,
    },
}

/// One action of a plan.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Action {
    /// Its number in the plan.
    pub id: usize,
    /// The slot it is about.
    pub slot: Slot,
    /// What it does.
    #[serde(flatten)]
    pub what: What,
    /// Why.
    pub cause: Cause,
    /// Actions that must have succeeded before it starts.
    pub needs: Vec<usize>,
    /// Actions that must have ended before it starts, in whatever way.
    pub follows: Vec<usize>,
}

/// Something worth saying that is no action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "note")]
pub enum Note {
    /// A doubtful thing in the description.
    Warning {
        /// What.
        text: String,
    },
    /// An action that has to wait for a later pass.
    Deferred {
        /// The slot.
        slot: Slot,
        /// Why, and until when.
        text: String,
        /// What an operator put there to keep it from being done.
        #[serde(skip_serializing_if = "Option::is_none")]
        hold: Option<Hold>,
    },
}

/// What to do.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Plan {
    /// The actions; their numbers are their positions.
    pub actions: Vec<Action>,
    /// Remarks.
    pub notes: Vec<Note>,
}

impl Plan {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.actions.is_empty()
    }

    /// Whether the plan changes anything, as opposed to only waiting.
    pub fn changes_anything(&self) -> bool {
        self.actions.iter().any(|action| !matches!(action.what, What::Await { .. }))
    }

    fn push(&mut self, slot: Slot, what: What, cause: Cause) -> usize {
        let id = self.actions.len();
        self.actions.push(Action { id, slot, what, cause, needs: Vec::new(), follows: Vec::new() });
        id
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let slot = &self.slot;
        match &self.what {
            What::Create { resource, .. } => write!(f, "create {slot} on {resource}")?,
            What::Await { .. } => write!(f, "await {slot}")?,
            What::Settle { wanted: true, .. } => write!(f, "resume {slot}")?,
            What::Settle { wanted: false, .. } => write!(f, "clear up {slot}")?,
            What::Adopt { .. } => write!(f, "adopt {slot}")?,
            What::Destroy { .. } => write!(f, "destroy {slot}")?,
        }
        write!(f, ": {}", self.cause)
    }
}

/// Plans the way from the situation to the goal.
pub fn plan(situation: &Situation, policy: &Policy) -> Plan {
    let plan = match situation.record.goal {
        Goal::Present => present::plan(situation, policy),
        Goal::Absent => absent::plan(situation),
    };
    let mut plan = held::hold_back(plan, situation);
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
