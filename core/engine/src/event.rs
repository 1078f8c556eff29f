//! Events: what happened, for people and programs.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::{InfraId, NodeId, Slot};

/// What happened. The first eight names are those of Occopus 1.10.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EventKind {
    /// The first action of an infrastructure is about to start.
    InfraStart,
    /// A pass changed something.
    InfraUpdated,
    /// Everything described is ready.
    InfraReady,
    /// An instance is about to be created.
    NodeCreating,
    /// An instance is ready.
    NodeCreated,
    /// An instance is about to be destroyed.
    NodeDropping,
    /// An instance is destroyed, confirmed by its back-end.
    NodeDropped,
    /// Nothing of the infrastructure is left.
    InfraDrop,
    /// The back-end accepted an instance; it is not ready yet.
    NodeStarted,
    /// An instance died, never became healthy, or could not be created.
    NodeFailed,
    /// An instance that was ready fails its checks.
    NodeUnhealthy,
    /// An unhealthy instance passes its checks again.
    NodeHealthy,
    /// A resource that appeared late was taken over.
    NodeAdopted,
    /// Scaling targets changed.
    Scaled,
    /// The description in force changed.
    Reconfigured,
    /// An operator put a hold on it, or lifted one.
    Held,
    /// Something worth knowing that needs no action by itself.
    Notice,
    /// Progress of a running call; shown, never stored.
    Progress,
}

/// One event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Format version of events.
    pub schema: u32,
    /// When.
    pub time: Timestamp,
    /// The infrastructure.
    pub infra_id: InfraId,
    /// What happened.
    pub event: EventKind,
    /// The slot, for events of instances.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slot: Option<Slot>,
    /// The instance, for events of instances.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_id: Option<NodeId>,
    /// The API endpoint, for events of instances.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// Why or what, in words. No secrets.
    #[serde(default)]
    pub message: String,
    /// Who did it: command, process and host.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub actor: String,
    /// What it was before, in a word; for changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// What it is after, in a word; for changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

impl Event {
    /// An event of an infrastructure as a whole.
    pub fn new(infra_id: InfraId, event: EventKind, time: Timestamp, message: String) -> Self {
        Self {
            schema: 1,
            time,
            infra_id,
            event,
            slot: None,
            node_id: None,
            endpoint: None,
            message,
            actor: String::new(),
            before: None,
            after: None,
        }
    }

    /// The same, with what was changed from what into what.
    #[must_use]
    pub fn from_to(mut self, before: impl ToString, after: impl ToString) -> Self {
        self.before = Some(before.to_string());
        self.after = Some(after.to_string());
        self
    }
}

/// Receives events while they happen. Called from the engine's tasks: it must return quickly.
pub trait EventSink: Send + Sync {
    /// Takes one event.
    fn event(&self, event: &Event);
}

/// Drops all events.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoEvents;

impl EventSink for NoEvents {
    fn event(&self, _event: &Event) {}
}

impl<F: Fn(&Event) + Send + Sync> EventSink for F {
    fn event(&self, event: &Event) {
        self(event);
    }
}

/// A shared sink.
pub type Events = Arc<dyn EventSink>;
