//! The command line of `occopus`.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use jiff::{SignedDuration, Timestamp};
use occopus::GraphFormat;
use occopus::engine::record::ScaleChange;

use super::build_args::{Build, Pace, PlanArgs, RollbackArgs, VariableArgs};
use super::inventory::InventoryArgs;
use super::schema::Schema;
use crate::output::Format;

/// Builds infrastructures on clouds, container engines and this machine, keeps them healthy, scales
/// them and takes them down again.
#[derive(Debug, Parser)]
#[command(
    name = "occopus",
    bin_name = "occopus",
    version,
    arg_required_else_help = true,
    subcommand_required = true,
    after_help = "Start with: occopus build infra.yaml --nodes node_definitions.yaml"
)]
pub(super) struct Cli {
    #[command(flatten)]
    pub(super) global: Global,
    #[command(subcommand)]
    pub(super) command: Command,
}

/// Options of every command.
#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
pub(super) struct Global {
    /// Store to use: a file, or a Redis as redis://HOST:PORT/DATABASE [default: $OCCOPUS_STORE, the
    /// configuration's, /var/lib/occopus/occopus.db where that folder is writable,
    /// ~/.occopus/occopus.db]
    #[arg(long, global = true, value_name = "FILE")]
    pub(super) store: Option<PathBuf>,
    /// Use a Redis as the store even if it can lose records; OCCOPUS_ALLOW_VOLATILE_STORE=1 does the same
    #[arg(long, global = true)]
    pub(super) allow_volatile_store: bool,
    /// Configuration file; none is needed
    #[arg(long, global = true, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// Credentials file [default: searched for as in Occopus 1.10, ~/.occopus/auth_data.yaml for example]
    #[arg(long, alias = "credentials", global = true, value_name = "FILE")]
    pub(super) auth: Option<PathBuf>,
    /// Form of the results on stdout
    #[arg(long, global = true, value_enum, default_value_t = Format::Text)]
    pub(super) format: Format,
    /// Say nothing on stderr but warnings and errors
    #[arg(short, long, global = true)]
    pub(super) quiet: bool,
    /// Say more: which files are in use and what the engine does (-vv: in detail)
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(super) verbose: u8,
    /// Use no colours; the environment variable NO_COLOR does the same
    #[arg(long, global = true)]
    pub(super) no_color: bool,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Build an infrastructure, or change one with -i
    ///
    /// Shows the plan, carries it out and ends stdout with the infrastructure's id. What is ready when a
    /// first build fails or is interrupted is kept, unless --rollback is given; a failed change is undone.
    #[command(
        arg_required_else_help = true,
        after_help = "Examples:\n  occopus build infra.yaml --nodes node_definitions.yaml\n  \
                      occopus build --plan plan.json"
    )]
    Build(Build),
    /// Show what a build or a pass would do and why; change nothing
    #[command(
        arg_required_else_help = true,
        after_help = "Examples:\n  occopus plan infra.yaml --nodes node_definitions.yaml\n  occopus plan -i demo\n  \
                      occopus plan infra.yaml -i demo --save plan.json"
    )]
    Plan(PlanArgs),
    /// Check files and whether they go together; change nothing and ask no cloud
    ///
    /// Tells infrastructure descriptions, node definitions, credentials and configurations by their content
    /// and shows all problems of all of them at once. Exit code 2 if one is an error, 0 otherwise.
    #[command(
        arg_required_else_help = true,
        after_help = "Examples:\n  occopus validate infra.yaml node_definitions.yaml\n  \
                      occopus validate infra.yaml nodes.yaml --format sarif > occopus.sarif"
    )]
    Validate(ValidateArgs),
    /// Show what every node would be created with; offline, nothing is created
    #[command(
        arg_required_else_help = true,
        after_help = "Example: occopus render infra.yaml --nodes node_definitions.yaml --node worker"
    )]
    Render(RenderArgs),
    /// Show an infrastructure with all its instances, observed now
    #[command(after_help = "Example: occopus status demo")]
    Status {
        /// Id, unique prefix of an id, or name [default: all infrastructures]
        infra: Option<String>,
    },
    /// Look after infrastructures once: finish, heal and scale them
    #[command(arg_required_else_help = true, after_help = "Example: occopus maintain demo")]
    Maintain {
        /// Ids, unique prefixes of ids, or names
        #[arg(required = true, value_name = "INFRA")]
        infras: Vec<String>,
        #[command(flatten)]
        pace: Pace,
    },
    /// Look after infrastructures until Ctrl-C or TERM
    #[command(after_help = "Example: occopus watch demo --interval 30")]
    Watch {
        /// Ids, unique prefixes of ids, or names [default: all, also those built later]
        #[arg(value_name = "INFRA")]
        infras: Vec<String>,
        /// Seconds between two passes
        #[arg(long, default_value_t = 10.0, value_parser = seconds)]
        interval: f64,
        #[command(flatten)]
        pace: Pace,
    },
    /// Change the number of instances of a node
    ///
    /// Registers the request and waits until a running maintainer has carried it out. Where none runs, it
    /// says which command does it.
    #[command(
        arg_required_else_help = true,
        after_help = "Examples:\n  occopus scale demo worker=5\n  occopus scale demo worker+2\n  \
                      occopus scale demo worker-1\n  occopus scale demo worker --remove worker/3"
    )]
    Scale {
        /// Id, unique prefix of an id, or name
        infra: String,
        /// NODE=COUNT, NODE+COUNT or NODE-COUNT; with --remove only NODE
        node: String,
        /// Remove this instance: a slot such as worker/3, a node id or an address
        #[arg(long, value_name = "INSTANCE")]
        remove: Option<String>,
    },
    /// Leave an infrastructure or one of its nodes alone: change nothing until it is resumed
    ///
    /// Nothing is created, healed, scaled or replaced meanwhile; a destroy is still possible.
    #[command(
        arg_required_else_help = true,
        after_help = "Example: occopus pause demo --node worker --for 2h --reason 'new kernel'"
    )]
    Pause {
        /// Id, unique prefix of an id, or name
        infra: String,
        /// Pause this node only
        #[arg(long, value_name = "NAME")]
        node: Option<String>,
        /// Resume by itself after this time, such as 2h or 1h30m [default: never]
        #[arg(long = "for", value_name = "TIME", value_parser = span)]
        duration: Option<SignedDuration>,
        /// Why; shown to everybody who looks
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
    /// Look after a paused infrastructure or node again
    #[command(arg_required_else_help = true, after_help = "Example: occopus resume demo --node worker")]
    Resume {
        /// Id, unique prefix of an id, or name
        infra: String,
        /// Resume this node only
        #[arg(long, value_name = "NAME")]
        node: Option<String>,
    },
    /// Protect an infrastructure or a node: nothing deletes or replaces it, healing included
    #[command(arg_required_else_help = true, after_help = "Example: occopus protect demo db")]
    Protect {
        /// Id, unique prefix of an id, or name
        infra: String,
        /// Protect this node only
        node: Option<String>,
        /// Why; shown to everybody who looks
        #[arg(long, value_name = "TEXT", default_value = "")]
        reason: String,
    },
    /// Lift the protection of an infrastructure or a node
    #[command(arg_required_else_help = true, after_help = "Example: occopus unprotect demo db")]
    Unprotect {
        /// Id, unique prefix of an id, or name
        infra: String,
        /// The protected node; without one, the protection of the whole is lifted
        node: Option<String>,
    },
    /// Replace one instance by a new one, although nothing seems wrong with it
    #[command(arg_required_else_help = true, after_help = "Example: occopus replace demo worker/2")]
    Replace {
        /// Id, unique prefix of an id, or name
        infra: String,
        /// The instance: a slot such as worker/2, a node id or an address
        instance: String,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
    /// Destroy an infrastructure; its record stays until nothing is left of it
    #[command(arg_required_else_help = true, after_help = "Example: occopus destroy demo")]
    Destroy {
        /// Id, unique prefix of an id, or name
        infra: String,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
        /// Forget what cannot be destroyed, because its cloud no longer exists
        #[arg(long)]
        abandon: bool,
    },
    /// Import node definitions; running infrastructures keep those they were built with
    #[command(
        visible_alias = "import",
        arg_required_else_help = true,
        after_help = "Example: occopus define node_definitions.yaml"
    )]
    Define {
        /// Files of node definitions
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// List the infrastructures, without looking at their instances
    #[command(after_help = "Example: occopus list")]
    List,
    /// Show what happened, with causes
    #[command(after_help = "Examples:\n  occopus events demo --follow\n  occopus events --since 2h")]
    Events {
        /// Id, unique prefix of an id, or name [default: all infrastructures]
        infra: Option<String>,
        /// Go on showing events until the infrastructure is gone or Ctrl-C
        #[arg(short, long)]
        follow: bool,
        /// Only what happened since then: a time such as 2026-05-01T12:00:00Z, or so long ago, such as 2h
        #[arg(long, value_name = "TIME", value_parser = since)]
        since: Option<Timestamp>,
    },
    /// List resources with this store's tags that belong to nothing known
    ///
    /// Asks all places that any infrastructure ever used. Resources of other stores are listed apart and never
    /// touched. Exit code 1 if a place could not be asked.
    #[command(
        after_help = "Examples:\n  occopus orphans\n  occopus orphans --remove i-0123456789abcdef0 --yes"
    )]
    Orphans {
        /// Destroy this orphan: a provider id, a unique prefix of one, or INFRA/SLOT
        #[arg(long, value_name = "ORPHAN")]
        remove: Option<String>,
        /// Do not ask
        #[arg(short, long, requires = "remove")]
        yes: bool,
    },
    /// Take an orphan back into its infrastructure
    ///
    /// Its slot has to be described and empty. The next pass looks at it.
    #[command(arg_required_else_help = true, after_help = "Example: occopus adopt demo/worker/2")]
    Adopt {
        /// A provider id, a unique prefix of one, or INFRA/SLOT
        orphan: String,
    },
    /// List the descriptions that an infrastructure had: when, by whom, and what each changed
    #[command(arg_required_else_help = true, after_help = "Example: occopus history demo")]
    History {
        /// Id, unique prefix of an id, or name
        infra: String,
    },
    /// Change an infrastructure back to a description that it had
    ///
    /// The same as a build with -i and the files of then: it shows the plan, asks before it destroys or replaces
    /// instances, and is undone if it fails.
    #[command(arg_required_else_help = true, after_help = "Example: occopus rollback demo 3")]
    Rollback(RollbackArgs),
    /// Show the outputs of an infrastructure, as the section `outputs` of its description has them
    ///
    /// Exit code 1 if one has no value now: a node that it asks for has no living instance, for example.
    #[command(
        arg_required_else_help = true,
        after_help = "Examples:\n  occopus output demo\n  occopus output demo url --raw"
    )]
    Output {
        /// Id, unique prefix of an id, or name
        infra: String,
        /// Show this one only
        name: Option<String>,
        /// Show nothing but the value
        #[arg(long, requires = "name")]
        raw: bool,
    },
    /// List the living instances, also as other programs want to have them
    #[command(
        arg_required_else_help = true,
        after_help = "Examples:\n  occopus inventory demo\n  occopus inventory demo --ansible > inventory.yaml"
    )]
    Inventory(InventoryArgs),
    /// Draw which node waits for which
    #[command(arg_required_else_help = true, after_help = "Example: occopus graph infra.yaml --as mermaid")]
    Graph {
        /// A description file, or id, unique prefix of an id, or name
        #[arg(value_name = "INFRA|FILE")]
        subject: String,
        /// Files of node definitions that are used beside the imported ones
        #[arg(long, value_name = "FILE")]
        nodes: Vec<PathBuf>,
        /// Form of the graph
        #[arg(long = "as", value_enum, default_value_t = Drawing::Text)]
        drawing: Drawing,
    },
    /// Show the boot or process log of instances
    #[command(arg_required_else_help = true, after_help = "Example: occopus logs demo worker/1")]
    Logs {
        /// Id, unique prefix of an id, or name
        infra: String,
        /// A node, a slot such as worker/1, a node id or an address [default: all instances]
        #[arg(value_name = "INSTANCE")]
        instance: Option<String>,
    },
    /// Explain a code that Occopus reports, such as OCC0102: cause, example, remedy
    #[command(after_help = "Example: occopus explain OCC0102")]
    Explain {
        /// The code [default: list all codes]
        code: Option<String>,
    },
    /// Print the JSON Schema of a kind of file, for editors
    #[command(
        arg_required_else_help = true,
        after_help = "Example: occopus schema infrastructure > infrastructure.schema.json"
    )]
    Schema {
        /// The kind of file
        #[arg(value_enum)]
        file: Schema,
    },
    /// Print the completion script of a shell
    #[command(
        arg_required_else_help = true,
        after_help = "Example: occopus completions bash > ~/.local/share/bash-completion/completions/occopus"
    )]
    Completions {
        /// The shell
        shell: Shell,
    },
}

