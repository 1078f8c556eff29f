//! Where the store is: a file or a Redis, as command, environment and configuration say.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use occopus_descriptor::configuration::{Configuration, RedisSettings};
use occopus_engine::clock::SystemClock;
use occopus_engine::secret::Secrets;
use occopus_engine::store::Store;
use occopus_store::redis::{PASSWORD_VARIABLE, RedisAddress, RedisOptions};
use occopus_store::sealed::{KEY_FILE_VARIABLE, Sealed, key_file};
use occopus_store::{RedisStore, SqliteStore, location};

use crate::error::Error;
use crate::secrets::EnvironmentAndFiles;
use crate::settings::Settings;

/// The environment variable that allows a store which can lose data; see
/// [`Settings::allow_volatile_store`].
const ALLOW_VARIABLE: &str = "OCCOPUS_ALLOW_VOLATILE_STORE";

/// An open store.
pub(crate) struct Place {
    pub(crate) store: Arc<dyn Store>,
    /// The same, if it is a Redis: it may hold infrastructures of Occopus 1.10, too.
    pub(crate) redis: Option<RedisStore>,
    /// The folder of what a store cannot keep, such as the files of processes: beside the store, or
    /// where the default store would be.
    pub(crate) folder: PathBuf,
}

/// What was chosen.
#[derive(Debug, Clone, PartialEq)]
enum Choice {
    File(PathBuf),
    /// The Redis of an option or of the environment.
    NamedRedis(RedisAddress),
    /// The Redis of the configuration.
    ConfiguredRedis(RedisSettings),
}

/// Opens the store that `settings`, the environment or `configuration` name, or the default one.
pub(crate) async fn open(settings: &Settings, configuration: Option<&Configuration>) -> Result<Place, Error> {
    let environment = location::Environment::of_process();
    // What a dry run makes must not be mistaken for resources, nor resources for what it made.
    let dry_run = configuration.is_some_and(|configuration| configuration.dry_run);
    match choose(settings, configuration, &environment)? {
        Choice::File(path) => {
            let path = if dry_run { path.with_extension("dry-run.db") } else { path };
            // Processes must be found from any working folder.
            let path = std::path::absolute(&path)
                .map_err(|error| Error::File(format!("'{}': {error}", path.display())))?;
            let store = sealed(SqliteStore::open(&path).await?, &path);
            Ok(Place { store, redis: None, folder: folder_of(path) })
        }
        Choice::NamedRedis(address) => {
            let address = if dry_run { address.for_dry_runs() } else { address };
            open_redis(address, settings.allow_volatile_store, &environment).await
        }
        Choice::ConfiguredRedis(redis) => {
            let address = RedisAddress::from(&redis).or_password(kept_password(&redis, settings).await?);
            let address = if dry_run { address.for_dry_runs() } else { address };
            open_redis(address, settings.allow_volatile_store || redis.allow_volatile, &environment).await
        }
    }
}

async fn open_redis(
    address: RedisAddress,
    allow_volatile: bool,
    environment: &location::Environment,
) -> Result<Place, Error> {
    let address = address.or_password(std::env::var(PASSWORD_VARIABLE).ok());
    let allow_volatile = allow_volatile || allowed_by_environment();
    let options = RedisOptions { allow_volatile, ..RedisOptions::default() };
    let folder = folder_of(location::default_location(environment)?);
    let redis = RedisStore::open(address, options).await?;
    let store = sealed(redis.clone(), &folder.join(format!("redis-{}", redis.id())));
    Ok(Place { store, redis: Some(redis), folder })
}

/// The file of the embedded store, whether there is one or not; `None` if the store is a Redis.
pub(crate) fn file(
    settings: &Settings,
    configuration: Option<&Configuration>,
) -> Result<Option<PathBuf>, Error> {
    match choose(settings, configuration, &location::Environment::of_process())? {
        Choice::File(path) => Ok(Some(path)),
        Choice::NamedRedis(_) | Choice::ConfiguredRedis(_) => Ok(None),
    }
}

/// The password that the configuration says is kept elsewhere.
async fn kept_password(redis: &RedisSettings, settings: &Settings) -> Result<Option<String>, Error> {
    let Some(reference) = redis.password_secret.clone() else { return Ok(None) };
    let secrets = Secrets::new(Arc::new(EnvironmentAndFiles::default()), settings.redactor.clone());
    let (mut read, missing) = secrets.read_all(&SystemClock, [reference.clone()].into()).await;
    match missing.into_iter().next() {
        Some(error) => Err(Error::Usage(format!("the password of the Redis: {error}"))),
        None => Ok(read.remove(&reference)),
    }
}

