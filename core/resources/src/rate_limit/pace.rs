//! How fast calls of one kind are made to one place. Pure.

use std::time::Duration;

use super::Rate;

/// The pace after the first call that was throttled: what a back-end tolerates is unknown until then, and may
/// be far below what it was asked for.
const FIRST_GUESS: Duration = Duration::from_millis(100);
/// No pace is slower.
const SLOWEST: Duration = Duration::from_secs(2);

/// A token bucket whose rate falls by half when calls are throttled, and rises with those that succeed: fast
/// up to what was too much, and slowly beyond.
#[derive(Debug)]
pub(super) struct Pace {
    limit: Rate,
    /// When the bucket is full again.
    full_at: Duration,
    interval: Duration,
    /// What was too fast.
    too_fast: Option<Duration>,
    /// When it was slowed down last.
    slowed_at: Duration,
}

impl Pace {
    pub(super) fn new(limit: Rate) -> Self {
        Self {
            limit,
            full_at: Duration::ZERO,
            interval: limit.interval,
            too_fast: None,
            slowed_at: Duration::ZERO,
        }
    }

    /// The time until the taken token is valid; `Err` with that time, and nothing taken, if it is longer than
    /// `longest_wait`.
    pub(super) fn take(&mut self, now: Duration, longest_wait: Duration) -> Result<Duration, Duration> {
        // What tolerates no burst of the known size gets none.
        let burst = if self.too_fast.is_some() { 1 } else { self.limit.burst.max(1) };
        let next = self.full_at.max(now) + self.interval;
        let wait = next.saturating_sub(now + self.interval * burst);
        if wait > longest_wait {
            return Err(wait);
        }
        self.full_at = next;
        Ok(wait)
    }

    /// Whether the pace was slowed down after a token was asked for at `asked`.
    pub(super) fn was_slowed_since(&self, asked: Duration) -> bool {
        self.too_fast.is_some() && asked < self.slowed_at
    }

    /// A call whose token was asked for at `asked` was throttled. If that was before the pace was slowed down,
    /// it says nothing about the new one.
    pub(super) fn throttled(&mut self, asked: Duration, now: Duration) {
        if self.was_slowed_since(asked) {
            return;
        }
        let guess = if self.too_fast.is_some() { Duration::ZERO } else { FIRST_GUESS };
        self.too_fast = Some(self.interval);
        self.interval = (self.interval * 2).max(guess).min(SLOWEST).max(self.limit.interval);
        self.slowed_at = now;
        // Whoever waits asks anew.
        self.full_at = now + self.interval;
    }

    /// A call succeeded.
    pub(super) fn succeeded(&mut self) {
        let Some(too_fast) = self.too_fast else { return };
        let percent_off = if self.interval * 9 > too_fast * 10 { 5.0 } else { 0.2 };
        self.interval = self.interval.mul_f64(1.0 - percent_off / 100.0).max(self.limit.interval);
    }
}
