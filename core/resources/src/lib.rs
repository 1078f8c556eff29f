//! Resource handlers process and docker, decorators, and the conformance suite of all handlers.

pub mod conformance;
pub mod docker;
pub mod dry_run;
pub mod faults;
#[cfg(target_os = "linux")]
pub mod process;
pub mod rate_limit;
pub mod retry;

mod words;

#[cfg(test)]
mod stub;
