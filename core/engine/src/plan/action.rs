//! What a plan consists of.

use std::fmt;

use serde::Serialize;

use crate::handler::Found;
use crate::hold::Hold;
use crate::ids::{AttemptId, Slot};
use crate::record::Cause;

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
        /// How many others of its node must be ready when it starts, if it is replaced although it may be of
        /// use. Nor is that begun after a failure.
        #[serde(skip)]
        others: Option<usize>,
        /// The late resource itself, if the attempt had been closed.
        #[serde(skip)]
        found: Option<Found>,
    },
}

impl What {
    /// Whether it brings an instance to readiness.
    pub(super) fn starts(&self) -> bool {
        match self {
            Self::Create { .. }
            | Self::Await { .. }
            | Self::Settle { wanted: true, .. }
            | Self::Adopt { .. } => true,
            Self::Settle { wanted: false, .. } | Self::Destroy { .. } => false,
        }
    }
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
    /// Barriers that must have been reached before it starts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub behind: Vec<usize>,
}

impl Action {
    /// An action that waits for nothing.
    pub(crate) fn new(id: usize, slot: Slot, what: What, cause: Cause) -> Self {
        let (needs, follows, behind) = (Vec::new(), Vec::new(), Vec::new());
        Self { id, slot, what, cause, needs, follows, behind }
    }
}

/// A point in a plan where many wait for many: it is reached when all that stands before it is done. Without it
/// each of `n` instances would have to name each of the `m` that it waits for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Barrier {
    /// Actions that must have succeeded.
    pub needs: Vec<usize>,
    /// Actions that must have ended, in whatever way.
    pub follows: Vec<usize>,
    /// Earlier barriers that must have been reached.
    pub behind: Vec<usize>,
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
    /// A node that gets another name.
    Moved {
        /// Its old name.
        from: String,
        /// Its new name.
        to: String,
        /// How many instances it has.
        instances: usize,
        /// How many of them the plan does not destroy.
        kept: usize,
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
        /// Whether it was in trouble before the description in force, which has not changed it.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        earlier: bool,
    },
}

/// What to do.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Plan {
    /// The actions; their numbers are their positions.
    pub actions: Vec<Action>,
    /// Where many of them wait for many; their numbers are their positions.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub barriers: Vec<Barrier>,
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

    /// Adds an action that waits for nothing yet, and returns its number.
    pub(super) fn push(&mut self, slot: Slot, what: What, cause: Cause) -> usize {
        self.actions.push(Action::new(self.actions.len(), slot, what, cause));
        self.actions.len() - 1
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
