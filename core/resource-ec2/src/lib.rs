//! Resource handler for EC2 and EC2-compatible clouds.
//!
//! A crate of its own, because the SDK takes minutes to compile. EC2 is the specification; other clouds
//! that speak its query protocol are best effort.
//!
//! Nothing is lost, because every instance carries its identity as tags from the very call that makes it,
//! and that call has a client token: repeating it returns the first instance, even a dead one. What `create`
//! returns is therefore only a name; [`observe`](occopus_engine::handler::ResourceHandler::observe) tells
//! whether there is anything behind it.

mod client;
mod error;
mod handler;
mod launch;
mod state;

pub use handler::{Ec2Handler, Timing};
