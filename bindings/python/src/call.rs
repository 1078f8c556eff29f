//! The calls of an engine: what Python asks for, as JSON.

use std::collections::BTreeMap;
use std::path::PathBuf;

use occopus::engine::hold::HoldKind;
use occopus::engine::ids::InfraId;
use occopus::engine::record::ScaleChange;
use occopus::{BuildRequest, Error, Input, Occopus, Replacing, Run, Target, Variables};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

use crate::answers;
use crate::listen::Ear;
use crate::{operate, watch};

/// A call. Infrastructures are named by id, unique prefix of an id, or name.
#[derive(Deserialize)]
#[serde(tag = "call", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Call {
    /// Only opens the store.
    Open,
    Define {
        path: PathBuf,
    },
    Plan {
        request: Request,
        /// Where to save it.
        save: Option<PathBuf>,
    },
    /// Carries a saved plan out.
    BuildSaved {
        plan: PathBuf,
        rollback: bool,
    },
    Rollback {
        infra: String,
        generation: u64,
        replace: Option<Replace>,
    },
    History {
        infra: String,
    },
    Outputs {
        infra: String,
        name: Option<String>,
    },
    Inventory {
        infra: String,
    },
    /// The plan of the next pass.
    PlanPass {
        infra: String,
    },
    Build {
        request: Request,
        rollback: bool,
        sequential: bool,
    },
    Maintain {
        infra: String,
    },
    /// None are all infrastructures; the interval is in seconds.
    Watch {
        infras: Vec<String>,
        interval: f64,
    },
    Scale {
        infra: String,
        node: String,
        change: ScaleChange,
        wait: bool,
    },
    Replace {
        infra: String,
        instance: String,
        wait: bool,
    },
    Hold {
        infra: String,
        hold: Hold,
    },
    Lift {
        infra: String,
        kind: HoldKind,
        node: Option<String>,
    },
    Destroy {
        infra: String,
    },
    Abandon {
        infra: String,
    },
    Status {
        infra: String,
    },
    List,
    Events {
        infra: String,
        after: String,
    },
    /// Events of all infrastructures, each after a position of its own.
    AllEvents {
        after: BTreeMap<InfraId, String>,
    },
    Logs {
        infra: String,
        which: Option<String>,
    },
    Graph {
        infra: String,
        format: String,
    },
    Orphans,
    Adopt {
        orphan: String,
    },
    RemoveOrphan {
        orphan: String,
    },
}

/// A hold to put.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Hold {
    pub(crate) kind: HoldKind,
    pub(crate) node: Option<String>,
    pub(crate) reason: String,
    /// How long; for ever without it.
    pub(crate) seconds: Option<f64>,
}

/// What a build or plan is about.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Request {
    description: PathBuf,
    nodes: Vec<PathBuf>,
    infra: Option<String>,
    /// Create the infrastructure under exactly this id if it is unknown.
    create: bool,
    /// Build another infrastructure.
    new: bool,
    variables: Map<String, Value>,
    vars_files: Vec<PathBuf>,
    replace: Option<Replace>,
}

/// Which outdated instances are replaced.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Replace {
    only: Vec<String>,
    exclude: Vec<String>,
    cascade: bool,
}

impl From<Replace> for Replacing {
    fn from(Replace { only, exclude, cascade }: Replace) -> Self {
        Self { only, exclude, cascade }
    }
}

impl From<Request> for BuildRequest {
    fn from(request: Request) -> Self {
        let target = match request.infra {
            Some(infra) if request.create => Target::Chosen(infra),
            Some(infra) => Target::Existing(infra),
            None if request.new => Target::New,
            None => Target::First,
        };
        Self {
            definitions: request.nodes,
            variables: variables(request.variables, request.vars_files),
            replacing: request.replace.map(Into::into),
            ..Self::new(Input::File(request.description), target)
        }
    }
}

/// Variables from outside.
pub(crate) fn variables(values: Map<String, Value>, files: Vec<PathBuf>) -> Variables {
    Variables { files, values, ..Variables::default() }
}

