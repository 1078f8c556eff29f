//! Where a Redis is and where in it the data of Occopus are.

use std::fmt;
use std::str::FromStr;

use nix::unistd::{User, getuid};
use occopus_descriptor::configuration::RedisSettings;
use occopus_engine::store::StoreError;
use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo, RedisConnectionInfo};

/// The databases of the configuration that Occopus 1.10 was shipped with.
const STOCK_DATABASES: [(&str, u32); 2] = [("node_def", 1), ("infra", 10)];

/// The environment variable that holds the password, where it is in no file.
pub const PASSWORD_VARIABLE: &str = "OCCOPUS_REDIS_PASSWORD";

/// Where one kind of keys of Occopus 1.10 is: in a database of its own, or with a prefix in the main one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Placement {
    pub(super) database: u32,
    pub(super) prefix: String,
}

/// A Redis and the place of the data in it. Shown without its password.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisAddress {
    host: String,
    port: u16,
    tls: bool,
    username: Option<String>,
    password: Option<String>,
    database: u32,
    databases: Vec<(String, u32)>,
    user: String,
}

/// A text is no address of a Redis. The text is not repeated: it may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "this is no address of a Redis: write redis://HOST:PORT/DATABASE, or rediss://HOST:PORT/DATABASE for TLS; a user \
     name goes before the host (redis://USER@HOST), its password into {PASSWORD_VARIABLE}"
)]
pub struct RedisAddressError;

impl RedisAddress {
    /// Whether `text` is meant as the address of a Redis, and not as the path of a file.
    pub fn is_meant(text: &str) -> bool {
        text.starts_with("redis://") || text.starts_with("rediss://")
    }

    /// The same Redis with the data of the operating system user `user`; those of this process by
    /// default.
    #[must_use]
    pub fn of_user(self, user: impl Into<String>) -> Self {
        Self { user: user.into(), ..self }
    }

    /// The same Redis with data of their own for dry runs.
    #[must_use]
    pub fn for_dry_runs(self) -> Self {
        let user = format!("dry-run of {}", self.user);
        self.of_user(user)
    }

    /// The same Redis with a password to log in with, unless the address has one.
    #[must_use]
    pub fn or_password(self, password: Option<String>) -> Self {
        let password = self.password.or(password.filter(|password| !password.is_empty()));
        Self { password, ..self }
    }

    /// Whether the address holds a password.
    pub fn has_password(&self) -> bool {
        self.password.is_some()
    }

    pub(super) fn database(&self) -> u32 {
        self.database
    }

    /// What all keys of ours begin with: out of the way of everything Occopus 1.10 writes.
    pub(super) fn prefix(&self) -> String {
        format!("occopus:2:{}@", self.user)
    }

    /// Where Occopus 1.10 has the keys of the kind `kind` of this user.
    pub(super) fn placement(&self, kind: &str) -> Placement {
        match self.databases.iter().find(|(name, _)| name == kind) {
            Some((_, database)) => Placement { database: *database, prefix: format!("{}@", self.user) },
            None => Placement { database: self.database, prefix: format!("{kind}:{}@", self.user) },
        }
    }

    pub(super) fn connection(&self) -> Result<ConnectionInfo, StoreError> {
        let (host, port) = (self.host.clone(), self.port);
        let address = if self.tls {
            ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None }
        } else {
            ConnectionAddr::Tcp(host, port)
        };
        let mut login = RedisConnectionInfo::default().set_db(self.database.into());
        if let Some(username) = &self.username {
            login = login.set_username(username);
        }
        if let Some(password) = &self.password {
            login = login.set_password(password);
        }
        let unusable = |_| StoreError::Unusable(RedisAddressError.to_string());
        Ok(address.into_connection_info().map_err(unusable)?.set_redis_settings(login))
    }
}

