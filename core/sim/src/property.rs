//! The promises of the engine that every history is held against.

use std::fmt;

/// A promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Property {
    /// The engine works: it ends with no error that nobody caused.
    Works,
    /// Whatever lives is in the records.
    NothingLost,
    /// No slot has two machines once things have settled.
    NothingTwice,
    /// Of a destroyed infrastructure nothing is left, late arrivals included.
    NothingLeft,
    /// Who says that everything is gone does not overlook what can be seen.
    GoneMeansGone,
    /// A node is started when those it depends on have been ready.
    DependenciesFirst,
    /// A slot is created only so often within an hour.
    CreationsCapped,
    /// Looking after what is in order changes nothing and writes nothing but the lease.
    FixedPoint,
    /// When the faults have ended, what is described is what lives.
    Converges,
    /// Who has lost the lease changes nothing any more.
    LostLeaseChangesNothing,
    /// No call goes on for longer than its deadline.
    CallsEnd,
    /// What belongs to others is not touched.
    ForeignUntouched,
    /// No secret is written in clear anywhere but in the table of requests, and there only while needed.
    SecretsHidden,
    /// An intent is durable before its call.
    IntentFirst,
    /// An attempt is settled as refused only if none of its calls can have had an effect.
    RefusalCertain,
    /// That an attempt made nothing is believed only after two complete listings that would show it.
    AbsenceProven,
    /// An instance counts as destroyed only when it is.
    DestroyConfirmed,
    /// What is paused is not changed, and what is protected is not destroyed.
    HoldsHeeded,
    /// A rollout takes away no more than may be missing.
    RolloutGentle,
}

/// What was promised and did not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The promise.
    pub property: Property,
    /// What was found instead.
    pub text: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.property, self.text)
    }
}

/// All that was found at one time; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violations(pub Vec<Violation>);

impl Violations {
    /// An error if there are any.
    pub fn none_of(violations: Vec<Violation>) -> Result<(), Self> {
        if violations.is_empty() { Ok(()) } else { Err(Self(violations)) }
    }

    /// One violation.
    pub fn one(property: Property, text: impl Into<String>) -> Self {
        Self(vec![Violation { property, text: text.into() }])
    }

    /// Whether `property` is among what was violated.
    pub fn includes(&self, property: Property) -> bool {
        self.0.iter().any(|violation| violation.property == property)
    }

    /// The first of the promises that were broken.
    pub fn first(&self) -> Option<Property> {
        self.0.first().map(|violation| violation.property)
    }
}

impl fmt::Display for Violations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, violation) in self.0.iter().enumerate() {
            write!(f, "{}{violation}", if index > 0 { "; " } else { "" })?;
        }
        Ok(())
    }
}
