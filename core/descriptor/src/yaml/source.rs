//! Source texts and places in them.

use std::fmt;
use std::sync::Arc;

use crate::diagnostic::{Excerpt, Location};

/// Longest excerpt shown, in characters.
const WIDTH: usize = 120;
/// Characters kept before the marked place when a long line is shortened.
const BEFORE: usize = 40;
/// Lines longer than this, in bytes, are not shown at all.
const LONGEST: usize = 64 << 10;

/// The text of a file.
///
/// # Errors
/// It is not in UTF-8: the reason with the place and the remedy. The text itself is not quoted, it may
/// be a secret.
pub(crate) fn decode(bytes: Vec<u8>) -> Result<String, String> {
    if [b"\xff\xfe", b"\xfe\xff"].iter().any(|mark| bytes.starts_with(*mark)) {
        return Err("it is UTF-16 text; save it in UTF-8".to_owned());
    }
    String::from_utf8(bytes).map_err(|error| {
        let readable = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = readable.split(|byte| *byte == b'\n').count();
        let before = readable.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
        let column = String::from_utf8_lossy(before).chars().count() + 1;
        format!("it is not UTF-8 text (line {line}, column {column}); save it in UTF-8")
    })
}

/// A text that was loaded.
pub struct Source {
    /// The file as the user named it, or a name for text that came without a file.
    pub name: String,
    text: String,
    /// Where in the text each line begins.
    lines: Vec<usize>,
    private: bool,
}

impl Source {
    /// A source called `name`; nothing of a `private` one is ever shown.
    pub(super) fn new(name: String, text: String, private: bool) -> Arc<Self> {
        let breaks = text.match_indices('\n').map(|(at, _)| at + 1);
        let lines = std::iter::once(0).chain(breaks).collect();
        Arc::new(Self { name, text, lines, private })
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Whether the text holds secrets.
    pub fn is_private(&self) -> bool {
        self.private
    }

    /// Line `number`, from 1, without its end.
    pub(super) fn line(&self, number: usize) -> Option<&str> {
        let from = *self.lines.get(number.checked_sub(1)?)?;
        let to = self.lines.get(number).copied().unwrap_or(self.text.len());
        self.text.get(from..to).map(|line| line.trim_end_matches(['\n', '\r']))
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Source({})", self.name)
    }
}

/// A place in a source. Lines and columns count characters, from 1; the end is exclusive.
#[derive(Debug, Clone)]
pub struct Span {
    /// The text.
    pub source: Arc<Source>,
    /// First line.
    pub line: usize,
    /// First column.
    pub column: usize,
    /// Line of the end.
    pub end_line: usize,
    /// Column of the end.
    pub end_column: usize,
}

impl Span {
    /// All of `source`.
    pub(super) fn of(source: Arc<Source>) -> Self {
        let end_line = source.lines.len();
        let end_column = source.line(end_line).map_or(0, |line| line.chars().count()) + 1;
        Self { source, line: 1, column: 1, end_line, end_column }
    }

    /// The first line of the span, for a diagnostic.
    pub fn location(&self) -> Location {
        let to_line_end = || {
            let width = self.source.line(self.line).map_or(0, |line| line.trim_end().chars().count());
            (width + 1).saturating_sub(self.column)
        };
        let length = if self.line == self.end_line {
            self.end_column.saturating_sub(self.column)
        } else {
            to_line_end()
        };
        Location {
            file: self.source.name.clone(),
            line: self.line,
            column: self.column,
            length: length.max(1),
        }
    }

    /// The place inside the span where `text` stands for the `nth` time, counted from 0, on one line.
    pub(crate) fn find(&self, text: &str, nth: usize) -> Option<Span> {
        let lines = (self.line..=self.end_line).map_while(|number| Some((number, self.source.line(number)?)));
        let places = lines.flat_map(|(number, line)| {
            let from = if number == self.line { self.column } else { 1 };
            let columns = line.match_indices(text).map(|(at, _)| line[..at].chars().count() + 1);
            columns.filter(move |column| *column >= from).map(move |column| (number, column))
        });
        let (line, column) = places.into_iter().nth(nth)?;
        let end_column = column + text.chars().count();
        Some(Span { source: self.source.clone(), line, column, end_line: line, end_column })
    }

    /// The first line of the span, for a diagnostic; `None` where the source is private.
    pub(crate) fn excerpt(&self) -> Option<Excerpt> {
        if self.source.private {
            return None;
        }
        let line = mask(self.source.line(self.line).filter(|line| line.len() <= LONGEST)?);
        let characters: Vec<char> = line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let column = self.column.saturating_sub(1).min(characters.len());
        let skipped = if characters.len() > WIDTH { column.saturating_sub(BEFORE) } else { 0 };
        let text: String = characters.iter().skip(skipped).take(WIDTH).collect();
        let start = column - skipped;
        let room = text.chars().count().saturating_sub(start).max(1);
        Some(Excerpt { start, length: self.location().length.min(room), text: text.trim_end().to_owned() })
    }
}

/// Hides what follows a key that names a secret, so that a marked line never shows a password.
fn mask(line: &str) -> String {
    // What names the place of a secret is none. Without a place, the text after the tag may be one.
    let rest = ["env:", "file:"].iter().fold(line.to_owned(), |rest, place| {
        ["", "'", "\""].iter().fold(rest, |rest, quote| rest.replace(&format!("!secret {quote}{place}"), ""))
    });
    match line.split_once(':') {
        Some((key, value)) if !value.trim_start().is_empty() && names_secret(&rest) => format!("{key}: …"),
        _ => line.to_owned(),
    }
}

/// Whether a text holds a word that people give to secrets.
pub(super) fn names_secret(text: &str) -> bool {
    let lower = text.to_lowercase();
    ["pass", "secret", "token", "private", "accesskey"].iter().any(|word| lower.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marked_line_hides_what_may_be_a_secret_and_shows_where_one_is_kept() {
        for shown in ["user: !secret env:PW", "a: [!secret 'file:k', !secret \"env:B\"]", "a: b", "password:"]
        {
            assert_eq!(mask(shown), shown);
        }
        for hidden in
            ["a: !secret hush", "password: !secret env:P", "a: {token: hush}", "b: !secret env:P # secret"]
        {
            assert!(mask(hidden).ends_with(": …"), "{hidden}");
        }
    }

    #[test]
    fn text_in_another_encoding_is_refused_with_its_place_and_a_remedy() {
        let refused = |bytes: &[u8]| decode(bytes.to_vec()).expect_err("it is read");
        assert_eq!(
            refused(b"a: 1\nb: \xc3\xa9\xe9 \n"),
            "it is not UTF-8 text (line 2, column 5); save it in UTF-8"
        );
        assert_eq!(refused(b"\xe9"), "it is not UTF-8 text (line 1, column 1); save it in UTF-8");
        assert_eq!(refused(b"\xff\xfea\0"), "it is UTF-16 text; save it in UTF-8");
        assert_eq!(decode("\u{feff}ä".into()).as_deref(), Ok("\u{feff}ä"));
    }
}
