//! The text of the list: which line holds which id, and how it looks with one more or less. Pure.

use uuid::Uuid;

/// The text together with what each line means.
#[derive(Debug)]
pub(super) struct ListText {
    content: String,
    lines: Vec<Line>,
}

/// The meaning of one line.
#[derive(Debug, PartialEq, Eq)]
enum Line {
    /// Blank or a comment.
    Filler,
    /// `---`, the start of the document.
    Start,
    /// `[]`, the empty list.
    Empty,
    /// `- id`, indented by a number of spaces.
    Entry { indent: usize, id: String },
}

/// A line that is not understood.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct OddLine {
    /// Its number, from 1.
    pub(super) line: usize,
    /// Why, for people.
    pub(super) reason: String,
}

impl ListText {
    /// Understands the bytes of a file.
    pub(super) fn parse(bytes: Vec<u8>) -> Result<Self, OddLine> {
        let content = String::from_utf8(bytes).map_err(|error| {
            let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
            let line = good.iter().filter(|byte| **byte == b'\n').count() + 1;
            OddLine { line, reason: "it is not UTF-8 text".to_owned() }
        })?;
        let mut lines: Vec<Line> = Vec::new();
        for (number, text) in (1..).zip(content.lines()) {
            let odd = |reason: String| OddLine { line: number, reason };
            let line = parse_line(text).map_err(odd)?;
            check_sequence(&lines, &line).map_err(|reason| odd(reason.to_owned()))?;
            lines.push(line);
        }
        Ok(Self { content, lines })
    }

    /// The ids in their order.
    pub(super) fn ids(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().filter_map(|line| match line {
            Line::Entry { id, .. } => Some(id.as_str()),
            _ => None,
        })
    }

    /// The text with `id` at the end; `None` if it is there already.
    pub(super) fn with(&self, id: &str) -> Option<String> {
        if self.ids().any(|listed| listed == id) {
            return None;
        }
        let mut text: String =
            self.pieces().filter(|(line, _)| **line != Line::Empty).map(|(_, piece)| piece).collect();
        let newline = if self.content.contains("\r\n") { "\r\n" } else { "\n" };
        if !text.is_empty() && !text.ends_with('\n') {
            text.push_str(newline);
        }
        let indent = " ".repeat(self.indent().unwrap_or(0));
        Some(format!("{text}{indent}- {}{newline}", scalar(id)))
    }

    /// The text without `id`; `None` if it is not there.
    pub(super) fn without(&self, id: &str) -> Option<String> {
        if !self.ids().any(|listed| listed == id) {
            return None;
        }
        let is_entry = |line: &Line| matches!(line, Line::Entry { id: listed, .. } if listed == id);
        let mut text: String =
            self.pieces().filter(|(line, _)| !is_entry(line)).map(|(_, piece)| piece).collect();
        if self.ids().all(|listed| listed == id) {
            // A file without any entry is no list for Occopus 1.10.
            if !text.is_empty() && !text.ends_with('\n') {
                text.push('\n');
            }
            text.push_str("[]\n");
        }
        Some(text)
    }

    /// The lines with their text, line ends included.
    fn pieces(&self) -> impl Iterator<Item = (&Line, &str)> {
        self.lines.iter().zip(self.content.split_inclusive('\n'))
    }

    fn indent(&self) -> Option<usize> {
        self.lines.iter().find_map(indent_of)
    }
}

fn indent_of(line: &Line) -> Option<usize> {
    match line {
        Line::Entry { indent, .. } => Some(*indent),
        _ => None,
    }
}

