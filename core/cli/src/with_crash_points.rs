//! The same program with crash points compiled in, for tests.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(occopus_cli::run(std::env::args_os().collect()))
}
