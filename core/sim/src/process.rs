//! The life of one process: it can die at any write or call, be stopped, sleep, and be cut off.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use occopus_engine::clock::Clock;
use occopus_engine::store::Table;
use tokio::sync::Notify;

use crate::fault::FaultKind;
use crate::ledger::Ledger;

/// Whether a write or call is still made when it is the last thing a process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// The process stops right before it.
    Before,
    /// The process stops right after it, before it learns what came of it.
    After,
}

/// At what a process dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// At a write to the store.
    Write,
    /// At a call of the cloud.
    Call,
}

/// A crash: at which write or call of the process, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Crash {
    /// At what.
    pub deed: Deed,
    /// Its number.
    pub at: usize,
    /// Before or after it.
    pub when: When,
}

impl Crash {
    /// A crash at write number `at`.
    pub fn at_write(at: usize, when: When) -> Self {
        Self { deed: Deed::Write, at, when }
    }

    /// The fault that it is.
    pub fn kind(self) -> FaultKind {
        match (self.deed, self.when) {
            (Deed::Write, When::Before) => FaultKind::CrashBeforeWrite,
            (Deed::Write, When::After) => FaultKind::CrashAfterWrite,
            (Deed::Call, When::Before) => FaultKind::CrashBeforeCall,
            (Deed::Call, When::After) => FaultKind::CrashAfterCall,
        }
    }
}

/// How the store fails at a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreFault {
    /// It refuses it: the writer knows that nothing was written.
    Refuses,
    /// The write gets lost on its way: the writer does not know what became of it.
    LosesWrite,
    /// The write is made and the answer gets lost: the writer does not know what became of it.
    LosesAnswer,
}

impl StoreFault {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Refuses, Self::LosesWrite, Self::LosesAnswer];

    /// The fault that it is.
    pub fn kind(self) -> FaultKind {
        match self {
            Self::Refuses => FaultKind::StoreRefused,
            Self::LosesWrite => FaultKind::StoreWriteLost,
            Self::LosesAnswer => FaultKind::StoreAnswerLost,
        }
    }
}

/// How a process is kept from running.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sleep {
    /// It is stopped; its timers run out meanwhile.
    Process,
    /// Its machine sleeps; its timers go on afterwards where they were.
    Machine,
}

#[derive(Default)]
struct Control {
    commits: usize,
    calls: usize,
    writes: BTreeMap<Table, usize>,
    crash: Option<Crash>,
    dead: bool,
    /// Freeze after this commit, for so long.
    freeze: Option<(usize, Duration)>,
    frozen_until: Duration,
    /// Time for which the machine has slept, or will until it wakes up.
    slept: Duration,
    /// No API can be reached until then.
    cut_off_until: Duration,
    /// No machine can be reached until then.
    blind_until: Duration,
    /// Number of the commit at which the store fails, and how.
    store_fault: Option<(usize, StoreFault)>,
}

/// One process. All its waiting, its calls and its writes go through here, so that one that is dead or
/// asleep does nothing.
pub struct Life {
    /// Its number, from 1.
    pub number: u32,
    clock: Arc<dyn Clock>,
    ledger: Ledger,
    control: Mutex<Control>,
    crashed: Notify,
}

impl Life {
    /// A new process, which `crash` ends.
    pub fn new(number: u32, clock: Arc<dyn Clock>, ledger: Ledger, crash: Option<Crash>) -> Self {
        let control = Mutex::new(Control { crash, ..Control::default() });
        Self { number, clock, ledger, control, crashed: Notify::new() }
    }

    fn control(&self) -> MutexGuard<'_, Control> {
        self.control.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where what happens is noted.
    pub(crate) fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The time of the world.
    pub(crate) fn now(&self) -> Duration {
        self.clock.monotonic()
    }

    /// Suspends the process for `duration` right after its write number `commit`, counted from 1.
    pub fn freeze_after(&self, commit: usize, duration: Duration) {
        self.control().freeze = Some((commit, duration));
    }

    /// Keeps the process from running for `lasting` from now on.
    pub fn freeze(&self, how: Sleep, lasting: Duration) {
        let mut control = self.control();
        control.frozen_until = self.clock.monotonic() + lasting;
        if how == Sleep::Machine {
            control.slept += lasting;
        }
    }

    /// Cuts the process off from all APIs and all machines, or from the machines only.
    pub fn cut_off(&self, from_machines_only: bool, lasting: Duration) {
        let until = self.clock.monotonic() + lasting;
        let mut control = self.control();
        control.blind_until = until;
        if !from_machines_only {
            control.cut_off_until = until;
        }
    }

    /// Makes the store fail at write number `commit`, counted from 1.
    pub fn fail_write(&self, commit: usize, fault: StoreFault) {
        self.control().store_fault = Some((commit, fault));
    }

