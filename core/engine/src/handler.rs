//! The contract of a resource handler: the only way in which the engine touches the outside world.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::batch::CreateBatch;
use crate::ids::{AttemptId, InfraId, NodeId, Slot, StoreId};

/// Version of the tags that make a resource findable; part of every resource's tags.
pub const TAG_SCHEMA: u32 = 1;

/// Where a resource lives and with whose credentials it is reached. Recorded durably before its first
/// use, so that a sweep knows where to look. Holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Place {
    /// Name of the resource handler, such as `ec2`.
    pub handler: String,
    /// URL of the API.
    pub endpoint: String,
    /// Region inside the endpoint, where the handler has regions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Project, tenant or subscription, where the handler has them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// Reference to the credentials (the filter keys of the entry in the credentials file), never
    /// the credentials themselves. Empty for handlers that need none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub account: String,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.handler, self.endpoint)?;
        if let Some(region) = &self.region {
            write!(f, " ({region})")?;
        }
        Ok(())
    }
}

/// Credentials as the user wrote them. Never printed, never stored.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials(pub Map<String, Value>);

impl Credentials {
    /// The text of field `key`; numbers are written as text.
    pub fn text(&self, key: &str) -> Option<String> {
        match self.0.get(key)? {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(…)")
    }
}

/// A place together with what it takes to get in.
#[derive(Debug, Clone)]
pub struct Access {
    /// Where.
    pub place: Place,
    /// With what; `None` for handlers that need nothing.
    pub credentials: Option<Credentials>,
}

/// Who a resource is, written on the resource itself (tags, labels, metadata).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The store that owns the resource. Resources of another store are foreign.
    pub store: StoreId,
    /// The infrastructure.
    pub infra: InfraId,
    /// The slot the resource fills.
    pub slot: Slot,
    /// The instance.
    pub node_id: NodeId,
    /// The attempt that created it.
    pub attempt: AttemptId,
}

impl Identity {
    /// Name of the tag that holds the store id; `find` filters on it.
    pub const STORE_TAG: &'static str = "occopus.store";

    /// Name of the tag that holds the infrastructure's id.
    pub(crate) const INFRA_TAG: &'static str = "occopus.infra";
    /// Name of the tag that holds the version of all tags.
    pub(crate) const SCHEMA_TAG: &'static str = "occopus.schema";

    /// The tags to put on the resource, in the create call itself where the API can.
    pub fn tags(&self) -> BTreeMap<String, String> {
        [
            (Self::STORE_TAG, self.store.to_string()),
            (Self::INFRA_TAG, self.infra.to_string()),
            ("occopus.slot", self.slot.to_string()),
            ("occopus.node-id", self.node_id.to_string()),
            ("occopus.attempt", self.attempt.to_string()),
            (Self::SCHEMA_TAG, TAG_SCHEMA.to_string()),
        ]
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect()
    }

    /// Who the resource is that was launched as number `launch_index` (from 0) of its call, by its own tags or
    /// by those it shares with the others of its call; `None` if neither tell.
    pub fn of_launched(tags: &BTreeMap<String, String>, launch_index: Option<usize>) -> Option<Self> {
        Self::from_tags(tags).or_else(|| CreateBatch::identity(tags, launch_index?))
    }

    /// Reads the tags back; `None` if the resource is not one of ours.
    pub fn from_tags(tags: &BTreeMap<String, String>) -> Option<Self> {
        let get = |key: &str| tags.get(key).map(String::as_str);
        Some(Self {
            store: get(Self::STORE_TAG)?.into(),
            infra: get(Self::INFRA_TAG)?.into(),
            slot: get("occopus.slot")?.parse().ok()?,
            node_id: get("occopus.node-id")?.into(),
            attempt: get("occopus.attempt")?.into(),
        })
    }
}

/// What the back-end calls a resource: versioned JSON, understood by its handler only.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ProviderId {
    /// Version of the handler's own format.
    #[serde(rename = "v")]
    pub version: u32,
    /// The main identifier, such as `i-0abc` or a container id.
    pub id: String,
    /// Further parts a handler needs to act on the resource.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parts: BTreeMap<String, String>,
}

