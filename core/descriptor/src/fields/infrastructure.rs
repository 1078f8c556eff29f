//! The infrastructure description.

use super::{Field, Kind};

/// The keys of an infrastructure description.
pub const INFRASTRUCTURE: &[Field] = &[
    Field::required(
        "infra_name",
        Kind::Name,
        "Name of the infrastructure; part of the names of its machines.",
    )
    .strict()
    .elsewhere(),
    Field::optional("user_id", Kind::Any, "Who the infrastructure belongs to; templates can read it.")
        .elsewhere(),
    Field::required(
        "nodes",
        Kind::List(&Kind::Closed(NODE)),
        "The nodes: what to start, and how many of each.",
    )
    .strict()
    .elsewhere(),
    Field::optional("variables", Kind::FREE, "Variables of all nodes, for templates; a node's own win.")
        .elsewhere(),
    Field::optional(
        "dependencies",
        Kind::Either(&[
            Kind::List(&Kind::Either(&[Kind::Pair(&END), Kind::Open(DEPENDENCY)])),
            Kind::Closed(&[]),
        ]),
        "Pairs [A, B]: node A is started when node B is ready.",
    )
    .elsewhere(),
    Field::optional(
        "outputs",
        Kind::Dict(&Kind::Text),
        "Templates by name, such as url: http://{{getip('web')}}/; `occopus output` shows what they come to.",
    )
    .elsewhere(),
    Field::optional(
        "moved",
        Kind::List(&Kind::Closed(MOVED)),
        "Nodes that were renamed, such as {from: worker, to: web}; a change keeps their instances.",
    )
    .elsewhere(),
];

/// The keys of an entry of `moved`.
pub const MOVED: &[Field] = &[
    Field::required("from", Kind::Name, "The old name of the node.").strict().elsewhere(),
    Field::required("to", Kind::Name, "Its new name.").strict().elsewhere(),
];

/// The keys of an entry of `nodes`.
pub const NODE: &[Field] = &[
    Field::required("name", Kind::Name, "Name of the node, unique inside the infrastructure.")
        .strict()
        .elsewhere(),
    Field::required("type", Kind::Text, "Name of the node definition (without node_def:).")
        .strict()
        .elsewhere(),
    Field::optional(
        "scaling",
        Kind::Closed(SCALING),
        "How many instances at least and at most; one if absent.",
    )
    .elsewhere(),
    Field::optional(
        "filter",
        Kind::FREE,
        "Keys the resource section must have with equal values to be chosen.",
    )
    .strict()
    .elsewhere(),
    Field::optional(
        "variables",
        Kind::FREE,
        "Variables of this node, merged over those of the infrastructure.",
    )
    .elsewhere(),
    Field::optional(
        "heal",
        Kind::Word(&["replace", "report"]),
        "What is done about a lost instance: replace it (the default), or only report it.",
    )
    .strict()
    .elsewhere(),
    Field::optional(
        "max_unhealthy",
        Kind::Share,
        "While more instances than this are unhealthy, existing ones are not replaced: a number or a part such as 30%.",
    )
    .strict()
    .elsewhere(),
    Field::optional(
        "max_unavailable",
        Kind::Share,
        "How many instances may be missing at once while outdated ones are replaced: a number or a part; 1 if absent.",
    )
    .strict()
    .elsewhere(),
    Field::optional(
        "max_surge",
        Kind::Share,
        "How many instances more than wanted there may be while outdated ones are replaced; 0 if absent.",
    )
    .strict()
    .elsewhere(),
    Field::optional(
        "scale_down",
        Kind::Word(&["youngest", "oldest", "highest"]),
        "Which instances go first when there are too many: the youngest (the default), the oldest, or the highest slot numbers.",
    )
    .strict()
    .elsewhere(),
];

/// The keys of `scaling`.
pub const SCALING: &[Field] = &[
    Field::optional("min", Kind::COUNT, "Instances at first start, and the least later; at least 1.")
        .strict()
        .elsewhere(),
    Field::optional("max", Kind::COUNT, "The most instances; min if absent.").strict().elsewhere(),
];

/// An end of a dependency: the name of a node, or the node itself, which an alias stands for.
const END: Kind = Kind::Either(&[Kind::String, Kind::FREE]);

/// The keys of a dependency in its long form.
pub const DEPENDENCY: &[Field] = &[
    Field::required("connection", Kind::Pair(&END), "The pair [A, B]: node A waits for node B.")
        .strict()
        .elsewhere(),
    Field::optional(
        "mappings",
        Kind::Either(&[
            Kind::List(&Kind::Either(&[Kind::Pair(&Kind::String), Kind::Open(MAPPING)])),
            Kind::Closed(&[]),
        ]),
        "Attributes of B that become attributes of A.",
    )
    .elsewhere(),
];

/// The keys of an attribute mapping in its long form.
pub const MAPPING: &[Field] = &[
    Field::required(
        "attributes",
        Kind::Pair(&Kind::String),
        "The pair [SOURCE, DESTINATION]; dots mean nesting.",
    )
    .strict()
    .elsewhere(),
    Field::optional("synch", Kind::Any, "Whether B is ready only when the attribute can be read.")
        .elsewhere(),
];
