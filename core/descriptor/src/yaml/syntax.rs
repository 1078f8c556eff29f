//! What to say about text that the parser refuses. It stops where it can go on no longer, which is often
//! behind the mistake, and speaks of its own state: here the line is looked at as its writer sees it.

use super::source::Source;

/// Where the mistake probably is, and what to do about it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Explanation {
    /// The line, from 1.
    pub(super) line: usize,
    /// The column, from 1.
    pub(super) column: usize,
    /// What is wrong, where that is clearer than what the parser says.
    pub(super) message: Option<&'static str>,
    /// What to do.
    pub(super) help: Option<String>,
}

/// Why a value with a template at its start fails.
pub(super) const TEMPLATE: &str = "a value begins with '{{' or '{%' without quotes, which makes it a mapping";
/// What to do about it.
pub(super) const QUOTE: &str = "put the whole value in quotes: \"{{ name }} and more\"";

/// Explains the error `message` of the parser, which stopped at `line` and `column`.
pub(super) fn explain(source: &Source, line: usize, column: usize, message: &str) -> Explanation {
    let (line, column) = inside(source, line, column);
    let text = source.line(line).unwrap_or_default();
    let found = long_key(text, line, column)
        .or_else(|| tab(source, line, column, message))
        .or_else(|| template(text, line))
        .or_else(|| missing_colon(source, line, message))
        .or_else(|| quotation(text, line, column, message));
    found.unwrap_or_else(|| Explanation {
        line,
        column,
        message: None,
        help: structure(source, line, column, message),
    })
}

/// The place, or the end of the last line with content if the text ends before it.
fn inside(source: &Source, line: usize, column: usize) -> (usize, usize) {
    let is_blank = |number: usize| source.line(number).is_none_or(|text| text.trim().is_empty());
    if !is_blank(line) {
        return (line, column);
    }
    match (1..=line).rev().find(|number| !is_blank(*number)) {
        Some(last) => (last, source.line(last).map_or(1, |text| text.trim_end().chars().count() + 1)),
        None => (line, column),
    }
}

fn at(line: usize, column: usize, message: &'static str, help: impl Into<String>) -> Explanation {
    Explanation { line, column, message: Some(message), help: Some(help.into()) }
}

/// A key that is longer than YAML allows, and therefore not taken for one.
fn long_key(text: &str, line: usize, column: usize) -> Option<Explanation> {
    let begin = text.chars().take_while(|c| matches!(c, ' ' | '-')).count();
    let is_key = column > begin + 1024 && text.chars().nth(column - 1) == Some(':');
    is_key.then(|| at(line, begin + 1, "a key is longer than 1024 characters", "shorten the key"))
}

/// A tab that serves as white space. The parser stops at the token before a tab in an indentation.
fn tab(source: &Source, line: usize, column: usize, message: &str) -> Option<Explanation> {
    let next = (line + 1..).find(|number| source.line(*number).is_none_or(|text| !text.trim().is_empty()));
    for number in [Some(line), next.filter(|_| message.contains("tab"))].into_iter().flatten() {
        let text = source.line(number).unwrap_or_default();
        let indentation = text.chars().take_while(|c| matches!(c, ' ' | '\t'));
        if let Some(before) = indentation.clone().position(|c| c == '\t') {
            let help = "indent with spaces; YAML does not allow tabs there";
            return Some(at(number, before + 1, "a tab is used as indentation", help));
        }
    }
    let text = source.line(line)?;
    // The parser points at the tab or at the character before it.
    let before =
        (column.saturating_sub(2)..=column).find(|before| text.chars().nth(*before) == Some('\t'))?;
    (message.contains("tab") || message.contains("whitespace"))
        .then(|| at(line, before + 1, "a tab is used as white space", "write a space in place of the tab"))
}

/// An unquoted template at the start of a value.
fn template(text: &str, line: usize) -> Option<Explanation> {
    let start = unquoted_template(text)?;
    Some(at(line, text[..start].chars().count() + 1, TEMPLATE, QUOTE))
}

/// The byte at which a value of the line `text` begins with an unquoted template.
fn unquoted_template(text: &str) -> Option<usize> {
    let starts = text.match_indices("{{").chain(text.match_indices("{%")).map(|(start, _)| start);
    starts.filter(|start| begins_value(&text[..*start]) && !is_quoted(text, *start)).min()
}

/// Whether a value can begin behind `before`, the start of a line.
fn begins_value(before: &str) -> bool {
    let trimmed = before.trim_end();
    let is_apart = trimmed.len() < before.len();
    trimmed.is_empty() || is_apart && trimmed.ends_with([':', '-', '?']) || trimmed.ends_with(['[', '{', ','])
}

/// Whether the byte `place` of the line `text` is inside quotes that were opened on this line.
fn is_quoted(text: &str, place: usize) -> bool {
    let mut open = None;
    let mut characters = text.char_indices().take_while(|(at, _)| *at < place);
    while let Some((at, character)) = characters.next() {
        match (open, character) {
            // The next character is part of an escape.
            (Some('"'), '\\') => drop(characters.next()),
            (Some(quote), _) if quote == character => open = None,
            // JSON has no space before a value; a quote is doubled inside single quotes.
            (None, '"' | '\'') if begins_value(&text[..at]) || text[..at].ends_with([':', character]) => {
                open = Some(character);
            }
            _ => {}
        }
    }
    open.is_some()
}

