//! A handler with a folder of its own, and requests for it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use occopus_engine::clock::{Random, SystemClock};
use occopus_engine::handler::{
    Access, CreateRequest, Found, HandlerError, Identity, Observation, ProviderId, ResourceHandler,
    ResourceState,
};
use occopus_engine::ids::StoreId;
use occopus_resources::conformance::{MemorySteps, identity};
use occopus_resources::process::ProcessHandler;
use serde_json::{Map, Value, json};
use uuid::Uuid;

pub(crate) fn handler(base: &Path) -> ProcessHandler {
    ProcessHandler::new(base.to_owned(), Arc::new(SystemClock), Random::from_system())
}

pub(crate) fn request_for(identity: Identity, command: Value) -> CreateRequest {
    let attributes = json!({ "command": command });
    CreateRequest {
        identity,
        infra_name: "infra".to_owned(),
        resource: Map::new(),
        context: None,
        attributes: attributes.as_object().unwrap().clone(),
    }
}

pub(crate) struct Bench {
    pub(crate) base: tempfile::TempDir,
    pub(crate) handler: Arc<ProcessHandler>,
    pub(crate) access: Access,
    pub(crate) store: StoreId,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let base = tempfile::tempdir().unwrap();
        let handler = Arc::new(handler(base.path()));
        let access = Access { place: handler.place(&Map::new()).unwrap(), credentials: None };
        Self { base, handler, access, store: StoreId::from(Uuid::new_v4()) }
    }

    pub(crate) fn request(&self, command: Value) -> CreateRequest {
        request_for(identity(&self.store, 1), command)
    }

    /// A request to run a shell script.
    pub(crate) fn script(&self, script: &str) -> CreateRequest {
        self.request(json!(["sh", "-c", script]))
    }

    pub(crate) async fn create(&self, request: &CreateRequest) -> ProviderId {
        self.try_create(request).await.unwrap()
    }

    pub(crate) async fn try_create(&self, request: &CreateRequest) -> Result<ProviderId, HandlerError> {
        self.handler.create(&self.access, request, &MemorySteps::default()).await
    }

    pub(crate) async fn observe(&self, id: &ProviderId) -> Observation {
        self.handler.observe(&self.access, std::slice::from_ref(id)).await.unwrap().remove(0)
    }

    pub(crate) async fn find(&self) -> Vec<Found> {
        self.handler.find(&self.access, &self.store).await.unwrap()
    }

    pub(crate) async fn destroy(&self, id: &ProviderId) {
        self.handler.destroy(&self.access, id, &MemorySteps::default()).await.unwrap();
        assert_eq!(self.observe(id).await.state, ResourceState::Gone);
    }

    pub(crate) async fn console(&self, id: &ProviderId) -> String {
        self.handler.console(&self.access, id).await.unwrap()
    }

    pub(crate) async fn await_state(&self, id: &ProviderId, state: ResourceState) -> Observation {
        let seen = until(async || Some(self.observe(id).await).filter(|seen| seen.state == state));
        seen.await.unwrap_or_else(|| panic!("{id} never became {state:?}"))
    }

    pub(crate) async fn await_log(&self, id: &ProviderId, text: &str) -> String {
        let log = until(async || Some(self.console(id).await).filter(|log| log.contains(text)));
        log.await.unwrap_or_else(|| panic!("the log of {id} never contained {text:?}"))
    }
}

/// Looks again and again, for a minute at most.
pub(crate) async fn until<T>(look: impl AsyncFn() -> Option<T>) -> Option<T> {
    for _ in 0..3000 {
        if let Some(seen) = look().await {
            return Some(seen);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    None
}

/// Process identifiers of the living processes that were started with the marker of `identity`.
pub(crate) fn marked(identity: &Identity) -> Vec<i32> {
    let marker = format!("OCCOPUS_NODE_ID={}", identity.node_id);
    std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|pid| {
            std::fs::read(format!("/proc/{pid}/environ"))
                .is_ok_and(|all| all.split(|byte| *byte == 0).any(|item| item == marker.as_bytes()))
        })
        .collect()
}

/// The letter `/proc` shows for the state of a process; `None` if there is no such process.
pub(crate) fn letter(pid: i32) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}

/// The main process of a running instance, as its observation names it.
pub(crate) fn main_process(seen: &Observation) -> i32 {
    seen.detail.strip_prefix("process ").unwrap().parse().unwrap()
}
