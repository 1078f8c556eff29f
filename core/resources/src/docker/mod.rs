//! The `docker` handler: a node is a container on a Docker Engine.
//!
//! The container's name derives from the attempt, so that a repeated create meets its own container:
//! the engine itself refuses a second one. Its labels hold the identity, by which `find` sees it from
//! the create call on, started or not.

mod archive;
mod client;
mod endpoint;
mod error;
mod facts;
mod image;
mod request;
mod state;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bollard::errors::Error;
use bollard::models::{ContainerStateStatusEnum, ContainerSummary};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, InspectContainerOptions, ListContainersOptionsBuilder, LogsOptionsBuilder,
    RemoveContainerOptionsBuilder, StartContainerOptions, StopContainerOptionsBuilder,
};
use futures::{StreamExt, TryStreamExt};
use jiff::Timestamp;
use occopus_engine::clock::Clock;
use occopus_engine::handler::{
    Access, Capabilities, CreateRequest, ErrorKind, Found, HandlerError, Identity, Listed, Observation,
    Place, Progress, ProviderId, ResourceHandler, ResourceState, StepJournal,
};
use occopus_engine::ids::StoreId;
use serde_json::{Map, Value};

use client::{Engine, Engines};
use endpoint::Endpoint;
use facts::{Facts, KnownLimits};
use image::{FETCH_TIMEOUT, Images};
use request::{Image, container, container_name};

/// Seconds between TERM and KILL when a container is stopped.
const STOP_GRACE: i32 = 10;

/// Containers asked for in one list call: the ids stand in the URL, which may have 64 KiB.
const LIST_SIZE: usize = 500;

/// Containers asked for their exit code or their limits at the same time.
const PARALLEL_INSPECTS: usize = 8;

/// Lines and bytes of a container's log that `console` returns at most.
const CONSOLE_LINES: &str = "1000";
const CONSOLE_BYTES: usize = 256 * 1024;

/// The resource handler `docker`.
pub struct DockerHandler {
    clock: Arc<dyn Clock>,
    engines: Engines,
    images: Images,
    limits: KnownLimits,
}

impl DockerHandler {
    /// A handler that has met no engine yet. `clock` tells the age of containers and paces progress.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            images: Images::new(Arc::clone(&clock)),
            engines: Engines::default(),
            limits: KnownLimits::default(),
            clock,
        }
    }

    async fn engine(&self, access: &Access) -> Result<Engine, HandlerError> {
        self.engines.get(&access.place.endpoint).await
    }
}

