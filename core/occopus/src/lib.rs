//! Occopus, the hybrid-cloud orchestrator: the facade that command line, bindings and Rust users call.
//!
//! ```no_run
//! # async fn example() -> Result<(), occopus::Error> {
//! use occopus::{BuildRequest, Input, Occopus, Run, Settings, Target};
//!
//! let occopus = Occopus::open(Settings::default()).await?;
//! let prepared = occopus
//!     .prepare(&BuildRequest {
//!         definitions: vec!["nodes/node_definitions.yaml".into()],
//!         ..BuildRequest::new(Input::File("infra.yaml".into()), Target::First)
//!     })
//!     .await?;
//! let report = occopus.build(prepared, &Run::new("example"), false, &mut |_, _| {}).await?;
//! println!("{}", report.infra_id);
//! # Ok(())
//! # }
//! ```

mod build;
mod command;
#[cfg(feature = "crash-points")]
mod crash;
mod credentials;
mod define;
mod delivery;
mod error;
mod extras;
mod flaws;
mod graph;
mod history;
mod hold;
mod imported;
mod instances;
mod inventory;
mod kept;
mod limits;
mod living;
mod losses;
mod next;
mod open;
mod operate;
mod original;
mod orphans;
mod outputs;
mod place;
mod render;
mod replacing;
mod request;
mod saved_plan;
mod secrets;
mod settings;
mod status;
mod validate;
mod watch;

pub use build::{BuildReport, Efficiency, Prepared};
pub use delivery::Backlog;
pub use error::Error;
pub use graph::{GraphFormat, draw};
pub use history::{GenerationEntry, History};
pub use hold::HoldRequest;
pub use inventory::{Host, Inventory};
pub use losses::{Confirmed, Loss};
pub use occopus_descriptor as descriptor;
pub use occopus_engine as engine;
pub use occopus_store::redis::LegacyInfrastructure;
pub use occopus_template::to_yaml;
pub use open::Occopus;
pub use operate::{OnPlan, Scaling};
pub use orphans::{Orphan, Orphans, Unasked};
pub use outputs::Outputs;
pub use render::{Context, NodeRendering, RenderRequest, Rendering, render};
pub use replacing::Replacing;
pub use request::{BuildRequest, Choice, Input, Run, Target, Variables};
pub use saved_plan::SavedPlan;
pub use settings::Settings;
pub use status::{NodeStatus, SlotStatus, Status, describe, note_text};
pub use validate::{ValidateRequest, validate};
pub use watch::Watcher;
