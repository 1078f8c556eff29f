//! A small bench: one infrastructure, living instances, one implementation under test.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]
#![allow(dead_code, reason = "each test file uses its own part of the bench")]

use std::collections::{BTreeMap, BTreeSet};

use occopus_descriptor::model::{Dependency, Implementation, Infrastructure, Node};
use occopus_engine::context::{
    Contextualiser, InstanceView, RenderError, RenderInput, Rendered, RenderedHealth,
};
use occopus_engine::ids::{InfraId, NodeId};
use occopus_template::Templates;
use serde_json::{Map, Value, json};

pub(crate) const INFRA_ID: &str = "I1";
pub(crate) const NODE_ID: &str = "n-1";

/// Node `node` is the one under test; `db` and `worker` are its neighbours.
pub(crate) struct Bench {
    pub(crate) infrastructure: Infrastructure,
    pub(crate) instances: BTreeMap<String, Vec<InstanceView>>,
    pub(crate) implementation: Implementation,
}

pub(crate) fn implementation(sections: Value) -> Implementation {
    let mut sections = sections;
    if sections.get("resource").is_none() {
        sections["resource"] = json!({"type": "docker"});
    }
    serde_json::from_value(sections).unwrap()
}

pub(crate) fn instance(id: &str, addresses: &[&str]) -> InstanceView {
    InstanceView {
        node_id: id.into(),
        addresses: addresses.iter().map(|address| (*address).to_owned()).collect(),
        private_address: None,
        record: json!({"node_id": id, "instance_id": format!("cloud-{id}")}),
    }
}

impl Bench {
    pub(crate) fn new(variables: Value, sections: Value) -> Self {
        let node = |name: &str| Node {
            name: name.to_owned(),
            definition: "t".to_owned(),
            scaling: Default::default(),
            scaling_source: None,
            filter: None,
            variables: variables.as_object().cloned().unwrap_or_default(),
            care: Default::default(),
        };
        Self {
            infrastructure: Infrastructure {
                name: "i".to_owned(),
                user_id: json!("u"),
                nodes: ["node", "db", "worker"].map(node).into(),
                dependencies: Vec::new(),
                variables: Map::new(),
                outputs: Default::default(),
                moved: Vec::new(),
            },
            instances: BTreeMap::new(),
            implementation: implementation(sections),
        }
    }

    /// A cloudinit node with this context.
    pub(crate) fn context(variables: Value, template: Value) -> Self {
        Self::new(
            variables,
            json!({"contextualisation": {"type": "cloudinit", "context_template": template}}),
        )
    }

    pub(crate) fn with(mut self, node: &str, instances: Vec<InstanceView>) -> Self {
        self.instances.insert(node.to_owned(), instances);
        self
    }

    pub(crate) fn depends(mut self, dependee: &str, mappings: Value) -> Self {
        self.infrastructure.dependencies.push(Dependency {
            dependent: "node".to_owned(),
            dependee: dependee.to_owned(),
            mappings: serde_json::from_value(mappings).unwrap(),
        });
        self
    }

    fn node(&self) -> &Node {
        &self.infrastructure.nodes[0]
    }

    pub(crate) fn render(&self) -> Result<Rendered, RenderError> {
        self.render_by(&Templates::new(), Templates::render)
    }

    /// Renders by `templates` with `method`.
    pub(crate) fn render_by(
        &self,
        templates: &Templates,
        method: fn(&Templates, &RenderInput<'_>) -> Result<Rendered, RenderError>,
    ) -> Result<Rendered, RenderError> {
        let input = RenderInput {
            infra_id: &InfraId::from(INFRA_ID),
            infrastructure: &self.infrastructure,
            node: self.node(),
            implementation: &self.implementation,
            node_id: &NodeId::from(NODE_ID),
            instances: &self.instances,
        };
        method(templates, &input)
    }

    pub(crate) fn flaws(&self) -> Vec<String> {
        Templates::new().flaws(&self.implementation).into_iter().map(|flaw| flaw.to_string()).collect()
    }

    pub(crate) fn unknown_function(&self) -> Option<String> {
        let flaw = Templates::new().unknown_function(&self.infrastructure, self.node(), &self.implementation);
        flaw.map(|flaw| flaw.to_string())
    }

    pub(crate) fn references(&self) -> BTreeSet<String> {
        Templates::new().references(&self.infrastructure, self.node(), &self.implementation)
    }

    pub(crate) fn health(&self) -> Result<RenderedHealth, RenderError> {
        let record = json!({"instance_id": "cloud-1"});
        Templates::new().render_health(
            self.node(),
            &self.implementation,
            &NodeId::from(NODE_ID),
            "10.0.0.9",
            &record,
        )
    }

    /// The user data.
    pub(crate) fn text(&self) -> String {
        self.render().unwrap().context.unwrap()
    }

    pub(crate) fn error(&self) -> String {
        self.render().unwrap_err().to_string()
    }
}

/// What a template text gives as user data.
pub(crate) fn rendered(variables: Value, template: &str) -> String {
    Bench::context(variables, json!(template)).text()
}

/// A text read with the rules for descriptors.
pub(crate) fn parsed(text: &str) -> Value {
    use occopus_descriptor::yaml::{Dialect, load_text};
    load_text("test", text, std::path::Path::new(""), Dialect::default()).unwrap().to_json()
}
