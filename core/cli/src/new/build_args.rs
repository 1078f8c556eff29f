//! What `build`, `plan` and `rollback` take.

use std::path::PathBuf;

use clap::Args;
use occopus::Variables;

/// What a saved plan holds already.
const OF_A_PLAN: [&str; 12] = [
    "description",
    "nodes",
    "infra",
    "create",
    "new",
    "no_replace",
    "only",
    "exclude",
    "cascade",
    "var",
    "vars_file",
    "sequential",
];

/// Arguments of `build`.
#[derive(Debug, Args)]
pub(super) struct Build {
    /// The infrastructure description
    #[arg(value_name = "FILE", required_unless_present = "plan")]
    pub(super) description: Option<PathBuf>,
    /// Carry this saved plan out, exactly so; refused if the world has moved on since it was saved
    #[arg(long, value_name = "FILE", conflicts_with_all = OF_A_PLAN)]
    pub(super) plan: Option<PathBuf>,
    #[command(flatten)]
    pub(super) subject: Subject,
    /// Destroy everything again if a first build fails or is interrupted
    #[arg(long)]
    pub(super) rollback: bool,
    #[command(flatten)]
    pub(super) pace: Pace,
    #[command(flatten)]
    pub(super) leave: Leave,
}

/// Arguments of `plan`.
#[derive(Debug, Args)]
pub(super) struct PlanArgs {
    /// The infrastructure description; without one, the plan of the next pass over -i is shown
    #[arg(value_name = "FILE", required_unless_present = "infra")]
    pub(super) description: Option<PathBuf>,
    #[command(flatten)]
    pub(super) subject: Subject,
    /// One instance after the other, in file order
    #[arg(long)]
    pub(super) sequential: bool,
    /// Save the plan to this file, for occopus build --plan; secrets are in it by their references only
    #[arg(long, value_name = "FILE", requires = "description")]
    pub(super) save: Option<PathBuf>,
    /// End with exit code 3 if there is anything to do or to change
    #[arg(long)]
    pub(super) exit_code: bool,
}

/// Arguments of `rollback`.
#[derive(Debug, Args)]
pub(super) struct RollbackArgs {
    /// Id, unique prefix of an id, or name
    pub(super) infra: String,
    /// Number of the description, as `occopus history` lists it
    #[arg(value_name = "GENERATION")]
    pub(super) generation: u64,
    #[command(flatten)]
    pub(super) replacing: Replacing,
    #[command(flatten)]
    pub(super) pace: Pace,
    #[command(flatten)]
    pub(super) leave: Leave,
}

/// The leave to destroy or replace instances.
#[derive(Debug, Args)]
pub(super) struct Leave {
    /// Do not ask before instances are destroyed or replaced
    #[arg(short, long)]
    pub(super) yes: bool,
    /// Do not ask, although more than five instances or 30 % of all are destroyed or replaced; NAME is
    /// that of the infrastructure
    #[arg(long, value_name = "NAME")]
    pub(super) confirm: Option<String>,
}

/// Which definitions and which infrastructure a build is about.
#[derive(Debug, Args)]
pub(super) struct Subject {
    /// File of node definitions, imported along (can be repeated)
    #[arg(long, value_name = "FILE")]
    pub(super) nodes: Vec<PathBuf>,
    /// Change this infrastructure: id, unique prefix of an id, or name
    #[arg(short, long = "infra", value_name = "INFRA")]
    pub(super) infra: Option<String>,
    /// Create the infrastructure under exactly the id given with -i, if there is none
    #[arg(long, requires = "infra")]
    pub(super) create: bool,
    /// Build another infrastructure although one of this name exists
    #[arg(long, conflicts_with = "infra")]
    pub(super) new: bool,
    #[command(flatten)]
    pub(super) replacing: Replacing,
    #[command(flatten)]
    pub(super) variables: VariableArgs,
}

/// Which outdated instances of an existing infrastructure are replaced.
#[derive(Debug, Args)]
pub(super) struct Replacing {
    /// Leave outdated instances as they are; only new ones are made as described
    #[arg(long, requires = "infra")]
    pub(super) no_replace: bool,
    /// Replace outdated instances of this node only; NODE+deps: and of all it depends on (can be repeated)
    #[arg(long, value_name = "NODE[+deps]", requires = "infra", conflicts_with = "no_replace")]
    pub(super) only: Vec<String>,
    /// Leave outdated instances of this node as they are (can be repeated)
    #[arg(long, value_name = "NODE", requires = "infra", conflicts_with = "no_replace")]
    pub(super) exclude: Vec<String>,
    /// Replace instances, too, that were made with an address that is gone
    #[arg(long, requires = "infra", conflicts_with = "no_replace")]
    pub(super) cascade: bool,
}

impl From<Replacing> for Option<occopus::Replacing> {
    fn from(args: Replacing) -> Self {
        let Replacing { no_replace, only, exclude, cascade } = args;
        (!no_replace).then_some(occopus::Replacing { only, exclude, cascade })
    }
}

/// Variables from outside of the description.
#[derive(Debug, Args)]
pub(super) struct VariableArgs {
    /// Set a variable of the infrastructure; VALUE is read as in YAML, dots in NAME lead into mappings (can
    /// be repeated)
    #[arg(long, value_name = "NAME=VALUE")]
    pub(super) var: Vec<String>,
    /// YAML file of variables of the infrastructure; --var goes before it (can be repeated)
    #[arg(long, value_name = "FILE")]
    pub(super) vars_file: Vec<PathBuf>,
}

impl From<VariableArgs> for Variables {
    fn from(args: VariableArgs) -> Self {
        Self { files: args.vars_file, assignments: args.var, ..Self::default() }
    }
}

/// How much is done at the same time.
#[derive(Debug, Args)]
pub(super) struct Pace {
    /// One instance after the other, in file order
    #[arg(long)]
    pub(super) sequential: bool,
    /// Calls under way at the same time per endpoint [default: 10]
    #[arg(long, value_name = "N", value_parser = positive)]
    pub(super) max_parallel: Option<usize>,
}

fn positive(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|number| *number > 0).ok_or_else(|| "a number from 1 on is needed".to_owned())
}
