//! The test bench of the engine: a simulated cloud, a store that can stop a run at any write, and
//! virtual time.
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

mod check;
mod cloud;
mod fakes;
mod handler;
mod store;
mod world;

pub use cloud::{Call, Fault, Machine, Settings, SimCloud};
pub use fakes::{MARKER, NoCredentials, SimContext, SimHealth};
pub use store::{Crash, SimStore, When};
pub use world::{Done, Op, Process, Shape, World, simulate};
