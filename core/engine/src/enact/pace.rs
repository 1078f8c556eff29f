//! When to look next at what is waited for: soon after the moment at which it is expected, and never so
//! rarely that more than a twentieth of the whole wait is lost. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

/// Without knowledge, the next look comes after this part of the time that has passed already.
const PART: u32 = 20;

/// Whose times are alike: what is waited for, the node definition, and the implementation.
pub(super) type Kind = (Until, String, usize);

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Until {
    /// That it is ready.
    Ready,
    /// That it is gone.
    Gone,
}

/// What was learned about how long things take.
#[derive(Debug, Default)]
pub(super) struct Pace {
    shortest: BTreeMap<Kind, Duration>,
}

impl Pace {
    /// Takes down how long one took.
    pub(super) fn learn(&mut self, kind: &Kind, took: Duration) {
        match self.shortest.get_mut(kind) {
            Some(shortest) => *shortest = took.min(*shortest),
            None => drop(self.shortest.insert(kind.clone(), took)),
        }
    }

    /// How long one of this kind takes; `None` if none has been seen.
    pub(super) fn expected(&self, kind: &Kind) -> Option<Duration> {
        self.shortest.get(kind).copied()
    }

    /// How long to wait for the next look at one that has taken `elapsed` so far.
    pub(super) fn pause(&self, kind: &Kind, elapsed: Duration) -> Duration {
        let unknowing = elapsed / PART;
        match self.expected(kind) {
            None => unknowing,
            // None was ready in half of that time yet.
            Some(expected) if elapsed < expected / 2 => expected / 2 - elapsed,
            // The nearer the expected moment, the closer the looks.
            Some(expected) => (elapsed.abs_diff(expected) / 2).min(unknowing),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

    fn kind() -> Kind {
        (Until::Ready, "web".to_owned(), 0)
    }

    /// Looks until it is ready after `boot`; returns the number of looks and when it was seen.
    fn watch(pace: &Pace, boot: Duration) -> (usize, Duration) {
        let (mut looks, mut at) = (1, Duration::ZERO);
        while at < boot {
            at += pace.pause(&kind(), at).max(LIMITS.0).min(LIMITS.1);
            looks += 1;
        }
        (looks, at)
    }

    #[test]
    fn without_knowledge_a_twentieth_of_the_wait_is_lost_at_most() {
        for seconds in [3, 10, 30, 60, 90] {
            let boot = Duration::from_secs(seconds);
            let (looks, seen) = watch(&Pace::default(), boot);
            assert!(seen - boot <= boot / 20, "{boot:?} was noticed after {seen:?}");
            assert!(looks <= 110, "{looks} looks for {boot:?}");
        }
    }

    #[test]
    fn what_takes_as_long_as_the_one_before_is_noticed_at_once_and_with_fewer_looks() {
        let boot = Duration::from_secs(47);
        let mut pace = Pace::default();
        let (first_looks, first) = watch(&pace, boot);
        for _ in 0..5 {
            let (_, seen) = watch(&pace, boot);
            pace.learn(&kind(), seen);
        }
        let (looks, seen) = watch(&pace, boot);
        assert!(seen <= first && seen - boot <= LIMITS.0 * 2, "{boot:?} was noticed after {seen:?}");
        assert!(looks < first_looks / 2, "{looks} looks instead of {first_looks}");
    }

    #[test]
    fn what_takes_longer_or_shorter_than_expected_loses_little_time() {
        let mut pace = Pace::default();
        pace.learn(&kind(), Duration::from_secs(30));
        for (seconds, loss) in [(16, 1), (29, 1), (31, 2), (60, 3), (90, 5)] {
            let boot = Duration::from_secs(seconds);
            let (_, seen) = watch(&pace, boot);
            assert!(seen - boot <= Duration::from_secs(loss), "{boot:?} was noticed after {seen:?}");
        }
    }

    #[test]
    fn a_failed_expectation_bounds_the_loss() {
        let mut pace = Pace::default();
        pace.learn(&kind(), Duration::from_secs(600));
        let (_, seen) = watch(&pace, Duration::from_secs(1));
        assert!(seen <= Duration::from_secs(1) + LIMITS.1);
    }
}
