//! The `logging` section: which records go where, as in Python's `logging.config.dictConfig`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::format::Format;
use crate::codes;
use crate::diagnostic::{Diagnostic, Diagnostics, suggestion};
use crate::fields::{Breach, Field, Kind, LOGGING, LOGGING_FORMATTER, LOGGING_HANDLER, LOGGING_LOGGER};
use crate::yaml::{Node, Value};

/// How important a record is, in Python's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Level(pub u32);

impl Level {
    /// For those who look for a mistake.
    pub const DEBUG: Self = Self(10);
    /// What happens.
    pub const INFO: Self = Self(20);
    /// Something is doubtful.
    pub const WARNING: Self = Self(30);
    /// Something failed.
    pub const ERROR: Self = Self(40);
    /// Nothing goes on.
    pub const CRITICAL: Self = Self(50);

    /// The name, such as `INFO`; `Level 15` for those without.
    pub fn name(self) -> String {
        let name = match self {
            Self(0) => "NOTSET",
            Self::DEBUG => "DEBUG",
            Self::INFO => "INFO",
            Self::WARNING => "WARNING",
            Self::ERROR => "ERROR",
            Self::CRITICAL => "CRITICAL",
            Self(number) => return format!("Level {number}"),
        };
        name.to_owned()
    }

    fn from_name(name: &str) -> Option<Self> {
        Some(match name.to_ascii_uppercase().as_str() {
            "NOTSET" => Self(0),
            "DEBUG" => Self::DEBUG,
            "INFO" => Self::INFO,
            "WARNING" | "WARN" => Self::WARNING,
            "ERROR" => Self::ERROR,
            "CRITICAL" | "FATAL" => Self::CRITICAL,
            _ => return None,
        })
    }
}

/// Where the records of a handler go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// A file, relative to the current folder.
    File {
        /// The file as written.
        path: PathBuf,
        /// Whether it is continued instead of begun anew.
        append: bool,
    },
    /// Nowhere.
    Nowhere,
}

/// A destination of records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handler {
    /// Records below this level are left out.
    pub level: Level,
    /// Name of the formatter; `None` for the bare message.
    pub formatter: Option<String>,
    /// Where they go.
    pub target: Target,
}

/// A logger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logger {
    /// Records below this level are left out; `None` for the level of the logger above.
    pub level: Option<Level>,
    /// Names of its handlers.
    pub handlers: Vec<String>,
    /// Whether the handlers of the logger above get its records, too.
    pub propagate: bool,
}

/// A checked `logging` section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logging {
    /// Formatters by name.
    pub formatters: BTreeMap<String, Format>,
    /// Handlers by name.
    pub handlers: BTreeMap<String, Handler>,
    /// Loggers by name, such as `occo.eventlog`.
    pub loggers: BTreeMap<String, Logger>,
    /// The logger above all others.
    pub root: Logger,
}

impl Logging {
    /// The handlers that get a record of `level` of logger `name`, each once: those of the logger and
    /// of the ones above it (`occo` is above `occo.util`), up to one that does not propagate.
    pub fn route(&self, name: &str, level: Level) -> Vec<&str> {
        let chain = self.chain(name);
        let effective = chain.iter().find_map(|logger| logger.level).unwrap_or(Level::WARNING);
        if level < effective {
            return Vec::new();
        }
        let mut route: Vec<&str> = Vec::new();
        for logger in chain {
            let takes = |name: &&str| self.handlers.get(*name).is_some_and(|handler| level >= handler.level);
            let names = logger.handlers.iter().map(String::as_str).filter(takes);
            for name in names {
                if !route.contains(&name) {
                    route.push(name);
                }
            }
            if !logger.propagate {
                break;
            }
        }
        route
    }

    /// The logger called `name` and those above it, root last.
    fn chain(&self, name: &str) -> Vec<&Logger> {
        let above = std::iter::successors(Some(name), |name| name.rsplit_once('.').map(|(above, _)| above));
        above.filter_map(|name| self.loggers.get(name)).chain([&self.root]).collect()
    }

    /// Reads the section `node`; what cannot be used is a warning and left out, as far as a command can
    /// do its work without.
    pub(super) fn check(node: &Node, diagnostics: &mut Diagnostics) -> Option<Self> {
        if node.as_map().is_none() {
            diagnostics.push(super::wrong(node, "logging", "a mapping"));
            return None;
        }
        kinds(node, LOGGING, diagnostics);
        let formatters = named(node, "formatters", diagnostics, formatter);
        let handlers = named(node, "handlers", diagnostics, handler);
        for (section, name) in node.get("handlers").and_then(Node::as_map).unwrap_or_default() {
            known(
                name.get("formatter"),
                &formatters,
                &format!("formatter of '{}'", section.to_text()),
                diagnostics,
            );
        }
        let loggers = named(node, "loggers", diagnostics, logger);
        let root = node.get("root").and_then(|root| logger(root, diagnostics));
        let nodes =
            node.get("loggers").and_then(Node::as_map).unwrap_or_default().iter().map(|(_, logger)| logger);
        for name in nodes.chain(node.get("root")).flat_map(handler_names) {
            known(Some(name), &handlers, "handler", diagnostics);
        }
        let root = root.unwrap_or(Logger { level: None, handlers: Vec::new(), propagate: false });
        Some(Self { formatters, handlers, loggers, root })
    }
}

