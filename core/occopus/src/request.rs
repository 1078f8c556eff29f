//! What callers ask for: plain data, the same for command line, Python and service.

use std::path::PathBuf;
use std::time::Duration;

use occopus_engine::lease::Holder;
use occopus_engine::plan::Order;
use tokio_util::sync::CancellationToken;

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

/// A build to prepare.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildRequest {
    /// The infrastructure description.
    pub description: Input,
    /// Node definition files that are imported first.
    pub definitions: Vec<PathBuf>,
    /// Which infrastructure.
    pub target: Target,
    /// Choose among implementations at random, as Occopus 1.10, instead of in written order.
    pub random_implementation: bool,
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
