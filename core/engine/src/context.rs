//! The contract of contextualisation: turning a node description into a rendered request.

use std::collections::{BTreeMap, BTreeSet};

use occopus_descriptor::model::{Implementation, Infrastructure, Node};
use serde_json::{Map, Value};

use crate::ids::{InfraId, NodeId};

/// An instance as templates see it.
#[derive(Debug, Clone, PartialEq)]
pub struct InstanceView {
    /// Its identifier.
    pub node_id: NodeId,
    /// Its addresses, the primary one first.
    pub addresses: Vec<String>,
    /// Its private address, where there is one.
    pub private_address: Option<String>,
    /// The whole instance record, as `find_node_id` returns it.
    pub record: Value,
}

/// Everything a template can see.
#[derive(Debug, Clone)]
pub struct RenderInput<'a> {
    /// The infrastructure's identifier.
    pub infra_id: &'a InfraId,
    /// The whole description.
    pub infrastructure: &'a Infrastructure,
    /// The node being created.
    pub node: &'a Node,
    /// The chosen implementation.
    pub implementation: &'a Implementation,
    /// The instance being created.
    pub node_id: &'a NodeId,
    /// The living instances of the infrastructure by node name, oldest first.
    pub instances: &'a BTreeMap<String, Vec<InstanceView>>,
}

/// What a node instance is to be created with.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rendered {
    /// The `resource` section; rendered only with contextualisation `cloudinit`.
    pub resource: Map<String, Value>,
    /// User data.
    pub context: Option<String>,
    /// Attributes (`env` and `command` for docker and process), with `connections`.
    pub attributes: Map<String, Value>,
    /// Doubtful things found on the way, for people.
    pub warnings: Vec<String>,
}

/// A health check whose templates are rendered.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RenderedHealth {
    /// URLs to request.
    pub urls: Vec<String>,
    /// Databases to log in to: name, user, password.
    pub mysqldbs: Vec<(String, String, String)>,
}

/// A template could not be rendered. The message names the section, the place in it and the remedy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct RenderError(pub String);

/// Renders templates. Pure and without IO, but for commands that templates run where that is allowed.
pub trait Contextualiser: Send + Sync {
    /// Renders the chosen implementation for one new instance.
    fn render(&self, input: &RenderInput<'_>) -> Result<Rendered, RenderError>;

    /// Renders for an imagined instance, without any effect: as [`Contextualiser::render`], except that a
    /// command which a template runs is not run.
    fn try_out(&self, input: &RenderInput<'_>) -> Result<Rendered, RenderError> {
        self.render(input)
    }

    /// Names of the nodes whose addresses the templates of `implementation` ask for, found by a trial
    /// rendering; nodes that a template reaches only under a condition may be missing.
    fn references(
        &self,
        infrastructure: &Infrastructure,
        node: &Node,
        implementation: &Implementation,
    ) -> BTreeSet<String>;

    /// Renders the URL and database checks for the instance `node_id` with address `ip`.
    fn render_health(
        &self,
        node: &Node,
        implementation: &Implementation,
        node_id: &NodeId,
        ip: &str,
        record: &Value,
    ) -> Result<RenderedHealth, RenderError>;
}
