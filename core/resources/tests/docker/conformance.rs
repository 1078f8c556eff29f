//! What every handler must do.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use occopus_engine::clock::SystemClock;
use occopus_engine::handler::{Access, CreateRequest, Identity, ProviderId, ResourceHandler};
use occopus_resources::conformance::{Fixture, check};
use occopus_resources::docker::DockerHandler;
use serde_json::json;

use crate::support::Bench;

struct Docker {
    bench: Bench,
    handler: Arc<DockerHandler>,
}

#[async_trait]
impl Fixture for Docker {
    fn handler(&self) -> Arc<dyn ResourceHandler> {
        self.handler.clone()
    }

    fn access(&self) -> Access {
        self.bench.access.clone()
    }

    fn request(&self, identity: Identity) -> CreateRequest {
        CreateRequest { identity, ..self.bench.idle() }
    }

    fn invalid_request(&self, identity: Identity) -> CreateRequest {
        // Only the engine can know: the container exists already when its start is refused.
        CreateRequest { identity, ..self.bench.request(json!({}), json!({"command": "no-such-program"})) }
    }

    fn unknown_id(&self) -> ProviderId {
        ProviderId::plain("f".repeat(64))
    }

    async fn pause(&self) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn conforms_to_the_contract() {
    let Some(bench) = Bench::new() else { return };
    let handler = Arc::new(DockerHandler::new(Arc::new(SystemClock)));
    check(&Docker { bench, handler }).await.unwrap_or_else(|violations| panic!("{violations}"));
}
