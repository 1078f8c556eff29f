//! Errors on their way to Python.

use occopus::Error;
use occopus::engine::secret::Redactor;
use pyo3::create_exception;
use pyo3::exceptions::PyException;
use pyo3::prelude::*;

create_exception!(
    _native,
    Failure,
    PyException,
    "An operation failed; its arguments are the kind of error, the message and details as JSON."
);

/// What a [`Failure`] says.
#[derive(Debug, Clone)]
pub(crate) struct Fault {
    kind: &'static str,
    message: String,
    details: String,
}

impl Fault {
    /// An error of the facade, with secrets hidden.
    pub(crate) fn new(error: &Error, redactor: &Redactor) -> Self {
        let details = match error {
            Error::Descriptor(diagnostics) => serde_json::to_value(diagnostics).unwrap_or_default(),
            _ => serde_json::json!([]),
        };
        let message = redactor.string(error.to_string());
        Self { kind: error.kind(), message, details: redactor.json(details).to_string() }
    }

    /// A call that was stopped before it had an answer.
    pub(crate) fn stopped() -> Self {
        let message = "it was stopped before it had an answer; nothing was changed".to_owned();
        Self { kind: "interrupted", message, details: "[]".to_owned() }
    }

    /// What should not be.
    pub(crate) fn internal(message: &str) -> Self {
        Self { kind: "internal", message: message.to_owned(), details: "[]".to_owned() }
    }

    /// The Python exception.
    pub(crate) fn raise(self) -> PyErr {
        Failure::new_err((self.kind, self.message, self.details))
    }
}

/// The Python exception for an error that cannot hold a secret.
pub(crate) fn raised(error: &Error) -> PyErr {
    Fault::new(error, &Redactor::default()).raise()
}
