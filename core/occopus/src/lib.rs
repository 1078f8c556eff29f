//! Occopus, the hybrid-cloud orchestrator: the facade that command line, bindings and Rust users call.
//!
//! ```no_run
//! # async fn example() -> Result<(), occopus::Error> {
//! use occopus::{BuildRequest, Input, Occopus, Run, Settings, Target};
//!
//! let occopus = Occopus::open(Settings::default()).await?;
//! let prepared = occopus
//!     .prepare(&BuildRequest {
//!         description: Input::File("infra.yaml".into()),
//!         definitions: vec!["nodes/node_definitions.yaml".into()],
//!         target: Target::First,
//!         random_implementation: false,
//!     })
//!     .await?;
//! let report = occopus.build(prepared, &Run::new("example"), false, &mut |_, _| {}).await?;
//! println!("{}", report.infra_id);
//! # Ok(())
//! # }
//! ```

mod build;
mod credentials;
mod define;
mod error;
mod graph;
mod open;
mod operate;
mod request;
mod settings;
mod status;
mod watch;

pub use build::{BuildReport, Prepared};
pub use error::Error;
pub use graph::{GraphFormat, draw};
pub use occopus_descriptor as descriptor;
pub use occopus_engine as engine;
pub use open::Occopus;
pub use operate::{OnPlan, Scaling};
pub use request::{BuildRequest, Input, Run, Target};
pub use settings::Settings;
pub use status::{NodeStatus, SlotStatus, Status, describe, note_text};
pub use watch::Watcher;
