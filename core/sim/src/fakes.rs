//! Stand-ins for the services around the engine.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use occopus_descriptor::model::{Implementation, Infrastructure, Node};
use occopus_engine::context::{Contextualiser, RenderError, RenderInput, Rendered, RenderedHealth};
use occopus_engine::credentials::{Chosen, CredentialError, CredentialSource};
use occopus_engine::handler::Credentials;
use occopus_engine::health::{CheckResult, CheckTarget, HealthChecker};
use occopus_engine::ids::NodeId;
use serde_json::{Map, Value, json};

use crate::cloud::SimCloud;
use crate::fault::FaultKind;
use crate::process::Life;

/// Stands for a secret in the request of every machine.
pub const MARKER: &str = "s3cret-marker";

/// Hands the resource section through; its list `asks` names the nodes whose addresses it wants. A
/// node whose dependencies have no instance cannot be rendered. With `names_itself` no two instances are alike.
#[derive(Debug, Clone, Copy, Default)]
pub struct SimContext;

fn asked(implementation: &Implementation) -> BTreeSet<String> {
    let names = implementation.resource.get("asks").and_then(Value::as_array);
    names.into_iter().flatten().filter_map(|name| name.as_str().map(str::to_owned)).collect()
}

impl Contextualiser for SimContext {
    fn render(&self, input: &RenderInput<'_>) -> Result<Rendered, RenderError> {
        if input.implementation.resource.contains_key("unrenderable") {
            return Err(RenderError("section 'context': undefined variable 'x'".to_owned()));
        }
        for name in asked(input.implementation) {
            if input.instances.get(&name).is_none_or(Vec::is_empty) {
                return Err(RenderError(format!(
                    "node '{name}' has no instance whose address could be used"
                )));
            }
        }
        let mut resource = input.implementation.resource.clone();
        resource.insert("password".to_owned(), json!(MARKER));
        if resource.contains_key("names_itself") {
            resource.insert("name".to_owned(), json!(input.node_id));
        }
        Ok(Rendered {
            resource,
            context: Some(format!("password: {MARKER}")),
            attributes: Map::from_iter([("env".to_owned(), json!({"PASSWORD": MARKER}))]),
            ..Rendered::default()
        })
    }

    fn references(&self, _: &Infrastructure, _: &Node, implementation: &Implementation) -> BTreeSet<String> {
        asked(implementation)
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

/// Asks the simulated cloud whether the machine with an address is healthy, as one process reaches it.
#[derive(Clone)]
pub struct SimHealth {
    pub(crate) cloud: SimCloud,
    pub(crate) life: Arc<Life>,
}

#[async_trait]
impl HealthChecker for SimHealth {
    async fn check(&self, target: &CheckTarget) -> Vec<CheckResult> {
        let now = self.cloud.now();
        let (serves, silence) = {
            let state = self.cloud.state();
            let mut machines = state.machines.values();
            let serves = machines.any(|machine| machine.address == target.address && machine.serves(now));
            (serves, state.settings.silence)
        };
        let blind = self.life.is_blind();
        if blind && serves {
            self.life.ledger().count(FaultKind::ChecksCutOff);
        }
        let passed = serves && !blind;
        if !passed {
            self.cloud.clock.sleep(silence).await;
        }
        self.life.running().await;
        vec![CheckResult {
            kind: "ping".to_owned(),
            subject: target.address.clone(),
            passed,
            reason: if passed { String::new() } else { "no answer to ping".to_owned() },
        }]
    }
}

/// A source without any credentials.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoCredentials;

impl CredentialSource for NoCredentials {
    fn choose(&self, _: &Map<String, Value>) -> Result<Option<Chosen>, CredentialError> {
        Ok(None)
    }

    fn recall(&self, _: &str, _: &str) -> Result<Option<Credentials>, CredentialError> {
        Ok(None)
    }
}
