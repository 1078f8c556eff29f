//! How much of the time of a run was needed: its efficiency.

use std::collections::BTreeMap;
use std::time::Duration;

use super::schedule::Schedule;
use crate::ids::AttemptId;
use crate::plan::{Action, Plan};

/// What a run took, and what it takes at least.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Effort {
    /// From its start to its end.
    pub makespan: Duration,
    /// What nobody can do it in who finds the same latencies and makes as many calls at the same time: the
    /// longest path of actions that wait for each other, or all calls of the busiest endpoint.
    pub lower_bound: Duration,
}

impl Effort {
    /// The part of the time that was needed, at most 1; `None` if nothing had to be done.
    pub fn efficiency(&self) -> Option<f64> {
        let idle = self.lower_bound.is_zero() || self.makespan.is_zero();
        (!idle).then(|| (self.lower_bound.as_secs_f64() / self.makespan.as_secs_f64()).min(1.0))
    }

    /// Adds what came after.
    pub(crate) fn add(&mut self, next: Self) {
        self.makespan += next.makespan;
        self.lower_bound += next.lower_bound;
    }
}

/// What one action spent.
#[derive(Debug, Clone, Default)]
pub(super) struct Spent {
    /// Where its call went.
    pub(super) endpoint: String,
    /// Getting ready for the call.
    pub(super) preparing: Duration,
    /// The call itself.
    pub(super) call: Duration,
    /// Its part of the call, if others were made by the same.
    pub(super) share: Duration,
    /// From the answer until it was ready or gone: until the last look that did not find it so began, and
    /// one look more.
    pub(super) waiting: Duration,
}

impl Spent {
    fn path(&self) -> Duration {
        self.preparing + self.call + self.waiting
    }
}

/// What all actions of `plan` take at least, when each takes what it spent.
pub(super) fn lower_bound<'s>(
    plan: &Plan,
    spent: impl Fn(&Action) -> Option<&'s Spent>,
    max_parallel: usize,
) -> Duration {
    let path = |action: &Action| spent(action).map(Spent::path).unwrap_or_default();
    let longest = Schedule::of(plan).remaining(path).into_iter().max().unwrap_or_default();
    let mut calls: BTreeMap<&str, Duration> = BTreeMap::new();
    for spent in plan.actions.iter().filter_map(&spent) {
        *calls.entry(&spent.endpoint).or_default() += spent.share;
    }
    let parallel = u32::try_from(max_parallel.max(1)).unwrap_or(u32::MAX);
    let busiest = calls.into_values().max().unwrap_or_default() / parallel;
    longest.max(busiest)
}

/// What the actions of a run spent, by attempt.
pub(super) type Ledger = BTreeMap<AttemptId, Spent>;

#[cfg(test)]
mod tests {
    use crate::ids::Slot;
    use crate::plan::What;
    use crate::record::Cause;

    use super::*;

    fn plan(needs: &[&[usize]]) -> Plan {
        let what = What::Await { attempt: AttemptId::from("x") };
        let action = |(id, needs): (usize, &&[usize])| Action {
            needs: needs.to_vec(),
            ..Action::new(id, Slot::new("a", 1), what.clone(), Cause(String::new()))
        };
        Plan { actions: needs.iter().enumerate().map(action).collect(), ..Plan::default() }
    }

    fn spent(call: u64, waiting: u64) -> Spent {
        let (call, waiting) = (Duration::from_secs(call), Duration::from_secs(waiting));
        Spent { call, share: call, waiting, ..Spent::default() }
    }

    #[test]
    fn the_longest_path_bounds_a_chain() {
        let costs = [spent(1, 10), spent(1, 20), spent(1, 5)];
        let bound = lower_bound(&plan(&[&[], &[0], &[0]]), |action| costs.get(action.id), 10);
        assert_eq!(bound, Duration::from_secs(11 + 21));
    }

    #[test]
    fn the_calls_of_one_endpoint_bound_what_waits_for_nothing() {
        let costs = [spent(4, 1), spent(4, 1), spent(4, 1), spent(4, 1)];
        let needs: [&[usize]; 4] = [&[]; 4];
        assert_eq!(lower_bound(&plan(&needs), |action| costs.get(action.id), 2), Duration::from_secs(8));
        assert_eq!(lower_bound(&plan(&needs), |action| costs.get(action.id), 4), Duration::from_secs(5));
    }

    #[test]
    fn a_call_that_made_several_counts_once() {
        let costs = [(); 4].map(|()| Spent { share: Duration::from_secs(1), ..spent(4, 1) });
        let needs: [&[usize]; 4] = [&[]; 4];
        assert_eq!(lower_bound(&plan(&needs), |action| costs.get(action.id), 1), Duration::from_secs(5));
    }

    #[test]
    fn a_run_that_did_nothing_has_no_efficiency() {
        let effort = Effort { makespan: Duration::from_secs(3), ..Effort::default() };
        assert_eq!(effort.efficiency(), None);
    }
}
