//! Any template is rendered within bounds or refused with a reason.

#![no_main]

use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use occopus_descriptor::model::{Implementation, Infrastructure, Node};
use occopus_engine::context::{Contextualiser, RenderInput};
use occopus_engine::ids::{InfraId, NodeId};
use occopus_template::Templates;
use serde_json::{Value, json};

/// Two values of a mapping with at most 1 MiB each.
const MOST: usize = (2 << 20) + 1024;

fn infrastructure() -> Infrastructure {
    let variables = json!({"n": 5, "f": 3.2, "s": "Hello\nWörld", "l": ["a", 1, null], "m": {"k": "v"}});
    let node: Node = serde_json::from_value(json!({"name": "node", "type": "t", "variables": variables}))
        .expect("a valid node");
    Infrastructure {
        name: "i".to_owned(),
        user_id: Value::Null,
        nodes: vec![node],
        dependencies: Vec::new(),
        variables: Default::default(),
    }
}

fuzz_target!(|text: &str| {
    let infrastructure = infrastructure();
    for template in [json!(text), json!({"k": text, "l": [text]})] {
        let sections = json!({
            "resource": {"type": "process", "a": text},
            "contextualisation": {"type": "cloudinit", "context_template": template, "attributes": {"a": text}},
        });
        let implementation: Implementation = serde_json::from_value(sections).expect("valid sections");
        let input = RenderInput {
            infra_id: &InfraId::from("i"),
            infrastructure: &infrastructure,
            node: &infrastructure.nodes[0],
            implementation: &implementation,
            node_id: &NodeId::from("n"),
            instances: &BTreeMap::new(),
        };
        if let Ok(rendered) = Templates::new().render(&input) {
            assert!(rendered.context.unwrap_or_default().len() <= MOST);
        }
    }
});
