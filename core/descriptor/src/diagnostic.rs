//! Problems in descriptor files: where, why, and what to do; for people and for programs.

mod render;

use serde::Serialize;

use crate::codes::Code;
use crate::yaml::Span;

pub use render::Shown;

/// How bad a problem is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The file cannot be used.
    Error,
    /// The file can be used, but something in it is doubtful.
    Warning,
}

/// Where in a file a problem is. Lines, columns and lengths are in characters; lines and columns
/// count from 1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Location {
    /// The file as the user named it, or a name for text that came without a file.
    pub file: String,
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
    /// How many characters from `column` on are meant, all on the same line; at least 1.
    pub length: usize,
}

/// The line with the problem, shortened around it if it is very long.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Excerpt {
    /// The text, without control characters.
    pub text: String,
    /// Characters before the marked place.
    pub start: usize,
    /// Characters of the marked place.
    pub length: usize,
}

/// A further place that a problem is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Related {
    /// Where.
    pub location: Location,
    /// The line at `location`; absent where it could show a secret.
    pub source_line: Option<Excerpt>,
    /// What is there, in a few words.
    pub label: String,
}

/// One problem.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// The kind of problem.
    pub code: Code,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, in one sentence.
    pub message: String,
    /// Where; `None` if it belongs to no place in a file.
    pub location: Option<Location>,
    /// The line at `location`; absent where it could show a secret.
    pub source_line: Option<Excerpt>,
    /// Further places, such as that of the first of two equal names.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub related: Vec<Related>,
    /// What is allowed, or what was probably meant.
    pub help: Option<String>,
    /// The exact text of Occopus 1.10 where it had one, for the legacy commands; else, where it
    /// crashed on the file, a text in the same form.
    pub legacy: Option<String>,
}

impl Diagnostic {
    /// An error without a place.
    pub fn error(code: Code, message: impl Into<String>) -> Self {
        Self::new(code, Severity::Error, message.into())
    }

    /// A warning without a place.
    pub fn warning(code: Code, message: impl Into<String>) -> Self {
        Self::new(code, Severity::Warning, message.into())
    }

    fn new(code: Code, severity: Severity, message: String) -> Self {
        Self {
            code,
            severity,
            message,
            location: None,
            source_line: None,
            related: Vec::new(),
            help: None,
            legacy: None,
        }
    }

    /// Adds the place, with the line it stands on.
    #[must_use]
    pub fn at(mut self, span: &Span) -> Self {
        self.location = Some(span.location());
        self.source_line = span.excerpt();
        self
    }

    /// Adds a further place, with the line it stands on and a `label` of a few words.
    #[must_use]
    pub fn also(mut self, span: &Span, label: impl Into<String>) -> Self {
        let related = Related { location: span.location(), source_line: span.excerpt(), label: label.into() };
        self.related.push(related);
        self
    }

    /// Adds what is allowed or what to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Adds the text of Occopus 1.10.
    #[must_use]
    pub fn legacy(mut self, text: impl Into<String>) -> Self {
        self.legacy = Some(text.into());
        self
    }
}

/// Most errors, and most warnings, that are kept: nobody reads more, and a hostile file could hold
/// millions.
pub(crate) const MOST: usize = 100;

/// The problems of a file and of the files it imports, in the order of checking: all of them, or the
/// first hundred errors and the first hundred warnings.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Diagnostics(Vec<Diagnostic>);

impl Diagnostics {
    /// No problems.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a problem, unless there are a hundred of its severity.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        if self.0.iter().filter(|other| other.severity == diagnostic.severity).count() < MOST {
            self.0.push(diagnostic);
        }
    }

    /// Whether further errors would not be kept.
    pub(crate) fn is_full(&self) -> bool {
        self.errors().count() >= MOST
    }

    /// Whether the last problem is of the kind `code` and stands in `line`.
    pub(crate) fn last_is(&self, code: Code, line: usize) -> bool {
        let place = |problem: &Diagnostic| problem.location.as_ref().map(|place| place.line);
        self.0.last().is_some_and(|last| last.code == code && place(last) == Some(line))
    }

    /// Whether there are neither errors nor warnings.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether there is an error.
    pub fn has_errors(&self) -> bool {
        self.errors().next().is_some()
    }

    /// All problems.
    pub fn iter(&self) -> std::slice::Iter<'_, Diagnostic> {
        self.0.iter()
    }

    /// The errors only.
    pub fn errors(&self) -> impl Iterator<Item = &Diagnostic> {
        self.0.iter().filter(|diagnostic| diagnostic.severity == Severity::Error)
    }

    /// The warnings only.
    pub fn warnings(&self) -> impl Iterator<Item = &Diagnostic> {
        self.0.iter().filter(|diagnostic| diagnostic.severity == Severity::Warning)
    }

    /// What Occopus 1.10 would have said: the text of the first error, since it stopped there.
    pub fn legacy_text(&self) -> Option<&str> {
        self.errors().next().map(|first| first.legacy.as_deref().unwrap_or(&first.message))
    }

    /// `Ok` with the value and the warnings if there is no error, else all problems.
    pub(crate) fn finish<T>(self, value: Option<T>) -> Result<(T, Self), Self> {
        match value {
            Some(value) if !self.has_errors() => Ok((value, self)),
            _ => Err(self),
        }
    }
}

impl Extend<Diagnostic> for Diagnostics {
    fn extend<I: IntoIterator<Item = Diagnostic>>(&mut self, further: I) {
        for diagnostic in further {
            self.push(diagnostic);
        }
    }
}

impl IntoIterator for Diagnostics {
    type Item = Diagnostic;
    type IntoIter = std::vec::IntoIter<Diagnostic>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a Diagnostics {
    type Item = &'a Diagnostic;
    type IntoIter = std::slice::Iter<'a, Diagnostic>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl From<Diagnostic> for Diagnostics {
    fn from(diagnostic: Diagnostic) -> Self {
        Self(vec![diagnostic])
    }
}

impl std::error::Error for Diagnostics {}

/// A sentence about an unknown `word`: the candidate that was probably meant, and all of them.
pub(crate) fn suggestion<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    let mut candidates: Vec<&str> = candidates.into_iter().collect();
    let mut seen = std::collections::HashSet::new();
    candidates.retain(|candidate| seen.insert(*candidate));
    let allowed = format!("allowed: {}", candidates.join(", "));
    let (lower, length) = (word.to_lowercase(), word.chars().count());
    let nearest = candidates
        .iter()
        .map(|candidate| (strsim::damerau_levenshtein(&lower, &candidate.to_lowercase()), candidate))
        // A word of which nothing is left has nothing in common.
        .filter(|(distance, _)| *distance <= (length / 3).max(1) && *distance < length.max(1))
        .min_by_key(|(distance, _)| *distance);
    match nearest {
        _ if candidates.is_empty() => "none exist".to_owned(),
        Some((_, nearest)) => format!("did you mean '{nearest}'? {allowed}"),
        None => allowed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_meant_is_guessed_from_what_is_similar() {
        let guess = |word, candidates: [&'static str; 2]| suggestion(word, candidates);
        assert_eq!(guess("filtre", ["name", "filter"]), "did you mean 'filter'? allowed: name, filter");
        assert_eq!(guess("VINNA", ["VINA", "x"]), "did you mean 'VINA'? allowed: VINA, x");
        assert_eq!(guess("A", ["a", "b"]), "did you mean 'a'? allowed: a, b");
        assert_eq!(guess("q", ["x", "y"]), "allowed: x, y");
        assert_eq!(guess("", ["x", "y"]), "allowed: x, y");
        assert_eq!(suggestion("x", []), "none exist");
    }
}
