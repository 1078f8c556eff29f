//! The configuration file. Unknown keys are allowed everywhere in it, as in Occopus 1.10.

use super::{Field, Kind};

/// The keys of a configuration file.
pub const CONFIGURATION: &[Field] = &[
    Field::optional("plugins", Kind::TEXTS, "Python modules to import; those of Occopus are built in.")
        .elsewhere(),
    Field::optional("autoimport", Kind::TEXTS, "The same as plugins, in older files.").elsewhere(),
    Field::optional("components", Kind::Open(COMPONENTS), "The parts of Occopus and their settings.")
        .strict()
        .nullable(true)
        .elsewhere(),
    Field::optional("store", Kind::Text, "File of the embedded store, relative to this file.")
        .strict()
        .elsewhere(),
    Field::optional("templates", Kind::Open(TEMPLATES), "What templates may do.")
        .strict()
        .nullable(true)
        .elsewhere(),
    Field::optional(
        "logging",
        Kind::Open(LOGGING),
        "Where records go, as in Python's logging.config.dictConfig.",
    )
    .elsewhere(),
];

const TEMPLATES: &[Field] = &[Field::optional(
    "cmd",
    Kind::Bool,
    "Whether the function cmd may run commands on the machine of Occopus; not unless it is true.",
)
.elsewhere()];

const COMPONENTS: &[Field] = &[
    Field::optional("infobroker", Kind::Any, "Accepted without effect."),
    Field::optional("uds", Kind::Open(UDS), "Where data are kept; the embedded store unless it is a Redis."),
    Field::optional("resourcehandler", Kind::Any, "Accepted without effect: all handlers are built in."),
    Field::optional("configmanager", Kind::Any, "Accepted without effect: all config managers are built in."),
    Field::optional("rest", Kind::Open(REST), "Where the REST service listens.").strict().nullable(true),
    Field::optional("eventlog", Kind::Any, "Accepted without effect: events go to logger occo.eventlog."),
    Field::optional("dry_run", Kind::Bool, "Whether operations on clouds are left out and only logged."),
    Field::optional("store", Kind::Text, "The same as store at the top level."),
];

/// The keys of `components.uds` and of other key-value stores.
pub const UDS: &[Field] = &[
    Field::optional("protocol", Kind::Text, "redis for a Redis; dict or absent for the embedded store."),
    Field::optional("host", Kind::Text, "Host of the Redis; localhost if absent."),
    Field::optional("port", PORT, "Port of the Redis; 6379 if absent."),
    Field::optional("db", DATABASE, "Number of the default database; 0 if absent."),
    Field::optional("username", Kind::Text, "Name to log in with; not known to Occopus 1.10."),
    Field::optional("password", Kind::Text, "Password to log in with; not known to Occopus 1.10."),
    Field::optional("tls", Kind::Bool, "Whether to talk to the Redis over TLS; false if absent."),
    Field::optional(
        "allow_volatile_store",
        Kind::Bool,
        "Whether a Redis that can lose data is used all the same; false if absent.",
    ),
    Field::optional("altdbs", Kind::Dict(&DATABASE), "Numbers of the databases for keys with a prefix."),
];

/// The keys of `components.rest`.
pub const REST: &[Field] = &[
    Field::optional("host", Kind::Text, "Address to listen on; 127.0.0.1 if absent."),
    Field::optional("port", PORT, "Port to listen on; 5000 if absent."),
];

/// A number, or the same in quotes.
const PORT: Kind = Kind::Either(&[Kind::PORT, Kind::String]);
const DATABASE: Kind = Kind::Either(&[Kind::Int { min: 0, max: u32::MAX as i64 }, Kind::String]);

/// The names of levels in Python; numbers are allowed, too.
const LEVEL: Kind = Kind::Either(&[
    Kind::Word(&["NOTSET", "DEBUG", "INFO", "WARNING", "WARN", "ERROR", "CRITICAL", "FATAL"]),
    Kind::COUNT,
]);

/// The keys of `logging`.
pub const LOGGING: &[Field] = &[
    Field::optional("version", Kind::Int { min: 1, max: 1 }, "Version of the format: 1."),
    Field::optional("disable_existing_loggers", Kind::Bool, "Accepted without effect."),
    Field::optional("formatters", Kind::Dict(&Kind::Open(LOGGING_FORMATTER)), "Forms of records, by name."),
    Field::optional(
        "handlers",
        Kind::Dict(&Kind::Open(LOGGING_HANDLER)),
        "Destinations of records, by name.",
    ),
    Field::optional(
        "loggers",
        Kind::Dict(&Kind::Open(LOGGING_LOGGER)),
        "Loggers by name, such as occo.eventlog.",
    ),
    Field::optional(
        "root",
        Kind::Open(LOGGING_LOGGER),
        "The logger that all others pass their records on to.",
    ),
];

/// The keys of a formatter.
pub const LOGGING_FORMATTER: &[Field] = &[
    Field::optional("format", Kind::Text, "Form of a record, such as %(asctime)s %(message)s."),
    Field::optional("datefmt", Kind::Text, "Form of the time as strftime takes it, such as %H:%M:%S."),
];

/// The keys of a handler.
pub const LOGGING_HANDLER: &[Field] = &[
    Field::required(
        "class",
        Kind::Text,
        "logging.StreamHandler, logging.FileHandler or logging.NullHandler.",
    ),
    Field::optional("level", LEVEL, "Records below this level are left out."),
    Field::optional("formatter", Kind::Text, "Name of the formatter."),
    Field::optional(
        "stream",
        Kind::Word(&["ext://sys.stdout", "ext://sys.stderr"]),
        "Stream to write to; stderr if absent.",
    ),
    Field::optional("filename", Kind::Text, "File to write to, relative to the current folder."),
    Field::optional("mode", Kind::Word(&["a", "w"]), "a: append; w: begin anew; a if absent."),
];

/// The keys of a logger.
pub const LOGGING_LOGGER: &[Field] = &[
    Field::optional("level", LEVEL, "Records below this level are left out."),
    Field::optional("handlers", Kind::TEXTS, "Names of handlers."),
    Field::optional("propagate", Kind::Bool, "Whether records go on to the logger above; true if absent."),
];
