//! What the engine keeps in the store, as types.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jiff::Timestamp;
use occopus_descriptor::model::{Implementation, Infrastructure, Node, NodeDefinition};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::batch::CreateBatch;
use crate::handler::{ErrorKind, Found, Place, ProviderId, Step};
use crate::health::CheckResult;
use crate::ids::{AttemptId, InfraId, NodeId, Slot};
use crate::names::{Names, Renames};

/// What is wanted of an infrastructure. Durable before the first action towards it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Goal {
    /// It should exist as described.
    Present,
    /// Nothing of it should exist.
    Absent,
}

/// An infrastructure: its goal, the generation in force and its scaling targets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InfraRecord {
    /// Identifier.
    pub id: InfraId,
    /// `infra_name` of the generation in force.
    pub name: String,
    /// What is wanted.
    pub goal: Goal,
    /// The generation in force.
    pub generation: u64,
    /// Number of instances wanted per node; a node that is missing here wants its minimum.
    #[serde(default)]
    pub targets: BTreeMap<String, u32>,
    /// When it was first built.
    pub created_at: Timestamp,
    /// Whether the generation in force has come to its end: everything was ready at some time since, but for
    /// what was in trouble before.
    #[serde(default)]
    pub completed: bool,
    /// The last generation before the one in force that had come to its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed_before: Option<u64>,
    /// When the back-ends confirmed that nothing is left; the record then is a tombstone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed_at: Option<Timestamp>,
    /// Set while outdated instances are being replaced; durable, so that a crash does not end it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollout: Option<Rollout>,
    /// How its nodes were renamed.
    #[serde(default, skip_serializing_if = "Names::is_empty")]
    pub names: Names,
}

/// Which outdated instances are to be replaced.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rollout {
    /// Names of the nodes; `None` for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nodes: Option<BTreeSet<String>>,
    /// Whether instances that carry the address of a peer that is gone are replaced, too.
    #[serde(default)]
    pub cascade: bool,
    /// Only instances made for a later generation than this: the undoing of changes that failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made_after: Option<u64>,
}

impl Rollout {
    /// Whether it is about `attempt`.
    pub fn covers(&self, attempt: &Attempt) -> bool {
        self.nodes.as_ref().is_none_or(|nodes| nodes.contains(&attempt.slot.node))
            && self.made_after.is_none_or(|generation| attempt.generation > generation)
    }
}

impl InfraRecord {
    /// Another generation is going to be in force than that of the record.
    pub fn put_aside(&mut self) {
        if self.completed {
            self.completed_before = Some(self.generation);
        }
        self.completed = false;
    }

    /// Renames nodes, at `at`.
    pub fn rename(&mut self, renames: &Renames, at: Timestamp) {
        self.targets = renames.keys(std::mem::take(&mut self.targets));
        self.names.push(at, renames.clone());
    }

    /// Where it stands as far as the record knows, in a word: `built`, `unfinished`, `destroying` or
    /// `destroyed`.
    pub fn word(&self) -> &'static str {
        match (self.closed_at, self.goal, self.completed) {
            (Some(_), ..) => "destroyed",
            (None, Goal::Absent, _) => "destroying",
            (None, Goal::Present, true) => "built",
            (None, Goal::Present, false) => "unfinished",
        }
    }
}

/// A description with its node definitions, pinned at build or reconfiguration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Generation {
    /// Number, from 1.
    pub number: u64,
    /// The description.
    pub infrastructure: Infrastructure,
    /// The definitions of all node types used.
    pub definitions: BTreeMap<String, NodeDefinition>,
    /// Number with which the order of implementations is shuffled; `None` keeps the written order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shuffle: Option<u64>,
    /// When it was pinned.
    pub created_at: Timestamp,
    /// Who put it in force: command, process and host; empty for one from before that was recorded.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub author: String,
    /// When the change to it failed and was undone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undone_at: Option<Timestamp>,
    /// When its nodes were called so; see [`Names::epoch`]. `None` for a new description, which tells by
    /// its hints what was renamed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<usize>,
}

impl Generation {
    /// The implementations a node may use, with their index in the definition, in the order in which
    /// they are tried for slot `index`.
    pub fn candidates(&self, node: &Node, index: u32) -> Vec<(usize, &Implementation)> {
        let empty = serde_json::Map::new();
        let filter = node.filter.as_ref().unwrap_or(&empty);
        let mut candidates: Vec<_> = self
            .definitions
            .get(&node.definition)
            .map(|definition| definition.implementations.iter().enumerate().collect())
            .unwrap_or_default();
        candidates.retain(|(_, implementation): &(usize, &Implementation)| implementation.matches(filter));
        if let Some(seed) = self.shuffle {
            let salt = digest(&(seed, &node.name, index));
            let start = usize::from_str_radix(&salt[..8], 16).unwrap_or(0) % candidates.len().max(1);
            candidates.rotate_left(start);
        }
        candidates
    }

