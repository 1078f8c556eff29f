//! What the tests share: requests, raw access to the engine, and servers that misbehave on purpose.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bollard::Docker;
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, CreateImageOptionsBuilder, RemoveContainerOptionsBuilder,
    RemoveImageOptions,
};
use futures::TryStreamExt;
use occopus_engine::clock::SystemClock;
use occopus_engine::handler::{
    Access, CreateRequest, HandlerError, Identity, NoProgress, Observation, Place, ProviderId,
    ResourceHandler, ResourceState, Step, StepJournal,
};
use occopus_engine::ids::{Slot, StoreId};
use occopus_resources::docker::DockerHandler;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UnixListener, UnixStream};
use tokio::task::JoinHandle;
use uuid::Uuid;

/// The image that `tests/peers/docker.sh` imports.
pub(crate) const BUSYBOX: &str = "occopus-test/busybox";

/// Runs until it is stopped, and stops at once: a process 1 without a handler would ignore TERM.
pub(crate) const IDLE: &str = "sh -c \"echo up; trap 'exit 0' TERM; sleep 1000 & wait\"";

/// How long a test waits for something to become true before it fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// A handler and a store of its own on the engine under test.
pub(crate) struct Bench {
    pub(crate) handler: DockerHandler,
    pub(crate) access: Access,
    pub(crate) store: StoreId,
}

impl Bench {
    /// `None`, with the reason printed, if there is no engine; a failure if CI=true.
    pub(crate) fn new() -> Option<Self> {
        match std::env::var("OCCOPUS_TEST_DOCKER") {
            Ok(endpoint) if !endpoint.is_empty() => Some(Self::at(&endpoint)),
            _ if std::env::var("CI").is_ok_and(|ci| ci == "true") => {
                panic!("OCCOPUS_TEST_DOCKER names no Docker Engine, and CI=true needs one")
            }
            _ => {
                eprintln!(
                    "skipped: OCCOPUS_TEST_DOCKER names no Docker Engine (tests/peers/docker.sh starts one)"
                );
                None
            }
        }
    }

    /// A fresh store on the engine at `endpoint`.
    pub(crate) fn at(endpoint: &str) -> Self {
        let handler = DockerHandler::new(Arc::new(SystemClock));
        let place = handler.place(json!({"endpoint": endpoint}).as_object().unwrap()).unwrap();
        Self { handler, access: Access { place, credentials: None }, store: Uuid::new_v4().into() }
    }

    /// The engine's own API, to look behind the handler's back.
    pub(crate) fn docker(&self) -> Docker {
        Docker::connect_with_host(&self.access.place.endpoint).unwrap()
    }

    pub(crate) fn socket(&self) -> PathBuf {
        let endpoint = &self.access.place.endpoint;
        PathBuf::from(endpoint.strip_prefix("unix://").expect("OCCOPUS_TEST_DOCKER must name a Unix socket"))
    }

    /// A request for a fresh attempt; `image` and `origin` local are filled in if absent.
    pub(crate) fn request(&self, resource: Value, attributes: Value) -> CreateRequest {
        let mut section = json!({"type": "docker", "origin": "local", "image": BUSYBOX, "tag": "latest"});
        section["endpoint"] = json!(self.access.place.endpoint);
        section.as_object_mut().unwrap().extend(resource.as_object().unwrap().clone());
        CreateRequest {
            identity: Identity {
                store: self.store.clone(),
                infra: Uuid::new_v4().into(),
                slot: Slot::new("worker", 1),
                node_id: Uuid::new_v4().into(),
                attempt: Uuid::new_v4().into(),
            },
            infra_name: "docker-test".to_owned(),
            resource: section.as_object().unwrap().clone(),
            context: None,
            attributes: attributes.as_object().unwrap().clone(),
        }
    }

    pub(crate) fn idle(&self) -> CreateRequest {
        self.request(json!({}), json!({"command": IDLE}))
    }

    pub(crate) async fn create(&self, request: &CreateRequest) -> Result<ProviderId, HandlerError> {
        self.handler.create(&self.access, request, &NoSteps).await
    }

    pub(crate) async fn prepare(&self, request: &CreateRequest) -> Result<(), HandlerError> {
        self.handler.prepare(&self.access, request, &NoProgress).await
    }

