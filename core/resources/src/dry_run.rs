//! Trying descriptions out without touching anything: handlers that only say what they would do.
//!
//! Use them with a store of their own: what a dry run "creates" exists in its store only, and resources
//! that really exist must not be looked for with these handlers.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use occopus_engine::handler::{
    Access, Capabilities, CreateRequest, Found, HandlerError, Observation, Place, ProviderId,
    ResourceHandler, ResourceState, StepJournal,
};
use occopus_engine::health::{CheckResult, CheckTarget, HealthChecker};
use occopus_engine::ids::StoreId;
use serde_json::{Map, Value};

/// The types that Occopus 1.10 knew, and `process`.
pub const TYPES: [&str; 8] =
    ["process", "docker", "ec2", "nova", "azure_vm", "azure_aci", "cloudsigma", "cloudbroker"];

/// The address of everything, as in Occopus 1.10.
const ADDRESS: &str = "127.0.0.1";

/// A handler that succeeds in everything and does nothing.
#[derive(Debug)]
pub struct DryRunHandler {
    name: &'static str,
    destroyed: Mutex<BTreeSet<ProviderId>>,
}

impl DryRunHandler {
    /// Stands in for the handler called `name`.
    pub fn new(name: &'static str) -> Self {
        Self { name, destroyed: Mutex::default() }
    }

    fn omit(&self, what: &str, subject: &dyn std::fmt::Display) {
        tracing::warn!(
            "Dry run (specified at configuration level): omitting method execution for {} {what} of '{subject}'",
            self.name
        );
    }
}

#[async_trait]
impl ResourceHandler for DryRunHandler {
    fn name(&self) -> &'static str {
        self.name
    }

    fn capabilities(&self) -> Capabilities {
        let deadline = Duration::from_secs(10);
        Capabilities {
            idempotent_create: true,
            findable: true,
            batch: 1,
            visibility_delay: Duration::ZERO,
            create_deadline: deadline,
            destroy_deadline: deadline,
            read_deadline: deadline,
            prepare_deadline: deadline,
            needs_credentials: false,
        }
    }

    fn place(&self, resource: &Map<String, Value>) -> Result<Place, HandlerError> {
        let endpoint = resource.get("endpoint").and_then(Value::as_str).unwrap_or("dry-run").to_owned();
        Ok(Place {
            handler: self.name.to_owned(),
            endpoint,
            region: None,
            project: None,
            account: String::new(),
        })
    }

    async fn create(
        &self,
        _: &Access,
        request: &CreateRequest,
        _: &dyn StepJournal,
    ) -> Result<ProviderId, HandlerError> {
        self.omit("create", &request.identity.slot);
        Ok(ProviderId::plain(format!("dry-run-{}", request.token())))
    }

    async fn observe(&self, _: &Access, ids: &[ProviderId]) -> Result<Vec<Observation>, HandlerError> {
        let destroyed = self.destroyed.lock().unwrap_or_else(PoisonError::into_inner);
        let state = |id| if destroyed.contains(id) { ResourceState::Gone } else { ResourceState::Running };
        let seen = |id| Observation {
            addresses: vec![ADDRESS.to_owned()],
            ..Observation::bare(state(id), "dry run")
        };
        Ok(ids.iter().map(seen).collect())
    }

    /// What a command left unfinished never existed.
    async fn find(&self, _: &Access, _: &StoreId) -> Result<Vec<Found>, HandlerError> {
        Ok(Vec::new())
    }

    async fn destroy(&self, _: &Access, id: &ProviderId, _: &dyn StepJournal) -> Result<(), HandlerError> {
        self.omit("drop", id);
        self.destroyed.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone());
        Ok(())
    }

    async fn console(&self, _: &Access, id: &ProviderId) -> Result<String, HandlerError> {
        Ok(format!("dry run: '{id}' does not exist\n"))
    }
}

/// Health checks that nothing fails: there is nothing to check.
#[derive(Debug, Clone, Copy, Default)]
pub struct DryRunChecks;

#[async_trait]
impl HealthChecker for DryRunChecks {
    async fn check(&self, _: &CheckTarget) -> Vec<CheckResult> {
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_instance_runs_until_it_is_destroyed() {
        let handler = DryRunHandler::new("ec2");
        let place = handler.place(&Map::new()).unwrap();
        let access = Access { place, credentials: None };
        let id = ProviderId::plain("dry-run-1");
        let seen = handler.observe(&access, std::slice::from_ref(&id)).await.unwrap();
        assert_eq!((seen[0].state, seen[0].addresses[0].as_str()), (ResourceState::Running, "127.0.0.1"));
        handler.destroy(&access, &id, &NoSteps).await.unwrap();
        handler.destroy(&access, &id, &NoSteps).await.unwrap();
        assert_eq!(handler.observe(&access, &[id]).await.unwrap()[0].state, ResourceState::Gone);
        assert_eq!(handler.find(&access, &"s".into()).await.unwrap(), []);
    }

    struct NoSteps;

    #[async_trait]
    impl StepJournal for NoSteps {
        fn steps(&self) -> Vec<occopus_engine::handler::Step> {
            Vec::new()
        }

        async fn record(&self, _: occopus_engine::handler::Step) -> Result<(), HandlerError> {
            Ok(())
        }
    }
}
