//! Planning towards the description: heal, scale, create, and remove what is no longer described.

mod rollout;
mod slot;
mod surplus;

use std::collections::{BTreeMap, BTreeSet};

use occopus_descriptor::model::Node;

use super::absent::dependants_first;
use super::graph::Behind;
use super::{Instance, Note, Plan, Situation};
use crate::engine::Policy;
use crate::ids::{NodeId, Slot};
use crate::judge::InstanceState;
use crate::record::{Attempt, Cause, Phase};
use rollout::{Renewal, Rolling};

/// What holds for all instances of a node.
struct Outlook<'a> {
    node: &'a Node,
    /// What new instances come behind; else the node that will not be ready.
    behind: Result<Behind, &'a str>,
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
    /// Neither, but for reasons that the description in force has nothing to do with.
    Troubled,
}

impl Path {
    /// The action by which it becomes ready.
    fn action(&self) -> Option<usize> {
        match self {
            Self::By(number) => Some(*number),
            Self::Ready | Self::Blocked | Self::Troubled => None,
        }
    }

    /// Whether it is or becomes ready within this plan.
    fn comes(&self) -> bool {
        matches!(self, Self::Ready | Self::By(_))
    }
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
    /// What stands before the readiness of nodes that others wait for; `None` if it is not to come.
    readiness: BTreeMap<&'a str, Option<Behind>>,
    /// For each node those that wait for it.
    dependants: BTreeMap<&'a str, Vec<&'a str>>,
    /// The described nodes.
    described: BTreeMap<&'a str, &'a Node>,
    /// What the description leaves out, but ran before it.
    held: Vec<(&'a str, &'a Instance, Cause)>,
    /// Destroys of what is no longer wanted, by node.
    removals: BTreeMap<&'a str, Vec<usize>>,
    /// Actions that make or await instances, in order.
    starts: Vec<usize>,
    /// Whether so much fails at once that the observer itself is suspect.
    suspicious: bool,
    /// The failure that the rollout under way has come to.
    stopped_by: Option<String>,
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
        readiness: BTreeMap::new(),
        dependants: situation.topology.dependants(),
        described: situation.generation.infrastructure.by_name(),
        held: Vec::new(),
        removals: BTreeMap::new(),
        starts: Vec::new(),
        suspicious: false,
        stopped_by: None,
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
    planner.stopped_by = planner.failure_of_change();
    for name in &situation.topology.order {
        if let Some(node) = planner.described.get(name.as_str()).copied() {
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
        let outlook = self.outlook(node, target);
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
    fn outlook(&mut self, node: &'a Node, wanted: usize) -> Outlook<'a> {
        let behind = self.behind(node, wanted);
        let has = |wanted: InstanceState| self.of_node(&node.name).iter().any(|i| state(i) == wanted);
        Outlook {
            node,
            behind,
            replaces: has(InstanceState::Unresponsive) && self.may_replace_unresponsive(node),
            is_missed: has(InstanceState::Unhealthy) && self.has_missing_dependants(node),
        }
    }

    /// What makes ready what `node` depends on, for as many instances as are `wanted`; else a node that will not
    /// be ready.
    fn behind(&mut self, node: &Node, wanted: usize) -> Result<Behind, &'a str> {
        let mut all = Behind::default();
        for dependee in self.situation.topology.waits_for(&node.name) {
            match self.readiness_of(dependee) {
                Some(before) => all.extend(&before),
                None => return Err(dependee),
            }
        }
        Ok(if wanted > 1 { self.plan.joined(all) } else { all })
    }

    /// What stands before the readiness of a node that is planned already; `None` if it is not to come.
    fn readiness_of(&mut self, node: &'a str) -> Option<Behind> {
        if !self.readiness.contains_key(node) {
            let paths = || self.paths.get(node).into_iter().flatten();
            let comes = paths().all(Path::comes);
            let actions: Vec<usize> = paths().filter_map(Path::action).collect();
            let before = comes.then(|| self.plan.joined(Behind::needing(actions)));
            self.readiness.insert(node, before);
        }
        self.readiness.get(node).cloned().flatten()
    }

    fn has_missing_dependants(&self, node: &Node) -> bool {
        let dependants = self.dependants.get(node.name.as_str()).into_iter().flatten();
        dependants.filter_map(|name| self.described.get(name)).any(|other| {
            let lives = |i: &&&Instance| !state(i).is_lost() && i.attempt.is_live();
            self.of_node(&other.name).iter().filter(lives).count() < other.scaling.min as usize
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
