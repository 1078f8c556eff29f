//! Sections that are mappings are rendered as text: dumped to YAML, rendered once, read back.
//!
//! Descriptors rely on it: a variable with line breaks inside a quoted scalar is folded by YAML, a `{% set %}`
//! in one value is seen by the next. Two things the original breaks on are mended on the way:
//!
//! * a plain scalar that no longer is one once its values are inserted (`a {{v}}` with `x: y`) is quoted;
//! * if the text cannot be rendered or read back, every string is rendered on its own and values are
//!   inserted verbatim.
//!
//! For the first, plain scalars with templates are enclosed in marks, and so are the line breaks of values.
//! The marks are code points that never occur in text.

use minijinja::Value as Names;
use serde_json::Value;

use crate::engine::Engine;
use crate::error::Fault;
use crate::yaml::{self, Layout};

const PLAIN_IN_BLOCK: char = '\u{fdd0}';
const PLAIN_IN_FLOW: char = '\u{fdd1}';
const PLAIN_END: char = '\u{fdd2}';
const BREAK: char = '\u{fdd3}';

/// A rendered section.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Section {
    /// As YAML, without a newline at the end.
    pub(crate) text: String,
    /// As read back.
    pub(crate) value: Value,
}

/// Marks the line breaks of a value that is inserted into YAML text.
pub(crate) fn mark_breaks(text: &str) -> String {
    text.replace('\n', &BREAK.to_string())
}

/// Renders `section` as text below the line(s) `header`.
pub(crate) fn render(
    engine: &Engine,
    names: &Names,
    section: &Value,
    layout: Layout,
    header: &str,
) -> Result<Section, Fault> {
    if let Some(rendered) = render_text(engine, names, section, layout, header) {
        return Ok(rendered);
    }
    let value = render_strings(section, Keys::Rendered, &|source| engine.render_whole(source, names))?;
    let text = format!("{header}{}", yaml::dump(&value, layout, &yaml::scalar));
    Ok(Section { text: text.trim_end_matches('\n').to_owned(), value })
}

/// `None` if the text cannot be rendered, or is not read back as the same kind of value.
fn render_text(
    engine: &Engine,
    names: &Names,
    section: &Value,
    layout: Layout,
    header: &str,
) -> Option<Section> {
    let source = source(section, layout, header);
    let marked = engine.for_yaml_text().render(&source, names).ok()?;
    let text = settle(&marked, 2 * height(section));
    let value = yaml::parse(&text).ok()?;
    (std::mem::discriminant(&value) == std::mem::discriminant(section)).then_some(Section { text, value })
}

/// The template text of `section`.
pub(crate) fn source(section: &Value, layout: Layout, header: &str) -> String {
    format!("{header}{}", yaml::dump(section, layout, &marked_scalar))
}

/// A scalar of the source text: plain ones with a template in them are enclosed in marks.
fn marked_scalar(text: &str, in_flow: bool) -> String {
    let scalar = yaml::scalar(text, in_flow);
    let is_template = text.contains("{{") || text.contains("{%");
    if scalar != text || !is_template {
        return scalar;
    }
    let start = if in_flow { PLAIN_IN_FLOW } else { PLAIN_IN_BLOCK };
    format!("{start}{text}{PLAIN_END}")
}

/// Resolves the marks of a rendered text. Line breaks inside quotes are continued `indent` columns deep,
/// which YAML needs and does not count as content.
fn settle(marked: &str, indent: usize) -> String {
    let continuation = format!("\n{}", " ".repeat(indent));
    let mut output = String::with_capacity(marked.len());
    let mut rest = marked;
    while let Some(start) = rest.find([PLAIN_IN_BLOCK, PLAIN_IN_FLOW]) {
        output.push_str(&rest[..start].replace(BREAK, &continuation));
        let in_flow = rest[start..].starts_with(PLAIN_IN_FLOW);
        let inner = &rest[start + PLAIN_IN_BLOCK.len_utf8()..];
        let (plain, after) = inner.split_once(PLAIN_END).unwrap_or((inner, ""));
        let plain = plain.replace(BREAK, "\n");
        // Blanks at the ends are no content of a plain scalar; the original loses them, too.
        let plain = plain.trim_matches(' ');
        if yaml::is_plain(plain, in_flow) {
            output.push_str(plain);
        } else {
            output.push_str(&yaml::scalar(plain, in_flow));
        }
        rest = after;
    }
    output.push_str(&rest.replace(BREAK, &continuation));
    output
}

/// Levels of nesting, from 1.
fn height(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(height).max().unwrap_or_default(),
        Value::Object(entries) => 1 + entries.values().map(height).max().unwrap_or_default(),
        _ => 1,
    }
}

/// Whether the keys of mappings are templates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keys {
    Rendered,
    AsWritten,
}

/// Renders every string of `value` on its own; everything else stays. The fault names the place.
pub(crate) fn render_strings(
    value: &Value,
    keys: Keys,
    render: &dyn Fn(&str) -> Result<String, Fault>,
) -> Result<Value, Fault> {
    Ok(match value {
        Value::String(source) => Value::String(render(source)?),
        Value::Array(items) => {
            let item = |(number, item)| {
                render_strings(item, keys, render).map_err(|fault: Fault| fault.within(number))
            };
            Value::Array(items.iter().enumerate().map(item).collect::<Result<_, _>>()?)
        }
        Value::Object(entries) => {
            let entry = |(key, value): (&String, &Value)| {
                let within = |fault: Fault| fault.within(key.as_str());
                let name = if keys == Keys::Rendered { render(key).map_err(within)? } else { key.clone() };
                Ok((name, render_strings(value, keys, render).map_err(within)?))
            };
            Value::Object(entries.iter().map(entry).collect::<Result<_, Fault>>()?)
        }
        other => other.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_scalar_is_quoted_only_if_its_values_make_it_something_else() {
        let plain = |text: &str| settle(&format!("k: {PLAIN_IN_BLOCK}{text}{PLAIN_END}\n"), 4);
        assert_eq!(plain("1{2}"), "k: 1{2}\n");
        assert_eq!(plain("15"), "k: 15\n");
        assert_eq!(plain("a: b"), "k: 'a: b'\n");
        assert_eq!(plain(&mark_breaks("a\nb")), "k: \"a\\nb\"\n");
        let flow = format!("[{PLAIN_IN_FLOW}a, b{PLAIN_END}]");
        assert_eq!(settle(&flow, 4), "['a, b']");
    }

    #[test]
    fn line_breaks_inside_quotes_are_continued_deeper_than_any_key() {
        assert_eq!(settle(&format!("k: '{}'", mark_breaks("a\n\nb")), 2), "k: 'a\n  \n  b'");
    }
}
