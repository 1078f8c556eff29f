//! What waits for what in a plan.

use super::{Barrier, Plan};

/// What an action or a barrier waits for.
#[derive(Debug, Clone, Default)]
pub(super) struct Behind {
    /// Actions that must have succeeded.
    pub(super) needs: Vec<usize>,
    /// Actions that must have ended.
    pub(super) follows: Vec<usize>,
    /// Barriers that must have been reached.
    pub(super) barriers: Vec<usize>,
}

impl Behind {
    /// What needs these actions to succeed.
    pub(super) fn needing(needs: impl Into<Vec<usize>>) -> Self {
        Self { needs: needs.into(), ..Self::default() }
    }

    /// What needs these actions to end.
    pub(super) fn following(follows: impl Into<Vec<usize>>) -> Self {
        Self { follows: follows.into(), ..Self::default() }
    }

    /// Waits for what `other` waits for, too.
    pub(super) fn extend(&mut self, other: &Self) {
        self.needs.extend(&other.needs);
        self.follows.extend(&other.follows);
        self.barriers.extend(&other.barriers);
    }

    fn len(&self) -> usize {
        self.needs.len() + self.follows.len() + self.barriers.len()
    }
}

impl Plan {
    /// Makes an action wait.
    pub(super) fn put_behind(&mut self, action: usize, behind: &Behind) {
        let action = &mut self.actions[action];
        action.needs.extend(&behind.needs);
        action.follows.extend(&behind.follows);
        action.behind.extend(&behind.barriers);
    }

    /// The same as `all` for many that wait for it: more than one thing becomes one barrier.
    pub(super) fn joined(&mut self, all: Behind) -> Behind {
        if all.len() <= 1 {
            return all;
        }
        self.barriers.push(Barrier { needs: all.needs, follows: all.follows, behind: all.barriers });
        Behind { barriers: vec![self.barriers.len() - 1], ..Behind::default() }
    }

    /// Makes each action that starts an instance wait for the one before it.
    pub(super) fn put_in_a_row(&mut self) {
        let mut last = None;
        for action in self.actions.iter_mut().filter(|action| action.what.starts()) {
            action.needs.extend(last.replace(action.id));
        }
    }

    /// Drops the actions that are not `kept`, and numbers the others anew.
    pub(super) fn retain(&mut self, kept: impl Fn(usize) -> bool) {
        let mut numbers: Vec<Option<usize>> = Vec::with_capacity(self.actions.len());
        let mut next = 0..;
        numbers.extend((0..self.actions.len()).map(|id| if kept(id) { next.next() } else { None }));
        self.actions.retain(|action| kept(action.id));
        for (id, action) in self.actions.iter_mut().enumerate() {
            action.id = id;
            renumber([&mut action.needs, &mut action.follows], &numbers);
        }
        for barrier in &mut self.barriers {
            renumber([&mut barrier.needs, &mut barrier.follows], &numbers);
        }
    }

    /// Drops the barriers at which nobody waits, and those that wait for nothing.
    pub(super) fn drop_idle_barriers(&mut self) {
        let mut used = vec![false; self.barriers.len()];
        self.actions.iter().flat_map(|action| &action.behind).for_each(|number| used[*number] = true);
        // A barrier stands behind earlier ones only.
        for number in (0..self.barriers.len()).rev().filter(|number| used[*number]).collect::<Vec<_>>() {
            self.barriers[number].behind.iter().for_each(|earlier| used[*earlier] = true);
        }
        let mut numbers: Vec<Option<usize>> = Vec::with_capacity(used.len());
        let mut left = Vec::new();
        for (mut barrier, used) in std::mem::take(&mut self.barriers).into_iter().zip(used) {
            renumber([&mut barrier.behind], &numbers);
            let waits =
                !(barrier.needs.is_empty() && barrier.follows.is_empty() && barrier.behind.is_empty());
            numbers.push((used && waits).then_some(left.len()));
            left.extend((used && waits).then_some(barrier));
        }
        self.barriers = left;
        for action in &mut self.actions {
            renumber([&mut action.behind], &numbers);
        }
    }
}

fn renumber<const N: usize>(lists: [&mut Vec<usize>; N], numbers: &[Option<usize>]) {
    for list in lists {
        *list = list.iter().filter_map(|number| numbers.get(*number).copied().flatten()).collect();
    }
}

/// An action or a barrier, as the others see it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Vertex {
    /// How many it waits for.
    pub(crate) waits_for: usize,
    /// Those that need it to succeed, or to be reached.
    pub(crate) needed_by: Vec<usize>,
    /// Those that need it to end.
    pub(crate) followed_by: Vec<usize>,
}

/// The actions of `plan`, and behind them its barriers.
pub(crate) fn vertices(plan: &Plan) -> Vec<Vertex> {
    let actions = plan.actions.len();
    let mut vertices = vec![Vertex::default(); actions + plan.barriers.len()];
    let of_actions = plan.actions.iter().map(|action| (&action.needs, &action.follows, &action.behind));
    let of_barriers = plan.barriers.iter().map(|barrier| (&barrier.needs, &barrier.follows, &barrier.behind));
    for (number, (needs, follows, behind)) in of_actions.chain(of_barriers).enumerate() {
        vertices[number].waits_for = needs.len() + follows.len() + behind.len();
        needs.iter().for_each(|id| vertices[*id].needed_by.push(number));
        follows.iter().for_each(|id| vertices[*id].followed_by.push(number));
        behind.iter().for_each(|barrier| vertices[actions + barrier].needed_by.push(number));
    }
    vertices
}