#[async_trait]
impl ResourceHandler for DockerHandler {
    fn name(&self) -> &'static str {
        "docker"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            idempotent_create: true,
            findable: true,
            batch: 1,
            visibility_delay: Duration::ZERO,
            create_deadline: Duration::from_secs(40),
            destroy_deadline: Duration::from_secs(40),
            read_deadline: Duration::from_secs(20),
            prepare_deadline: FETCH_TIMEOUT,
            needs_credentials: false,
        }
    }

    fn place(&self, resource: &Map<String, Value>) -> Result<Place, HandlerError> {
        let text = resource.get("endpoint").and_then(Value::as_str).unwrap_or_default();
        let endpoint = Endpoint::parse(text)?.to_string();
        Ok(Place {
            handler: "docker".to_owned(),
            endpoint,
            region: None,
            project: None,
            account: String::new(),
        })
    }

    async fn prepare(
        &self,
        access: &Access,
        request: &CreateRequest,
        progress: &dyn Progress,
    ) -> Result<(), HandlerError> {
        let image = Image::of(request)?;
        // A wrong request is refused before gigabytes are moved for it.
        container(request, &image)?;
        self.images.prepare(&self.engine(access).await?, &image, progress).await
    }

    async fn create(
        &self,
        access: &Access,
        request: &CreateRequest,
        _steps: &dyn StepJournal,
    ) -> Result<ProviderId, HandlerError> {
        let image = Image::of(request)?;
        let body = container(request, &image)?;
        let engine = self.engine(access).await?;
        let name = container_name(request);
        let options = CreateContainerOptionsBuilder::new().name(&name).build();
        let id = match engine.docker.create_container(Some(options), body).await {
            Ok(created) => created.id,
            Err(error) if error::status(&error) == Some(409) => {
                let earlier = engine.earlier(&name, &request.identity).await?;
                if earlier.was_started {
                    return Ok(ProviderId::plain(earlier.id));
                }
                earlier.id
            }
            Err(error) => {
                return Err(engine.change_error(&format!("create container {name} of {image}"), &error));
            }
        };
        engine.start(&id, &name).await?;
        Ok(ProviderId::plain(id))
    }

    async fn observe(&self, access: &Access, ids: &[ProviderId]) -> Result<Vec<Observation>, HandlerError> {
        let engine = self.engine(access).await?;
        let mut listed = HashMap::new();
        for ids in ids.chunks(LIST_SIZE) {
            let ids = ids.iter().map(|id| id.id.clone()).collect();
            let summaries = engine.list("id", ids).await?;
            listed.extend(summaries.into_iter().filter_map(|summary| Some((summary.id.clone()?, summary))));
        }
        let now = self.clock.wall();
        let summaries: Vec<_> = ids.iter().map(|id| listed.get(&id.id).cloned()).collect();
        let limits = (&self.limits, self.clock.monotonic());
        let observations =
            futures::stream::iter(summaries).map(|summary| engine.observe_one(summary, now, limits));
        Ok(observations.buffered(PARALLEL_INSPECTS).collect().await)
    }

    async fn find(&self, access: &Access, store: &StoreId) -> Result<Vec<Found>, HandlerError> {
        let engine = self.engine(access).await?;
        let listed = engine.tagged(format!("{}={store}", Identity::STORE_TAG), self.clock.wall()).await?;
        Ok(listed.into_iter().map(|listed| listed.found).collect())
    }

    async fn find_all(&self, access: &Access, _store: &StoreId) -> Result<Vec<Listed>, HandlerError> {
        self.engine(access).await?.tagged(Identity::STORE_TAG.to_owned(), self.clock.wall()).await
    }

    async fn destroy(
        &self,
        access: &Access,
        id: &ProviderId,
        _steps: &dyn StepJournal,
    ) -> Result<(), HandlerError> {
        let engine = self.engine(access).await?;
        let options = StopContainerOptionsBuilder::new().t(STOP_GRACE).build();
        match engine.docker.stop_container(&id.id, Some(options)).await {
            Ok(()) => {}
            Err(error) => match error::status(&error) {
                Some(404) => return Ok(()),
                // What cannot be stopped can still be removed by force.
                Some(_) => {
                    tracing::debug!("container {id} at {} cannot be stopped: {error}", engine.endpoint)
                }
                None => return Err(engine.change_error(&format!("stop container {id}"), &error)),
            },
        }
        engine.remove(&id.id).await
    }

    async fn console(&self, access: &Access, id: &ProviderId) -> Result<String, HandlerError> {
        let engine = self.engine(access).await?;
        let options = LogsOptionsBuilder::new().stdout(true).stderr(true).tail(CONSOLE_LINES).build();
        let mut chunks = std::pin::pin!(engine.docker.logs(&id.id, Some(options)));
        let mut log = Vec::new();
        let doing = format!("read the log of container {id}");
        while let Some(chunk) = chunks.try_next().await.map_err(|error| engine.read_error(&doing, &error))? {
            log.extend_from_slice(&chunk.into_bytes());
            if log.len() > 2 * CONSOLE_BYTES {
                log.drain(..log.len() - CONSOLE_BYTES);
            }
        }
        Ok(String::from_utf8_lossy(&log[log.len().saturating_sub(CONSOLE_BYTES)..]).into_owned())
    }
}

/// The container that an earlier try of the same attempt made.
struct Earlier {
    id: String,
    was_started: bool,
}

impl Engine {
    /// All containers, running or not, that match one of `values` of filter `key`.
    async fn list(&self, key: &str, values: Vec<String>) -> Result<Vec<ContainerSummary>, HandlerError> {
        let filters = HashMap::from([(key, values)]);
        let options = ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
        let listing = self.docker.list_containers(Some(options)).await;
        listing.map_err(|error| self.read_error("list containers", &error))
    }

    /// All containers with `label` that say who they are, at the wall-clock time `now`.
    async fn tagged(&self, label: String, now: Timestamp) -> Result<Vec<Listed>, HandlerError> {
        let tagged = self.list("label", vec![label]).await?.into_iter().filter_map(|summary| {
            let (state, _) = state::state(&summary, now);
            let created_at = summary.created.and_then(|at| Timestamp::from_second(at).ok());
            let id = summary.id?;
            let identity = Identity::from_tags(&summary.labels?.into_iter().collect());
            if identity.is_none() {
                let endpoint = &self.endpoint;
                tracing::warn!("container {id} at {endpoint} has labels of Occopus that cannot be read");
            }
            let found = Found { identity: identity?, provider_id: ProviderId::plain(id), state };
            Some(Listed { found, created_at })
        });
        Ok(tagged.collect())
    }

