//! Status: an infrastructure in plain words, as data.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use occopus_engine::control::{Health, Survey};
use occopus_engine::difference::{outdated, stale};
use occopus_engine::hold::Hold;
use occopus_engine::ids::{InfraId, NodeId, Slot};
use occopus_engine::judge::InstanceState;
use occopus_engine::plan::{Instance, Note};
use occopus_engine::record::{Goal, Phase, ScaleChange};
use serde::Serialize;

use crate::error::Error;
use crate::next;

/// An infrastructure with all its nodes and slots.
#[derive(Debug, Clone, Serialize)]
pub struct Status {
    /// Format version.
    pub schema: u32,
    /// Identifier.
    pub infra_id: InfraId,
    /// Name.
    pub name: String,
    /// The whole in one word.
    pub health: Health,
    /// What is wanted.
    pub goal: Goal,
    /// Number of the description in force.
    pub generation: u64,
    /// When it was first built.
    pub created_at: Timestamp,
    /// Which store knows it.
    pub store: String,
    /// Who controls it now, in words; absent if nobody does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub controller: Option<String>,
    /// When a controller last looked at everything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maintained_at: Option<Timestamp>,
    /// When this status was observed.
    pub observed_at: Timestamp,
    /// The nodes in the order of their dependencies.
    pub nodes: Vec<NodeStatus>,
    /// What operators keep the engine from doing.
    pub holds: Vec<Hold>,
    /// Scaling requests that wait for a pass, in words.
    pub requests: Vec<String>,
    /// Remarks: warnings, and what has to wait, why, and the command that fits it.
    pub notes: Vec<String>,
    /// The command that fits the situation.
    pub next: String,
}

/// A node of the description.
#[derive(Debug, Clone, Serialize)]
pub struct NodeStatus {
    /// Name.
    pub name: String,
    /// Node definition; empty for a node that is no longer described.
    pub definition: String,
    /// Fewest instances.
    pub min: u32,
    /// Most instances.
    pub max: u32,
    /// Instances wanted.
    pub target: u32,
    /// Nodes it waits for.
    pub waits_for: Vec<String>,
    /// Its slots.
    pub slots: Vec<SlotStatus>,
}

/// A slot and the instance in it.
#[derive(Debug, Clone, Serialize)]
pub struct SlotStatus {
    /// The slot.
    pub slot: Slot,
    /// The instance.
    pub node_id: NodeId,
    /// `creating`, `destroying` or the state of the instance.
    pub state: String,
    /// The state word of Occopus 1.10.
    pub legacy_state: &'static str,
    /// Seconds since its creation.
    pub age: i64,
    /// Addresses, the primary one first.
    pub addresses: Vec<String>,
    /// Resource type.
    pub resource: String,
    /// API endpoint.
    pub endpoint: String,
    /// What the back-end calls it.
    pub provider_id: String,
    /// The last check result or error in plain words; empty when ready.
    pub detail: String,
    /// Made from another description or definition than the one in force.
    pub outdated: bool,
    /// What differs, in words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub differs: Vec<String>,
    /// The node whose instance, known to this one by its address, is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stale: Option<String>,
}

impl Status {
    /// The status of a survey; `store` says where its record is.
    pub fn of(survey: &Survey, store: &str) -> Self {
        let situation = &survey.situation;
        let health = survey.health();
        Self {
            schema: 1,
            infra_id: situation.record.id.clone(),
            name: situation.record.name.clone(),
            health,
            goal: situation.record.goal,
            generation: situation.record.generation,
            created_at: situation.record.created_at,
            store: store.to_owned(),
            controller: survey.lease.holder.as_ref().map(|_| survey.lease.describe()),
            maintained_at: survey.lease.observed_at,
            observed_at: situation.now,
            nodes: nodes(survey),
            holds: situation.holds.iter().cloned().collect(),
            requests: survey
                .requests
                .iter()
                .map(|request| describe(&request.node, &request.change))
                .collect(),
            notes: survey.plan.notes.iter().map(|note| next::remark(survey, note)).collect(),
            next: next::command(survey),
        }
    }
}

impl Status {
    /// The instance that `text` names by slot, node id or address.
    ///
    /// # Errors
    /// If there is none; the message has all slots.
    pub fn instance(&self, text: &str) -> Result<&SlotStatus, Error> {
        let slots = || self.nodes.iter().flat_map(|node| &node.slots);
        let named = |slot: &&SlotStatus| slot.slot.to_string() == text || slot.node_id.as_str() == text;
        let addressed = |slot: &&SlotStatus| slot.addresses.iter().any(|address| address == text);
        slots().find(named).or_else(|| slots().find(addressed)).ok_or_else(|| {
            let known: Vec<String> = slots().map(|slot| slot.slot.to_string()).collect();
            Error::Usage(format!("'{}' has no instance '{text}'; it has: {}", self.name, known.join(", ")))
        })
    }
}

