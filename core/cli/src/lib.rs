//! The `occopus` command and the legacy `occopus-*` commands.
//!
//! One program under several names: [`run`] looks at the name it was called by. Results go to stdout,
//! progress and logs to stderr; the legacy commands write both to stdout, as Occopus 1.10 did.

mod confirm;
mod legacy;
mod live;
mod new;
mod output;
mod sarif;
mod signals;
mod words;

use std::ffi::OsString;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

/// Exit code of a command that did what it was asked to.
const DONE: u8 = 0;
/// Exit code of a command that failed.
const FAILED: u8 = 1;
/// Exit code for wrong usage, invalid descriptors and missing confirmations.
const USAGE: u8 = 2;
/// Exit code of a plan that changes something, where it is asked for.
const CHANGES: u8 = 3;
/// Exit code of a command that was interrupted.
const INTERRUPTED: u8 = 130;

/// Runs the command named by the file name of argument 0 (`occopus`, `occopus-build`,
/// `occopus-maintain`, `occopus-destroy`, `occopus-scale`, `occopus-import`, `occopus-rest-service`;
/// any other name means `occopus`) and returns its exit code. Never panics.
pub fn run(arguments: Vec<OsString>) -> u8 {
    let name = arguments.first().map(|first| Path::new(first).file_stem().unwrap_or_default());
    let name = name.map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let command = || match name.strip_prefix("occopus-") {
        Some(legacy) if legacy::NAMES.contains(&legacy) => legacy::run(legacy, arguments),
        _ => new::run(arguments),
    };
    // The panic hook has told what happened; nothing is lost, since all state is in the store.
    catch_unwind(AssertUnwindSafe(command)).unwrap_or(FAILED)
}

/// Runs `work` on a runtime of its own. What still hangs when it ends (a read from the terminal, for
/// example) is left behind.
fn block_on<F: Future<Output = u8>>(work: F) -> u8 {
    match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => {
            let code = runtime.block_on(work);
            runtime.shutdown_background();
            code
        }
        Err(error) => {
            output::raw_error(&format!("the runtime cannot be started: {error}"));
            FAILED
        }
    }
}
