//! Faults to order: what goes wrong with the next calls.

use serde::{Deserialize, Serialize};

/// A fault that hits the next calls of an operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// The operation, such as `RunInstances`.
    pub operation: String,
    /// Whether the call takes effect.
    pub when: When,
    /// What the caller sees.
    #[serde(flatten)]
    pub kind: Kind,
    /// How many calls of the operation pass unharmed first.
    #[serde(default)]
    pub skip: u32,
    /// How many calls are hit.
    #[serde(default = "once")]
    pub count: u32,
}

fn once() -> u32 {
    1
}

/// Whether a faulty call takes effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum When {
    /// The fault comes first: nothing happens.
    Before,
    /// The call takes effect; only its answer is lost.
    After,
}

/// What the caller of a faulty call sees.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Kind {
    /// Status 500 with `InternalError`.
    Http500,
    /// No answer until the caller gives up.
    Hang,
    /// The connection breaks before the answer.
    Drop,
    /// Status 503 with `RequestLimitExceeded`; makes sense only before the effect.
    Throttle,
    /// Any other error.
    Error {
        /// Its code, such as `InsufficientInstanceCapacity`.
        code: String,
        /// Its HTTP status.
        status: u16,
    },
}

/// The faults still to come, in the order in which they were asked for.
#[derive(Debug, Default)]
pub(crate) struct Faults(pub(crate) Vec<Fault>);

impl Faults {
    /// Takes the fault that hits a call of `operation` now.
    pub(crate) fn take(&mut self, operation: &str) -> Option<(When, Kind)> {
        let fault = self.0.iter_mut().find(|fault| fault.operation == operation)?;
        if fault.skip > 0 {
            fault.skip -= 1;
            return None;
        }
        fault.count = fault.count.saturating_sub(1);
        let taken = (fault.when, fault.kind.clone());
        self.0.retain(|fault| fault.count > 0);
        Some(taken)
    }
}
