//! Python extension module `occopus._native`: a thin layer that takes and hands JSON to the typed Python API.
//!
//! Every call becomes an operation on a runtime of its own. A thread that waits for one releases the
//! interpreter lock meanwhile and looks for signals, so that Ctrl-C stops it properly; an event loop is told
//! by a socket.

mod answers;
mod call;
mod engine;
mod failure;
mod inbox;
mod listen;
mod offline;
mod operate;
mod operation;
mod runtime;
mod watch;

use std::ffi::OsString;

use pyo3::prelude::*;

/// Runs a console command and returns its exit code.
///
/// `arguments` starts with the command's name, `occopus` or one of the legacy names.
#[pyfunction]
fn run_command(py: Python<'_>, arguments: Vec<OsString>) -> u8 {
    py.detach(|| occopus_cli::run(arguments))
}

/// The native part of the package `occopus`.
#[pymodule]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add("Failure", module.py().get_type::<failure::Failure>())?;
    module.add_class::<engine::Engine>()?;
    module.add_class::<inbox::Alarm>()?;
    module.add_class::<operation::Operation>()?;
    module.add_function(wrap_pyfunction!(offline::offline, module)?)?;
    module.add_function(wrap_pyfunction!(runtime::finish, module)?)?;
    module.add_function(wrap_pyfunction!(run_command, module)?)
}
