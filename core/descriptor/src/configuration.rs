//! The configuration file of Occopus 1.10, read as plain data: what it would have built from tags is
//! built in here.

mod format;
mod logging;

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

use crate::codes;
use crate::diagnostic::{Diagnostic, Diagnostics, Location};
use crate::secret::SecretRef;
use crate::yaml::{self, Dialect, Node, Value};

pub use format::{Format, FormatError, Record};
pub use logging::{Handler, Level, Logger, Logging, Target};

/// Every tag of Occopus 1.10.
const TAGS: &[&str] = &[
    "python_import",
    "ResourceHandler",
    "ConfigManager",
    "UDS",
    "KeyValueStore",
    "EventLog",
    "InfraProcessor",
    "Strategy",
    "Resolver",
    "NodeSynchStrategy",
    "DownscaleStrategy",
    "Upkeep",
    "NodeDefinitionSelector",
    "UserInfoStrategy",
    "RHSchemaChecker",
    "CMSchemaChecker",
    "ContextSchemaChecker",
    "HCSchemaChecker",
    "YAMLImporter",
    "AsynchronProducer",
    "RPCProducer",
    "EventDrivenConsumer",
    "InfoRouter",
    "DynamicStateProvider",
    "ResourceHandlerProvider",
    "ConfigManagerProvider",
    "SynchronizationProvider",
    "UserInfoProvider",
    "KeyValueStoreProvider",
    "RemoteProviderStub",
];

pub(crate) const DIALECT: Dialect = Dialect { plain_tags: TAGS, private: false, isolated: false };

/// The Redis a configuration names. Its `Debug` form shows no password.
#[derive(Clone, PartialEq)]
pub struct RedisSettings {
    /// Host name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Number of the default database.
    pub db: u32,
    /// Numbers of the databases for keys with a prefix.
    pub altdbs: Vec<(String, u32)>,
    /// `username` to log in with; not known to Occopus 1.10.
    pub username: Option<String>,
    /// `password` to log in with, as written; not known to Occopus 1.10.
    pub password: Option<String>,
    /// Where `password` says that the password is kept.
    pub password_secret: Option<SecretRef>,
    /// `tls`: talk to it over TLS; not known to Occopus 1.10.
    pub tls: bool,
    /// `allow_volatile_store`: use it even if it can lose data; not known to Occopus 1.10.
    pub allow_volatile: bool,
    /// Where the file says so.
    pub location: Location,
}

impl fmt::Debug for RedisSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisSettings")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("db", &self.db)
            .field("altdbs", &self.altdbs)
            .finish_non_exhaustive()
    }
}

/// What a configuration file sets.
#[derive(Debug, Clone, PartialEq)]
pub struct Configuration {
    /// The file.
    pub path: PathBuf,
    /// `components.uds`, if it is a Redis.
    pub redis: Option<RedisSettings>,
    /// `store`: the file of the embedded store, relative paths resolved against the file's folder.
    pub store: Option<PathBuf>,
    /// `components.rest`: host and port.
    pub rest: Option<(String, u16)>,
    /// `components.dry_run`: replace cloud operations by canned results.
    pub dry_run: bool,
    /// `templates.cmd`: whether templates may run commands on this machine.
    pub template_commands: bool,
    /// `logging`: which records go where.
    pub logging: Option<Logging>,
    /// Modules to import that are not part of Occopus: plug-ins of the user.
    pub plugins: Vec<String>,
}

impl Configuration {
    /// Loads and checks the file at `path`.
    ///
    /// # Errors
    /// All problems found, if one of them is an error.
    pub fn load(path: &Path) -> Result<(Self, Diagnostics), Diagnostics> {
        check(&yaml::load_file(path, DIALECT)?, path)
    }
}

pub(crate) fn check(root: &Node, path: &Path) -> Result<(Configuration, Diagnostics), Diagnostics> {
    let mut diagnostics = Diagnostics::new();
    if root.as_map().is_none() {
        return Err(wrong(root, "the configuration", "a mapping").into());
    }
    let components = root.get("components");
    if let Some(node) = components.filter(|node| node.as_map().is_none() && !node.is_null()) {
        diagnostics.push(wrong(node, "components", "a mapping"));
    }
    let component = |key: &str| components.and_then(|components| components.get(key));
    let store = root.get("store").or_else(|| component("store"));
    let configuration = Configuration {
        path: path.to_owned(),
        redis: component("uds").and_then(|uds| redis(uds, &mut diagnostics)),
        store: store.and_then(|store| store_path(store, path, &mut diagnostics)),
        rest: component("rest").and_then(|rest| endpoint(rest, &mut diagnostics)),
        dry_run: component("dry_run").is_some_and(|node| flag(node, "dry_run", &mut diagnostics)),
        template_commands: template_commands(root, &mut diagnostics),
        logging: optional(root.get("logging")).and_then(|node| Logging::check(node, &mut diagnostics)),
        plugins: plugins(root, &mut diagnostics),
    };
    diagnostics.finish(Some(configuration))
}

