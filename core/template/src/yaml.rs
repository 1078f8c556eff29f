//! Writing YAML in the style of the original's dumper, and reading it back.
//!
//! Templates are rendered inside this text, so the style of a string decides what becomes of the values
//! inserted into it: the rules of [`scalar`] are those of the original, except that nothing is folded.

use std::path::Path;

use occopus_descriptor::yaml::{self, Dialect};
use serde_json::Value;

use crate::printing;

/// How collections are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    /// One entry a line.
    Block,
    /// As [`Layout::Block`], but a collection without collections in it stands on one line: `{a: 1}`.
    LeavesInFlow,
    /// As [`Layout::Block`], but texts of several lines are literal blocks, for people.
    Readable,
}

/// The text is no YAML.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotYaml {
    /// Line of the problem, from 1; `None` if unknown.
    pub(crate) line: Option<usize>,
}

/// Reads a YAML text with the rules for descriptors; imports are refused. The error does not quote the text.
pub(crate) fn parse(text: &str) -> Result<Value, NotYaml> {
    let dialect = Dialect { private: true, isolated: true, ..Dialect::default() };
    match yaml::load_text("context", text, Path::new(""), dialect) {
        Ok(node) => Ok(node.to_json()),
        Err(problems) => {
            let location = problems.errors().find_map(|problem| problem.location.as_ref());
            // An unexpected end is reported behind the last line.
            let last = text.lines().count().max(1);
            Err(NotYaml { line: location.map(|location| location.line.min(last)) })
        }
    }
}

/// Reads a rendered text that is YAML, such as a cloud-config, with the rules for descriptors; imports are
/// refused. `None` if it is no YAML.
pub fn read_yaml(text: &str) -> Option<Value> {
    parse(text).ok()
}

/// `value` as a YAML text for people: sorted keys, a line for each entry, texts of several lines as literal
/// blocks. Read back, it gives `value` again.
pub fn to_yaml(value: &Value) -> String {
    dump(value, Layout::Readable, &scalar)
}

/// Writes `value` with sorted keys; ends with a newline. `text` writes a string, told whether it stands in
/// a flow collection; usually [`scalar`].
pub(crate) fn dump(value: &Value, layout: Layout, text: &dyn Fn(&str, bool) -> String) -> String {
    let mut dumper = Dumper { layout, text, output: String::new() };
    match dumper.inline(value) {
        Some(line) => dumper.line(&line),
        None => dumper.block(value, 0),
    }
    dumper.output
}

struct Dumper<'a> {
    layout: Layout,
    text: &'a dyn Fn(&str, bool) -> String,
    output: String,
}