/// The entries of a mapping of names.
fn named<T>(
    section: &Node,
    key: &str,
    diagnostics: &mut Diagnostics,
    read: impl Fn(&Node, &mut Diagnostics) -> Option<T>,
) -> BTreeMap<String, T> {
    let entries = section.get(key).and_then(Node::as_map).unwrap_or_default();
    entries.iter().filter_map(|(name, node)| Some((name.to_text(), read(node, diagnostics)?))).collect()
}

fn doubt(at: &Node, message: impl Into<String>) -> Diagnostic {
    Diagnostic::warning(codes::DOUBTFUL_LOGGING, message).at(&at.span)
}

/// Warns of values of another kind than the table says, one level deep.
fn kinds(node: &Node, table: &'static [Field], diagnostics: &mut Diagnostics) {
    for field in table.iter().filter(|field| field.mismatch == Breach::Warning) {
        let Some(value) = node.get(field.key).filter(|value| !value.is_null()) else { continue };
        let shallow = match field.kind {
            Kind::Open(_) | Kind::Dict(_) => Kind::FREE,
            kind => kind,
        };
        for mismatch in shallow.mismatches(value, false) {
            diagnostics.push(doubt(mismatch.at, mismatch.text(&format!("'{}'", field.key))));
        }
    }
}

/// Warns of a name that nothing has.
fn known<T>(name: Option<&Node>, of: &BTreeMap<String, T>, what: &str, diagnostics: &mut Diagnostics) {
    let Some(name) = name.filter(|name| !name.is_null()) else { return };
    let text = name.to_text();
    if !of.contains_key(&text) {
        let problem = doubt(name, format!("{what} '{text}' is not usable and is left out"));
        diagnostics.push(problem.help(suggestion(&text, of.keys().map(String::as_str))));
    }
}

fn formatter(node: &Node, diagnostics: &mut Diagnostics) -> Option<Format> {
    kinds(node, LOGGING_FORMATTER, diagnostics);
    let text = |key: &str| node.get(key).and_then(Node::as_str);
    Format::new(text("format"), text("datefmt"))
        .map_err(|error| {
            diagnostics.push(doubt(node, format!("{error}; the bare message is logged instead")))
        })
        .ok()
}

fn handler(node: &Node, diagnostics: &mut Diagnostics) -> Option<Handler> {
    kinds(node, LOGGING_HANDLER, diagnostics);
    let Some(class) = node.get("class") else {
        diagnostics.push(doubt(node, "a handler without class is left out"));
        return None;
    };
    let target = match class.to_text().as_str() {
        "logging.StreamHandler" => match node.get("stream").map(Node::to_text).as_deref() {
            Some("ext://sys.stdout") => Target::Stdout,
            _ => Target::Stderr,
        },
        "logging.FileHandler" => {
            let Some(path) = node.get("filename").and_then(Node::as_str).filter(|path| !path.is_empty())
            else {
                diagnostics.push(doubt(node, "a file handler without filename is left out"));
                return None;
            };
            let append = node.get("mode").and_then(Node::as_str) != Some("w");
            Target::File { path: path.into(), append }
        }
        "logging.NullHandler" => Target::Nowhere,
        other => {
            let text = format!("handler class '{other}' is not known, so that its records are dropped");
            diagnostics.push(doubt(class, text).help(format!("use one of {}", CLASSES.join(", "))));
            Target::Nowhere
        }
    };
    let formatter = node.get("formatter").filter(|name| !name.is_null()).map(Node::to_text);
    Some(Handler { level: level(node).unwrap_or(Level(0)), formatter, target })
}

const CLASSES: [&str; 3] = ["logging.StreamHandler", "logging.FileHandler", "logging.NullHandler"];

fn logger(node: &Node, diagnostics: &mut Diagnostics) -> Option<Logger> {
    kinds(node, LOGGING_LOGGER, diagnostics);
    node.as_map()?;
    Some(Logger {
        level: level(node).filter(|level| level.0 > 0),
        handlers: handler_names(node).map(Node::to_text).collect(),
        propagate: !matches!(
            node.get("propagate").map(|node| &node.value),
            Some(Value::Bool(false) | Value::Int(0))
        ),
    })
}

fn handler_names(logger: &Node) -> impl Iterator<Item = &Node> {
    logger.get("handlers").and_then(Node::as_seq).unwrap_or_default().iter()
}

fn level(node: &Node) -> Option<Level> {
    let level = node.get("level")?;
    match &level.value {
        Value::Int(number) => u32::try_from(*number).ok().map(Level),
        _ => Level::from_name(level.as_str()?),
    }
}
