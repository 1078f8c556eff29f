//! What can go wrong, and how often it did.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

macro_rules! fault_kinds {
    ($($(#[doc = $doc:literal])* $kind:ident = $name:literal,)*) => {
        /// A kind of thing that goes wrong.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum FaultKind {
            $($(#[doc = $doc])* $kind,)*
        }

        impl FaultKind {
            /// All kinds.
            pub const ALL: &'static [Self] = &[$(Self::$kind,)*];

            /// Its name, as `SIM_FAULTS` takes it.
            pub fn name(self) -> &'static str {
                match self { $(Self::$kind => $name,)* }
            }
        }
    };
}

fault_kinds! {
    /// A call was refused because its token bucket was empty.
    Throttled = "throttled",
    /// A create call was refused because of the quota of machines.
    Quota = "quota",
    /// A create call was refused because the endpoint had no room for a while.
    Capacity = "capacity",
    /// A call was refused because its credentials did not please.
    Denied = "denied",
    /// A call could not be made: no connection.
    Unreachable = "unreachable",
    /// A change took effect, and its answer was lost.
    AnswerLost = "answer-lost",
    /// A call was never answered and had no effect.
    HangBefore = "hang-before",
    /// A change took effect and was never answered.
    HangAfter = "hang-after",
    /// A create call took effect after its caller had been told that the connection broke.
    LateArrival = "late-arrival",
    /// A destroy call took effect after its caller had been told that the connection broke.
    LateRemoval = "late-removal",
    /// A call took much longer than usual.
    SlowCall = "slow-call",
    /// An answer was overtaken by that of a later call.
    Reordered = "reordered",
    /// A change was delivered twice.
    Duplicated = "duplicated",
    /// An answer or a listing did not show a machine that exists, because it was too young.
    NotVisibleYet = "not-visible-yet",
    /// An answer or a listing was out of date.
    StaleAnswer = "stale-answer",
    /// A listing broke off in the middle.
    PartialListing = "partial-listing",
    /// The API told a wrong state.
    WrongState = "wrong-state",
    /// A machine booted slowly.
    SlowBoot = "slow-boot",
    /// A machine never became healthy.
    NeverHealthy = "never-healthy",
    /// A machine vanished.
    Died = "died",
    /// A machine stopped.
    Stopped = "stopped",
    /// A machine that had been healthy failed its checks.
    Sick = "sick",
    /// A process died right before a write to the store.
    CrashBeforeWrite = "crash-before-write",
    /// A process died right after a write, before it knew that it was made.
    CrashAfterWrite = "crash-after-write",
    /// A process died right before a call.
    CrashBeforeCall = "crash-before-call",
    /// A process died when the answer to a call arrived.
    CrashAfterCall = "crash-after-call",
    /// A process was killed at some time, calls under way.
    Killed = "killed",
    /// A process was interrupted by its user.
    Interrupted = "interrupted",
    /// A process was stopped for longer than its lease, while its timers went on.
    Paused = "paused",
    /// A machine with a process on it slept for longer than its lease, and its timers with it.
    Suspended = "suspended",
    /// The wall clock jumped forward.
    ClockForward = "clock-forward",
    /// The wall clock was set back.
    ClockBack = "clock-back",
    /// A write to the store was refused.
    StoreRefused = "store-refused",
    /// A write to the store was not made, and its writer did not learn that.
    StoreWriteLost = "store-write-lost",
    /// A write to the store was made, and its writer did not learn that.
    StoreAnswerLost = "store-answer-lost",
    /// A process found the infrastructure in the hands of another.
    Contention = "contention",
    /// A process took the lease of a holder over that had not let go.
    TakeOver = "take-over",
    /// A process was cut off from all APIs and all machines.
    ObserverCutOff = "observer-cut-off",
    /// A process could ask the APIs, but reached no machine.
    ChecksCutOff = "checks-cut-off",
    /// An endpoint could not be reached for a while.
    EndpointDown = "endpoint-down",
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for FaultKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let kind = Self::ALL.iter().find(|kind| kind.name() == text);
        kind.copied().ok_or_else(|| format!("there is no fault '{text}'"))
    }
}

/// The kinds that may happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FaultSet(BTreeSet<FaultKind>);

impl FaultSet {
    /// All kinds.
    pub fn all() -> Self {
        Self::from_iter(FaultKind::ALL.iter().copied())
    }

    /// None at all.
    pub fn none() -> Self {
        Self(BTreeSet::new())
    }

    /// Whether `kind` may happen.
    pub fn allows(&self, kind: FaultKind) -> bool {
        self.0.contains(&kind)
    }

    /// The same without `kind`.
    #[must_use]
    pub fn without(mut self, kind: FaultKind) -> Self {
        self.0.remove(&kind);
        self
    }

    /// The kinds, in the order of their definition.
    pub fn iter(&self) -> impl Iterator<Item = FaultKind> {
        self.0.iter().copied()
    }
}

impl FromIterator<FaultKind> for FaultSet {
    fn from_iter<I: IntoIterator<Item = FaultKind>>(kinds: I) -> Self {
        Self(kinds.into_iter().collect())
    }
}

/// How often each kind took effect: not how often it was drawn.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally(BTreeMap<FaultKind, u64>);

impl Tally {
    /// Counts one more.
    pub fn count(&mut self, kind: FaultKind) {
        *self.0.entry(kind).or_insert(0) += 1;
    }

    /// How often `kind` took effect.
    pub fn of(&self, kind: FaultKind) -> u64 {
        self.0.get(&kind).copied().unwrap_or(0)
    }

    /// Adds all of `other`.
    pub fn add(&mut self, other: &Self) {
        for (kind, count) in &other.0 {
            *self.0.entry(*kind).or_insert(0) += count;
        }
    }

    /// The kinds that took effect less than `least` times, with their counts.
    pub fn rarer_than(&self, least: u64) -> Vec<(FaultKind, u64)> {
        let counts = FaultKind::ALL.iter().map(|kind| (*kind, self.of(*kind)));
        counts.filter(|(_, count)| *count < least).collect()
    }
}

/// A table of all kinds in two columns.
impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for pair in FaultKind::ALL.chunks(2) {
            for kind in pair {
                write!(f, "  {kind:<20} {:>9}", self.of(*kind))?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}
