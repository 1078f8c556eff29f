//! Rolling out: instances that are not as described today are replaced a few at a time, and only while
//! all others of their node are ready.

use std::collections::BTreeSet;

use occopus_descriptor::model::{Care, Heal, Share};

use super::{Outlook, Path, Planner, is_useless, state};
use crate::difference::{outdated_as, stale_peers};
use crate::ids::Slot;
use crate::judge::InstanceState;
use crate::plan::budget::{Turn, has_failed};
use crate::plan::graph::Behind;
use crate::plan::{Instance, What};
use crate::record::{Attempt, Cause, Rollout};

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

/// How many at a time may be missing where there may be no more than wanted.
fn width(care: &Care, wanted: usize) -> usize {
    care.max_unavailable.map_or(1, |share| share.of(wanted)).max(1)
}

impl<'a> Planner<'a> {
    /// Why an instance is to be replaced by the rollout that is under way; `None` if it is not.
    pub(super) fn renewal(&self, instance: &Instance) -> Option<Cause> {
        let attempt = &instance.attempt;
        let may_be = attempt.is_live() && state(instance) != InstanceState::Unknown;
        may_be.then(|| self.reason_to_renew(attempt)).flatten()
    }

    /// Why the rollout that is under way replaces what an attempt made, as soon as it can.
    pub(super) fn reason_to_renew(&self, attempt: &Attempt) -> Option<Cause> {
        let situation = self.situation;
        let rollout = situation.record.rollout.as_ref().filter(|rollout| rollout.covers(attempt))?;
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
        let blocked = self.stopped_by.is_some()
            || paths.iter().any(|path| !path.comes())
            || surplus.iter().any(|(instance, _)| is_useless(instance));
        let starting: Vec<usize> = paths.iter().filter_map(Path::action).collect();
        let all_started = self.plan.joined(Behind::needing(starting.as_slice()));
        let (care, wanted) = (&outlook.node.care, paths.len());
        let failing = renewals.iter().filter(|renewal| !renewal.is_ready()).count();
        let may_be_missing = if surge(care, wanted) == 0 { width(care, wanted) } else { failing };
        let others = wanted.saturating_sub(may_be_missing);
        for (instance, cause) in surplus {
            let attempt = &instance.attempt;
            if is_useless(instance) {
                self.destroy(attempt, cause, true);
            } else if blocked {
                self.wait(attempt.slot.clone(), &cause);
            } else {
                let number = self.destroy(attempt, cause, state(instance).is_lost());
                self.need_others(number, others);
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
        match surge(care, wanted) {
            0 => self.in_place(outlook, renewals, (&starting, before, others), paths),
            surge => {
                let mut all = all_started;
                all.extend(before);
                let before = self.plan.joined(all);
                self.beside(outlook, renewals, (&before, surge, others), (freed, taken), paths);
            }
        }
    }

    /// So many others are to be ready when the destroy with this number starts.
    fn need_others(&mut self, destroy: usize, count: usize) {
        if let What::Destroy { others, .. } = &mut self.plan.actions[destroy].what {
            *others = Some(count);
        }
    }

    /// What of a change cannot be made now, and why. Then nothing more that may be of use is replaced: the
    /// change is going to be undone, or waits. To undo one goes on elsewhere.
    pub(super) fn failure_of_change(&self) -> Option<String> {
        let situation = self.situation;
        let is_change = |rollout: &Rollout| rollout.made_after.is_none();
        if !situation.record.rollout.as_ref().is_some_and(is_change) {
            return None;
        }
        let number = situation.generation.number;
        let never_served = |attempt: &&Attempt| attempt.generation == number && attempt.ready_at.is_none();
        let lives = |slot: &Slot| {
            self.of_node(&slot.node).iter().any(|one| one.attempt.slot == *slot && one.attempt.is_live())
        };
        let gone = situation.closed.iter().filter(never_served).filter(|attempt| has_failed(attempt));
        let gone = gone.filter(|attempt| !lives(&attempt.slot)).map(|attempt| (attempt, None));
        let lost = situation.instances.iter().filter(|instance| state(instance).is_lost());
        let lost = lost.map(|instance| &instance.attempt).filter(never_served);
        gone.chain(lost.map(|attempt| (attempt, Some(attempt)))).find_map(|(attempt, failing)| {
            let slot = &attempt.slot;
            let node = *self.described.get(slot.node.as_str())?;
            match self.turn(node, slot, failing) {
                _ if failing.is_none() && self.failed_before(node, slot) => None,
                Turn::Later(text) => Some(format!("{slot} cannot be made: {text}")),
                Turn::Now(..) if failing.is_some() && node.care.heal == Heal::Report => {
                    Some(format!("{slot} has failed"))
                }
                Turn::Now(..) => None,
            }
        })
    }

    fn wait(&mut self, slot: Slot, cause: &Cause) {
        let text = match &self.stopped_by {
            Some(failure) => format!("{cause}; it stays, because {failure}"),
            None => format!("{cause}; it stays until all it works with are ready"),
        };
        self.defer(slot, text);
    }

    /// Each instance is destroyed, and its slot filled again. As many at a time as may be missing, those
    /// that are missing or failing anyway included.
    fn in_place(
        &mut self,
        outlook: &Outlook<'a>,
        renewals: Vec<Renewal<'a>>,
        (starting, before, others): (&[usize], &Behind, usize),
        paths: &mut [Path],
    ) {
        let width = width(&outlook.node.care, paths.len());
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
            let others = if renewal.is_ready() { others } else { 0 };
            let path = self.exchange(outlook, attempt, renewal.cause, is_lost);
            if let Path::By(created) = path {
                self.need_others(first, others);
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
        (before, surge, others): (&Behind, usize, usize),
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
            let others = if renewal.is_ready() { others } else { 0 };
            let path = self.create(outlook, slot, renewal.cause.clone(), None, &behind);
            if let Path::By(created) = path {
                let destroyed = self.destroy(attempt, renewal.cause, state(renewal.instance).is_lost());
                self.need_others(destroyed, others);
                self.plan.actions[destroyed].needs.push(created);
                rows[number % surge] = (attempt.slot.clone(), Behind::needing([destroyed]));
                self.living.remove(&attempt.node_id);
                paths[renewal.position] = path;
            }
        }
    }
}