    /// Digest of what an instance of `node` made by `implementation` depends on; instances with
    /// another digest are outdated.
    pub fn instance_digest(&self, node: &Node, implementation: &Implementation) -> String {
        digest(&(&node.definition, &node.variables, implementation))
    }
}

/// Hexadecimal SHA-256 of the canonical JSON of `value`.
pub fn digest<T: Serialize>(value: &T) -> String {
    // Serialising plain data cannot fail; should it ever, an empty text still differs from any other.
    let text = serde_json::to_string(value).unwrap_or_default();
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Why an action is planned or an instance was made or destroyed, in words that plan, log, events and
/// status share ("`worker` has 2 of 3 instances").
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Cause(pub String);

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "outcome")]
pub enum Outcome {
    /// The back-end refused it; nothing was created.
    Refused {
        /// Kind of the refusal.
        kind: ErrorKind,
        /// The back-end's reason.
        message: String,
    },
    /// Whether the call took effect was unknown, and complete listings did not show the resource. It
    /// is watched for: should it appear after all, it is adopted or destroyed.
    NeverAppeared {
        /// Whether a call ended badly, which counts against its slot; not so if the process that was to
        /// make the call died.
        failed: bool,
    },
    /// It existed, and the back-end confirmed that it is gone.
    Destroyed {
        /// Why it was destroyed.
        cause: Cause,
        /// Whether it failed (died or never became healthy), which counts against its slot.
        failed: bool,
    },
    /// The user gave it up with `destroy --abandon`.
    Abandoned,
}

/// Where an attempt stands. Every phase but `Live` and `Closed` is an open intent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "name")]
pub enum Phase {
    /// A create call was or is about to be made; its outcome is not recorded.
    Creating {
        /// The call ends before this time.
        deadline: Timestamp,
        /// What was seen last, if the outcome turned out to be unknown.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<String>,
    },
    /// The resource exists as far as the last observation knows.
    Live,
    /// It is to be destroyed; calls are repeated until the back-end confirms.
    Destroying {
        /// Why.
        cause: Cause,
        /// Whether it failed.
        failed: bool,
        /// The last error, if a call failed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<String>,
    },
    /// Settled for good.
    Closed {
        /// How it ended.
        #[serde(flatten)]
        outcome: Outcome,
        /// When.
        at: Timestamp,
    },
}

/// A period in which an instance was seen failing its checks, until it has passed them often enough
/// again. Only time that was observed counts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Failing {
    /// First failure of the period.
    pub since: Timestamp,
    /// Seconds of observed failure.
    pub counted: f64,
    /// The latest observation that was counted.
    pub last: Timestamp,
    /// Failed observations in a row, as far as the thresholds ask for it.
    #[serde(default)]
    pub failures: u32,
    /// Passed observations in a row since the last failed one.
    #[serde(default)]
    pub passes: u32,
}

/// One try to fill a slot, and the instance it made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Attempt {
    /// Identifier; token and name at the back-end derive from it.
    pub id: AttemptId,
    /// The slot it fills.
    pub slot: Slot,
    /// The instance's identifier.
    pub node_id: NodeId,
    /// Generation it was made for.
    pub generation: u64,
    /// The node as described then.
    pub node: Node,
    /// Index of the implementation in the node definition.
    pub implementation_index: usize,
    /// The implementation, unrendered.
    pub implementation: Implementation,
    /// Digest of description and definition; tells outdated instances.
    pub digest: String,
    /// Digest of the rendered request, which itself is kept apart until the attempt is settled.
    pub request_digest: String,
    /// Where the resource is.
    pub place: Place,
    /// Where the attempt stands.
    pub phase: Phase,
    /// What the back-end calls the resource.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider_id: Option<ProviderId>,
    /// Steps recorded by the handler.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<Step>,
    /// The others that are made by the same call, if it is not made alone; who it is follows from that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<CreateBatch>,
    /// Why it was made.
    pub cause: Cause,
    /// When the intent was recorded.
    pub created_at: Timestamp,
    /// When the back-end's acceptance, or its late appearance, was recorded; a listing may miss it for
    /// the visibility delay after that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted_at: Option<Timestamp>,
    /// When it was ready for the first time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready_at: Option<Timestamp>,
    /// Last known addresses.
    #[serde(default)]
    pub addresses: Vec<String>,
    /// Last known private address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub private_address: Option<String>,
    /// The current period of failing checks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failing: Option<Failing>,
    /// Results of the last checks that changed something.
    #[serde(default)]
    pub checks: Vec<CheckResult>,
    /// Set when a scaling request named this instance for removal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retire: Option<Cause>,
    /// Set when a user asked for another instance in its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replace: Option<Cause>,
    /// What it was when it was ready for the first time, as its back-end told; see [`Observation::facts`].
    ///
    /// [`Observation::facts`]: crate::handler::Observation::facts
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub made_as: BTreeMap<String, String>,
    /// The instances whose addresses its templates could read when it was made, by node.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub peers: BTreeMap<String, BTreeSet<NodeId>>,
}

