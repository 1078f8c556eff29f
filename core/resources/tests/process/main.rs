//! The process handler with real processes of this machine.
#![cfg(target_os = "linux")]
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

mod conformance;
mod crash;
mod lifecycle;
mod stop;
mod support;
