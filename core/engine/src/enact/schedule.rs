//! What may start when: every action waits for a number of others, which goes down as they end. Each
//! prerequisite is looked at once, however many actions there are.

use std::time::Duration;

use crate::plan::{Action, Plan, Vertex, vertices};

/// The actions of a plan that have not started yet.
pub(super) struct Schedule<'p> {
    actions: &'p [Action],
    /// The actions, and behind them the barriers; each waits for what is not fulfilled yet.
    vertices: Vec<Vertex>,
    started: Vec<bool>,
}

impl<'p> Schedule<'p> {
    pub(super) fn of(plan: &'p Plan) -> Self {
        let started = vec![false; plan.actions.len()];
        Self { actions: &plan.actions, vertices: vertices(plan), started }
    }

    /// All actions of the plan.
    pub(super) fn actions(&self) -> &'p [Action] {
        self.actions
    }

    /// For each action how long the way is from its start to the end of all that waits for it, when each
    /// takes what `takes` says.
    pub(super) fn remaining(&self, takes: impl Fn(&Action) -> Duration) -> Vec<Duration> {
        let behind = |id: usize| {
            let Vertex { needed_by, followed_by, .. } = &self.vertices[id];
            needed_by.iter().chain(followed_by).copied()
        };
        let mut open: Vec<usize> = self.vertices.iter().map(|vertex| vertex.waits_for).collect();
        let mut order: Vec<usize> = (0..open.len()).filter(|id| open[*id] == 0).collect();
        let mut next = 0;
        while let Some(id) = order.get(next).copied() {
            next += 1;
            for id in behind(id) {
                open[id] -= 1;
                if open[id] == 0 {
                    order.push(id);
                }
            }
        }
        let mut remaining = vec![Duration::ZERO; self.vertices.len()];
        for id in order.into_iter().rev() {
            // To pass a barrier takes no time.
            let own = self.actions.get(id).map(&takes).unwrap_or_default();
            remaining[id] = own + behind(id).map(|id| remaining[id]).max().unwrap_or_default();
        }
        remaining.truncate(self.actions.len());
        remaining
    }

    /// The actions that wait for nothing.
    pub(super) fn first(&self) -> Vec<&'p Action> {
        self.actions.iter().filter(|action| self.vertices[action.id].waits_for == 0).collect()
    }

    /// Takes down that an action has been started.
    pub(super) fn started(&mut self, action: &Action) {
        self.started[action.id] = true;
    }

    /// Takes down that an action has ended, and returns those that waited only for it.
    pub(super) fn ended(&mut self, action: &Action, succeeded: bool) -> Vec<&'p Action> {
        let mut freed = std::mem::take(&mut self.vertices[action.id].followed_by);
        if succeeded {
            freed.append(&mut self.vertices[action.id].needed_by);
        }
        let mut startable = Vec::new();
        while let Some(id) = freed.pop() {
            self.vertices[id].waits_for -= 1;
            if self.vertices[id].waits_for > 0 {
                continue;
            }
            match self.actions.get(id) {
                Some(action) => startable.push(action),
                // A barrier that is reached frees what stands behind it.
                None => freed.append(&mut self.vertices[id].needed_by),
            }
        }
        startable.sort_by_key(|action| action.id);
        startable
    }

    /// The actions that have not been started, in the order of the plan.
    pub(super) fn left(&self) -> impl Iterator<Item = &'p Action> {
        self.actions.iter().filter(|action| !self.started[action.id])
    }
}

#[cfg(test)]
mod tests {
    use crate::ids::{AttemptId, Slot};
    use crate::plan::{Barrier, What};
    use crate::record::Cause;

    use super::*;

    fn plan(prerequisites: &[(&[usize], &[usize])]) -> Plan {
        let action = |(id, (needs, follows)): (usize, &(&[usize], &[usize]))| Action {
            needs: needs.to_vec(),
            follows: follows.to_vec(),
            ..Action::new(
                id,
                Slot::new("a", 1),
                What::Await { attempt: AttemptId::from("x") },
                Cause(String::new()),
            )
        };
        Plan { actions: prerequisites.iter().enumerate().map(action).collect(), ..Plan::default() }
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

    #[test]
    fn a_barrier_is_reached_when_all_before_it_is_done_and_takes_no_time() {
        let mut plan = plan(&[(&[], &[]), (&[], &[]), (&[], &[]), (&[], &[])]);
        plan.barriers = vec![
            Barrier { needs: vec![0], follows: vec![1], behind: Vec::new() },
            Barrier { behind: vec![0], ..Barrier::default() },
        ];
        plan.actions[2].behind = vec![1];
        plan.actions[3].behind = vec![0, 1];
        let takes = |action: &Action| Duration::from_secs([1, 10, 2, 3][action.id]);
        assert_eq!(Schedule::of(&plan).remaining(takes), [4, 13, 2, 3].map(Duration::from_secs));
        let mut schedule = Schedule::of(&plan);
        assert_eq!(ids(schedule.first()), [0, 1]);
        assert!(schedule.ended(&plan.actions[0], true).is_empty());
        assert_eq!(ids(schedule.ended(&plan.actions[1], false)), [2, 3]);
        let mut schedule = Schedule::of(&plan);
        assert!(schedule.ended(&plan.actions[0], false).is_empty());
        assert!(schedule.ended(&plan.actions[1], true).is_empty(), "what it needs has failed");
    }
}
