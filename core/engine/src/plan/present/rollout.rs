//! Rolling out: instances that are not as described today are replaced a few at a time, and only while
//! all others of their node are ready.

use std::collections::BTreeSet;

use super::{Outlook, Path, Planner, state};
use crate::difference::{outdated, stale};
use crate::ids::Slot;
use crate::judge::InstanceState;
use crate::plan::Instance;
use crate::record::Cause;

/// An instance to be replaced although nothing is wrong with it.
pub(super) struct Renewal<'a> {
    /// Its position among the paths of its node.
    pub(super) position: usize,
    pub(super) instance: &'a Instance,
    pub(super) cause: Cause,
}

impl<'a> Planner<'a> {
    /// Why an instance is to be replaced by the rollout that is under way; `None` if it is not.
    pub(super) fn renewal(&self, instance: &Instance) -> Option<Cause> {
        let situation = self.situation;
        let attempt = &instance.attempt;
        let rollout = situation.record.rollout.as_ref().filter(|rollout| rollout.covers(attempt))?;
        if !attempt.is_live() || state(instance) == InstanceState::Unknown {
            return None;
        }
        if let Some(what) = outdated(&situation.generation, attempt) {
            return Some(Cause(format!("{} is outdated ({})", attempt.slot, what.join("; "))));
        }
        let peer = rollout.cascade.then(|| stale(attempt, &self.living)).flatten()?;
        Some(Cause(format!("{} knows an address of '{peer}' that is gone", attempt.slot)))
    }

    /// Plans the replacements of a node's instances. `taken` are the slots in use.
    pub(super) fn roll_out(
        &mut self,
        outlook: &Outlook<'a>,
        renewals: Vec<Renewal<'a>>,
        taken: BTreeSet<u32>,
        paths: &mut [Path],
    ) {
        let blocked = paths.iter().any(|path| matches!(path, Path::Blocked));
        let before = match &outlook.behind {
            Ok(before) if !blocked => before,
            _ => {
                for renewal in renewals {
                    let text = format!("{}; it stays until all it works with are ready", renewal.cause);
                    self.defer(renewal.instance.attempt.slot.clone(), text);
                }
                return;
            }
        };
        let starting = paths.iter().filter_map(|path| match path {
            Path::By(number) => Some(*number),
            Path::Ready | Path::Blocked => None,
        });
        let care = &outlook.node.care;
        match care.max_surge.map_or(0, |share| share.of(paths.len())) {
            0 => {
                let starting: Vec<usize> = starting.collect();
                let width = care.max_unavailable.map_or(1, |share| share.of(paths.len())).max(1);
                self.in_place(outlook, renewals, (&starting, before, width), paths);
            }
            surge => {
                let before: Vec<usize> = starting.chain(before.iter().copied()).collect();
                self.beside(outlook, renewals, (&before, surge), taken, paths);
            }
        }
    }

    /// Each instance is destroyed, and its slot filled again. As many at a time as may be missing.
    fn in_place(
        &mut self,
        outlook: &Outlook<'a>,
        renewals: Vec<Renewal<'a>>,
        (starting, before, width): (&[usize], &[usize], usize),
        paths: &mut [Path],
    ) {
        // What must be ready before the next replacement of each of `width` rows.
        let mut rows: Vec<Vec<usize>> = vec![Vec::new(); width];
        for (number, action) in starting.iter().enumerate() {
            rows[number % width].push(*action);
        }
        for (number, renewal) in renewals.into_iter().enumerate() {
            let row = &mut rows[(starting.len() + number) % width];
            let first = self.plan.actions.len();
            let attempt = &renewal.instance.attempt;
            let path = self.exchange(outlook, attempt, renewal.cause, false);
            if let Path::By(created) = path {
                self.plan.actions[first].needs.extend(row.iter().chain(before));
                *row = vec![created];
                self.living.remove(&attempt.node_id);
                paths[renewal.position] = path;
            }
        }
    }

    /// A new instance is made in a free slot before an old one is destroyed; as many at a time as there
    /// may be more than wanted.
    fn beside(
        &mut self,
        outlook: &Outlook<'a>,
        renewals: Vec<Renewal<'a>>,
        (before, surge): (&[usize], usize),
        mut taken: BTreeSet<u32>,
        paths: &mut [Path],
    ) {
        let mut rows: Vec<(Slot, Vec<usize>)> = Vec::new();
        for (number, renewal) in renewals.into_iter().enumerate() {
            if rows.len() <= number % surge {
                let index = (1..).find(|index| !taken.contains(index)).unwrap_or(u32::MAX);
                taken.insert(index);
                rows.push((Slot::new(&outlook.node.name, index), before.to_vec()));
            }
            let (slot, needs) = rows[number % surge].clone();
            let attempt = &renewal.instance.attempt;
            let path = self.create(outlook, slot, renewal.cause.clone(), None, &needs);
            if let Path::By(created) = path {
                let destroyed = self.destroy(attempt, renewal.cause, false);
                self.plan.actions[destroyed].needs.push(created);
                rows[number % surge] = (attempt.slot.clone(), vec![destroyed]);
                self.living.remove(&attempt.node_id);
                paths[renewal.position] = path;
            }
        }
    }
}
