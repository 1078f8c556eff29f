//! The test bench of the engine: a simulated cloud with all its faults, processes that die, sleep and
//! fight, and virtual time.
//!
//! Everything is decided by a seed, and hours pass in milliseconds, so that a test can try every crash
//! point of an operation and thousands of histories:
//!
//! ```
//! use occopus_sim::{Op, Settings, Shape, World, simulate};
//!
//! simulate(async {
//!     let shape = Shape::new("shop").node("db", 1, 1).node("web", 2, 9).needs("web", "db");
//!     let world = World::new(7, Settings::default(), shape);
//!     world.perform(Op::Build).await.unwrap();
//!     world.check_settled().await.unwrap();
//! });
//! ```
//!
//! A [`Scenario`] is a random history; [`Campaign`] runs many of them and counts what went wrong in
//! them; a [`Mutant`] is a bug that they must find.

mod campaign;
mod check;
mod client;
mod cloud;
mod fakes;
mod fault;
mod ledger;
mod mutant;
mod process;
mod property;
mod referee;
mod run;
mod scenario;
mod shape;
mod store;
mod world;

pub use campaign::{Campaign, Failure, Report};
pub use cloud::{Call, ENDPOINT, Fault, Machine, Rate, Settings, SimCloud};
pub use fakes::{MARKER, NoCredentials, SimContext, SimHealth};
pub use fault::{FaultKind, FaultSet, Tally};
pub use ledger::{CallEntry, Ending, Ledger};
pub use mutant::Mutant;
pub use process::{Crash, Deed, Life, ProcessClock, Sleep, StoreFault, WallClock, When};
pub use property::{Property, Violation, Violations};
pub use run::run;
pub use scenario::{Accident, Actor, Mishap, Scenario, Step, Task};
pub use shape::Shape;
pub use store::SimStore;
pub use world::{Done, Op, Process, World, simulate};
