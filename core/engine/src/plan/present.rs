//! Planning towards the description: heal, scale, create, and remove what is no longer described.

mod rollout;

use std::collections::{BTreeMap, BTreeSet};

use occopus_descriptor::model::{Heal, Node, ScaleDown};

use super::absent::dependants_first;
use super::budget::{Turn, turn};
use super::{Action, Instance, Note, Order, Plan, Situation, What};
use crate::engine::Policy;
use crate::handler::Found;
use crate::ids::{AttemptId, NodeId, Slot};
use crate::judge::InstanceState;
use crate::record::{Attempt, Cause, Outcome, Phase};
use rollout::{Renewal, Rolling};

/// What holds for all instances of a node.
struct Outlook<'a> {
    node: &'a Node,
    /// The actions behind which new instances come; else the node that will not be ready.
    behind: Result<Vec<usize>, &'a str>,
    /// Whether an unresponsive instance may be replaced, if there is one.
    replaces: bool,
    /// Whether nodes that wait for an unhealthy instance, if there is one, lack instances.
    is_missed: bool,
}

/// How a wanted slot becomes ready.
enum Path {
    /// It is ready.
    Ready,
    /// By this action.
    By(usize),
    /// Not within this plan.
    Blocked,
}

struct Planner<'a> {
    situation: &'a Situation,
    policy: &'a Policy,
    plan: Plan,
    /// The instances of each node, oldest first.
    instances: BTreeMap<&'a str, Vec<&'a Instance>>,
    /// The closed attempts of each slot.
    closed: BTreeMap<&'a Slot, Vec<&'a Attempt>>,
    /// For each node how its wanted slots become ready.
    paths: BTreeMap<&'a str, Vec<Path>>,
    /// What the description leaves out, but ran before it.
    held: Vec<(&'a str, &'a Instance, Cause)>,
    /// Destroys of what is no longer wanted, by node.
    removals: BTreeMap<&'a str, Vec<usize>>,
    /// Actions that make or await instances, in order.
    starts: Vec<usize>,
    /// Whether so much fails at once that the observer itself is suspect.
    suspicious: bool,
    /// The instances that stay.
    living: BTreeSet<&'a NodeId>,
}

pub(super) fn plan(situation: &Situation, policy: &Policy) -> Plan {
    let mut planner = Planner {
        situation,
        policy,
        plan: Plan::default(),
        instances: BTreeMap::new(),
        closed: BTreeMap::new(),
        paths: BTreeMap::new(),
        held: Vec::new(),
        removals: BTreeMap::new(),
        starts: Vec::new(),
        suspicious: false,
        living: BTreeSet::new(),
    };
    for instance in &situation.instances {
        planner.instances.entry(&instance.attempt.slot.node).or_default().push(instance);
        if !matches!(instance.attempt.phase, Phase::Destroying { .. }) {
            planner.living.insert(&instance.attempt.node_id);
        }
    }
    for attempt in &situation.closed {
        planner.closed.entry(&attempt.slot).or_default().push(attempt);
    }
    planner.warn_of_doubts();
    let described = situation.generation.infrastructure.nodes.iter();
    let described: BTreeMap<&str, &Node> = described.map(|node| (node.name.as_str(), node)).collect();
    for name in &situation.topology.order {
        if let Some(node) = described.get(name.as_str()) {
            planner.plan_node(node);
        }
    }
    planner.remove_undescribed();
    planner.remove_held();
    planner.remove_late();
    dependants_first(situation, &mut planner.plan, &planner.removals);
    planner.plan
}

impl<'a> Planner<'a> {
    fn warn_of_doubts(&mut self) {
        for text in &self.situation.topology.warnings {
            self.plan.notes.push(Note::Warning { text: text.clone() });
        }
        let known = self.situation.instances.iter().filter(|i| state(i) != InstanceState::Unknown).count();
        let unresponsive =
            self.count(|s| matches!(s, InstanceState::Unresponsive | InstanceState::Unhealthy));
        self.suspicious = unresponsive >= 3 && unresponsive * 2 > known;
        if self.suspicious {
            self.plan.notes.push(Note::Warning {
                text: format!(
                    "{unresponsive} of {known} instances fail their checks at the same time: is this machine's \
                     own network at fault? Unresponsive instances are left alone until most are healthy again"
                ),
            });
        }
    }

    fn count(&self, matches: impl Fn(InstanceState) -> bool) -> usize {
        self.situation.instances.iter().filter(|instance| matches(state(instance))).count()
    }

