//! Ready-made records for the unit tests of this crate.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use occopus_descriptor::model::{Dependency, Implementation, Infrastructure, Node, NodeDefinition, Scaling};
use serde_json::{Map, Value, json};

use crate::context::{Contextualiser, RenderError, RenderInput, Rendered, RenderedHealth};
use crate::handler::{Place, ProviderId};
use crate::ids::{AttemptId, NodeId, Slot};
use crate::record::{Attempt, Cause, Generation, Phase};

/// So many seconds after the beginning of time.
pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_secs(seconds)
}

pub(crate) fn node(name: &str, min: u32, max: u32) -> Node {
    Node {
        name: name.to_owned(),
        definition: name.to_owned(),
        scaling: Scaling::new(Some(min), Some(max)),
        scaling_source: None,
        filter: None,
        variables: Map::new(),
        care: Default::default(),
    }
}

pub(crate) fn implementation(kind: &str) -> Implementation {
    Implementation {
        resource: Map::from_iter([("type".to_owned(), json!(kind))]),
        contextualisation: None,
        config_management: None,
        health_check: Some(Map::from_iter([("timeout".to_owned(), json!(100))])),
    }
}

/// A generation with these nodes, each with one implementation on `sim`, and these dependencies.
pub(crate) fn generation(nodes: &[(&str, u32, u32)], needs: &[(&str, &str)]) -> Generation {
    let edge = |(dependent, dependee): &(&str, &str)| Dependency {
        dependent: (*dependent).to_owned(),
        dependee: (*dependee).to_owned(),
        mappings: Vec::new(),
    };
    let definition =
        |name: &str| NodeDefinition { name: name.to_owned(), implementations: vec![implementation("sim")] };
    Generation {
        number: 1,
        infrastructure: Infrastructure {
            name: "shop".to_owned(),
            user_id: Value::Null,
            nodes: nodes.iter().map(|(name, min, max)| node(name, *min, *max)).collect(),
            dependencies: needs.iter().map(edge).collect(),
            variables: Map::new(),
            outputs: BTreeMap::new(),
            moved: Vec::new(),
        },
        definitions: nodes.iter().map(|(name, ..)| ((*name).to_owned(), definition(name))).collect(),
        shuffle: None,
        author: String::new(),
        undone_at: None,
        epoch: None,
        created_at: at(0),
    }
}

/// A live attempt for `slot`, such as `worker/2`, that was ready, made at second `created`.
pub(crate) fn attempt(slot: &str, created: i64) -> Attempt {
    let slot: Slot = slot.parse().unwrap();
    Attempt {
        id: AttemptId(format!("{slot}@{created}")),
        node_id: NodeId(format!("node-{slot}")),
        generation: 1,
        node: node(&slot.node, 1, 9),
        implementation_index: 0,
        implementation: implementation("sim"),
        digest: String::new(),
        request_digest: String::new(),
        place: Place {
            handler: "sim".to_owned(),
            endpoint: "sim://cloud".to_owned(),
            region: None,
            project: None,
            account: String::new(),
        },
        phase: Phase::Live,
        provider_id: Some(ProviderId::plain(format!("m-{slot}"))),
        steps: Vec::new(),
        batch: None,
        cause: Cause("test".to_owned()),
        created_at: at(created),
        accepted_at: Some(at(created)),
        ready_at: Some(at(created + 1)),
        addresses: vec![format!("10.0.0.{}", slot.index)],
        private_address: None,
        failing: None,
        checks: Vec::new(),
        retire: None,
        replace: None,
        made_as: BTreeMap::new(),
        peers: BTreeMap::new(),
        slot,
    }
}

/// Templates that ask for the addresses of these nodes: (who, whose).
pub(crate) struct Asks(pub(crate) Vec<(&'static str, &'static str)>);

impl Contextualiser for Asks {
    fn render(&self, _: &RenderInput<'_>) -> Result<Rendered, RenderError> {
        Ok(Rendered::default())
    }

    fn references(&self, _: &Infrastructure, node: &Node, _: &Implementation) -> BTreeSet<String> {
        self.0.iter().filter(|(who, _)| *who == node.name).map(|(_, whose)| (*whose).to_owned()).collect()
    }

    fn render_health(
        &self,
        _: &Node,
        _: &Implementation,
        _: &NodeId,
        _: &str,
        _: &Value,
    ) -> Result<RenderedHealth, RenderError> {
        Ok(RenderedHealth::default())
    }
}
