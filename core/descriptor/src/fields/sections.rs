//! An implementation of a node definition, and its sections but `resource`. `type` is left out: every
//! section has it.

use super::{Field, Kind};

/// The sections of an implementation.
pub const IMPLEMENTATION: &[Field] = &[
    Field::required("resource", Kind::FREE, "Which cloud or engine, and what to start there.")
        .strict()
        .elsewhere(),
    Field::optional("config_management", Kind::FREE, "A config manager; none if absent.").elsewhere(),
    Field::optional("contextualisation", Kind::FREE, "How start-up data are made; none if absent.")
        .elsewhere(),
    Field::optional("health_check", Kind::FREE, "When an instance is ready and healthy; ping if absent.")
        .elsewhere(),
];

const ATTRIBUTES_DOC: &str = "Attributes of the node, for config managers and mappings; texts are templates.";
const CONTEXT_VARIABLES_DOC: &str =
    "Names for the templates of this section: a mapping, or YAML text with one.";
const ENV_DOC: &str = "Environment: a list of KEY=VALUE; each entry is a template.";
const COMMAND_DOC: &str = "Command to run, a template; a list keeps its arguments apart.";
const ENV: Kind = Kind::Either(&[Kind::List(&Kind::Env), Kind::Dict(&Kind::Text)]);
const COMMAND: Kind = Kind::Either(&[Kind::Text, Kind::List(&Kind::Text)]);
const CONTEXT_VARIABLES: Kind = Kind::Either(&[Kind::FREE, Kind::Text]);

/// `contextualisation` with `type: cloudinit`.
pub const CONTEXT_CLOUDINIT: &[Field] = &[
    Field::required(
        "context_template",
        Kind::Either(&[Kind::FREE, Kind::String]),
        "Start-up data: a text, or a mapping that becomes a cloud-config; a template.",
    )
    .strict()
    .nullable(true)
    .elsewhere(),
    Field::optional("attributes", Kind::FREE, ATTRIBUTES_DOC),
];

/// `contextualisation` with `type: docker`.
pub const CONTEXT_DOCKER: &[Field] = &[
    Field::required("env", ENV, ENV_DOC),
    Field::optional("context_variables", CONTEXT_VARIABLES, CONTEXT_VARIABLES_DOC),
    Field::optional("command", COMMAND, COMMAND_DOC),
];

/// `contextualisation` with `type: process`.
pub const CONTEXT_PROCESS: &[Field] = &[
    Field::optional("env", ENV, ENV_DOC),
    Field::optional("context_variables", CONTEXT_VARIABLES, CONTEXT_VARIABLES_DOC),
    Field::optional("command", COMMAND, COMMAND_DOC),
];

/// `contextualisation` with `type: basic`.
pub const CONTEXT_BASIC: &[Field] = &[Field::required("attributes", Kind::FREE, ATTRIBUTES_DOC)];

/// `config_management` with `type: chef`.
pub const CHEF: &[Field] = &[
    Field::required("endpoint", Kind::Url(&[]), "The Chef server."),
    Field::required("run_list", Kind::TEXTS, "Recipes and roles, such as recipe[apache2]."),
];

/// `config_management` with `type: puppet_solo`.
pub const PUPPET_SOLO: &[Field] = &[
    Field::required("manifests", Kind::TEXTS, "URLs of manifests."),
    Field::optional("modules", Kind::TEXTS, "Names of modules."),
    Field::optional(
        "attributes",
        Kind::Either(&[Kind::List(&Kind::FREE), Kind::FREE]),
        "Attributes: a list of mappings with one pair each.",
    ),
];

/// `health_check` with `type: basic`.
pub const HEALTH_BASIC: &[Field] = &[
    Field::optional("ping", Kind::Bool, "Whether the address must answer a ping; true if absent.")
        .strict()
        .elsewhere(),
    Field::optional("ports", Kind::List(&Kind::PORT), "TCP ports that must accept a connection.")
        .strict()
        .elsewhere(),
    Field::optional(
        "urls",
        Kind::List(&Kind::Url(&["http", "https"])),
        "URLs that must answer with 2xx; templates.",
    )
    .strict()
    .elsewhere(),
    Field::optional(
        "mysqldbs",
        Kind::List(&Kind::Closed(MYSQL)),
        "MySQL databases that must accept a login.",
    )
    .strict()
    .elsewhere(),
    Field::optional(
        "timeout",
        Kind::COUNT,
        "Seconds of uninterrupted failure after which the instance counts as failed; 600 if absent.",
    )
    .strict()
    .elsewhere(),
    Field::optional(
        "startup_timeout",
        Kind::COUNT,
        "The same for an instance that was never ready; timeout if absent.",
    )
    .strict(),
    Field::optional(
        "failure_threshold",
        Kind::Int { min: 1, max: 1000 },
        "Failed checks in a row after which a ready instance counts as unhealthy; 1 if absent.",
    )
    .strict(),
    Field::optional(
        "success_threshold",
        Kind::Int { min: 1, max: 1000 },
        "Passed checks in a row after which an instance counts as ready; 1 if absent.",
    )
    .strict(),
];

/// The keys of an entry of `mysqldbs`.
pub const MYSQL: &[Field] = &[
    Field::required("name", Kind::Text, "Name of the database, a template."),
    Field::required("user", Kind::Text, "Name of the user, a template."),
    Field::required("pass", Kind::Text, "Password of the user, a template."),
];
