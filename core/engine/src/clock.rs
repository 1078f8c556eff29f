//! Time and randomness, injected: the whole engine runs in virtual time with a seed in tests.

use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use nix::time::{ClockId, clock_gettime};
use uuid::Uuid;

/// All waiting of the engine goes through this trait.
#[async_trait]
pub trait Clock: Send + Sync {
    /// The wall-clock time, for records that outlive the process. May jump.
    fn wall(&self) -> Timestamp;

    /// Time since an arbitrary start, for measuring durations. Never jumps, never goes back.
    fn monotonic(&self) -> Duration;

    /// Waits for `duration`.
    async fn sleep(&self, duration: Duration);
}

/// The deadline passed before the awaited call answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no answer within {:.0} s", .0.as_secs_f64())]
pub struct Elapsed(pub Duration);

/// Awaits `future` for at most `limit` of the clock's time; the future is dropped when it is late.
pub async fn timeout<F: Future>(clock: &dyn Clock, limit: Duration, future: F) -> Result<F::Output, Elapsed> {
    tokio::select! {
        biased;
        output = future => Ok(output),
        () = clock.sleep(limit) => Err(Elapsed(limit)),
    }
}

/// The machine's own clock. Its monotonic time goes on while the machine sleeps: a lease runs out then.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

#[async_trait]
impl Clock for SystemClock {
    fn wall(&self) -> Timestamp {
        Timestamp::now()
    }

    fn monotonic(&self) -> Duration {
        // The call fails only for clocks that a kernel does not have; this one is as old as Linux 2.6.
        clock_gettime(ClockId::CLOCK_BOOTTIME).map(Duration::from).unwrap_or_default()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

/// The clock of a tokio runtime whose time is paused: it advances at once to the next timer whenever
/// every task waits, so hours pass in milliseconds and always in the same order.
#[derive(Debug)]
pub struct VirtualClock {
    epoch: Timestamp,
    start: tokio::time::Instant,
}

impl VirtualClock {
    /// A clock that reads `epoch` now. Call it inside a runtime started with paused time.
    pub fn new(epoch: Timestamp) -> Self {
        Self { epoch, start: tokio::time::Instant::now() }
    }
}

#[async_trait]
impl Clock for VirtualClock {
    fn wall(&self) -> Timestamp {
        self.epoch + self.start.elapsed()
    }

    fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

/// Identifiers and jitter, from the system's randomness or from a seed.
#[derive(Debug, Clone)]
pub struct Random(Source);

#[derive(Debug, Clone)]
enum Source {
    System,
    Seeded(Arc<Mutex<fastrand::Rng>>),
}

impl Random {
    /// Identifiers come from the operating system's generator.
    pub fn from_system() -> Self {
        Self(Source::System)
    }

    /// The same sequence for the same `seed`.
    pub fn seeded(seed: u64) -> Self {
        Self(Source::Seeded(Arc::new(Mutex::new(fastrand::Rng::with_seed(seed)))))
    }

    /// A new UUIDv4.
    pub fn uuid(&self) -> Uuid {
        match &self.0 {
            Source::System => Uuid::new_v4(),
            Source::Seeded(_) => {
                let bits = self.draw(|rng| rng.u128(..));
                uuid::Builder::from_random_bytes(bits.to_le_bytes()).into_uuid()
            }
        }
    }

    /// `duration` lengthened by up to a quarter, so that many waiters do not wake at the same moment.
    pub fn jitter(&self, duration: Duration) -> Duration {
        duration.mul_f64(1.0 + self.draw(fastrand::Rng::f64) / 4.0)
    }

    /// A number below `bound`; 0 if `bound` is 0.
    pub fn below(&self, bound: usize) -> usize {
        if bound == 0 { 0 } else { self.draw(|rng| rng.usize(..bound)) }
    }

    fn draw<T>(&self, draw: impl FnOnce(&mut fastrand::Rng) -> T) -> T {
        match &self.0 {
            Source::System => draw(&mut fastrand::Rng::new()),
            // A generator is valid after any panic, so a poisoned lock is no reason to stop.
            Source::Seeded(rng) => draw(&mut rng.lock().unwrap_or_else(std::sync::PoisonError::into_inner)),
        }
    }
}
