//! What goes wrong in a call, on its way to the program.

use occopus::Error;
use occopus::engine::secret::Redactor;
use serde_json::Value;

use crate::types::occopus_code_t::{self, *};

/// Why a call did not do what was asked.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) code: occopus_code_t,
    pub(crate) message: String,
    /// The problems of a file.
    pub(crate) problems: Option<Value>,
}

impl Fault {
    pub(crate) fn new(code: occopus_code_t, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), problems: None }
    }

    /// A wrong argument.
    pub(crate) fn argument(message: impl Into<String>) -> Self {
        Self::new(OCCOPUS_BAD_ARGUMENT, message)
    }

    /// A defect of the library.
    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::new(OCCOPUS_INTERNAL, message)
    }

    /// The same with every secret hidden.
    pub(crate) fn redacted(self, redactor: &Redactor) -> Self {
        Self {
            code: self.code,
            message: redactor.string(self.message),
            problems: self.problems.map(|problems| redactor.json(problems)),
        }
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        let problems = match &error {
            Error::Descriptor(problems) => serde_json::to_value(problems).ok(),
            _ => None,
        };
        Self { code: code(error.kind()), message: error.to_string(), problems }
    }
}

/// The code of a kind of error. A kind that this library does not know yet is a plain failure.
fn code(kind: &str) -> occopus_code_t {
    match kind {
        "descriptor" => OCCOPUS_INVALID,
        "usage" => OCCOPUS_USAGE,
        "unknown_infrastructure" => OCCOPUS_UNKNOWN_INFRASTRUCTURE,
        "busy" => OCCOPUS_BUSY,
        "interrupted" => OCCOPUS_INTERRUPTED,
        "lease_lost" => OCCOPUS_LEASE_LOST,
        "store" => OCCOPUS_STORE,
        "resource" => OCCOPUS_RESOURCE,
        "credentials" => OCCOPUS_CREDENTIALS,
        "template" => OCCOPUS_TEMPLATE,
        "file" => OCCOPUS_FILE,
        _ => OCCOPUS_FAILED,
    }
}

/// What a call found out, and what is wrong nevertheless.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) json: Value,
    pub(crate) fault: Option<Fault>,
}

impl Answer {
    /// The same with every secret hidden.
    pub(crate) fn redacted(self, redactor: &Redactor) -> Self {
        Self { json: redactor.json(self.json), fault: self.fault.map(|fault| fault.redacted(redactor)) }
    }
}

impl From<Value> for Answer {
    fn from(json: Value) -> Self {
        Self { json, fault: None }
    }
}
