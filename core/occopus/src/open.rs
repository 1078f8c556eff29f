//! Opening: finding configuration, credentials and store, and wiring the engine together.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use occopus_descriptor::Diagnostics;
use occopus_descriptor::configuration::Configuration;
use occopus_descriptor::search::{SearchError, Surroundings, Wanted, find};
use occopus_engine::clock::{Clock, Random, SystemClock};
use occopus_engine::engine::{Engine, Handlers};
use occopus_engine::event::{Event, EventKind};
use occopus_engine::handler::ResourceHandler;
use occopus_engine::ids::InfraId;
use occopus_engine::secret::{Redactor, Secrets};
use occopus_health::Checks;
use occopus_resources::docker::DockerHandler;
use occopus_resources::dry_run::{DryRunChecks, DryRunHandler, TYPES};
use occopus_resources::process::ProcessHandler;
use occopus_resources::rate_limit::{RateLimit, RateLimits};
use occopus_resources::retry::{Retry, RetryPolicy};
use occopus_store::RedisStore;
use occopus_template::Templates;

use crate::command::HostCommands;
use crate::credentials::CredentialFile;
use crate::delivery::Delivery;
use crate::error::Error;
use crate::limits;
use crate::place::{self, Place};
use crate::secrets::EnvironmentAndFiles;
use crate::settings::Settings;

/// Occopus, ready for work.
pub struct Occopus {
    pub(crate) engine: Engine,
    /// The store, if it is a Redis.
    pub(crate) redis: Option<RedisStore>,
    configuration: Option<Configuration>,
    configuration_warnings: Diagnostics,
    credentials: Option<PathBuf>,
    delivery: Delivery,
}

impl Occopus {
    /// Finds and reads what `settings` and the environment say, and opens the store.
    pub async fn open(settings: Settings) -> Result<Self, Error> {
        // One TLS provider for all clients; a second installation is refused, which is fine.
        drop(rustls::crypto::ring::default_provider().install_default());
        let (configuration, configuration_warnings) =
            match search(Wanted::Configuration, settings.config.as_deref())? {
                Some(path) => Configuration::load(&path).map(|(found, warnings)| (Some(found), warnings))?,
                None => (None, Diagnostics::new()),
            };
        let dry_run = configuration.as_ref().is_some_and(|configuration| configuration.dry_run);
        let credentials = search(Wanted::Credentials, settings.credentials.as_deref())?;
        let Place { store, redis, folder } = place::open(&settings, configuration.as_ref()).await?;
        #[cfg(feature = "crash-points")]
        let store = crate::crash::points().store(store);
        let secrets = Secrets::new(Arc::new(EnvironmentAndFiles::default()), settings.redactor.clone());
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let random = Random::from_system();
        let handlers = if dry_run { dry_handlers() } else { handlers(&folder, &clock, &random) };
        let policy = limits::policy(&settings, |name| std::env::var(name).ok(), &handlers)?;
        let delivery = Delivery::to(settings.events);
        let engine = Engine {
            handlers,
            store,
            contextualiser: Arc::new(templates(configuration.as_ref())),
            health: if dry_run { Arc::new(DryRunChecks) } else { Arc::new(Checks::default()) },
            credentials: Arc::new(CredentialFile::new(credentials.clone(), secrets.clone())),
            secrets,
            clock,
            random,
            policy,
            events: delivery.sink(),
        };
        Ok(Self { engine, redis, configuration, configuration_warnings, credentials, delivery })
    }

    /// Where the store is.
    pub fn store_location(&self) -> String {
        self.engine.store.location()
    }

    /// Hides the secrets that were read so far. Texts that come from elsewhere, such as the log of a
    /// container, may hold them.
    pub fn redactor(&self) -> &Redactor {
        self.engine.secrets.redactor()
    }

    /// The configuration file in use.
    pub fn configuration_path(&self) -> Option<&Path> {
        self.configuration.as_ref().map(|configuration| configuration.path.as_path())
    }

    /// What the configuration file says; `None` if there is none.
    pub fn configuration(&self) -> Option<&Configuration> {
        self.configuration.as_ref()
    }

    /// What is doubtful in the configuration file.
    pub fn configuration_warnings(&self) -> &Diagnostics {
        &self.configuration_warnings
    }

    /// The credentials file in use.
    pub fn credentials_path(&self) -> Option<&Path> {
        self.credentials.as_deref()
    }

    /// Does `work`, and waits until its events are received, so that whoever asked for it learns of them
    /// before its result.
    pub(crate) async fn told<T>(&self, work: impl Future<Output = T>) -> T {
        let result = work.await;
        self.delivery.flush().await;
        result
    }

    /// Tells the caller's event sink that a lease is waited for.
    pub(crate) fn say_waiting(&self, infra: &InfraId, holder: &str) {
        self.engine.events.event(&Event::new(
            infra.clone(),
            EventKind::Progress,
            self.engine.clock.wall(),
            format!("waiting for {holder}"),
        ));
    }
}

/// The program is run from a virtual environment or a prefix such as `/usr`: its files are below it.
pub(crate) fn search(wanted: Wanted, explicit: Option<&Path>) -> Result<Option<PathBuf>, Error> {
    let program = std::env::current_exe().ok().and_then(|path| path.parent().map(Path::to_owned));
    let variable = |name: &str| -> Option<OsString> { std::env::var_os(name) };
    let prefix = std::env::var_os("VIRTUAL_ENV")
        .map(PathBuf::from)
        .or_else(|| program.as_deref().and_then(Path::parent).map(Path::to_owned));
    let surroundings = Surroundings {
        variable: &variable,
        home: std::env::home_dir(),
        current: std::env::current_dir().ok(),
        prefix,
        program,
    };
    find(wanted, explicit, &surroundings).map_err(|error: SearchError| Error::Usage(error.to_string()))
}

/// The templates, with the leave to run commands if the configuration gives it.
fn templates(configuration: Option<&Configuration>) -> Templates {
    match configuration {
        Some(Configuration { template_commands: true, .. }) => {
            Templates::new().with_commands(Arc::new(HostCommands))
        }
        _ => Templates::new(),
    }
}

/// Handlers that only say what they would do.
fn dry_handlers() -> Handlers {
    let mut handlers = Handlers::default();
    TYPES.into_iter().for_each(|name| handlers.register(Arc::new(DryRunHandler::new(name))));
    handlers
}

/// The handlers of this build, each behind a rate limit and bounded retries. They keep files in `folder`.
fn handlers(folder: &Path, clock: &Arc<dyn Clock>, random: &Random) -> Handlers {
    let instances = folder.join("instances");
    let all: Vec<Arc<dyn ResourceHandler>> = vec![
        Arc::new(ProcessHandler::new(instances, clock.clone(), random.clone())),
        Arc::new(DockerHandler::new(clock.clone())),
        #[cfg(feature = "ec2")]
        Arc::new(occopus_resource_ec2::Ec2Handler::default()),
    ];
    let mut handlers = Handlers::default();
    for handler in all {
        #[cfg(feature = "crash-points")]
        let handler = crate::crash::points().handler(handler);
        let limited = Arc::new(RateLimit::new(handler, clock.clone(), RateLimits::default()));
        let retried = Retry::new(limited, clock.clone(), random.clone(), RetryPolicy::default());
        handlers.register(Arc::new(retried));
    }
    handlers
}