impl Dumper<'_> {
    /// Writes a non-empty collection whose first line is already indented by `indent`.
    fn block(&mut self, value: &Value, indent: usize) {
        match value {
            Value::Object(entries) => {
                for (number, (key, value)) in entries.iter().enumerate() {
                    self.indent(if number == 0 { 0 } else { indent });
                    let key = (self.text)(key, false);
                    self.output.push_str(&key);
                    self.output.push(':');
                    self.member(value, indent);
                }
            }
            Value::Array(items) => {
                for (number, item) in items.iter().enumerate() {
                    self.indent(if number == 0 { 0 } else { indent });
                    self.output.push_str("- ");
                    if self.literal(item, indent + 2) {
                        continue;
                    }
                    match self.inline(item) {
                        Some(line) => self.line(&line),
                        None => self.block(item, indent + 2),
                    }
                }
            }
            _ => {}
        }
    }

    /// Writes the value of a mapping that stands at `indent`. Lists are not indented under their key.
    fn member(&mut self, value: &Value, indent: usize) {
        if let Some(line) = self.inline(value) {
            self.output.push(' ');
            if !self.literal(value, indent + 2) {
                self.line(&line);
            }
            return;
        }
        let indent = if value.is_array() { indent } else { indent + 2 };
        self.output.push('\n');
        self.indent(indent);
        self.block(value, indent);
    }

    /// The value if it stands on one line.
    fn inline(&self, value: &Value) -> Option<String> {
        let is_flow = self.layout == Layout::LeavesInFlow;
        match value {
            Value::Object(entries) if entries.is_empty() => Some("{}".to_owned()),
            Value::Array(items) if items.is_empty() => Some("[]".to_owned()),
            Value::Object(entries) if is_flow && !entries.values().any(is_collection) => {
                let entry = |(key, value): (&String, &Value)| {
                    format!("{}: {}", (self.text)(key, true), self.simple(value, true))
                };
                Some(format!("{{{}}}", entries.iter().map(entry).collect::<Vec<_>>().join(", ")))
            }
            Value::Array(items) if is_flow && !items.iter().any(is_collection) => {
                let items: Vec<String> = items.iter().map(|item| self.simple(item, true)).collect();
                Some(format!("[{}]", items.join(", ")))
            }
            Value::Object(_) | Value::Array(_) => None,
            simple => Some(self.simple(simple, false)),
        }
    }

    /// Writes a text of several lines as a literal block, if it is one that such a block can hold.
    fn literal(&mut self, value: &Value, indent: usize) -> bool {
        let Some(text) = value.as_str().filter(|text| self.layout == Layout::Readable && is_literal(text))
        else {
            return false;
        };
        let body = text.trim_end_matches('\n');
        let chomping = match text.len() - body.len() {
            0 => "-",
            1 => "",
            _ => "+",
        };
        self.line(&format!("|{chomping}"));
        // Split at line feeds only: other breaks are not in a literal.
        for line in text.strip_suffix('\n').unwrap_or(text).split('\n') {
            self.indent(if line.is_empty() { 0 } else { indent });
            self.line(line);
        }
        true
    }

    fn simple(&self, value: &Value, in_flow: bool) -> String {
        match value {
            Value::String(text) => (self.text)(text, in_flow),
            Value::Number(number) if number.is_f64() => number.as_f64().map_or_else(String::new, float),
            other => other.to_string(),
        }
    }

    fn line(&mut self, text: &str) {
        self.output.push_str(text);
        self.output.push('\n');
    }

    fn indent(&mut self, width: usize) {
        self.output.extend(std::iter::repeat_n(' ', width));
    }
}

/// Whether a literal block gives `text` back: printable lines, of which the first is not indented.
fn is_literal(text: &str) -> bool {
    let printable = |character| matches!(character, ' '..='~' | '\n' | '\t' | '\u{a0}'..='\u{d7ff}');
    text.trim_end_matches('\n').contains('\n')
        && !text.starts_with([' ', '\n', '\t'])
        && text.chars().all(printable)
}

fn is_collection(value: &Value) -> bool {
    value.is_object() || value.is_array()
}

/// Both YAML 1.1, which cloud-init reads, and 1.2 take this for a number.
fn float(number: f64) -> String {
    let text = printing::float(number);
    match text.split_once('e') {
        Some((mantissa, exponent)) if !mantissa.contains('.') => format!("{mantissa}.0e{exponent}"),
        _ => text,
    }
}

/// A string in the first style that fits: plain, double-quoted or single-quoted.
pub(crate) fn scalar(text: &str, in_flow: bool) -> String {
    if is_plain(text, in_flow) && reads_as_text(text) {
        text.to_owned()
    } else if text.contains('\'') || text.chars().any(|character| !(' '..='~').contains(&character)) {
        double_quoted(text)
    } else {
        format!("'{text}'")
    }
}

/// Whether the characters of `text` allow it to stand without quotes, whatever it would be read as.
pub(crate) fn is_plain(text: &str, in_flow: bool) -> bool {
    const INDICATORS: &str = "#,[]{}&*!|>'\"%@`";
    let Some(first) = text.chars().next() else { return false };
    let starts_entry =
        matches!(first, '-' | '?' | ':') && text[1..].chars().next().is_none_or(|next| next == ' ');
    text.chars().all(|character| (' '..='~').contains(&character))
        && !text.starts_with(' ')
        && !text.ends_with([' ', ':'])
        && !text.starts_with("---")
        && !text.starts_with("...")
        && !INDICATORS.contains(first)
        && !starts_entry
        && !text.contains(": ")
        && !text.contains(" #")
        && !(in_flow && text.contains([',', '[', ']', '{', '}']))
}