/// Arguments of `validate`.
#[derive(Debug, Args)]
pub(super) struct ValidateArgs {
    /// The files, in any order
    #[arg(required = true, value_name = "FILE")]
    pub(super) files: Vec<PathBuf>,
    #[command(flatten)]
    pub(super) variables: VariableArgs,
}

/// Arguments of `render`.
#[derive(Debug, Args)]
pub(super) struct RenderArgs {
    /// The infrastructure description
    #[arg(value_name = "FILE")]
    pub(super) description: PathBuf,
    /// File of node definitions (can be repeated)
    #[arg(long, value_name = "FILE", required = true)]
    pub(super) nodes: Vec<PathBuf>,
    /// Show this node only
    #[arg(long, value_name = "NAME")]
    pub(super) node: Option<String>,
    /// JSON file with the instances that templates find: {"NODE": [{"node_id": "...", "addresses":
    /// ["..."], "private_address": "..."}]} [default: placeholders]
    #[arg(long, value_name = "FILE")]
    pub(super) instances: Option<PathBuf>,
    /// Id of the infrastructure [default: zeros]
    #[arg(long, value_name = "ID")]
    pub(super) infra_id: Option<String>,
    /// Node id of the instance [default: zeros]
    #[arg(long, value_name = "ID")]
    pub(super) node_id: Option<String>,
    #[command(flatten)]
    pub(super) variables: VariableArgs,
}

