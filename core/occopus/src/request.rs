//! What callers ask for: plain data, the same for command line, Python and service.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use occopus_descriptor::Overrides;
use occopus_descriptor::diagnostic::Diagnostics;
use occopus_engine::lease::Holder;
use occopus_engine::plan::Order;
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;

use crate::replacing::Replacing;

/// Which infrastructure a build is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A first build; refused if an infrastructure of the same name exists.
    First,
    /// Another infrastructure, even if one of the same name exists.
    New,
    /// Change the infrastructure with this id, unique prefix or name.
    Existing(String),
    /// Change the infrastructure with this id, or create it under exactly this id.
    Chosen(String),
}

/// A description, from a file or from memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A file.
    File(PathBuf),
    /// Text; relative imports start at `base`.
    Text {
        /// The YAML text.
        text: String,
        /// Folder for relative imports.
        base: PathBuf,
    },
}

/// Variables from outside of the description. They overlay the infrastructure's own variables, in the order
/// of the fields; what a node itself declares stays above them.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Variables {
    /// YAML files of variables.
    pub files: Vec<PathBuf>,
    /// Assignments `NAME=VALUE`, typed as YAML scalars; dots in NAME lead into mappings.
    pub assignments: Vec<String>,
    /// Values as they are.
    pub values: Map<String, Value>,
}

impl Variables {
    /// Reads the files and assignments. Blocks while it does.
    ///
    /// # Errors
    /// All problems of all of them.
    pub fn read(&self) -> Result<Overrides, Diagnostics> {
        let mut overrides = Overrides::read(&self.files, &self.assignments)?;
        for (name, value) in &self.values {
            overrides.set(name, value.clone());
        }
        Ok(overrides)
    }
}

/// Values may be secrets, so they are not shown.
impl fmt::Debug for Variables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let assigned = self.assignments.iter().filter_map(|text| text.split('=').next());
        let names: Vec<&str> = assigned.chain(self.values.keys().map(String::as_str)).collect();
        f.debug_struct("Variables").field("files", &self.files).field("names", &names).finish_non_exhaustive()
    }
}

/// How a node's implementation is chosen among those that pass its filter.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Choice {
    /// The first in written order; the next one when it fails.
    #[default]
    Written,
    /// One at random for each instance, as Occopus 1.10. The same seed gives the same choice; without one,
    /// it is drawn.
    Random(Option<u64>),
}

/// A build to prepare.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildRequest {
    /// The infrastructure description.
    pub description: Input,
    /// Node definition files that are imported first.
    pub definitions: Vec<PathBuf>,
    /// Which infrastructure.
    pub target: Target,
    /// Variables from outside.
    pub variables: Variables,
    /// How implementations are chosen.
    pub choice: Choice,
    /// Which outdated instances a change of an existing infrastructure replaces; `None` for none.
    pub replacing: Option<Replacing>,
}

impl BuildRequest {
    /// A build of `description` with the definitions imported before, and nothing special.
    pub fn new(description: Input, target: Target) -> Self {
        Self {
            description,
            definitions: Vec::new(),
            target,
            variables: Variables::default(),
            choice: Choice::default(),
            replacing: None,
        }
    }
}

/// How an operation runs.
#[derive(Debug, Clone)]
pub struct Run {
    /// Order of creation.
    pub order: Order,
    /// Command name for the lease, such as `occopus build`.
    pub command: String,
    /// How long to wait for a lease that is held.
    pub patience: Duration,
    /// Stops the operation properly.
    pub stop: CancellationToken,
}

impl Run {
    /// A parallel run that waits for a lease until it can take one over whose holder vanished.
    pub fn new(command: impl Into<String>) -> Self {
        Self {
            order: Order::Parallel,
            command: command.into(),
            patience: Duration::from_secs(120),
            stop: CancellationToken::new(),
        }
    }

    pub(crate) fn options(&self) -> occopus_engine::control::Options {
        occopus_engine::control::Options {
            order: self.order,
            holder: Holder::this_process(&self.command),
            patience: self.patience,
            stop: self.stop.clone(),
        }
    }
}