    pub(crate) async fn observe(&self, id: &ProviderId) -> Observation {
        self.handler.observe(&self.access, std::slice::from_ref(id)).await.unwrap().remove(0)
    }

    pub(crate) async fn destroy(&self, id: &ProviderId) {
        self.handler.destroy(&self.access, id, &NoSteps).await.unwrap();
    }

    pub(crate) async fn found(&self) -> Vec<occopus_engine::handler::Found> {
        self.handler.find(&self.access, &self.store).await.unwrap()
    }

    /// Observes `id` until it is in `state`.
    pub(crate) async fn until(&self, id: &ProviderId, state: ResourceState) -> Observation {
        let waiting = async {
            loop {
                let seen = self.observe(id).await;
                if seen.state == state {
                    return seen;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(PATIENCE, waiting)
            .await
            .unwrap_or_else(|_| panic!("{id} never became {state:?}"))
    }

    /// The console of `id` once it holds `text`.
    pub(crate) async fn console_with(&self, id: &ProviderId, text: &str) -> String {
        let waiting = async {
            loop {
                let console = self.handler.console(&self.access, id).await.unwrap();
                if console.contains(text) {
                    return console;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(PATIENCE, waiting)
            .await
            .unwrap_or_else(|_| panic!("'{text}' never in the console"))
    }

    /// The root filesystem of the test image, as a tar archive.
    pub(crate) async fn rootfs(&self) -> Vec<u8> {
        let docker = self.docker();
        let name = format!("rootfs-{}", Uuid::new_v4());
        let body = bollard::models::ContainerCreateBody {
            image: Some(format!("{BUSYBOX}:latest")),
            ..Default::default()
        };
        let options = CreateContainerOptionsBuilder::new().name(&name).build();
        docker.create_container(Some(options), body).await.unwrap();
        let parts: Vec<_> = docker.export_container(&name).try_collect().await.unwrap();
        let options = RemoveContainerOptionsBuilder::new().force(true).build();
        docker.remove_container(&name, Some(options)).await.unwrap();
        parts.concat()
    }

    /// Imports the test image once more as `name:latest`, changed by a Dockerfile instruction.
    pub(crate) async fn derive_image(&self, name: &str, instruction: &str) {
        let rootfs = self.rootfs().await;
        let options = CreateImageOptionsBuilder::new()
            .from_src("-")
            .repo(name)
            .tag("latest")
            .changes(vec![instruction.to_owned()])
            .build();
        let body = bollard::body_full(rootfs.into());
        let _: Vec<_> =
            self.docker().create_image(Some(options), Some(body), None).try_collect().await.unwrap();
    }

    /// Whether the engine has the image; its id if so.
    pub(crate) async fn image_id(&self, name: &str) -> Option<String> {
        self.docker().inspect_image(name).await.ok().and_then(|image| image.id)
    }

    pub(crate) async fn remove_image(&self, name: &str) {
        self.docker().remove_image(name, None::<RemoveImageOptions>, None).await.unwrap();
    }
}

/// A name no other test uses.
pub(crate) fn fresh_image() -> String {
    format!("occopus-test/{}", Uuid::new_v4().simple())
}

/// A place at `endpoint`, which nobody need listen on.
pub(crate) fn place(endpoint: &str) -> Place {
    Bench::at(endpoint).access.place
}

/// The docker handler journals no steps.
pub(crate) struct NoSteps;

#[async_trait]
impl StepJournal for NoSteps {
    fn steps(&self) -> Vec<Step> {
        Vec::new()
    }

    async fn record(&self, step: Step) -> Result<(), HandlerError> {
        panic!("unexpected step {step:?}")
    }
}

/// What [`Web`] answers to a path.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
    /// Length that is announced; more than the body has means that the transfer breaks off.
    pub(crate) announced: usize,
}

impl Answer {
    pub(crate) fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        let body = body.into();
        Self { status, headers: Vec::new(), announced: body.len(), body }
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// The answer to any other path, in the words of a registry.
const NOT_FOUND: &str = r#"{"errors": [{"code": "MANIFEST_UNKNOWN", "message": "manifest unknown"}]}"#;

/// A web server of one test.
pub(crate) struct Web {
    pub(crate) port: u16,
    requests: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Web {
    /// Serves `answers` by path; anything else is 404.
    pub(crate) async fn serve(answers: HashMap<String, Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (log, answers) = (Arc::clone(&requests), Arc::new(answers));
        let task = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (log, answers) = (Arc::clone(&log), Arc::clone(&answers));
                tokio::spawn(async move {
                    let head = read_head(&mut stream).await;
                    let mut words = head.split_whitespace();
                    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
                    log.lock().unwrap().push(format!("{method} {path}"));
                    let answer = answers.get(path).cloned().unwrap_or_else(|| Answer::new(404, NOT_FOUND));
                    let headers: String =
                        answer.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
                    let head = format!(
                        "HTTP/1.1 {} Answer\r\ncontent-length: {}\r\nconnection: close\r\n{headers}\r\n",
                        answer.status, answer.announced
                    );
                    let _ = stream.write_all(head.as_bytes()).await;
                    if method != "HEAD" {
                        let _ = stream.write_all(&answer.body).await;
                    }
                    let _ = stream.shutdown().await;
                });
            }
        });
        Self { port, requests, task }
    }

    /// How many requests contained `text`.
    pub(crate) fn count(&self, text: &str) -> usize {
        self.requests.lock().unwrap().iter().filter(|request| request.contains(text)).count()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }
}

impl Drop for Web {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn read_head(stream: &mut (impl AsyncReadExt + Unpin)) -> String {
    let mut head = Vec::new();
    while !head.windows(4).any(|four| four == b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8_lossy(&head).into_owned()
}

/// A socket in front of the engine that can lose answers, and can go away.
pub(crate) struct Proxy {
    pub(crate) endpoint: String,
    fault: Arc<AtomicU8>,
    task: JoinHandle<()>,
    _dir: tempfile::TempDir,
}

const NO_FAULT: u8 = 0;
const LOSE_ANSWER: u8 = 1;
const LAST_ANSWER: u8 = 2;

impl Proxy {
    pub(crate) fn to(target: PathBuf) -> Self {
        let dir = tempfile::Builder::new().prefix("occo").tempdir_in("/tmp").unwrap();
        let path = dir.path().join("docker.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let fault = Arc::new(AtomicU8::new(NO_FAULT));
        let armed = Arc::clone(&fault);
        let task = tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let engine = UnixStream::connect(&target).await.unwrap();
                if pass_on(client, engine, &armed).await == LAST_ANSWER {
                    return;
                }
            }
        });
        Self { endpoint: format!("unix://{}", path.display()), fault, task, _dir: dir }
    }

    /// The engine does what the next change asks for, but its answer is lost.
    pub(crate) fn lose_next_answer(&self) {
        self.fault.store(LOSE_ANSWER, Ordering::SeqCst);
    }

    /// The next change is answered, and then nobody listens any more.
    pub(crate) fn stop_after_next_answer(&self) {
        self.fault.store(LAST_ANSWER, Ordering::SeqCst);
    }

    /// The socket stays behind without a listener, as when an engine is killed.
    pub(crate) async fn stop(&mut self) {
        self.task.abort();
        let _ = (&mut self.task).await;
    }
}

/// Passes a request on and, unless it is to be lost, its answer. Returns the fault that took effect.
async fn pass_on(mut client: UnixStream, mut engine: UnixStream, armed: &AtomicU8) -> u8 {
    let mut request = vec![0; 64 * 1024];
    let length = client.read(&mut request).await.unwrap();
    engine.write_all(&request[..length]).await.unwrap();
    let mut answer = [0];
    engine.read_exact(&mut answer).await.unwrap();
    let is_change = request.starts_with(b"POST") || request.starts_with(b"DELETE");
    let fault = if is_change { armed.swap(NO_FAULT, Ordering::SeqCst) } else { NO_FAULT };
    if fault != LOSE_ANSWER {
        // Runs when this task waits next: a last answer arrives after the listener is gone.
        tokio::spawn(async move {
            client.write_all(&answer).await.unwrap();
            let _ = tokio::io::copy_bidirectional(&mut client, &mut engine).await;
        });
    }
    fault
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}