    /// Kills the process.
    pub fn kill(&self) {
        self.control().dead = true;
        self.crashed.notify_one();
    }

    /// Whether it is dead.
    pub fn is_dead(&self) -> bool {
        self.control().dead
    }

    /// Waits until the process dies.
    pub async fn crashed(&self) {
        self.crashed.notified().await;
    }

    /// How many batches the process has committed.
    pub fn commits(&self) -> usize {
        self.control().commits
    }

    /// How many records the process has written, by table.
    pub fn writes(&self) -> BTreeMap<Table, usize> {
        self.control().writes.clone()
    }

    /// Whether no API can be reached now.
    pub(crate) fn is_cut_off(&self) -> bool {
        self.control().cut_off_until > self.clock.monotonic()
    }

    /// Whether no machine can be reached now.
    pub(crate) fn is_blind(&self) -> bool {
        self.control().blind_until > self.clock.monotonic()
    }

    /// Whether it was kept from running at some time after `begun`.
    pub(crate) fn was_frozen_since(&self, begun: Duration) -> bool {
        self.control().frozen_until > begun
    }

    /// Returns when the process runs: never if it is dead, later if it is asleep.
    pub(crate) async fn running(&self) {
        loop {
            let (dead, thaw) = {
                let control = self.control();
                (control.dead, control.frozen_until)
            };
            if dead {
                std::future::pending::<()>().await;
            }
            let now = self.clock.monotonic();
            if thaw <= now {
                return;
            }
            self.clock.sleep(thaw - now).await;
        }
    }

    async fn die(&self, crash: Crash) -> ! {
        self.ledger.count(crash.kind());
        self.kill();
        std::future::pending().await
    }

    /// Counts a deed and dies before it, if that was to be; returns its number. A process falls asleep
    /// while it waits, and never between a decision and the call that it decided on.
    pub(crate) async fn before(&self, deed: Deed) -> usize {
        if deed == Deed::Write || self.is_dead() {
            self.running().await;
        }
        let (number, crash) = {
            let mut control = self.control();
            let counter = match deed {
                Deed::Write => &mut control.commits,
                Deed::Call => &mut control.calls,
            };
            *counter += 1;
            (*counter, control.crash)
        };
        if let Some(crash) =
            crash.filter(|crash| (crash.deed, crash.at, crash.when) == (deed, number, When::Before))
        {
            self.die(crash).await;
        }
        number
    }

    /// Dies after a deed, if that was to be, or sleeps.
    pub(crate) async fn after(&self, deed: Deed, number: usize) {
        let (crash, freeze) = {
            let control = self.control();
            (control.crash, control.freeze.filter(|(commit, _)| deed == Deed::Write && *commit == number))
        };
        if let Some(crash) =
            crash.filter(|crash| (crash.deed, crash.at, crash.when) == (deed, number, When::After))
        {
            self.die(crash).await;
        }
        if let Some((_, lasting)) = freeze {
            self.freeze(Sleep::Process, lasting);
        }
        self.running().await;
    }

    /// How the store is to fail at this write.
    pub(crate) fn store_fault(&self, commit: usize) -> Option<StoreFault> {
        self.control().store_fault.filter(|(number, _)| *number == commit).map(|(_, fault)| fault)
    }

    pub(crate) fn count_write(&self, table: Table) {
        *self.control().writes.entry(table).or_insert(0) += 1;
    }

    fn slept(&self) -> Duration {
        self.control().slept
    }
}

/// The wall clock of a world: it may jump.
#[derive(Clone, Default)]
pub struct WallClock(Arc<Mutex<SignedDuration>>);

impl WallClock {
    fn offset(&self) -> SignedDuration {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Moves it forward, or back if `by` is negative.
    pub fn jump(&self, by: SignedDuration) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) += by;
    }
}

/// Time as one process sees it.
pub struct ProcessClock {
    pub(crate) world: Arc<dyn Clock>,
    pub(crate) wall: WallClock,
    pub(crate) life: Arc<Life>,
}

#[async_trait]
impl Clock for ProcessClock {
    fn wall(&self) -> Timestamp {
        self.world.wall() + self.wall.offset()
    }

    fn monotonic(&self) -> Duration {
        self.world.monotonic()
    }

    async fn sleep(&self, duration: Duration) {
        let (begun, before) = (self.monotonic(), self.life.slept());
        let mut left = duration;
        loop {
            self.world.sleep(left).await;
            self.life.running().await;
            // What the machine slept through meanwhile does not count.
            let end = begun + duration + self.life.slept().saturating_sub(before);
            left = end.saturating_sub(self.monotonic());
            if left.is_zero() {
                return;
            }
        }
    }
}