fn nodes(survey: &Survey) -> Vec<NodeStatus> {
    let situation = &survey.situation;
    let mut slots: BTreeMap<&str, Vec<SlotStatus>> = BTreeMap::new();
    let living: BTreeSet<&NodeId> = situation.instances.iter().map(|i| &i.attempt.node_id).collect();
    for instance in &situation.instances {
        slots.entry(&instance.attempt.slot.node).or_default().push(slot(survey, instance, &living));
    }
    slots.values_mut().for_each(|slots| slots.sort_by(|a, b| a.slot.cmp(&b.slot)));
    let mut nodes = Vec::new();
    for name in &situation.topology.order {
        let Some(node) = situation.generation.infrastructure.node(name) else { continue };
        let target = situation.record.targets.get(name).copied().unwrap_or(node.scaling.min);
        nodes.push(NodeStatus {
            name: name.clone(),
            definition: node.definition.clone(),
            min: node.scaling.min,
            max: node.scaling.max,
            target: if situation.record.goal == Goal::Absent { 0 } else { target },
            waits_for: situation.topology.waits_for(name).cloned().collect(),
            slots: slots.remove(name.as_str()).unwrap_or_default(),
        });
    }
    for (name, slots) in slots {
        nodes.push(NodeStatus {
            name: name.to_owned(),
            definition: String::new(),
            min: 0,
            max: 0,
            target: 0,
            waits_for: Vec::new(),
            slots,
        });
    }
    nodes
}

fn slot(survey: &Survey, instance: &Instance, living: &BTreeSet<&NodeId>) -> SlotStatus {
    let situation = &survey.situation;
    let attempt = &instance.attempt;
    let (state, legacy_state, detail) = match (&attempt.phase, &instance.verdict) {
        (Phase::Creating { error, .. }, _) => {
            ("creating".to_owned(), "pending", error.clone().unwrap_or_default())
        }
        (Phase::Destroying { cause, error, .. }, _) => {
            ("destroying".to_owned(), "shutdown", error.clone().unwrap_or_else(|| cause.to_string()))
        }
        (_, Some(verdict)) => (word(verdict.state), verdict.state.legacy_word(), verdict.reason.clone()),
        _ => ("unknown".to_owned(), "unknown", String::new()),
    };
    let addresses = match &instance.verdict {
        Some(verdict) => verdict.addresses.clone(),
        None => attempt.addresses.clone(),
    };
    let differs = outdated(&situation.generation, attempt);
    let stale = stale(attempt, living).map(str::to_owned);
    SlotStatus {
        slot: attempt.slot.clone(),
        node_id: attempt.node_id.clone(),
        state,
        legacy_state,
        age: situation.now.duration_since(attempt.created_at).as_secs(),
        addresses,
        resource: attempt.place.handler.clone(),
        endpoint: attempt.place.endpoint.clone(),
        provider_id: attempt.provider_id.as_ref().map(ToString::to_string).unwrap_or_default(),
        detail,
        outdated: differs.is_some(),
        differs: differs.unwrap_or_default(),
        stale,
    }
}

/// The state of an instance in a word.
pub(crate) fn word(state: InstanceState) -> String {
    match state {
        InstanceState::Ready => "ready",
        InstanceState::Pending => "starting",
        InstanceState::Unhealthy => "unhealthy",
        InstanceState::Unresponsive => "unresponsive",
        InstanceState::Dead => "stopped",
        InstanceState::Gone => "gone",
        InstanceState::Unknown => "unknown",
    }
    .to_owned()
}

/// A scaling request in words.
pub fn describe(node: &str, change: &ScaleChange) -> String {
    match change {
        ScaleChange::Add(count) => format!("{node}: {count} more"),
        ScaleChange::Remove(count) => format!("{node}: {count} fewer"),
        ScaleChange::RemoveInstance(text) => format!("{node}: without {text}"),
        ScaleChange::Set(count) => format!("{node}: exactly {count}"),
        ScaleChange::ReplaceInstance(text) => format!("{node}: another instance for {text}"),
    }
}

/// A remark of a plan in words.
pub fn note_text(note: &Note) -> String {
    match note {
        Note::Warning { text } => text.clone(),
        Note::Moved { from, to, instances, kept } if kept == instances => {
            let verb = if *kept == 1 { "instance keeps" } else { "instances keep" };
            format!("{from} → {to}: {kept} {verb} running")
        }
        Note::Moved { from, to, instances, kept } => {
            format!("{from} → {to}: {kept} of {instances} instances keep running")
        }
        Note::Deferred { slot, text, .. } => {
            let text = text.strip_prefix(&format!("{slot} ")).unwrap_or(text);
            format!("{slot} has to wait: {text}")
        }
    }
}