/// Form of a graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Drawing {
    /// Levels as indented text
    Text,
    /// Graphviz
    Dot,
    /// Mermaid flow chart
    Mermaid,
}

impl From<Drawing> for GraphFormat {
    fn from(drawing: Drawing) -> Self {
        match drawing {
            Drawing::Text => Self::Text,
            Drawing::Dot => Self::Dot,
            Drawing::Mermaid => Self::Mermaid,
        }
    }
}

/// A span of time such as `2h`.
fn span(text: &str) -> Result<SignedDuration, String> {
    text.parse()
        .ok()
        .filter(|span: &SignedDuration| span.is_positive())
        .ok_or_else(|| "a time such as 2h, 45m or 1h30m is needed".to_owned())
}

/// A time, or how long it is ago.
fn since(text: &str) -> Result<Timestamp, String> {
    let ago = || Timestamp::now().checked_sub(span(text).ok()?).ok();
    text.parse().ok().or_else(ago).ok_or_else(|| {
        "a time such as 2026-05-01T12:00:00Z, or how long it is ago, such as 2h or 45m, is needed".to_owned()
    })
}

/// A pause in seconds; at most a day, so that it can never overflow.
fn seconds(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|seconds| (0.1..=86_400.0).contains(seconds))
        .ok_or_else(|| "seconds from 0.1 to 86400 are needed".to_owned())
}

