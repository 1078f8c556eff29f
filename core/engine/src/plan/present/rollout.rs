//! Rolling out: instances that are not as described today are replaced a few at a time, and only while
//! all others of their node are ready.

use std::collections::BTreeSet;

use occopus_descriptor::model::{Care, Share};

use super::{Outlook, Path, Planner, is_useless, state};
use crate::difference::{outdated_as, stale_peers};
use crate::ids::Slot;
use crate::judge::InstanceState;
use crate::plan::Instance;
use crate::plan::graph::Behind;
use crate::record::Cause;

/// An instance to be replaced although it may be of use.
pub(super) struct Renewal<'a> {
    /// Its position among the paths of its node.
    pub(super) position: usize,
    pub(super) instance: &'a Instance,
    pub(super) cause: Cause,
}

impl Renewal<'_> {
    fn is_ready(&self) -> bool {
        state(self.instance) == InstanceState::Ready
    }
}

/// What a rollout has to do at a node.
pub(super) struct Rolling<'a> {
    /// What is to be replaced.
    pub(super) renewals: Vec<Renewal<'a>>,
    /// What was replaced by an instance in another slot, and is still there.
    pub(super) surplus: Vec<(&'a Instance, Cause)>,
    /// Slots that become free, with what frees them.
    pub(super) freed: Vec<(Slot, Behind)>,
    /// All slots in use.
    pub(super) taken: BTreeSet<u32>,
}

/// How many instances more than the `wanted` ones there may be. Where none may be missing, there has to be
/// one more.
fn surge(care: &Care, wanted: usize) -> usize {
    let is_none = |share| matches!(share, Share::Count(0) | Share::Percent(0));
    match care.max_surge {
        Some(share) if !is_none(share) => share.of(wanted).max(1),
        _ => usize::from(care.max_unavailable.is_some_and(is_none)),
    }
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
        if let Some(node) = self.described.get(attempt.slot.node.as_str())
            && let Some(what) = outdated_as(&situation.generation, node, attempt)
        {
            return Some(Cause(format!("{} is outdated ({})", attempt.slot, what.join("; "))));
        }
        if !rollout.cascade {
            return None;
        }
        // Two that know each other's address would be replaced for ever, each because of the other.
        let is_behind = |peer: &&str| situation.topology.waits_for(&attempt.slot.node).any(|one| one == peer);
        let peer = stale_peers(attempt, &self.living).find(is_behind)?;
        Some(Cause(format!("{} knows an address of '{peer}' that is gone", attempt.slot)))
    }

    /// Plans the replacements of a node's instances.
    pub(super) fn roll_out(&mut self, outlook: &Outlook<'a>, rolling: Rolling<'a>, paths: &mut [Path]) {
        let Rolling { mut renewals, surplus, mut freed, taken } = rolling;
        // What is lost has to be in the history of its slot before that is used again.
        let blocked = paths.iter().any(|path| matches!(path, Path::Blocked))
            || surplus.iter().any(|(instance, _)| is_useless(instance));
        let starting: Vec<usize> = paths.iter().filter_map(Path::action).collect();
        let all_started = self.plan.joined(Behind::needing(starting.as_slice()));
        for (instance, cause) in surplus {
            let attempt = &instance.attempt;
            if is_useless(instance) {
                self.destroy(attempt, cause, true);
            } else if blocked {
                self.wait(attempt.slot.clone(), &cause);
            } else {
                let number = self.destroy(attempt, cause, state(instance).is_lost());
                self.plan.put_behind(number, &all_started);
                freed.push((attempt.slot.clone(), Behind::needing([number])));
            }
        }
        // Those of least use go first.
        renewals.sort_by_key(Renewal::is_ready);
        for renewal in renewals.iter().filter(|renewal| !renewal.is_ready()) {
            paths[renewal.position] = Path::Blocked;
        }
        let before = match &outlook.behind {
            Ok(before) if !blocked => before,
            _ => {
                for renewal in renewals {
                    self.wait(renewal.instance.attempt.slot.clone(), &renewal.cause);
                }
                return;
            }
        };
        let care = &outlook.node.care;
        match surge(care, paths.len()) {
            0 => {
                let width = care.max_unavailable.map_or(1, |share| share.of(paths.len())).max(1);
                self.in_place(outlook, renewals, (&starting, before, width), paths);
            }
            surge => {
                let mut all = all_started;
                all.extend(before);
                let before = self.plan.joined(all);
                self.beside(outlook, renewals, (&before, surge), (freed, taken), paths);
            }
        }
    }

    fn wait(&mut self, slot: Slot, cause: &Cause) {
        self.defer(slot, format!("{cause}; it stays until all it works with are ready"));
    }

    /// Each instance is destroyed, and its slot filled again. As many at a time as may be missing, those
    /// that are missing or failing anyway included.
    fn in_place(
        &mut self,
        outlook: &Outlook<'a>,
        renewals: Vec<Renewal<'a>>,
        (starting, before, width): (&[usize], &Behind, usize),
        paths: &mut [Path],
    ) {
        // What must be ready before the next replacement of each of `width` rows.
        let mut rows: Vec<Behind> = vec![Behind::default(); width];
        for (number, action) in starting.iter().enumerate() {
            rows[number % width].extend(&Behind::needing([*action]));
        }
        let failing = renewals.iter().filter(|renewal| !renewal.is_ready()).count();
        for (number, renewal) in renewals.into_iter().enumerate() {
            if number == failing && starting.len() + failing > width {
                // More are missing than may be: what is ready stays until all of them are ready.
                let mut all = Behind::default();
                rows.iter().for_each(|row| all.extend(row));
                rows = vec![self.plan.joined(all); width];
            }
            let row = &mut rows[(starting.len() + number) % width];
            let first = self.plan.actions.len();
            let attempt = &renewal.instance.attempt;
            let is_lost = state(renewal.instance).is_lost();
            let path = self.exchange(outlook, attempt, renewal.cause, is_lost);
            if let Path::By(created) = path {
                self.plan.put_behind(first, row);
                self.plan.put_behind(first, before);
                *row = Behind::needing([created]);
                self.living.remove(&attempt.node_id);
                paths[renewal.position] = path;
            }
        }
    }

    /// A new instance is made in a free slot before an old one is destroyed; as many at a time as there
    /// may be more than wanted. The slots that become free anyway are the first to be used.
    fn beside(
        &mut self,
        outlook: &Outlook<'a>,
        renewals: Vec<Renewal<'a>>,
        (before, surge): (&Behind, usize),
        (mut rows, taken): (Vec<(Slot, Behind)>, BTreeSet<u32>),
        paths: &mut [Path],
    ) {
        for (_, behind) in &mut rows {
            behind.extend(before);
        }
        let mut free = (1..).filter(|index| !taken.contains(index));
        for (number, renewal) in renewals.into_iter().enumerate() {
            if rows.len() <= number % surge {
                let index = free.next().unwrap_or(u32::MAX);
                rows.push((Slot::new(&outlook.node.name, index), before.clone()));
            }
            let (slot, behind) = rows[number % surge].clone();
            let attempt = &renewal.instance.attempt;
            let path = self.create(outlook, slot, renewal.cause.clone(), None, &behind);
            if let Path::By(created) = path {
                let destroyed = self.destroy(attempt, renewal.cause, state(renewal.instance).is_lost());
                self.plan.actions[destroyed].needs.push(created);
                rows[number % surge] = (attempt.slot.clone(), Behind::needing([destroyed]));
                self.living.remove(&attempt.node_id);
                paths[renewal.position] = path;
            }
        }
    }
}
