//! How the simulated cloud behaves, and what goes wrong with its calls.

use std::time::Duration;

use occopus_engine::handler::ErrorKind;

use crate::fault::{FaultKind, FaultSet};

/// The calls of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Call {
    /// Making a machine.
    Create,
    /// Asking for states.
    Observe,
    /// Listing by owner.
    Find,
    /// Removing a machine.
    Destroy,
    /// Giving a machine that was made with others a name of its own.
    Label,
}

impl Call {
    /// Whether it changes anything.
    pub fn changes(self) -> bool {
        matches!(self, Self::Create | Self::Destroy | Self::Label)
    }
}

/// What goes wrong with one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It is refused with this kind of error and has no effect.
    Refuse(ErrorKind),
    /// It takes effect, and the answer is lost.
    AnswerLost,
    /// It has no effect and is never answered.
    Hang,
    /// It takes effect and is never answered.
    HangAfterEffect,
    /// The connection breaks at once; the effect comes that much later.
    Late(Duration),
    /// It takes that much longer.
    Slow(Duration),
    /// Its answer is held back for that long, so that others overtake it.
    HeldBack(Duration),
    /// It is delivered a second time, that much later.
    Twice(Duration),
    /// The answer is as old as the back-end may be behind.
    Stale,
    /// The listing breaks off in the middle.
    Partial,
    /// The answer is wrong.
    Lie,
    /// The machine takes that much longer to boot.
    SlowBoot(Duration),
    /// The machine will never be healthy.
    NeverHealthy,
}

impl Fault {
    /// What goes wrong with a call of this kind, if `kind` goes wrong with one at all.
    pub(super) fn draw(
        kind: FaultKind,
        call: Call,
        idempotent: bool,
        rng: &mut fastrand::Rng,
    ) -> Option<Self> {
        let mut seconds = |low: u64, high: u64| Duration::from_millis(rng.u64(low * 1000..high * 1000));
        Some(match (kind, call) {
            (FaultKind::Denied, _) => Self::Refuse(ErrorKind::Auth),
            (FaultKind::Unreachable, _) => Self::Refuse(ErrorKind::Transient),
            (FaultKind::Capacity, Call::Create) => Self::Refuse(ErrorKind::Quota),
            (FaultKind::AnswerLost, Call::Create | Call::Destroy) => Self::AnswerLost,
            (FaultKind::HangBefore, _) => Self::Hang,
            (FaultKind::HangAfter, Call::Create | Call::Destroy) => Self::HangAfterEffect,
            // Some arrive while the engine settles, some when it has given up long ago.
            (FaultKind::LateArrival, Call::Create) if seconds(0, 2).as_secs() == 0 => {
                Self::Late(seconds(1, 60))
            }
            (FaultKind::LateArrival, Call::Create) => Self::Late(seconds(60, 3600)),
            (FaultKind::LateRemoval, Call::Destroy) => Self::Late(seconds(1, 600)),
            (FaultKind::SlowCall, _) => Self::Slow(seconds(1, 9)),
            (FaultKind::Reordered, _) => Self::HeldBack(seconds(1, 9)),
            // What has no tokens makes two machines of two calls; nobody can do anything about that.
            (FaultKind::Duplicated, Call::Create) if idempotent => Self::Twice(seconds(0, 60)),
            (FaultKind::Duplicated, Call::Destroy) => Self::Twice(seconds(0, 60)),
            (FaultKind::StaleAnswer, Call::Observe | Call::Find) => Self::Stale,
            (FaultKind::PartialListing, Call::Find) => Self::Partial,
            (FaultKind::WrongState, Call::Observe | Call::Destroy) => Self::Lie,
            (FaultKind::SlowBoot, Call::Create) => Self::SlowBoot(seconds(60, 3600)),
            (FaultKind::NeverHealthy, Call::Create) => Self::NeverHealthy,
            _ => return None,
        })
    }
}

/// A token bucket: so many calls at once, and so many per second.
#[derive(Debug, Clone, Copy)]
pub struct Rate {
    /// Calls that may be made at once.
    pub burst: u32,
    /// Calls that may be made per second in the long run.
    pub per_second: f64,
}

/// How the cloud behaves. Durations in pairs are the bounds of a uniform draw.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How long a call takes.
    pub latency: (Duration, Duration),
    /// How long a machine boots.
    pub boot: (Duration, Duration),
    /// How long a machine takes to vanish after a destroy call took effect.
    pub vanish: (Duration, Duration),
    /// How long a new machine may be missing from answers.
    pub visibility: Duration,
    /// How long a health check waits for a machine that does not answer.
    pub silence: Duration,
    /// Whether a repeated create call returns the first machine.
    pub idempotent: bool,
    /// Machines that one call makes at most.
    pub batch: usize,
    /// Machines that may exist at the same time at one endpoint.
    pub quota: usize,
    /// The token bucket of each kind of call at each endpoint; `None` throttles nothing.
    pub rate: Option<Rate>,
    /// Percentage of calls that go wrong.
    pub chaos: u32,
    /// What may go wrong with them.
    pub faults: FaultSet,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            latency: (Duration::from_millis(50), Duration::from_millis(500)),
            boot: (Duration::from_secs(2), Duration::from_secs(40)),
            vanish: (Duration::ZERO, Duration::from_secs(5)),
            visibility: Duration::from_secs(5),
            silence: Duration::ZERO,
            idempotent: true,
            batch: 1,
            quota: usize::MAX,
            rate: None,
            chaos: 0,
            faults: FaultSet::all(),
        }
    }
}