impl ProviderId {
    /// Version 1 of a handler whose resources have a plain identifier.
    pub fn plain(id: impl Into<String>) -> Self {
        Self { version: 1, id: id.into(), parts: BTreeMap::new() }
    }
}

impl fmt::Display for ProviderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.id)
    }
}

/// The first `length` characters of `text`.
fn cut(text: &str, length: usize) -> String {
    text.chars().take(length).collect()
}

/// A complete, rendered request for one instance. A replay sends exactly the same request again.
/// May hold secrets (user data): it is stored apart and erased once the attempt is settled.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateRequest {
    /// Who the new resource is.
    pub identity: Identity,
    /// Name of the infrastructure.
    pub infra_name: String,
    /// The rendered `resource` section of the chosen implementation.
    pub resource: Map<String, Value>,
    /// The rendered context (user data), for contextualisation `cloudinit`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<String>,
    /// Rendered attributes: for contextualisation `docker` and `process` the keys `env` and `command`.
    #[serde(default)]
    pub attributes: Map<String, Value>,
}

impl CreateRequest {
    /// Idempotency token: unique to the attempt, at most 36 characters.
    pub fn token(&self) -> &str {
        self.identity.attempt.as_str()
    }

    /// The name of Occopus 1.10, which users rely on for firewall and DNS rules:
    /// `occopus-<infra name, 18>-<infra id, 8>-<node, 18>-<node id, 8>`. A label, never identity.
    pub fn unique_name(&self) -> String {
        format!("{}-{}", self.shared_name(), cut(self.identity.node_id.as_str(), 8))
    }

    /// The part of [`CreateRequest::unique_name`] that all instances of a node share.
    pub fn shared_name(&self) -> String {
        format!(
            "occopus-{}-{}-{}",
            cut(&self.infra_name, 18),
            cut(self.identity.infra.as_str(), 8),
            cut(&self.identity.slot.node, 18),
        )
    }

    /// Whether one call can make the instances of both: they differ in who they are only.
    pub fn is_like(&self, other: &Self) -> bool {
        let (this, that) = (&self.identity, &other.identity);
        (&this.store, &this.infra, &this.slot.node) == (&that.store, &that.infra, &that.slot.node)
            && self.infra_name == other.infra_name
            && (&self.resource, &self.context, &self.attributes)
                == (&other.resource, &other.context, &other.attributes)
    }

    /// Text value of key `key` of the resource section; numbers and booleans print as in YAML.
    pub fn resource_text(&self, key: &str) -> Option<String> {
        match self.resource.get(key)? {
            Value::Null => None,
            Value::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        }
    }
}

impl fmt::Debug for CreateRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CreateRequest").field("identity", &self.identity).finish_non_exhaustive()
    }
}

/// State of a resource at its back-end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResourceState {
    /// Being made or started.
    Pending,
    /// Running.
    Running,
    /// Exists but does not run and will not run again by itself.
    Stopped,
    /// The back-end says that it failed.
    Failed,
    /// The back-end knows that it is gone for good, or cannot overlook one that exists.
    Gone,
    /// The back-end answered completely and does not list it: it is gone, or too young to be listed.
    Missing,
    /// The back-end used a word the handler does not know.
    Unknown,
}

/// What a back-end says about one resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observation {
    /// The state.
    pub state: ResourceState,
    /// The back-end's own words, such as `stopping` or `exited with code 3`; may be empty.
    pub detail: String,
    /// Addresses, the primary one first; may be empty until the resource runs.
    pub addresses: Vec<String>,
    /// The private address, where there is one.
    pub private_address: Option<String>,
    /// What the resource is, as far as somebody could change that by hand, by names such as `instance_type`;
    /// no secrets. Empty if nothing can be told, or if it does not run.
    pub facts: BTreeMap<String, String>,
}