/// What `scale` is asked for: the node and the change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ScaleTo {
    /// Name of the node.
    pub(super) node: String,
    /// The change.
    pub(super) change: ScaleChange,
}

/// The text is no change of a node.
#[derive(Debug, thiserror::Error)]
#[error("'{0}' is no scaling: write NODE=COUNT (worker=5), NODE+COUNT (worker+2) or NODE-COUNT (worker-1)")]
pub(super) struct ScaleToError(String);

impl FromStr for ScaleTo {
    type Err = ScaleToError;

    /// Read from the end, because names of nodes may contain `-`.
    fn from_str(text: &str) -> Result<Self, ScaleToError> {
        let wrong = || ScaleToError(text.to_owned());
        let head = text.trim_end_matches(|c: char| c.is_ascii_digit());
        let count: u32 = text[head.len()..].parse().map_err(|_| wrong())?;
        let sign = head.chars().next_back().ok_or_else(wrong)?;
        let change = match sign {
            '=' if count > 0 => ScaleChange::Set(count),
            '+' if count > 0 => ScaleChange::Add(count),
            '-' if count > 0 => ScaleChange::Remove(count),
            _ => return Err(wrong()),
        };
        let node = head[..head.len() - sign.len_utf8()].to_owned();
        if node.is_empty() { Err(wrong()) } else { Ok(Self { node, change }) }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_has_an_example_in_its_help() {
        for command in Cli::command().get_subcommands() {
            let example = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(example.contains(&format!("occopus {}", command.get_name())), "{}", command.get_name());
        }
    }

    #[test]
    fn a_scaling_is_read_from_its_end() {
        let read = |text: &str| text.parse::<ScaleTo>().map(|to| (to.node, to.change)).ok();
        assert_eq!(read("worker=5"), Some(("worker".to_owned(), ScaleChange::Set(5))));
        assert_eq!(read("ping-receiver+2"), Some(("ping-receiver".to_owned(), ScaleChange::Add(2))));
        assert_eq!(read("worker-2-1"), Some(("worker-2".to_owned(), ScaleChange::Remove(1))));
        assert_eq!(read("a=b=3"), Some(("a=b".to_owned(), ScaleChange::Set(3))));
    }

    #[test]
    fn what_is_no_scaling_is_refused_with_the_three_forms() {
        for text in
            ["worker", "worker=", "worker=x", "=5", "worker=0", "worker+0", "5", "", "worker=99999999999"]
        {
            let error = text.parse::<ScaleTo>().expect_err(text).to_string();
            assert!(error.contains("worker=5") && error.contains("worker+2") && error.contains("worker-1"));
        }
    }
}