/// `store` with its requests sealed by the key beside `location`, or by the one that the environment names.
fn sealed(store: impl Store + 'static, location: &Path) -> Arc<dyn Store> {
    Arc::new(Sealed::new(Arc::new(store), key_file(location, std::env::var_os(KEY_FILE_VARIABLE))))
}

fn folder_of(mut file: PathBuf) -> PathBuf {
    file.pop();
    file
}

fn allowed_by_environment() -> bool {
    let value = std::env::var(ALLOW_VARIABLE).unwrap_or_default();
    matches!(value.to_ascii_lowercase().as_str(), "1" | "true" | "yes")
}

/// The most explicit wish: option, environment, configuration (a `store` before a Redis), default.
fn choose(
    settings: &Settings,
    configuration: Option<&Configuration>,
    environment: &location::Environment,
) -> Result<Choice, Error> {
    let option = settings.store.as_deref();
    let variable = environment.store.as_deref().filter(|value| !value.is_empty());
    let named = option.map(Path::as_os_str).or(variable);
    if let Some(text) = named.and_then(|named| named.to_str()).filter(|text| RedisAddress::is_meant(text)) {
        let address: RedisAddress = text.parse().map_err(|error| Error::Usage(format!("store: {error}")))?;
        if option.is_some() && address.has_password() {
            return Err(Error::Usage(format!(
                "the store on the command line contains a password, which everybody on this machine can see: put it \
                 into {PASSWORD_VARIABLE} and leave it out"
            )));
        }
        return Ok(Choice::NamedRedis(address));
    }
    let configured = configuration.and_then(|configuration| configuration.store.as_deref());
    match configuration.and_then(|configuration| configuration.redis.as_ref()) {
        Some(redis) if named.is_none() && configured.is_none() => Ok(Choice::ConfiguredRedis(redis.clone())),
        _ => Ok(Choice::File(location::location(option, configured, environment)?)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn configuration(text: &str) -> Configuration {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("occopus_config.yaml");
        std::fs::write(&path, text).unwrap();
        Configuration::load(&path).unwrap().0
    }

    const REDIS: &str = "components: {uds: !UDS {protocol: redis, host: db.example, port: '6380'}}\n";

    fn environment(store: Option<&str>) -> location::Environment {
        location::Environment {
            store: store.map(Into::into),
            home: Some("/home/alice".into()),
            shared_is_writable: false,
        }
    }

    fn chosen(option: Option<&str>, variable: Option<&str>, text: &str) -> String {
        let settings = Settings { store: option.map(Into::into), ..Settings::default() };
        let address = match choose(&settings, Some(&configuration(text)), &environment(variable)).unwrap() {
            Choice::File(path) => return path.display().to_string(),
            Choice::NamedRedis(address) => address,
            Choice::ConfiguredRedis(settings) => RedisAddress::from(&settings),
        };
        address.to_string().split(' ').next().unwrap().to_owned()
    }

    #[test]
    fn the_most_explicit_wish_wins_whatever_kind_it_is() {
        assert_eq!(chosen(None, None, REDIS), "redis://db.example:6380/0");
        assert_eq!(chosen(None, Some("/env.db"), REDIS), "/env.db");
        assert_eq!(chosen(None, Some("redis://env/2"), REDIS), "redis://env:6379/2");
        assert_eq!(chosen(Some("/option.db"), Some("redis://env/2"), REDIS), "/option.db");
        assert_eq!(chosen(Some("rediss://option"), Some("/env.db"), REDIS), "rediss://option:6379/0");
        assert_eq!(chosen(None, None, &format!("{REDIS}store: /own.db\n")), "/own.db");
        assert_eq!(chosen(None, Some(""), "{}"), "/home/alice/.occopus/occopus.db");
    }

    #[test]
    fn a_password_on_the_command_line_is_refused_and_not_repeated() {
        let url = "redis://:s3cret@h";
        let settings = Settings { store: Some(url.into()), ..Settings::default() };
        let error = choose(&settings, None, &environment(None)).unwrap_err().to_string();
        assert!(error.contains(PASSWORD_VARIABLE) && !error.contains("s3cret"), "{error}");
        assert!(choose(&Settings::default(), None, &environment(Some(url))).is_ok());
    }

    #[test]
    fn a_wrong_address_is_not_taken_for_a_file() {
        let settings = Settings { store: Some("redis://h:port".into()), ..Settings::default() };
        let error = choose(&settings, None, &environment(None)).unwrap_err();
        assert!(matches!(error, Error::Usage(_)), "{error}");
    }
}