fn template_commands(root: &Node, diagnostics: &mut Diagnostics) -> bool {
    let Some(templates) = optional(root.get("templates")) else { return false };
    if templates.as_map().is_none() {
        diagnostics.push(wrong(templates, "templates", "a mapping such as {cmd: true}"));
    }
    templates.get("cmd").is_some_and(|node| flag(node, "templates.cmd", diagnostics))
}

fn optional(node: Option<&Node>) -> Option<&Node> {
    node.filter(|node| !node.is_null())
}

fn wrong(at: &Node, what: &str, wanted: &str) -> Diagnostic {
    let message = format!("{what} must be {wanted}, but it is {}", at.value.kind());
    Diagnostic::error(codes::BAD_CONFIGURATION, message).at(&at.span)
}

fn store_path(node: &Node, file: &Path, diagnostics: &mut Diagnostics) -> Option<PathBuf> {
    let Some(path) = node.as_str().filter(|path| !path.is_empty()) else {
        diagnostics.push(wrong(node, "store", "the path of a file"));
        return None;
    };
    Some(file.parent().unwrap_or(Path::new("")).join(path))
}

/// A port or another small number, as a number or as text.
fn number<T: TryFrom<i128> + std::str::FromStr>(
    node: Option<&Node>,
    default: T,
    what: &str,
    diagnostics: &mut Diagnostics,
) -> T {
    let Some(node) = node else { return default };
    let number = match &node.value {
        Value::Int(number) => T::try_from(*number).ok(),
        Value::Str(text) => text.parse().ok(),
        _ => None,
    };
    number.unwrap_or_else(|| {
        diagnostics.push(wrong(node, what, "a number in range"));
        default
    })
}

fn redis(uds: &Node, diagnostics: &mut Diagnostics) -> Option<RedisSettings> {
    if uds.get("protocol").and_then(Node::as_str) != Some("redis") {
        return None;
    }
    let optional = |key: &str| uds.get(key).filter(|node| !node.is_null());
    let password = optional("password");
    let secret = |node: &Node| match &node.value {
        Value::Secret(reference) => Some(SecretRef::clone(reference)),
        _ => None,
    };
    Some(RedisSettings {
        host: optional("host").map_or_else(|| "localhost".to_owned(), Node::to_text),
        port: number(uds.get("port"), 6379, "port of the Redis", diagnostics),
        db: number(uds.get("db"), 0, "db of the Redis", diagnostics),
        altdbs: altdbs(uds, diagnostics),
        username: optional("username").map(Node::to_text),
        password: password.filter(|node| secret(node).is_none()).map(Node::to_text),
        password_secret: password.and_then(secret),
        tls: optional("tls").is_some_and(|node| flag(node, "tls", diagnostics)),
        allow_volatile: optional("allow_volatile_store")
            .is_some_and(|node| flag(node, "allow_volatile_store", diagnostics)),
        location: uds.span.location(),
    })
}

/// Each kind of keys has a database of its own, or two kinds could not be told apart.
fn altdbs(uds: &Node, diagnostics: &mut Diagnostics) -> Vec<(String, u32)> {
    let entries = uds.get("altdbs").and_then(Node::as_map).unwrap_or_default();
    let mut taken = BTreeSet::new();
    let mut found = Vec::new();
    for (key, node) in entries {
        let database = number(Some(node), 0, "a database of altdbs", diagnostics);
        if !taken.insert(database) {
            let message =
                format!("database {database} stands twice in altdbs; each kind needs one of its own");
            diagnostics.push(Diagnostic::error(codes::BAD_CONFIGURATION, message).at(&node.span));
        }
        found.push((key.to_text(), database));
    }
    found
}

fn endpoint(rest: &Node, diagnostics: &mut Diagnostics) -> Option<(String, u16)> {
    if rest.is_null() {
        return None;
    }
    if rest.as_map().is_none() {
        diagnostics.push(wrong(rest, "rest", "a mapping with host and port"));
        return None;
    }
    let host = rest.get("host").map_or_else(|| "127.0.0.1".to_owned(), Node::to_text);
    Some((host, number(rest.get("port"), 5000, "port of rest", diagnostics)))
}

fn flag(node: &Node, what: &str, diagnostics: &mut Diagnostics) -> bool {
    match node.value {
        Value::Bool(flag) => flag,
        Value::Null => false,
        _ => {
            // A wrong guess here would start real machines, or lose records.
            diagnostics.push(wrong(node, what, "true or false"));
            false
        }
    }
}

