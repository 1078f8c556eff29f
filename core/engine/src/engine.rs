//! The engine: its services and its policy, handed to every operation.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::{Clock, Random};
use crate::context::Contextualiser;
use crate::credentials::CredentialSource;
use crate::event::Events;
use crate::handler::{Access, ErrorKind, HandlerError, Place, ResourceHandler};
use crate::health::HealthChecker;
use crate::secret::Secrets;
use crate::store::Store;

/// Numbers that decide how the engine behaves. The defaults are those of the documentation.
#[derive(Debug, Clone)]
pub struct Policy {
    /// A lease that was not renewed for this long can be taken over.
    pub lease: Duration,
    /// Calls under way at the same time per endpoint.
    pub max_parallel: usize,
    /// First and longest pause between two looks at an instance that is starting.
    pub poll: (Duration, Duration),
    /// How long one run waits for an instance that is starting before it leaves it to the next pass; one
    /// that its back-end calls starting for longer has failed.
    pub start_limit: Duration,
    /// Limit for one single health check.
    pub check_deadline: Duration,
    /// Health checks under way at the same time.
    pub max_checks: usize,
    /// First and longest pause before a slot that failed is tried again.
    pub backoff: (Duration, Duration),
    /// Creations per slot and hour.
    pub creations_per_hour: usize,
    /// Failure time between two observations counts only up to this long.
    pub observation_gap: Duration,
    /// How long settled attempts and tombstones are kept and watched for late arrivals.
    pub watch: Duration,
    /// How long journal records and events are kept at least.
    pub history: Duration,
    /// Tries of a destroy within one run, and the pause between them.
    pub destroy_tries: (usize, Duration),
    /// How long each of them waits until the back-end confirms that the resource is gone.
    pub confirm_limit: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(90),
            max_parallel: 10,
            poll: (Duration::from_millis(200), Duration::from_secs(5)),
            start_limit: Duration::from_secs(1800),
            check_deadline: Duration::from_secs(10),
            max_checks: 32,
            backoff: (Duration::from_secs(10), Duration::from_secs(600)),
            creations_per_hour: 6,
            observation_gap: Duration::from_secs(60),
            watch: Duration::from_secs(24 * 3600),
            history: Duration::from_secs(30 * 24 * 3600),
            destroy_tries: (3, Duration::from_secs(2)),
            confirm_limit: Duration::from_secs(300),
        }
    }
}

/// The resource handlers by name.
#[derive(Clone, Default)]
pub struct Handlers(BTreeMap<String, Arc<dyn ResourceHandler>>);

impl Handlers {
    /// Adds `handler` under its own name; a handler of that name is replaced.
    pub fn register(&mut self, handler: Arc<dyn ResourceHandler>) {
        self.0.insert(handler.name().to_owned(), handler);
    }

    /// All handlers, by name.
    pub fn all(&self) -> impl Iterator<Item = &Arc<dyn ResourceHandler>> {
        self.0.values()
    }

    /// The handler called `name`.
    pub fn get(&self, name: &str) -> Result<&Arc<dyn ResourceHandler>, HandlerError> {
        self.0.get(name).ok_or_else(|| {
            let known: Vec<&str> = self.0.keys().map(String::as_str).collect();
            HandlerError::new(
                ErrorKind::Invalid,
                format!("no resource handler '{name}' in this build; there are: {}", known.join(", ")),
            )
        })
    }
}

/// Everything the engine works with.
#[derive(Clone)]
pub struct Engine {
    /// Durable records.
    pub store: Arc<dyn Store>,
    /// Resource handlers.
    pub handlers: Handlers,
    /// Templates.
    pub contextualiser: Arc<dyn Contextualiser>,
    /// Health checks.
    pub health: Arc<dyn HealthChecker>,
    /// Credentials.
    pub credentials: Arc<dyn CredentialSource>,
    /// Secrets that descriptions refer to.
    pub secrets: Secrets,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Identifiers and jitter.
    pub random: Random,
    /// Numbers.
    pub policy: Policy,
    /// Where events go while they happen.
    pub events: Events,
}

impl Engine {
    /// The access to a recorded place; an authentication error if its credentials cannot be had.
    pub fn access(&self, place: &Place) -> Result<Access, HandlerError> {
        let access = self.credentials.access(place);
        access.map_err(|error| HandlerError::new(ErrorKind::Auth, error.to_string()))
    }
}
