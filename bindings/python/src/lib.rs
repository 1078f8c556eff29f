//! Python extension module `occopus._native`: a thin layer that hands JSON to the typed Python API.
//!
//! Every call releases the interpreter lock while it works. The calling thread delivers events to the
//! callback and looks for signals, so that Ctrl-C stops an operation properly.

mod call;
mod engine;
mod render;

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
    module.add("Failure", module.py().get_type::<call::Failure>())?;
    module.add_class::<engine::Engine>()?;
    module.add_function(wrap_pyfunction!(render::render, module)?)?;
    module.add_function(wrap_pyfunction!(run_command, module)?)
}
