//! The C library: a thin layer over the facade, described for its users in `include/occopus.h`.
//!
//! - [`types`]: what the header shows. [`library`], [`describe`], [`build`], [`look`], [`operate`], [`orphans`],
//!   [`watch`]: its functions.
//! - [`calls`]: the frame of those that need an open Occopus. [`boundary`]: no panic leaves a function, and what goes wrong becomes a code and a message.
//! - [`given`]: reading what a program gives. [`strings`]: texts that a program is given.
//! - [`handles`], [`stop`]: handles are numbers and never followed, so that misuse is told and harmless.
//! - [`engine`], [`delivery`]: runtime, calls and events of an open Occopus. [`pipes`]: its SIGPIPE.

#![deny(clippy::undocumented_unsafe_blocks)]

mod boundary;
pub mod build;
mod calls;
mod delivery;
pub mod describe;
mod engine;
mod fault;
mod given;
mod handles;
pub mod library;
pub mod look;
pub mod operate;
pub mod orphans;
mod pipes;
mod stop;
mod strings;
pub mod types;
pub mod watch;