/// The module names under the two keys that were ever shipped with a list of them.
fn plugins(root: &Node, diagnostics: &mut Diagnostics) -> Vec<String> {
    let lists = ["plugins", "autoimport"].iter().filter_map(|key| root.get(key));
    let modules = lists.flat_map(|list| list.as_seq().unwrap_or_default());
    let mut found = Vec::new();
    for module in modules {
        match module.as_str() {
            Some(name) if name == "occo" || name.starts_with("occo.") => {}
            Some(name) => {
                let message =
                    format!("module '{name}' is not part of Occopus and is loaded only from Python");
                diagnostics.push(Diagnostic::warning(codes::UNKNOWN_MODULE, message).at(&module.span));
                found.push(name.to_owned());
            }
            None => diagnostics.push(wrong(module, "a plug-in", "the name of a module")),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Everything the shipped file uses: module list, tags, anchors, `protocol: null`, tags on scalars.
    const LEGACY: &str = "
plugins: !python_import
    - occo.infobroker
    - occo.plugins.resourcehandler.ec2
    - mine.resourcehandler
components:
    rest:
        host: 127.0.0.1
        port: 5000
    resourcehandler: &rh !ResourceHandler
        protocol: null
    configmanager: &cm !ConfigManager
        protocol: null
    uds: &uds !UDS
        protocol: redis
        host: store.example
        port: '6380'
        altdbs: {node_def: 1, infra: 10}
    infobroker: !InfoRouter
        sub_providers:
            - !DynamicStateProvider
                resource_handler: *rh
                config_manager: *cm
            - !SynchronizationProvider
            - *uds
    eventlog: !EventLog {protocol: logging}
    dry_run: False
logging: {version: 1}
";

    fn load(text: &str) -> Result<(Configuration, Diagnostics), Diagnostics> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("occopus_config.yaml");
        std::fs::write(&path, text).unwrap();
        Configuration::load(&path)
    }

    #[test]
    fn a_legacy_configuration_is_read_as_plain_data() {
        let (configuration, warnings) = load(LEGACY).unwrap();
        let redis = configuration.redis.unwrap();
        assert_eq!((redis.host.as_str(), redis.port, redis.db), ("store.example", 6380, 0));
        assert_eq!(redis.altdbs, [("node_def".to_owned(), 1), ("infra".to_owned(), 10)]);
        assert_eq!(redis.location.line, 14);
        assert_eq!(configuration.rest, Some(("127.0.0.1".to_owned(), 5000)));
        assert!(!configuration.dry_run);
        assert!(configuration.logging.is_some());
        assert_eq!(configuration.plugins, ["mine.resourcehandler"]);
        assert_eq!(warnings.iter().count(), 1, "the foreign module");
    }

    #[test]
    fn a_redis_may_need_a_login_which_is_never_shown() {
        let text = "components: {uds: !UDS {protocol: redis, username: bob, password: s3cret, tls: true}}";
        let redis = load(text).unwrap().0.redis.unwrap();
        assert_eq!((redis.username.as_deref(), redis.password.as_deref()), (Some("bob"), Some("s3cret")));
        assert!(redis.tls && !redis.allow_volatile);
        assert!(!format!("{redis:?}").contains("s3cret"));
        let text = "components: {uds: !UDS {protocol: redis, password: !secret env:PASSWORD}}";
        let redis = load(text).unwrap().0.redis.unwrap();
        assert_eq!(
            (redis.password, redis.password_secret),
            (None, Some(SecretRef::Env("PASSWORD".to_owned())))
        );
    }

    #[test]
    fn the_embedded_store_can_be_placed() {
        for text in ["store: data/o.db", "components: {store: data/o.db}"] {
            let configuration = load(text).unwrap().0;
            let folder = configuration.path.parent().unwrap();
            assert_eq!(configuration.store, Some(folder.join("data/o.db")));
            assert_eq!(configuration.redis, None);
        }
        let text = "components: {uds: !UDS {protocol: dict}}\nstore: /var/o.db";
        assert_eq!(load(text).unwrap().0.store, Some(PathBuf::from("/var/o.db")));
    }

    #[test]
    fn what_is_wrong_is_shown_with_its_place() {
        for text in [
            "components: {uds: !Unknown {protocol: x}}",
            "components: {dry_run: yes}",
            "templates: {cmd: yes}",
            "templates: cmd",
            "components: {rest: {port: 70000}}",
            "components: {uds: !UDS {protocol: redis, db: x}}",
            "components: {uds: !UDS {protocol: redis, altdbs: {node_def: 1, infra: 1}}}",
            "components: {uds: !UDS {protocol: redis, tls: maybe}}",
            "components: 5",
            "store: 5",
            "plugins: [5]",
            "text",
            "x: !!python/name:os.system ''",
        ] {
            let problems = load(text).expect_err(text);
            assert!(problems.errors().all(|problem| problem.location.is_some()), "{problems}");
        }
    }
}
