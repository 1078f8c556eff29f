//! Stand-ins for the services around the engine.

use std::collections::BTreeSet;

use async_trait::async_trait;
use occopus_descriptor::model::{Implementation, Infrastructure, Node};
use occopus_engine::context::{Contextualiser, RenderError, RenderInput, Rendered, RenderedHealth};
use occopus_engine::credentials::{Chosen, CredentialError, CredentialSource};
use occopus_engine::handler::Credentials;
use occopus_engine::health::{CheckResult, CheckTarget, HealthChecker};
use occopus_engine::ids::NodeId;
use serde_json::{Map, Value};

use crate::cloud::SimCloud;

/// Stands for a secret in the user data of every machine.
pub const MARKER: &str = "s3cret-marker";

/// Hands the resource section through; its list `asks` names the nodes whose addresses it wants. A
/// node whose dependencies have no instance cannot be rendered.
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
        Ok(Rendered {
            resource: input.implementation.resource.clone(),
            context: Some(format!("password: {MARKER}")),
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

/// Asks the simulated cloud whether the machine with an address is healthy.
#[derive(Clone)]
pub struct SimHealth(pub SimCloud);

#[async_trait]
impl HealthChecker for SimHealth {
    async fn check(&self, target: &CheckTarget) -> Vec<CheckResult> {
        let now = self.0.now();
        let passed =
            self.0.audit().iter().any(|machine| machine.address == target.address && machine.serves(now));
        if !passed {
            let silence = self.0.state().settings.silence;
            self.0.clock.sleep(silence).await;
        }
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