impl Attempt {
    /// Whether the attempt is settled for good.
    pub fn is_closed(&self) -> bool {
        matches!(self.phase, Phase::Closed { .. })
    }

    /// Whether the resource exists as far as we know.
    pub fn is_live(&self) -> bool {
        matches!(self.phase, Phase::Live)
    }

    /// Whether it was seen failing its checks so often that it is not ready any more.
    pub fn is_unhealthy(&self) -> bool {
        let threshold = self.implementation.health().failure_threshold;
        self.failing.as_ref().is_some_and(|failing| failing.failures >= threshold)
    }

    /// Whether it was refused together with others in a way that says nothing of it alone. Another attempt has
    /// shown that, and counts.
    pub fn was_refused_together(&self) -> bool {
        let of_all = |phase: &Phase| matches!(phase, Phase::Closed { outcome: Outcome::Refused { kind, .. }, .. } if kind.may_not_hold_alone());
        self.batch.is_some() && of_all(&self.phase)
    }

    /// Whether `found` is its resource; one with its tags can still be a second one.
    pub fn is_of(&self, found: &Found) -> bool {
        self.id == found.identity.attempt
            && self.provider_id.as_ref().is_none_or(|id| *id == found.provider_id)
    }

    /// Where it stands as far as the record knows, in a word.
    pub fn word(&self) -> &'static str {
        match &self.phase {
            Phase::Creating { .. } => "creating",
            Phase::Live if self.ready_at.is_none() => "starting",
            Phase::Live if self.is_unhealthy() => "unhealthy",
            Phase::Live => "ready",
            Phase::Destroying { .. } => "destroying",
            Phase::Closed { outcome: Outcome::Refused { .. }, .. } => "refused",
            Phase::Closed { outcome: Outcome::NeverAppeared { .. }, .. } => "missing",
            Phase::Closed { outcome: Outcome::Destroyed { .. }, .. } => "destroyed",
            Phase::Closed { outcome: Outcome::Abandoned, .. } => "abandoned",
        }
    }

    /// The instance record that templates and health checks can read.
    pub fn view(&self, infra: &InfraId, infra_name: &str) -> Value {
        serde_json::json!({
            "node_id": self.node_id,
            "infra_id": infra,
            "infra_name": infra_name,
            "instance_id": self.provider_id.as_ref().map(|id| id.id.clone()),
            "instance_start_time": self.created_at.as_second(),
            "node_description": self.node,
            "resource": self.implementation.resource,
            "resource_address": self.addresses,
            "resolved_node_definition": self.implementation,
        })
    }
}

/// What a scaling request asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScaleChange {
    /// So many more instances.
    Add(u32),
    /// So many fewer; the engine chooses which.
    Remove(u32),
    /// One instance, by node id, slot or address.
    RemoveInstance(String),
    /// Exactly so many.
    Set(u32),
    /// Another instance in the place of one, named by node id, slot or address. Their number stays.
    ReplaceInstance(String),
}

/// A scaling request waiting for the next pass.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScaleRequest {
    /// Name of the node.
    pub node: String,
    /// What is asked for.
    pub change: ScaleChange,
    /// When it was registered.
    pub at: Timestamp,
    /// When the node was called so; see [`Names::epoch`].
    #[serde(default)]
    pub epoch: usize,
}

impl ScaleRequest {
    /// The same after nodes were renamed.
    #[must_use]
    pub fn renamed(mut self, renames: &Renames) -> Self {
        if let ScaleChange::RemoveInstance(text) | ScaleChange::ReplaceInstance(text) = &mut self.change
            && let Ok(slot) = text.parse::<Slot>()
            && slot.node == self.node
        {
            *text = renames.slot(&slot).to_string();
        }
        self.node = renames.name(&self.node).to_owned();
        self
    }
}

/// What a journal record is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mark {
    /// A change of the outside world is about to be made.
    Intent,
    /// A handler recorded a step.
    Step,
    /// What became of an intent.
    Outcome,
}

/// A record of the journal: the history of all intents and outcomes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalEntry {
    /// When.
    pub at: Timestamp,
    /// Fencing number of the controller that wrote it.
    pub fence: u64,
    /// What it is about.
    pub mark: Mark,
    /// `create` or `destroy`.
    pub action: String,
    /// The attempt.
    pub attempt: AttemptId,
    /// Its slot.
    pub slot: Slot,
    /// Where.
    pub place: Place,
    /// Digest of the request, step name, or outcome in words. No secrets.
    pub detail: String,
}

#[cfg(test)]
mod tests;