/// What a call runs with.
pub(crate) struct Context<'a> {
    pub(crate) occopus: &'a Occopus,
    /// Stops it properly.
    pub(crate) stop: CancellationToken,
    /// For those who want its events.
    pub(crate) ear: Ear,
}

impl Context<'_> {
    /// A run of the method called `name`.
    pub(crate) fn run(&self, name: &str) -> Run {
        Run { stop: self.stop.clone(), ..Run::new(format!("occopus (Python) {name}")) }
    }

    /// The infrastructure that is named.
    pub(crate) async fn resolve(&self, infra: &str) -> Result<InfraId, Error> {
        self.occopus.resolve(infra).await
    }
}

impl Call {
    /// Reads a call.
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        serde_json::from_str(text).map_err(|error| Error::Usage(format!("wrong arguments: {error}")))
    }

    /// Whether it changes nothing, so that it can be left at any point.
    pub(crate) fn only_looks(&self) -> bool {
        matches!(
            self,
            Self::Open
                | Self::Plan { save: None, .. }
                | Self::History { .. }
                | Self::Outputs { .. }
                | Self::Inventory { .. }
                | Self::PlanPass { .. }
                | Self::Status { .. }
                | Self::List
                | Self::Events { .. }
                | Self::AllEvents { .. }
                | Self::Logs { .. }
                | Self::Graph { .. }
                | Self::Orphans
        )
    }

    /// Does it.
    pub(crate) async fn run(self, context: &Context<'_>) -> Result<Value, Error> {
        let occopus = context.occopus;
        match self {
            Self::Open => Ok(json!({"store": occopus.store_location()})),
            Self::Define { path } => operate::define(occopus, &path).await,
            Self::Plan { request, save } => operate::plan(occopus, &request.into(), save.as_deref()).await,
            Self::PlanPass { infra } => Ok(json!(occopus.plan(&context.resolve(&infra).await?).await?)),
            Self::Build { request, rollback, sequential } => {
                operate::build(context, &request.into(), rollback, sequential).await
            }
            Self::BuildSaved { plan, rollback } => operate::build_saved(context, &plan, rollback).await,
            Self::Rollback { infra, generation, replace } => {
                operate::rollback(context, &infra, generation, replace.map(Into::into)).await
            }
            Self::History { infra } => Ok(json!(occopus.history(&context.resolve(&infra).await?).await?)),
            Self::Outputs { infra, name } => {
                answers::outputs(occopus, &context.resolve(&infra).await?, name.as_deref()).await
            }
            Self::Inventory { infra } => answers::inventory(occopus, &context.resolve(&infra).await?).await,
            Self::Maintain { infra } => operate::maintain(context, &infra).await,
            Self::Watch { infras, interval } => watch::watch(context, &infras, interval).await,
            Self::Scale { infra, node, change, wait } => {
                operate::scale(context, &context.resolve(&infra).await?, &node, change, wait).await
            }
            Self::Replace { infra, instance, wait } => {
                operate::replace(context, &infra, &instance, wait).await
            }
            Self::Hold { infra, hold } => operate::hold(context, &infra, hold).await,
            Self::Lift { infra, kind, node } => operate::lift(context, &infra, kind, node.as_deref()).await,
            Self::Destroy { infra } => operate::destroy(context, &infra).await,
            Self::Abandon { infra } => operate::abandon(context, &infra).await,
            Self::Status { infra } => Ok(json!(occopus.status(&context.resolve(&infra).await?).await?)),
            Self::List => Ok(json!(occopus.list().await?)),
            Self::Events { infra, after } => answers::events(occopus, &infra, &after).await,
            Self::AllEvents { after } => answers::all_events(occopus, &after).await,
            Self::Logs { infra, which } => {
                answers::logs(occopus, &context.resolve(&infra).await?, which.as_deref()).await
            }
            Self::Graph { infra, format } => operate::graph(context, &infra, &format).await,
            Self::Orphans => Ok(answers::orphans(&occopus.orphans().await?)),
            Self::Adopt { orphan } => operate::adopt(context, &orphan).await,
            Self::RemoveOrphan { orphan } => operate::remove_orphan(context, &orphan).await,
        }
    }
}