/// The name under which Occopus 1.10 keeps the data of this process's user.
fn login_name() -> String {
    ["LOGNAME", "USER", "LNAME", "USERNAME"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
        .or_else(|| Some(User::from_uid(getuid()).ok()??.name))
        .unwrap_or_else(|| getuid().to_string())
}

impl From<&RedisSettings> for RedisAddress {
    /// The Redis that a configuration file names.
    fn from(settings: &RedisSettings) -> Self {
        Self {
            host: settings.host.clone(),
            port: settings.port,
            tls: settings.tls,
            username: settings.username.clone(),
            password: settings.password.clone(),
            database: settings.db,
            databases: settings.altdbs.clone(),
            user: login_name(),
        }
    }
}

impl FromStr for RedisAddress {
    type Err = RedisAddressError;

    /// Reads `redis://[USER[:PASSWORD]@]HOST[:PORT][/DATABASE]`, or `rediss://…` for TLS. Databases of
    /// node definitions and infrastructures are those of the configuration 1.10 was shipped with.
    fn from_str(text: &str) -> Result<Self, RedisAddressError> {
        if !Self::is_meant(text) {
            return Err(RedisAddressError);
        }
        let info: ConnectionInfo = text.into_connection_info().map_err(|_| RedisAddressError)?;
        let (host, port, tls) = match info.addr() {
            ConnectionAddr::Tcp(host, port) => (host.clone(), *port, false),
            ConnectionAddr::TcpTls { host, port, .. } => (host.clone(), *port, true),
            _ => return Err(RedisAddressError),
        };
        let login = info.redis_settings();
        Ok(Self {
            host,
            port,
            tls,
            username: login.username().map(str::to_owned),
            password: login.password().map(str::to_owned),
            database: u32::try_from(login.db()).map_err(|_| RedisAddressError)?,
            databases: STOCK_DATABASES.map(|(kind, database)| (kind.to_owned(), database)).to_vec(),
            user: login_name(),
        })
    }
}

impl fmt::Display for RedisAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "rediss" } else { "redis" };
        let (open, close) = if self.host.contains(':') { ("[", "]") } else { ("", "") };
        let Self { host, port, database, user, .. } = self;
        write!(f, "{scheme}://{open}{host}{close}:{port}/{database} (data of {user})")
    }
}

impl fmt::Debug for RedisAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RedisAddress").field(&self.to_string()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> RedisAddress {
        text.parse::<RedisAddress>().unwrap().of_user("alice")
    }

    #[test]
    fn an_address_is_read_with_its_defaults() {
        assert_eq!(read("redis://store.example").to_string(), "redis://store.example:6379/0 (data of alice)");
        assert_eq!(read("rediss://h:6380/3").to_string(), "rediss://h:6380/3 (data of alice)");
        assert_eq!(read("redis://[::1]:1/0").to_string(), "redis://[::1]:1/0 (data of alice)");
    }

    #[test]
    fn keys_of_the_original_are_in_the_stock_databases() {
        let address = read("redis://h/3");
        let stock = |database| Placement { database, prefix: "alice@".to_owned() };
        assert_eq!(address.placement("node_def"), stock(1));
        assert_eq!(address.placement("infra"), stock(10));
        assert_eq!(address.prefix(), "occopus:2:alice@");
    }

    #[test]
    fn without_databases_of_their_own_keys_keep_the_prefix_of_their_kind() {
        let address = RedisAddress { databases: Vec::new(), ..read("redis://h/3") };
        let expected = Placement { database: 3, prefix: "node_def:alice@".to_owned() };
        assert_eq!(address.placement("node_def"), expected);
    }

    #[test]
    fn a_password_is_used_and_never_shown() {
        let address = read("redis://bob:s3cret@h");
        let connection = address.connection().unwrap();
        assert_eq!(connection.redis_settings().username(), Some("bob"));
        assert_eq!(connection.redis_settings().password(), Some("s3cret"));
        assert!(!format!("{address} {address:?} {connection:?}").contains("s3cret"));
        assert_eq!(address.clone().or_password(Some("other".to_owned())), address, "its own comes first");
    }

    #[test]
    fn what_is_no_address_is_refused_without_repeating_it() {
        for text in
            ["redis://", "redis://u:s3cret@h/x", "redis://h:99999", "http://h", "/a/file", "redis://h/-1"]
        {
            let error = text.parse::<RedisAddress>().expect_err(text).to_string();
            assert!(error.contains("redis://HOST:PORT/DATABASE") && !error.contains("s3cret"), "{error}");
        }
    }
}