/// Whether `line` may follow `earlier` in one list.
fn check_sequence(earlier: &[Line], line: &Line) -> Result<(), &'static str> {
    let indent = earlier.iter().find_map(indent_of);
    let empty = earlier.contains(&Line::Empty);
    match line {
        Line::Filler => Ok(()),
        Line::Start if earlier.iter().all(|line| *line == Line::Filler) => Ok(()),
        Line::Start => Err("a second document starts here"),
        Line::Empty if empty || indent.is_some() => Err("there is something before the empty list '[]'"),
        Line::Entry { .. } if empty => Err("there is an entry after the empty list '[]'"),
        Line::Entry { indent: own, .. } if indent.is_some_and(|first| first != *own) => {
            Err("it is indented differently from the first entry")
        }
        Line::Empty | Line::Entry { .. } => Ok(()),
    }
}

fn parse_line(text: &str) -> Result<Line, String> {
    let trimmed = text.trim_start_matches(' ');
    if trimmed.trim_end().is_empty() || trimmed.starts_with('#') {
        return Ok(Line::Filler);
    }
    if text.trim_end() == "---" {
        return Ok(Line::Start);
    }
    if strip_comment(text)? == "[]" {
        return Ok(Line::Empty);
    }
    match trimmed.strip_prefix("- ") {
        Some(value) => {
            let id = parse_scalar(value.trim_start_matches(' '))?;
            Ok(Line::Entry { indent: text.len() - trimmed.len(), id })
        }
        None => Err("it is no list entry of the form '- ID'".to_owned()),
    }
}

/// The value of a one-line YAML scalar that may be followed by a comment.
fn parse_scalar(text: &str) -> Result<String, String> {
    let unclear = || "the value is not a plain or quoted text on one line".to_owned();
    match text.chars().next() {
        Some('\'') => {
            let (value, rest) = parse_single_quoted(&text[1..]).ok_or_else(unclear)?;
            if strip_comment(rest)?.is_empty() { Ok(value) } else { Err(unclear()) }
        }
        Some('"') => {
            let (value, rest) = text[1..].split_once('"').ok_or_else(unclear)?;
            let plain = !value.contains('\\') && strip_comment(rest)?.is_empty();
            if plain { Ok(value.to_owned()) } else { Err(unclear()) }
        }
        _ => {
            let value = strip_comment(text)?;
            if is_plain(value) { Ok(value.to_owned()) } else { Err(unclear()) }
        }
    }
}

/// Splits `it''s' # rest` into `it's` and ` # rest`.
fn parse_single_quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut rest = text;
    loop {
        let (part, after) = rest.split_once('\'')?;
        value.push_str(part);
        match after.strip_prefix('\'') {
            Some(more) => {
                value.push('\'');
                rest = more;
            }
            None => return Some((value, after)),
        }
    }
}

/// `text` without a comment and the blanks around.
fn strip_comment(text: &str) -> Result<&str, String> {
    let text = text.find(" #").map_or(text, |start| &text[..start]).trim_end_matches([' ', '\r']);
    if text.contains('\t') { Err("it contains a tabulator".to_owned()) } else { Ok(text) }
}

/// Whether a YAML reader takes `value` as the text it looks like.
fn is_plain(value: &str) -> bool {
    let starts_well =
        value.starts_with(|first: char| first.is_alphanumeric() || first == '_' || first == '.');
    starts_well && !value.contains(": ") && !value.ends_with(':') && !value.contains(char::is_control)
}