    fn plan_node(&mut self, node: &'a Node) {
        let limits = node.scaling;
        let target = self.situation.record.targets.get(&node.name).copied().unwrap_or(limits.min);
        let target = target.clamp(limits.min, limits.max) as usize;
        let mine = self.of_node(&node.name).to_vec();
        let mut being_destroyed = self.continue_destroys(&mine);
        // A slot is free when its instance is being destroyed; one that is still to be removed holds it.
        let mut taken: BTreeSet<u32> = mine
            .iter()
            .map(|i| &i.attempt.slot)
            .filter(|s| !being_destroyed.contains_key(*s))
            .map(|s| s.index)
            .collect();
        let (mut kept, surplus) = self.remove_surplus(node, mine, target);
        kept.sort_by_key(|instance| instance.attempt.slot.index);

        let mut paths: Vec<Path> = Vec::new();
        let have = kept.len();
        let outlook = self.outlook(node);
        let mut renewals: Vec<Renewal<'a>> = Vec::new();
        for instance in kept {
            let path = match self.renewal(instance) {
                Some(cause) if may_serve(instance) => {
                    renewals.push(Renewal { position: paths.len(), instance, cause });
                    Path::Ready
                }
                Some(cause) => self.exchange(&outlook, &instance.attempt, cause, state(instance).is_lost()),
                None => self.keep(&outlook, instance),
            };
            paths.push(path);
        }
        let free = (1..).filter(|index| !taken.contains(index)).take(target.saturating_sub(have));
        let free: Vec<u32> = free.collect();
        taken.extend(&free);
        for index in free {
            let slot = Slot::new(&node.name, index);
            let after = being_destroyed.remove(&slot).unwrap_or_default();
            let path = match self.late_for(&slot) {
                Some(found) => self.adopt(found, &after),
                None => {
                    let cause = Cause(format!("'{}' has {have} of {target} instances", node.name));
                    self.create(&outlook, slot, cause, None, &after)
                }
            };
            paths.push(path);
        }
        taken.extend(being_destroyed.keys().map(|slot| slot.index));
        let rolling = Rolling { renewals, surplus, freed: being_destroyed.into_iter().collect(), taken };
        self.roll_out(&outlook, rolling, &mut paths);
        self.paths.insert(&node.name, paths);
    }

    fn of_node(&self, name: &str) -> &[&'a Instance] {
        self.instances.get(name).map_or(&[], Vec::as_slice)
    }

    /// Found out once for all instances of a node, so that planning many takes no more than planning each.
    fn outlook(&self, node: &'a Node) -> Outlook<'a> {
        let has = |wanted: InstanceState| self.of_node(&node.name).iter().any(|i| state(i) == wanted);
        Outlook {
            node,
            behind: self.behind(node),
            replaces: has(InstanceState::Unresponsive) && self.may_replace_unresponsive(node),
            is_missed: has(InstanceState::Unhealthy) && self.has_missing_dependants(node),
        }
    }

    /// The actions that make ready what `node` depends on; else a node that will not be ready.
    fn behind(&self, node: &Node) -> Result<Vec<usize>, &'a str> {
        let situation = self.situation;
        let mut needs = Vec::new();
        for dependee in situation.topology.waits_for(&node.name) {
            for path in self.paths.get(dependee.as_str()).into_iter().flatten() {
                match path {
                    Path::Ready => {}
                    Path::By(number) => needs.push(*number),
                    Path::Blocked => return Err(dependee.as_str()),
                }
            }
        }
        Ok(needs)
    }

