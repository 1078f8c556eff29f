//! The `occopus` command; under another name, the legacy command of that name.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(occopus_cli::run(std::env::args_os().collect()))
}