impl Observation {
    /// An observation without addresses.
    pub fn bare(state: ResourceState, detail: impl Into<String>) -> Self {
        Self {
            state,
            detail: detail.into(),
            addresses: Vec::new(),
            private_address: None,
            facts: BTreeMap::new(),
        }
    }
}

/// A resource of ours that the back-end listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its tags.
    pub identity: Identity,
    /// How to act on it.
    pub provider_id: ProviderId,
    /// Its state. Resources that are gone for good are not listed.
    pub state: ResourceState,
}

/// A resource that carries tags of Occopus, of whatever store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Who it is, how to act on it, and its state.
    pub found: Found,
    /// When it was made, where the back-end tells.
    pub created_at: Option<Timestamp>,
}

impl From<Found> for Listed {
    fn from(found: Found) -> Self {
        Self { found, created_at: None }
    }
}

/// What kind of failure a call ended with; decides what the engine does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// Too many requests; nothing happened. May be repeated after a pause.
    Throttled,
    /// A quota or the capacity is exhausted; nothing happened.
    Quota,
    /// Credentials are missing, wrong or not allowed to; nothing happened.
    Auth,
    /// The request is wrong and will be wrong again; nothing happened.
    Invalid,
    /// The thing asked for does not exist; nothing happened.
    NotFound,
    /// A passing fault, and certainly nothing happened (connection refused, for example).
    Transient,
    /// The call may have taken effect: only `find` can tell.
    UnknownOutcome,
}

impl ErrorKind {
    /// Whether a refusal of many at once may not be one of each alone: there may be room for some, and a
    /// back-end may not want to make many.
    pub fn may_not_hold_alone(self) -> bool {
        matches!(self, Self::Quota | Self::Invalid | Self::NotFound)
    }

    /// Whether the same call may succeed when it is simply made again.
    pub fn is_passing(self) -> bool {
        matches!(self, Self::Throttled | Self::Transient | Self::UnknownOutcome)
    }
}

/// A call to a back-end failed. The message says where, why and what to do, and holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct HandlerError {
    /// The kind of failure.
    pub kind: ErrorKind,
    /// For people.
    pub message: String,
    /// How long the back-end asks to wait before the next try.
    pub retry_after: Option<Duration>,
}

impl HandlerError {
    /// An error of `kind` without a wish when to retry.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), retry_after: None }
    }
}

/// What a handler's back-end can do; decides how an open intent is settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// Creating again with the same token returns the first resource (or the first answer).
    pub idempotent_create: bool,
    /// Resources carry their identity from the create call on, and `find` lists them by it.
    pub findable: bool,
    /// Most instances that one call of [`ResourceHandler::create_batch`] makes; 1 if there is no such call.
    /// Needs [`Capabilities::findable`].
    pub batch: usize,
    /// How long after a create call took effect a listing may still miss the resource.
    pub visibility_delay: Duration,
    /// A create call that has no answer after this long has an unknown outcome.
    pub create_deadline: Duration,
    /// The same for destroy.
    pub destroy_deadline: Duration,
    /// The same for `observe`, `find` and `console`.
    pub read_deadline: Duration,
    /// Limit for `prepare`, which may move a lot of data but makes no resource.
    pub prepare_deadline: Duration,
    /// The handler cannot work without credentials.
    pub needs_credentials: bool,
}

/// One recorded step of a create or destroy that takes several calls.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Name of the step, chosen by the handler.
    pub name: String,
    /// What the handler needs to know about it later. No secrets.
    pub data: Value,
}

/// Durable notes of one create or destroy. A handler records a step before it makes something that
/// `find` could not see, and reads earlier steps on a replay.
#[async_trait]
pub trait StepJournal: Send + Sync {
    /// The steps recorded so far, by earlier tries too, oldest first.
    fn steps(&self) -> Vec<Step>;

    /// Records a step; it is on disk when this returns.
    async fn record(&self, step: Step) -> Result<(), HandlerError>;
}

/// Receives lines of progress that are worth showing, such as `pulling layer 3 of 7`.
pub trait Progress: Send + Sync {
    /// A new line replaces the one before.
    fn report(&self, line: &str);
}

/// Drops all progress.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoProgress;