    /// Repeats what was begun, and returns the slots that it will free.
    fn continue_destroys(&mut self, mine: &[&'a Instance]) -> BTreeMap<Slot, Vec<usize>> {
        let mut freed: BTreeMap<Slot, Vec<usize>> = BTreeMap::new();
        for instance in mine {
            if let Phase::Destroying { cause, failed, .. } = &instance.attempt.phase {
                let number = self.destroy(&instance.attempt, cause.clone(), *failed);
                freed.entry(instance.attempt.slot.clone()).or_default().push(number);
            }
        }
        freed
    }

    /// Removes instances that were named for it, and as many more as there are too many: second ones of
    /// a slot and lost ones first, then the youngest. Returns those that stay, and those that the rollout
    /// under way removes: what takes their place may not be ready yet.
    fn remove_surplus(
        &mut self,
        node: &'a Node,
        mine: Vec<&'a Instance>,
        target: usize,
    ) -> (Vec<&'a Instance>, Vec<(&'a Instance, Cause)>) {
        let mut kept: Vec<&'a Instance> = Vec::new();
        for instance in mine {
            match (&instance.attempt.phase, &instance.attempt.retire) {
                (Phase::Destroying { .. } | Phase::Closed { .. }, _) => {}
                (_, Some(cause)) => self.remove(node.name.as_str(), instance, cause.clone()),
                _ => kept.push(instance),
            }
        }
        kept.sort_by_cached_key(|instance| {
            let leaving = (state(instance).is_lost(), self.renewal(instance).is_some());
            (leaving, staying(node, &instance.attempt))
        });
        let mut slots: BTreeSet<&Slot> = BTreeSet::new();
        let (mut kept, second): (Vec<_>, Vec<_>) =
            kept.into_iter().partition(|instance| slots.insert(&instance.attempt.slot));
        for instance in second {
            let cause = Cause(format!("{} has another instance", instance.attempt.slot));
            self.remove(node.name.as_str(), instance, cause);
        }
        let cause = Cause(format!("'{}' has {} instances, {target} are wanted", node.name, kept.len()));
        let mut surplus = Vec::new();
        for instance in kept.split_off(kept.len().min(target)) {
            let rolling = self.situation.record.rollout.is_some();
            if rolling && (is_useless(instance) || self.renewal(instance).is_some()) {
                surplus.push((instance, cause.clone()));
            } else {
                self.remove_after_change(node.name.as_str(), instance, cause.clone());
            }
        }
        (kept, surplus)
    }

    /// Removes an instance that the description leaves out. As long as a change of the description has
    /// not been completed, what ran before it stays until all that is new is ready.
    fn remove_after_change(&mut self, node: &'a str, instance: &'a Instance, cause: Cause) {
        let situation = self.situation;
        if !situation.record.completed && instance.attempt.generation < situation.generation.number {
            self.held.push((node, instance, cause));
        } else {
            self.remove(node, instance, cause);
        }
    }

    /// Removes what was held back, behind all that is new; not at all if some of that is not to come yet.
    fn remove_held(&mut self) {
        let blocked = self.paths.values().flatten().any(|path| matches!(path, Path::Blocked));
        for (node, instance, cause) in std::mem::take(&mut self.held) {
            if blocked {
                let text = format!("{cause}; it stays until all that is new is ready");
                self.defer(instance.attempt.slot.clone(), text);
                continue;
            }
            let first = self.plan.actions.len();
            self.remove(node, instance, cause);
            for action in &mut self.plan.actions[first..] {
                action.needs.extend(&self.starts);
            }
        }
    }

    fn remove(&mut self, node: &'a str, instance: &Instance, cause: Cause) {
        let attempt = &instance.attempt;
        if matches!(attempt.phase, Phase::Creating { .. }) {
            let what = What::Settle { attempt: attempt.id.clone(), wanted: false };
            self.plan.push(attempt.slot.clone(), what, cause);
            return;
        }
        let number = self.destroy(attempt, cause, state(instance).is_lost());
        self.removals.entry(node).or_default().push(number);
    }

    fn destroy(&mut self, attempt: &Attempt, cause: Cause, failed: bool) -> usize {
        let what = What::Destroy { attempt: attempt.id.clone(), failed, found: None };
        self.plan.push(attempt.slot.clone(), what, cause)
    }

    /// What a wanted instance needs: nothing, waiting, settling or replacing.
    fn keep(&mut self, outlook: &Outlook<'a>, instance: &Instance) -> Path {
        let node = outlook.node;
        let attempt = &instance.attempt;
        let reason = instance.verdict.as_ref().map_or("", |verdict| verdict.reason.as_str());
        if let Phase::Creating { error, .. } = &attempt.phase {
            let cause = Cause(match error {
                Some(error) => format!("the outcome of its creation is unknown: {error}"),
                None => "its creation was interrupted".to_owned(),
            });
            let what = What::Settle { attempt: attempt.id.clone(), wanted: true };
            return self.start(outlook, attempt.slot.clone(), what, cause);
        }
        if let Some(cause) = &attempt.replace {
            return self.exchange(outlook, attempt, cause.clone(), state(instance).is_lost());
        }
        match state(instance) {
            InstanceState::Ready => Path::Ready,
            InstanceState::Pending => self.await_ready(outlook, attempt, reason),
            InstanceState::Unhealthy if self.situation.eager.is_some() || outlook.is_missed => {
                self.await_ready(outlook, attempt, reason)
            }
            InstanceState::Unhealthy => self.defer(attempt.slot.clone(), reason.to_owned()),
            InstanceState::Unknown => {
                self.defer(attempt.slot.clone(), format!("its state is unknown: {reason}"))
            }
            InstanceState::Unresponsive if !outlook.replaces => {
                self.defer(attempt.slot.clone(), format!("{reason}; too many fail at once to replace it"))
            }
            InstanceState::Unresponsive | InstanceState::Dead | InstanceState::Gone
                if node.care.heal == Heal::Report =>
            {
                let slot = &attempt.slot;
                self.defer(
                    slot.clone(),
                    format!(
                        "{reason}; '{}' is described with `heal: report`: replace it with `occopus replace {} \
                         {slot}`",
                        node.name, self.situation.record.name
                    ),
                )
            }
            InstanceState::Unresponsive | InstanceState::Dead | InstanceState::Gone => {
                let cause = Cause(format!("{} {reason}", attempt.slot));
                self.exchange(outlook, attempt, cause, true)
            }
        }
    }