/// Whether the inner mapping at `column` of the line `text` is that of a template `{{ … }}`.
pub(super) fn begins_template(text: &str, column: usize) -> bool {
    let mut inner = text.chars().skip(column.saturating_sub(2));
    inner.next() == Some('{') && inner.next() == Some('{')
}

/// A line that should hold a key and holds only a word.
fn missing_colon(source: &Source, line: usize, message: &str) -> Option<Explanation> {
    let is_key = |text: &str| text.contains(": ") || text.trim_end().ends_with(':');
    let mut lines = (1..=line).rev().filter_map(|number| Some((number, source.line(number)?)));
    let mut content = lines.by_ref().filter(|(_, text)| has_content(text));
    let (number, text) = if message.starts_with("simple key expect") {
        content.find(|(_, text)| !is_key(text))?
    } else if message.starts_with("mapping values are not allowed") {
        let (_, refused) = content.next()?;
        content.next().filter(|(_, text)| !is_key(text) && indentation(text) == indentation(refused))?
    } else {
        return None;
    };
    let help = "write 'KEY: VALUE'; further lines of a text must be indented deeper than its key";
    Some(at(number, indentation(text) + 1, "a line has no ':' after its key", help))
}

/// Whether a line is neither blank nor a comment.
fn has_content(text: &str) -> bool {
    let text = text.trim();
    !text.is_empty() && !text.starts_with('#')
}

/// Characters that cannot begin an unquoted value, and what goes wrong around quotes.
fn quotation(text: &str, line: usize, column: usize, message: &str) -> Option<Explanation> {
    let quoted = "put the value in quotes if it is meant as text";
    let help = if message.starts_with("unexpected character") {
        format!("a value without quotes cannot begin so; {quoted}")
    } else if message.contains("unknown anchor") {
        format!("an alias (*name) must come after its anchor (&name), in the same file; {quoted}")
    } else if message.starts_with("while scanning an anchor or alias") {
        format!("'*' refers to an anchor and '&' sets one; {quoted}")
    } else if message.contains("indentation in quoted scalar")
        || message.contains("quoted scalar, found unexpected")
    {
        return Some(at(
            line,
            column,
            "a quote is never closed",
            "close the quote that begins here; inside single quotes, write '' for a quote",
        ));
    } else if message.contains("trailing content after double-quoted") || ends_a_quote(text, column) {
        return Some(at(
            line,
            column,
            "something follows a closing quote",
            "put the whole value in quotes, and write \\\" or '' for a quote inside",
        ));
    } else if message.contains("escape") {
        "inside double quotes a backslash begins an escape: write \\\\ for a backslash, or use single quotes"
            .to_owned()
    } else {
        return None;
    };
    Some(Explanation { line, column, message: None, help: Some(help) })
}

/// Whether the last character before `column` that is no white space closes a quote.
fn ends_a_quote(text: &str, column: usize) -> bool {
    let before: String = text.chars().take(column.saturating_sub(1)).collect();
    let before = before.trim_end();
    before.ends_with(['\'', '"']) && before.matches(['\'', '"']).count() > 1
}

/// Indentation, lists, and values that look like mappings.
fn structure(source: &Source, line: usize, column: usize, message: &str) -> Option<String> {
    let text = source.line(line)?;
    if message.contains("flow") || message.starts_with("illegal placement of ':'") {
        return Some("close every '[' with ']' and every '{' with '}', with commas between".to_owned());
    }
    if message.starts_with("misplaced bracket") {
        return Some("remove the bracket, or put the value in quotes if it is meant as text".to_owned());
    }
    if message.starts_with("while scanning a block scalar") {
        return Some("begin the text in the line after '|' or '>', or put the value in quotes".to_owned());
    }
    if source.line(1).is_some_and(|first| first.starts_with('%')) {
        return Some("a directive (%YAML 1.1) stands in the first line, and '---' in the next".to_owned());
    }
    let is_value = message.starts_with("mapping values are not allowed");
    let colons = text.matches(": ").count() + usize::from(text.trim_end().ends_with(':'));
    if is_value && colons > 1 {
        return Some("put a value that contains ': ' in quotes".to_owned());
    }
    let begins = text.chars().take(column.saturating_sub(1)).all(|c| matches!(c, ' ' | '-'));
    if is_value || begins && message.contains("did not find expected") {
        return Some(alignment(source, line));
    }
    Some("put the whole value in quotes if all of it is meant as text".to_owned())
}

/// With what the line can be aligned.
fn alignment(source: &Source, line: usize) -> String {
    let own = indentation(source.line(line).unwrap_or_default());
    let mut widths: Vec<usize> = Vec::new();
    let above = (1..line).rev().filter_map(|number| source.line(number));
    for width in above.filter(|text| has_content(text)).map(indentation) {
        if widths.last().is_none_or(|last| width < *last) {
            widths.push(width);
        }
        if width == 0 {
            break;
        }
    }
    if widths == [own] {
        return "a mapping has lines 'KEY: VALUE' only, and a list lines '- ITEM' only".to_owned();
    }
    let widths: Vec<String> = widths.iter().map(usize::to_string).collect();
    let widths = widths.join(" and ");
    format!("align the line with the one it belongs to: it is indented by {own}, the lines above by {widths}")
}

/// Spaces at the start of a line.
fn indentation(text: &str) -> usize {
    text.chars().take_while(|c| *c == ' ').count()
}
