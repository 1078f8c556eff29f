//! Errors of rendering. None of them shows the value of a variable: values may be secrets.

use std::fmt;

use minijinja::{Error, ErrorKind};
use occopus_descriptor::lint::{Flaw, Step};

use crate::scan;

/// A function or filter refuses a call. Its text is written by this crate and free of secrets.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Refusal(pub(crate) String);

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Error::new(ErrorKind::InvalidOperation, "refused").with_source(refusal)
    }
}

/// Where in a template something is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Spot {
    /// Line, from 1.
    pub(crate) line: usize,
    /// Column in characters, from 1, if it is known.
    pub(crate) column: Option<usize>,
    /// The line as it stands in the template.
    pub(crate) text: Option<String>,
}

impl Spot {
    /// The spot of byte `start` of `source`.
    pub(crate) fn at(source: &str, start: usize) -> Self {
        let before = source.get(..start).unwrap_or_default();
        let line = before.matches('\n').count();
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        let text = source.lines().nth(line).map(str::to_owned);
        Self { line: line + 1, column: Some(column), text }
    }
}

/// Why one template could not be rendered, and where in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    /// Way from the implementation, or from where it was found, to the text.
    pub(crate) path: Vec<Step>,
    /// Place inside the text there.
    pub(crate) spot: Option<Spot>,
    /// What is wrong and what to do.
    pub(crate) reason: String,
    /// Whether it is the template itself, so that no value whatever can make it work.
    pub(crate) certain: bool,
}

impl Fault {
    /// A fault of a section as a whole.
    pub(crate) fn new(reason: impl Into<String>) -> Self {
        Self { path: Vec::new(), spot: None, reason: reason.into(), certain: false }
    }

    /// The engine's `error` about the template `source`.
    pub(crate) fn of(error: &Error, source: &str) -> Self {
        let spot = |line: usize| Spot {
            line,
            column: column(error, line),
            text: source.lines().nth(line - 1).map(str::to_owned),
        };
        let certain = matches!(
            error.kind(),
            ErrorKind::SyntaxError
                | ErrorKind::UnknownFilter
                | ErrorKind::UnknownTest
                | ErrorKind::UnknownFunction
        );
        let spot = error.line().map(spot);
        Self { path: Vec::new(), spot, reason: reason(error), certain }
    }

    /// The same fault, seen from one level further out.
    pub(crate) fn within(mut self, step: impl Into<Step>) -> Self {
        self.path.insert(0, step.into());
        self
    }
}

/// Most characters of a template line that a message shows.
const SHOWN: usize = 100;

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Flaw::from(self.clone()))?;
        match self.spot.as_ref().and_then(|spot| spot.text.as_deref()).map(str::trim) {
            Some(text) if text.chars().count() <= SHOWN => write!(f, "; in: {text}"),
            Some(text) => write!(f, "; in: {}…", text.chars().take(SHOWN).collect::<String>()),
            None => Ok(()),
        }
    }
}

impl From<Fault> for Flaw {
    fn from(fault: Fault) -> Self {
        let line = fault.spot.as_ref().map(|spot| spot.line);
        let column = fault.spot.and_then(|spot| spot.column);
        Self { path: fault.path, line, column, reason: fault.reason }
    }
}

/// The column at which the engine says that `error` begins, if that is on `line`.
fn column(error: &Error, line: usize) -> Option<usize> {
    let before = error.template_source()?.get(..error.range()?.start)?;
    let (lines, last) = before.rsplit_once('\n').unwrap_or(("", before));
    let at = if last.len() == before.len() { 1 } else { lines.matches('\n').count() + 2 };
    (at == line).then(|| scan::without_names(last).chars().count() + 1)
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
            Some(detail) if detail.starts_with("tried to use % operator on unsupported types string") => {
                format!("{detail}; to fill in a text, write TEXT|format(VALUE)")
            }
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