    fn await_ready(&mut self, outlook: &Outlook<'a>, attempt: &Attempt, reason: &str) -> Path {
        let cause = Cause(if reason.is_empty() { "not ready yet".to_owned() } else { reason.to_owned() });
        self.start(outlook, attempt.slot.clone(), What::Await { attempt: attempt.id.clone() }, cause)
    }

    /// Destroys an instance and fills its slot again; `failed` counts against the slot. One that has not
    /// failed stays as long as there can be no other in its place.
    fn exchange(&mut self, outlook: &Outlook<'a>, attempt: &Attempt, cause: Cause, failed: bool) -> Path {
        if let (Err(dependee), false) = (&outlook.behind, failed) {
            return self.defer(attempt.slot.clone(), format!("{cause}; '{dependee}' is not ready"));
        }
        let failing = failed.then_some(attempt);
        match self.turn(outlook.node, &attempt.slot, failing) {
            Turn::Later(text) => self.defer(attempt.slot.clone(), format!("{cause}; {text}")),
            Turn::Now(..) => {
                let number = self.destroy(attempt, cause.clone(), failed);
                self.create(outlook, attempt.slot.clone(), cause, failing, &[number])
            }
        }
    }

    fn turn(&self, node: &Node, slot: &Slot, failing: Option<&Attempt>) -> Turn<'a> {
        let closed = self.closed.get(slot).map_or(&[][..], Vec::as_slice);
        turn(self.situation, self.policy, node, (slot, closed), failing)
    }

    fn create(
        &mut self,
        outlook: &Outlook<'a>,
        slot: Slot,
        cause: Cause,
        failing: Option<&Attempt>,
        after: &[usize],
    ) -> Path {
        let (implementation, section) = match self.turn(outlook.node, &slot, failing) {
            Turn::Now(index, implementation) => (index, &implementation.resource),
            Turn::Later(text) => return self.defer(slot, text),
        };
        let text = |key: &str| {
            section.get(key).and_then(|value| value.as_str()).map(str::to_owned).unwrap_or_default()
        };
        let what = What::Create { implementation, resource: text("type"), endpoint: text("endpoint") };
        let path = self.start(outlook, slot, what, cause);
        if let Path::By(number) = path {
            self.plan.actions[number].needs.extend(after);
        }
        path
    }

    /// Adds an action that brings a slot to readiness; one that may make an instance comes behind
    /// everything it depends on.
    fn start(&mut self, outlook: &Outlook<'a>, slot: Slot, what: What, cause: Cause) -> Path {
        let mut needs = Vec::new();
        if matches!(what, What::Create { .. } | What::Settle { .. }) {
            match &outlook.behind {
                Ok(behind) => needs.clone_from(behind),
                Err(dependee) => return self.defer(slot, format!("{cause}; '{dependee}' is not ready")),
            }
        }
        let number = self.plan.push(slot, what, cause);
        if self.situation.order == Order::Sequential {
            needs.extend(self.starts.last());
        }
        self.plan.actions[number].needs = needs;
        self.starts.push(number);
        Path::By(number)
    }

    fn adopt(&mut self, found: &Found, after: &[usize]) -> Path {
        let cause = Cause("appeared after it had been given up".to_owned());
        let what = What::Adopt { attempt: found.identity.attempt.clone(), found: found.clone() };
        let number = self.plan.push(found.identity.slot.clone(), what, cause);
        self.plan.actions[number].needs.extend(after);
        self.starts.push(number);
        Path::By(number)
    }

    fn defer(&mut self, slot: Slot, text: String) -> Path {
        let note = Note::Deferred { slot, text, hold: None };
        // Several that are to come to the same slot wait for the same reason.
        if self.plan.notes.last() != Some(&note) {
            self.plan.notes.push(note);
        }
        Path::Blocked
    }

    fn late_for(&self, slot: &Slot) -> Option<&'a Found> {
        let fits = |found: &&Found| found.identity.slot == *slot && !self.was_removed(found);
        self.situation.late.iter().find(fits)
    }

    /// Whether a late arrival had been removed because it was not wanted, as opposed to lost.
    fn was_removed(&self, found: &Found) -> bool {
        let unwanted = |phase: &Phase| {
            matches!(phase, Phase::Closed { outcome: Outcome::Destroyed { failed: false, .. }, .. })
        };
        self.closed.get(&found.identity.slot).into_iter().flatten().any(|attempt| {
            attempt.id == found.identity.attempt && (attempt.retire.is_some() || unwanted(&attempt.phase))
        })
    }

    fn has_missing_dependants(&self, node: &Node) -> bool {
        self.situation.generation.infrastructure.nodes.iter().any(|other| {
            let waits = self.situation.topology.waits_for(&other.name).any(|name| *name == node.name);
            let lives = |i: &&&Instance| !state(i).is_lost() && i.attempt.is_live();
            waits && self.of_node(&other.name).iter().filter(lives).count() < other.scaling.min as usize
        })
    }

    fn may_replace_unresponsive(&self, node: &Node) -> bool {
        if self.suspicious {
            return false;
        }
        let mine = self.of_node(&node.name);
        let in_trouble =
            |i: &&&Instance| matches!(state(i), InstanceState::Unresponsive | InstanceState::Unhealthy);
        let unhealthy = mine.iter().filter(in_trouble).count();
        !node.care.max_unhealthy.is_some_and(|limit| limit.is_exceeded_by(unhealthy, mine.len()))
    }

    /// Removes the instances of nodes that are no longer described.
    fn remove_undescribed(&mut self) {
        let situation = self.situation;
        for instance in &situation.instances {
            let name = instance.attempt.slot.node.as_str();
            if self.paths.contains_key(name) {
                continue;
            }
            if let Phase::Destroying { cause, failed, .. } = &instance.attempt.phase {
                self.destroy(&instance.attempt, cause.clone(), *failed);
                continue;
            }
            let cause = Cause(format!("node '{name}' is no longer described"));
            self.remove_after_change(name, instance, cause);
        }
    }

    /// Destroys what appeared late and was not adopted.
    fn remove_late(&mut self) {
        let adopted: BTreeSet<AttemptId> = self.plan.actions.iter().filter_map(adopts).cloned().collect();
        for found in &self.situation.late {
            let adopted = adopted.contains(&found.identity.attempt);
            if !adopted {
                let cause = if self.was_removed(found) {
                    "appeared again after it had been removed"
                } else {
                    "appeared late; its slot is taken"
                };
                let what = What::Destroy {
                    attempt: found.identity.attempt.clone(),
                    failed: false,
                    found: Some(found.clone()),
                };
                self.plan.push(found.identity.slot.clone(), what, Cause(cause.to_owned()));
            }
        }
    }
}

