//! How long something stays as it is.

use std::time::{Duration, Instant};

/// How long an intermediate state lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lag {
    /// For this many `DescribeInstances` calls: exact, whatever the speed of the machine.
    Calls(u32),
    /// For this long.
    Time(Duration),
}

/// A running [`Lag`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Countdown {
    lag: Lag,
    calls: u32,
    start: Instant,
}

impl Countdown {
    pub(crate) fn new(lag: Lag, now: Instant) -> Self {
        Self { lag, calls: 0, start: now }
    }

    /// Counts one listing and tells whether the lag was over before it.
    pub(crate) fn listing(&mut self, now: Instant) -> bool {
        let over = match self.lag {
            Lag::Calls(calls) => self.calls >= calls,
            Lag::Time(time) => now.duration_since(self.start) >= time,
        };
        self.calls += 1;
        over
    }
}
