//! Errors of rendering. None of them shows the value of a variable: values may be secrets.

use minijinja::{Error, ErrorKind};

/// A function or filter refuses a call. Its text is written by this crate and free of secrets.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Refusal(pub(crate) String);

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Error::new(ErrorKind::InvalidOperation, "refused").with_source(refusal)
    }
}

/// Why one template could not be rendered, and where in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    /// Place inside the section, such as `.write_files[0].content`; empty for the section as a whole.
    pub(crate) path: String,
    /// Line of the template, from 1.
    pub(crate) line: Option<usize>,
    /// What is wrong and what to do.
    pub(crate) reason: String,
}

impl Fault {
    /// A fault of a section as a whole.
    pub(crate) fn new(reason: impl Into<String>) -> Self {
        Self { path: String::new(), line: None, reason: reason.into() }
    }

    /// The same fault, seen from one level further out.
    pub(crate) fn within(mut self, step: &str) -> Self {
        self.path.insert_str(0, step);
        self
    }
}

impl From<&Error> for Fault {
    fn from(error: &Error) -> Self {
        Self { path: String::new(), line: error.line(), reason: reason(error) }
    }
}

/// The engine's own message where it can only hold names of the template, else just the kind of error.
fn reason(error: &Error) -> String {
    if let Some(refusal) = refusal(error) {
        return refusal.0.clone();
    }
    let kind = error.kind();
    match kind {
        ErrorKind::SyntaxError
        | ErrorKind::UndefinedError
        | ErrorKind::UnknownFilter
        | ErrorKind::UnknownTest
        | ErrorKind::UnknownFunction
        | ErrorKind::UnknownMethod => match error.detail() {
            Some(detail) => format!("{kind}: {detail}"),
            None => kind.to_string(),
        },
        ErrorKind::OutOfFuel => "the template does too much work; shorten its loops".to_owned(),
        ErrorKind::TemplateNotFound => {
            "include, import and extends are not available; use !text_import in the node definition"
                .to_owned()
        }
        _ => match error.detail() {
            // This message names the operator and the kinds of its operands only.
            Some(detail) if detail.starts_with("tried to use ") => detail.to_owned(),
            _ => format!("{kind} (details are withheld, they could show the value of a variable)"),
        },
    }
}

fn refusal(error: &Error) -> Option<&Refusal> {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(current) = cause {
        if let Some(refusal) = current.downcast_ref() {
            return Some(refusal);
        }
        cause = current.source();
    }
    None
}