/// Whether the plain `text` is read back as a string rather than as a number, a boolean or null.
fn reads_as_text(text: &str) -> bool {
    // Reading is slow, and words are the bulk of all strings; only these can be something else.
    const WORDS: [&str; 3] = ["true", "false", "null"];
    let is_word = text.starts_with(|first: char| first.is_ascii_alphabetic());
    if is_word && !WORDS.iter().any(|word| text.eq_ignore_ascii_case(word)) {
        return true;
    }
    let loaded = yaml::load_text("scalar", text, Path::new(""), Dialect::default());
    loaded.is_ok_and(|node| node.as_str() == Some(text))
}

fn double_quoted(text: &str) -> String {
    let mut output = String::from('"');
    for character in text.chars() {
        match character {
            '"' => output.push_str("\\\""),
            '\\' => output.push_str("\\\\"),
            '\n' => output.push_str("\\n"),
            '\r' => output.push_str("\\r"),
            '\t' => output.push_str("\\t"),
            ' '..='~' => output.push(character),
            other => output.push_str(&match u32::from(other) {
                code @ 0..=0xff => format!("\\x{code:02X}"),
                code @ 0x100..=0xffff => format!("\\u{code:04X}"),
                code => format!("\\U{code:08X}"),
            }),
        }
    }
    output.push('"');
    output
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn strings_take_the_first_style_that_fits() {
        for (text, expected) in [
            ("a b", "a b"),
            ("a:b", "a:b"),
            ("yes", "yes"),
            ("1:30", "1:30"),
            ("/bin/sh -c 'x'", "/bin/sh -c 'x'"),
            ("-x", "-x"),
            (":x", ":x"),
            ("", "''"),
            ("0644", "'0644'"),
            ("true", "'true'"),
            ("1.0", "'1.0'"),
            ("~", "'~'"),
            ("null", "'null'"),
            ("a: b", "'a: b'"),
            ("a:", "'a:'"),
            ("a #b", "'a #b'"),
            (" a", "' a'"),
            ("- a", "'- a'"),
            ("{{x}}", "'{{x}}'"),
            ("---", "'---'"),
            ("=", "'='"),
            ("'a'", "\"'a'\""),
            ("a\nb", "\"a\\nb\""),
            ("\t\"\\", "\"\\t\\\"\\\\\""),
            ("\u{e9}\u{20ac}\u{1f600}", "\"\\xE9\\u20AC\\U0001F600\""),
        ] {
            assert_eq!(scalar(text, false), expected);
        }
        assert_eq!(scalar("a, b", false), "a, b");
        assert_eq!(scalar("a, b", true), "'a, b'");
    }

    #[test]
    fn collections_have_the_layout_of_the_original() {
        let value = json!({"b": [1, {"x": "y", "a": [[2]]}, []], "a": {}, "c": {"d": null}});
        assert_eq!(
            dump(&value, Layout::Block, &scalar),
            "a: {}\nb:\n- 1\n- a:\n  - - 2\n  x: y\n- []\nc:\n  d: null\n"
        );
        assert_eq!(
            dump(&value, Layout::LeavesInFlow, &scalar),
            "a: {}\nb:\n- 1\n- a:\n  - [2]\n  x: y\n- []\nc: {d: null}\n"
        );
    }

    #[test]
    fn what_is_written_is_read_back() {
        let value = json!({
            "lines": ["a\n  b\n\nc", "a\nb\n", "a\nb\n\n\n", "\na\nb", " a\nb", "a\n\tb\nü", "#a\n---\n- b", "a\r\nb", "a\n \nb \n", "a\u{2028}\nb"],
            "text": ["", " ", "a\n\nb\n", "\u{85}\u{feff}\u{7}", "'\"", "0x1F", "1e3", "<<", "?", "a\\"],
            "numbers": [0, -1, 1.0, 1e20, 1e-7, u64::MAX], "others": [null, true, {}, [[[]]]], "k: #": {"1": "~"}
        });
        for layout in [Layout::Block, Layout::LeavesInFlow, Layout::Readable] {
            assert_eq!(parse(&dump(&value, layout, &scalar)), Ok(value.clone()));
        }
    }

    #[test]
    fn reading_reads_no_files_and_names_the_line() {
        assert_eq!(parse("a: !text_import {url: file:///etc/hostname}"), Err(NotYaml { line: Some(1) }));
        assert_eq!(parse("a: 1\na: 2"), Err(NotYaml { line: Some(2) }));
    }
}