impl Progress for NoProgress {
    fn report(&self, _line: &str) {}
}

/// A resource handler. It is given everything with each call, keeps no state that matters (caches of
/// clients are fine) and decides nothing: waiting, retrying and choosing are the engine's.
#[async_trait]
pub trait ResourceHandler: Send + Sync {
    /// The name under which node definitions ask for it (`resource.type`).
    fn name(&self) -> &'static str;

    /// What the back-end can do.
    fn capabilities(&self) -> Capabilities;

    /// The place a rendered `resource` section points at; the engine fills in `account`.
    fn place(&self, resource: &Map<String, Value>) -> Result<Place, HandlerError>;

    /// Gets ready what creation needs but what is no resource itself, such as a container image.
    /// May be interrupted and repeated at any time. It is asked for all that are to be made at the same time:
    /// those that need the same thing share it, and the handler bounds what it fetches at once.
    async fn prepare(
        &self,
        _access: &Access,
        _request: &CreateRequest,
        _progress: &dyn Progress,
    ) -> Result<(), HandlerError> {
        Ok(())
    }

    /// Creates and starts the resource of `request` and returns as soon as the back-end accepted it.
    /// Repeating the call with the same request never makes a second resource, if
    /// [`Capabilities::idempotent_create`] says so.
    async fn create(
        &self,
        access: &Access,
        request: &CreateRequest,
        steps: &dyn StepJournal,
    ) -> Result<ProviderId, HandlerError>;

    /// Creates the resources of all `requests` of `batch` by one call: all of them, or none. The requests are alike
    /// (see [`CreateRequest::is_like`]) and in the order of the launch indices of `batch`, as are the answers.
    /// A resource shows who it is by [`CreateBatch::tags`], which are part of the call, and by its launch index, which
    /// the back-end must tell at any time. Repeating the call never makes further resources, if
    /// [`Capabilities::idempotent_create`] says so.
    ///
    /// # Errors
    /// What holds for all of them: with every kind but [`ErrorKind::UnknownOutcome`] nothing was made.
    async fn create_batch(
        &self,
        _access: &Access,
        _batch: &CreateBatch,
        _requests: &[CreateRequest],
    ) -> Result<Vec<ProviderId>, HandlerError> {
        let message = format!("{} makes one resource at a time", self.name());
        Err(HandlerError::new(ErrorKind::Invalid, message))
    }

    /// Gives the resource `id` of a batch the name and the tags that one gets which is created alone. For people:
    /// nothing depends on it, and it may be repeated at any time.
    async fn label(
        &self,
        _access: &Access,
        _id: &ProviderId,
        _request: &CreateRequest,
    ) -> Result<(), HandlerError> {
        Ok(())
    }

    /// States of all `ids`, in their order, with as few calls as the back-end allows. An unknown id is
    /// [`ResourceState::Gone`] or [`ResourceState::Missing`]; it does not fail the others.
    async fn observe(&self, access: &Access, ids: &[ProviderId]) -> Result<Vec<Observation>, HandlerError>;

    /// Every living resource at this place that carries the tag of `store`. Complete, or an error.
    async fn find(&self, access: &Access, store: &StoreId) -> Result<Vec<Found>, HandlerError>;

    /// As [`ResourceHandler::find`], with the resources of all other stores, which the engine never touches.
    /// A handler that cannot list those lists what is of `store`.
    async fn find_all(&self, access: &Access, store: &StoreId) -> Result<Vec<Listed>, HandlerError> {
        Ok(self.find(access, store).await?.into_iter().map(Listed::from).collect())
    }

    /// Destroys the resource and everything made for it. Idempotent: one that does not exist is
    /// destroyed. Returns when the back-end accepted it; `observe` tells when it is gone.
    async fn destroy(
        &self,
        access: &Access,
        id: &ProviderId,
        steps: &dyn StepJournal,
    ) -> Result<(), HandlerError>;

    /// The boot or process log, newest lines last.
    async fn console(&self, access: &Access, id: &ProviderId) -> Result<String, HandlerError>;
}