    /// What `summary`, or its absence from a listing, says at the wall-clock time `now`; with the limits
    /// that are known, and the monotonic time.
    async fn observe_one(
        &self,
        summary: Option<ContainerSummary>,
        now: Timestamp,
        limits: (&KnownLimits, Duration),
    ) -> Observation {
        let Some(summary) = summary else {
            return Observation::bare(ResourceState::Gone, "no such container");
        };
        let mut observation = state::observation(&summary, now);
        let id = summary.id.as_deref().unwrap_or_default();
        match observation.state {
            ResourceState::Stopped => {
                // Only a better explanation is at stake: without it, the state stands as listed.
                let inspected = self.docker.inspect_container(id, None::<InspectContainerOptions>).await;
                if let Some(state) = inspected.ok().and_then(|inspected| inspected.state) {
                    observation.detail = state::stop_detail(&summary, &state);
                }
            }
            ResourceState::Running => match self.limits(id, limits).await {
                Some(limits) => observation.facts.extend(limits),
                // What is known in part would look as if the rest had been changed.
                None => observation.facts.clear(),
            },
            _ => {}
        }
        observation
    }

    /// The limits of container `id`, unless they cannot be told now.
    async fn limits(&self, id: &str, (known, now): (&KnownLimits, Duration)) -> Option<Facts> {
        if let Some(limits) = known.of(id, now) {
            return Some(limits);
        }
        let inspected = self.docker.inspect_container(id, None::<InspectContainerOptions>).await.ok()?;
        let limits = facts::of_limits(&inspected.host_config?);
        known.keep(id, now, limits.clone());
        Some(limits)
    }

    /// The container called `name`, which must be the one of `identity`. One that was started is not
    /// started again: it may have done its work and ended.
    async fn earlier(&self, name: &str, identity: &Identity) -> Result<Earlier, HandlerError> {
        let inspected = self.docker.inspect_container(name, None::<InspectContainerOptions>).await;
        let container = match inspected {
            Ok(container) => container,
            Err(error) if error::status(&error) == Some(404) => {
                // The engine reserves a name before it shows the container.
                let what = format!("container {name} is just being created by another call, or vanished");
                return Err(self.error(ErrorKind::UnknownOutcome, &what));
            }
            // However this call failed, an earlier one made something.
            Err(error) => {
                let failure = self.change_error(&format!("inspect container {name}"), &error);
                return Err(HandlerError { kind: ErrorKind::UnknownOutcome, ..failure });
            }
        };
        let labels = container.config.and_then(|config| config.labels).unwrap_or_default();
        if Identity::from_tags(&labels.into_iter().collect()).as_ref() != Some(identity) {
            let what = format!("a container called {name} exists but is not ours; remove or rename it");
            return Err(self.error(ErrorKind::Invalid, &what));
        }
        let status = container.state.and_then(|state| state.status);
        Ok(Earlier {
            id: container.id.unwrap_or_else(|| name.to_owned()),
            was_started: status != Some(ContainerStateStatusEnum::CREATED),
        })
    }

    /// Starts the created container `id`. If the engine refuses, the container is removed again, so
    /// that the error means what it says: nothing is left.
    async fn start(&self, id: &str, name: &str) -> Result<(), HandlerError> {
        let Err(error) = self.docker.start_container(id, None::<StartContainerOptions>).await else {
            return Ok(());
        };
        let failure = self.change_error(&format!("start container {name}"), &error);
        let (kind, message) = match error::status(&error) {
            // Even if this call never got through, the one that created the container did.
            None => (ErrorKind::UnknownOutcome, failure.message),
            Some(_) => match self.remove(id).await {
                Ok(()) if failure.kind == ErrorKind::UnknownOutcome => {
                    (ErrorKind::Transient, failure.message)
                }
                Ok(()) => (failure.kind, failure.message),
                Err(left) => (ErrorKind::UnknownOutcome, format!("{failure}; and {left}")),
            },
        };
        Err(HandlerError::new(kind, message))
    }

    /// Removes container `id` with its anonymous volumes, running or not; one that is gone or going is
    /// removed.
    async fn remove(&self, id: &str) -> Result<(), HandlerError> {
        let options = RemoveContainerOptionsBuilder::new().v(true).force(true).build();
        match self.docker.remove_container(id, Some(options)).await {
            Ok(()) => Ok(()),
            Err(error) if is_removed(&error) => Ok(()),
            Err(error) => Err(self.change_error(&format!("remove container {id}"), &error)),
        }
    }
}

fn is_removed(error: &Error) -> bool {
    match error {
        Error::DockerResponseServerError { status_code: 404, .. } => true,
        Error::DockerResponseServerError { status_code: 409, message } => {
            message.contains("already in progress")
        }
        _ => false,
    }
}