/// The attempt whose late resource an action takes over.
fn adopts(action: &Action) -> Option<&AttemptId> {
    match &action.what {
        What::Adopt { attempt, .. } => Some(attempt),
        _ => None,
    }
}

/// Sorts the instances of a node: those that stay longest when there are too many come first.
fn staying(node: &Node, attempt: &Attempt) -> (i128, u32) {
    let (created, index) = (attempt.created_at.as_nanosecond(), attempt.slot.index);
    match node.care.scale_down {
        ScaleDown::Youngest => (created, index),
        ScaleDown::Oldest => (-created, index),
        ScaleDown::Highest => (0, index),
    }
}

/// Whether it may be of use to somebody, though it fails its checks.
fn may_serve(instance: &Instance) -> bool {
    match state(instance) {
        InstanceState::Ready | InstanceState::Unhealthy => true,
        InstanceState::Unresponsive => instance.attempt.ready_at.is_some(),
        InstanceState::Pending | InstanceState::Dead | InstanceState::Gone | InstanceState::Unknown => false,
    }
}

/// Whether it is lost, and was of no use to anybody before that or is of none any more.
fn is_useless(instance: &Instance) -> bool {
    state(instance).is_lost() && !may_serve(instance)
}

fn state(instance: &Instance) -> InstanceState {
    match (&instance.attempt.phase, &instance.verdict) {
        (Phase::Live, Some(verdict)) => verdict.state,
        (Phase::Creating { .. }, _) => InstanceState::Pending,
        _ => InstanceState::Unknown,
    }
}
