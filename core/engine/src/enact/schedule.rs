//! What may start when: every action waits for a number of others, which goes down as they end. Each
//! prerequisite is looked at once, however many actions there are.

use std::time::Duration;

use crate::plan::{Action, Plan};

/// The actions of a plan that have not started yet.
pub(super) struct Schedule<'p> {
    actions: &'p [Action],
    waiting: Vec<Waiting>,
}

/// One action as the others see it.
#[derive(Default, Clone)]
struct Waiting {
    /// Prerequisites that are not fulfilled yet.
    open: usize,
    /// Actions that need this one to succeed.
    needed_by: Vec<usize>,
    /// Actions that need this one to end.
    followed_by: Vec<usize>,
    started: bool,
}

impl Waiting {
    /// The actions that wait for this one.
    fn behind(&self) -> impl Iterator<Item = usize> {
        self.needed_by.iter().chain(&self.followed_by).copied()
    }
}

impl<'p> Schedule<'p> {
    pub(super) fn of(plan: &'p Plan) -> Self {
        let mut waiting = vec![Waiting::default(); plan.actions.len()];
        for action in &plan.actions {
            waiting[action.id].open = action.needs.len() + action.follows.len();
            action.needs.iter().for_each(|id| waiting[*id].needed_by.push(action.id));
            action.follows.iter().for_each(|id| waiting[*id].followed_by.push(action.id));
        }
        Self { actions: &plan.actions, waiting }
    }

    /// All actions of the plan.
    pub(super) fn actions(&self) -> &'p [Action] {
        self.actions
    }

    /// For each action how long the way is from its start to the end of all that waits for it, when each
    /// takes what `takes` says.
    pub(super) fn remaining(&self, takes: impl Fn(&Action) -> Duration) -> Vec<Duration> {
        let mut open: Vec<usize> = self.waiting.iter().map(|waiting| waiting.open).collect();
        let mut order: Vec<usize> = (0..open.len()).filter(|id| open[*id] == 0).collect();
        let mut next = 0;
        while let Some(waiting) = order.get(next).map(|id| &self.waiting[*id]) {
            next += 1;
            for id in waiting.behind() {
                open[id] -= 1;
                if open[id] == 0 {
                    order.push(id);
                }
            }
        }
        let mut remaining = vec![Duration::ZERO; self.actions.len()];
        for id in order.into_iter().rev() {
            let behind = self.waiting[id].behind().map(|id| remaining[id]).max().unwrap_or_default();
            remaining[id] = takes(&self.actions[id]) + behind;
        }
        remaining
    }

    /// The actions that wait for nothing.
    pub(super) fn first(&self) -> Vec<&'p Action> {
        self.actions.iter().filter(|action| self.waiting[action.id].open == 0).collect()
    }

    /// Takes down that an action has been started.
    pub(super) fn started(&mut self, action: &Action) {
        self.waiting[action.id].started = true;
    }

    /// Takes down that an action has ended, and returns those that waited only for it.
    pub(super) fn ended(&mut self, action: &Action, succeeded: bool) -> Vec<&'p Action> {
        let mut freed = std::mem::take(&mut self.waiting[action.id].followed_by);
        if succeeded {
            freed.append(&mut self.waiting[action.id].needed_by);
        }
        let mut startable = Vec::new();
        for id in freed {
            self.waiting[id].open -= 1;
            if self.waiting[id].open == 0 {
                startable.push(&self.actions[id]);
            }
        }
        startable.sort_by_key(|action| action.id);
        startable
    }

    /// The actions that have not been started, in the order of the plan.
    pub(super) fn left(&self) -> impl Iterator<Item = &'p Action> {
        self.actions.iter().filter(|action| !self.waiting[action.id].started)
    }
}

#[cfg(test)]
mod tests {
    use crate::ids::{AttemptId, Slot};
    use crate::plan::What;
    use crate::record::Cause;

    use super::*;

    fn plan(prerequisites: &[(&[usize], &[usize])]) -> Plan {
        let action = |(id, (needs, follows)): (usize, &(&[usize], &[usize]))| Action {
            id,
            slot: Slot::new("a", 1),
            what: What::Await { attempt: AttemptId::from("x") },
            cause: Cause(String::new()),
            needs: needs.to_vec(),
            follows: follows.to_vec(),
        };
        Plan { actions: prerequisites.iter().enumerate().map(action).collect(), notes: Vec::new() }
    }

    fn ids<'p>(actions: impl IntoIterator<Item = &'p Action>) -> Vec<usize> {
        actions.into_iter().map(|action| action.id).collect()
    }

    #[test]
    fn an_action_starts_when_the_last_of_its_prerequisites_is_done() {
        let plan = plan(&[(&[], &[]), (&[], &[]), (&[0, 1], &[]), (&[2, 2], &[0])]);
        let mut schedule = Schedule::of(&plan);
        assert_eq!(ids(schedule.first()), [0, 1]);
        assert!(schedule.ended(&plan.actions[0], true).is_empty());
        assert_eq!(ids(schedule.ended(&plan.actions[1], true)), [2]);
        assert_eq!(ids(schedule.ended(&plan.actions[2], true)), [3]);
    }

    #[test]
    fn the_way_behind_an_action_is_the_longest_of_all_that_begin_with_it() {
        let plan = plan(&[(&[], &[]), (&[0], &[]), (&[0], &[]), (&[2], &[1]), (&[], &[])]);
        let takes = |action: &Action| Duration::from_secs([1, 10, 2, 3, 4][action.id]);
        let remaining = Schedule::of(&plan).remaining(takes);
        assert_eq!(remaining, [14, 13, 5, 3, 4].map(Duration::from_secs));
    }

    #[test]
    fn what_needs_a_failed_action_never_starts_and_what_follows_it_does() {
        let plan = plan(&[(&[], &[]), (&[0], &[]), (&[], &[0])]);
        let mut schedule = Schedule::of(&plan);
        schedule.started(&plan.actions[0]);
        let startable = schedule.ended(&plan.actions[0], false);
        assert_eq!(ids(startable.clone()), [2]);
        schedule.started(startable[0]);
        assert_eq!(ids(schedule.left()), [1]);
    }
}