/// `id` as a YAML scalar, quoted unless it is certainly read as text.
fn scalar(id: &str) -> String {
    if Uuid::parse_str(id).is_ok_and(|uuid| uuid.hyphenated().to_string() == id) {
        id.to_owned()
    } else {
        format!("'{}'", id.replace('\'', "''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "5b2d5e0c-9f2c-4b7e-8a53-0b1c2d3e4f50";
    const OTHER: &str = "00e10000-0000-4000-8000-000000000001";

    fn parse(text: &str) -> ListText {
        ListText::parse(text.as_bytes().to_vec()).unwrap()
    }

    fn ids(text: &str) -> Vec<String> {
        parse(text).ids().map(str::to_owned).collect()
    }

    fn odd(text: &str) -> usize {
        ListText::parse(text.as_bytes().to_vec()).unwrap_err().line
    }

    #[test]
    fn the_original_format_is_read_and_written() {
        assert_eq!(ids(&format!("- {ID}\n- {OTHER}\n")), [ID, OTHER]);
        assert_eq!(parse("").with(ID).unwrap(), format!("- {ID}\n"));
        assert_eq!(parse("---\n[]\n").with(ID).unwrap(), format!("---\n- {ID}\n"));
        assert_eq!(parse("[]\n").with(ID).unwrap(), format!("- {ID}\n"));
        assert_eq!(parse(&format!("- {OTHER}\n")).with(ID).unwrap(), format!("- {OTHER}\n- {ID}\n"));
        assert_eq!(parse(&format!("- {ID}\n- {OTHER}\n")).without(ID).unwrap(), format!("- {OTHER}\n"));
        assert_eq!(parse(&format!("- {ID}\n")).without(ID).unwrap(), "[]\n");
    }

    #[test]
    fn everything_else_stays_byte_for_byte() {
        let text = format!("# mine\r\n\r\n  -   'it''s'  # note\r\n  - {ID}\r\n  - \"b c\"\r\n  - x#y");
        assert_eq!(ids(&text), ["it's", ID, "b c", "x#y"]);
        assert_eq!(parse(&text).without(ID).unwrap(), text.replace(&format!("  - {ID}\r\n"), ""));
        assert_eq!(parse(&text).with(OTHER).unwrap(), format!("{text}\r\n  - {OTHER}\r\n"));
    }

    #[test]
    fn nothing_to_do_is_no_change() {
        assert_eq!(parse(&format!("- '{ID}'\n")).with(ID), None);
        assert_eq!(parse(&format!("- {OTHER}\n")).without(ID), None);
        assert_eq!(parse("").without(ID), None);
    }

    #[test]
    fn every_entry_of_the_id_goes() {
        assert_eq!(
            parse(&format!("- {ID}\n- {OTHER}\n- '{ID}'\n")).without(ID).unwrap(),
            format!("- {OTHER}\n")
        );
        assert_eq!(parse(&format!("# note\n- {ID}\n- {ID}")).without(ID).unwrap(), "# note\n[]\n");
    }

    #[test]
    fn ids_that_yaml_would_misread_are_quoted() {
        for id in ["1e5", "yes", "null", "it's", "- x", "a: b", "2026-01-01", "#", "ábra"] {
            let text = parse("").with(id).unwrap();
            assert_eq!(text, format!("- '{}'\n", id.replace('\'', "''")));
            assert_eq!(ids(&text), [id]);
        }
    }

    #[test]
    fn odd_lines_are_found() {
        assert_eq!(odd("infra: x\n"), 1);
        assert_eq!(odd("- a\n[a, b]\n"), 2);
        assert_eq!(odd("- a\n- [b]\n"), 2);
        assert_eq!(odd("- a\n- {b: c}\n"), 2);
        assert_eq!(odd("- a\n- b: c\n"), 2);
        assert_eq!(odd("- a\n\n- |\n  b\n"), 3);
        assert_eq!(odd("- a\n  b\n"), 2);
        assert_eq!(odd("- a\n  - b\n"), 2);
        assert_eq!(odd("- 'a\n"), 1);
        assert_eq!(odd("- 'a' b\n"), 1);
        assert_eq!(odd("- \"a\\n\"\n"), 1);
        assert_eq!(odd("- &x a\n"), 1);
        assert_eq!(odd("- !!python/object a\n"), 1);
        assert_eq!(odd("-\n"), 1);
        assert_eq!(odd("- a\tb\n"), 1);
        assert_eq!(odd("[]\n- a\n"), 2);
        assert_eq!(odd("- a\n[]\n"), 2);
        assert_eq!(odd("- a\n---\n- b\n"), 2);
        assert_eq!(ListText::parse(b"- a\n- \xff\n".to_vec()).unwrap_err().line, 2);
    }
}
