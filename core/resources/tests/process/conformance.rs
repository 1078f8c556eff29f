//! What every handler must do.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use occopus_engine::handler::{Access, CreateRequest, Identity, ProviderId, ResourceHandler};
use occopus_resources::conformance::{Fixture, check};
use serde_json::json;

use crate::support::{Bench, request_for};

struct Process(Bench);

#[async_trait]
impl Fixture for Process {
    fn handler(&self) -> Arc<dyn ResourceHandler> {
        self.0.handler.clone()
    }

    fn access(&self) -> Access {
        self.0.access.clone()
    }

    fn request(&self, identity: Identity) -> CreateRequest {
        request_for(identity, json!("sleep 300"))
    }

    fn invalid_request(&self, identity: Identity) -> CreateRequest {
        request_for(identity, json!("no-such-program-here"))
    }

    fn unknown_id(&self) -> ProviderId {
        let parts = [("store", self.0.store.as_str()), ("infra", "unknown")];
        let parts = parts.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        ProviderId { parts, ..ProviderId::plain("unknown") }
    }

    async fn pause(&self) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn conforms_to_the_contract() {
    let fixture = Process(Bench::new());
    check(&fixture).await.unwrap_or_else(|violations| panic!("{violations}"));
    let left = std::fs::read_dir(fixture.0.base.path()).unwrap().count();
    assert_eq!(left, 0, "something was left in the base folder");
}
