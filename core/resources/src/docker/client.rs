//! Connections to engines, one client for each endpoint.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bollard::{API_DEFAULT_VERSION, ClientVersion, Docker};
use occopus_engine::handler::{ErrorKind, HandlerError};

use super::endpoint::Endpoint;
use super::error::{Effect, classify};

/// Limit for the first byte of an answer. Longer than the grace of a stop, which is answered only
/// after it.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// The oldest API that has everything used here (Docker 1.13).
const OLDEST_VERSION: ClientVersion = ClientVersion { major_version: 1, minor_version: 25 };

/// A client together with the endpoint that its errors name.
#[derive(Debug, Clone)]
pub(super) struct Engine {
    /// The client.
    pub(super) docker: Docker,
    /// The endpoint in canonical form.
    pub(super) endpoint: String,
}

impl Engine {
    /// Makes a failed read into an error that says what was being done (`list containers`).
    pub(super) fn read_error(&self, doing: &str, error: &bollard::errors::Error) -> HandlerError {
        classify(&self.endpoint, doing, Effect::None, error)
    }

    /// The same for a pull or an import.
    pub(super) fn fetch_error(&self, doing: &str, error: &bollard::errors::Error) -> HandlerError {
        classify(&self.endpoint, doing, Effect::Fetch, error)
    }

    /// The same for a call that changes something.
    pub(super) fn change_error(&self, doing: &str, error: &bollard::errors::Error) -> HandlerError {
        classify(&self.endpoint, doing, Effect::Change, error)
    }

    /// An error of `kind` that names the engine.
    pub(super) fn error(&self, kind: ErrorKind, what: &str) -> HandlerError {
        HandlerError::new(kind, format!("Docker Engine at {}: {what}", self.endpoint))
    }
}

/// The engines met so far. A client holds no open connection, so it outlives a restart of its engine.
#[derive(Debug, Default)]
pub(super) struct Engines {
    clients: Mutex<HashMap<String, Engine>>,
}

impl Engines {
    /// The engine at `endpoint`; the first use agrees on a version of the API with it.
    pub(super) async fn get(&self, endpoint: &str) -> Result<Engine, HandlerError> {
        let place = Endpoint::parse(endpoint)?;
        let endpoint = place.to_string();
        if let Some(engine) = self.clients().get(&endpoint) {
            return Ok(engine.clone());
        }
        let docker =
            connect(place).await.map_err(|error| classify(&endpoint, "connect", Effect::None, &error))?;
        let engine = Engine { docker, endpoint: endpoint.clone() };
        if engine.docker.client_version() < OLDEST_VERSION {
            let version = engine.docker.client_version();
            let what = format!("its API version {version} is too old; Docker 1.13 or later is needed");
            return Err(engine.error(ErrorKind::Invalid, &what));
        }
        self.clients().insert(endpoint, engine.clone());
        Ok(engine)
    }

    fn clients(&self) -> std::sync::MutexGuard<'_, HashMap<String, Engine>> {
        // A map of clones is valid after any panic.
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn connect(place: Endpoint) -> Result<Docker, bollard::errors::Error> {
    let timeout = ANSWER_TIMEOUT.as_secs();
    let docker = match place {
        Endpoint::Unix(path) => {
            // The client looks whether the socket exists, which blocks on a hanging file system.
            let connecting = move || Docker::connect_with_unix(&path, timeout, API_DEFAULT_VERSION);
            tokio::task::spawn_blocking(connecting)
                .await
                .map_err(|error| bollard::errors::Error::from(std::io::Error::other(error)))??
        }
        Endpoint::Tcp(host) => Docker::connect_with_http(&host, timeout, API_DEFAULT_VERSION)?,
    };
    docker.negotiate_version().await
}
