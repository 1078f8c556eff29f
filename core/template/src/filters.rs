//! Filters, tests and globals of Jinja2 that the engine lacks.

use std::hash::{DefaultHasher, Hash, Hasher};

use minijinja::value::{Kwargs, Rest, ValueKind};
use minijinja::{Environment, Error, State, Value};

use crate::error::Refusal;
use crate::methods::{check_size, named};
use crate::printing;

/// Adds them.
pub(crate) fn add(environment: &mut Environment<'static>) {
    for name in ["e", "escape"] {
        environment.add_filter(name, |value: Value| -> Result<Value, Error> {
            if value.is_safe() { Ok(value) } else { forced(&value) }
        });
    }
    environment.add_filter("forceescape", |value: Value| forced(&value));
    environment.add_filter("random", random);
    environment.add_filter("urlize", |text: Value| Ok::<_, Error>(urlize(&printing::text(&text)?)));
    environment.add_filter("xmlattr", xmlattr);
    environment.add_filter("int", int);
    environment.add_filter("float", float);
    environment.add_filter("round", round);
    environment.add_filter("indent", indent);
    environment.add_filter("pprint", |value: Value| Ok::<_, Error>(printing::representation(&value)?));
    // Functions and macros are neither numbers, texts nor collections.
    environment.add_test("callable", |value: Value| value.kind() == ValueKind::Plain);
    environment.add_function("lipsum", lipsum);
    // The engine's own takes one list, Jinja2's takes the items.
    environment.add_function("cycler", |items: Rest<Value>| minijinja_contrib::globals::cycler(items.0));
}

fn forced(value: &Value) -> Result<Value, Error> {
    Ok(Value::from_safe_string(escape(&printing::text(value)?)))
}

/// The text with the five characters escaped that Jinja2 escapes, in its way.
fn escape(text: &str) -> String {
    let mut output = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => output.push_str("&amp;"),
            '<' => output.push_str("&lt;"),
            '>' => output.push_str("&gt;"),
            '\'' => output.push_str("&#39;"),
            '"' => output.push_str("&#34;"),
            other => output.push(other),
        }
    }
    output
}

/// The number in a text, or what a number is without its fraction; `default` for everything else.
fn int(value: Value, arguments: Rest<Value>, kwargs: Kwargs) -> Result<Value, Error> {
    let arguments = named(&["default", "base"], arguments, &kwargs)?;
    let default = arguments.get::<Option<Value>>("default")?.unwrap_or_else(|| 0.into());
    let base = arguments.get::<Option<u32>>("base")?.filter(|base| (2..=36).contains(base)).unwrap_or(10);
    arguments.assert_all_used()?;
    if value.is_integer() {
        return Ok(value);
    }
    let text = value.as_str().map(|text| text.trim().to_lowercase());
    let digits = |text: &str| {
        let (sign, digits) = text.strip_prefix('-').map_or((1, text), |digits| (-1, digits));
        let prefix = [(16, "0x"), (8, "0o"), (2, "0b")].into_iter().find(|(known, _)| *known == base);
        let digits = prefix.and_then(|(_, prefix)| digits.strip_prefix(prefix)).unwrap_or(digits);
        i128::from_str_radix(digits, base).ok().and_then(|number| number.checked_mul(sign))
    };
    Ok(match text.as_deref().and_then(digits) {
        Some(number) => number.into(),
        None => match number(&value).filter(|number| number.abs() < 1e36) {
            #[allow(clippy::cast_possible_truncation, reason = "the fraction is to go, and the rest fits")]
            Some(number) => (number.trunc() as i128).into(),
            None => default,
        },
    })
}

fn float(value: Value, arguments: Rest<Value>, kwargs: Kwargs) -> Result<Value, Error> {
    let arguments = named(&["default"], arguments, &kwargs)?;
    let default = arguments.get::<Option<Value>>("default")?.unwrap_or_else(|| 0.0.into());
    arguments.assert_all_used()?;
    Ok(number(&value).map_or(default, Value::from))
}

/// A number, or the number in a text.
fn number(value: &Value) -> Option<f64> {
    match value.as_str() {
        Some(text) => text.trim().parse().ok(),
        None if value.kind() == ValueKind::Bool => Some(if value.is_true() { 1.0 } else { 0.0 }),
        None => f64::try_from(value.clone()).ok(),
    }
}

/// Rounded to `precision` digits: a tie goes to the even digit, as in Python; or up or down by `method`.
fn round(value: Value, arguments: Rest<Value>, kwargs: Kwargs) -> Result<f64, Error> {
    let arguments = named(&["precision", "method"], arguments, &kwargs)?;
    let precision = arguments.get::<Option<i32>>("precision")?.unwrap_or(0).clamp(-300, 300);
    let method = arguments.get::<Option<String>>("method")?;
    arguments.assert_all_used()?;
    let number = f64::try_from(value).map_err(|_| Error::from(Refusal("round needs a number".to_owned())))?;
    let scale = 10_f64.powi(precision);
    match method.as_deref() {
        // Written out in decimal, a number is rounded as it is, and not as its product with the scale is.
        None | Some("common") => Ok(match usize::try_from(precision) {
            Ok(digits) => format!("{number:.digits$}").parse().unwrap_or(number),
            Err(_) => (number * scale).round_ties_even() / scale,
        }),
        Some("ceil") => Ok((number * scale).ceil() / scale),
        Some("floor") => Ok((number * scale).floor() / scale),
        Some(_) => Err(Refusal("round knows the methods common, ceil and floor".to_owned()).into()),
    }
}

/// The lines of a text moved to the right; the first one and empty ones only if that is asked for.
fn indent(value: Value, arguments: Rest<Value>, kwargs: Kwargs) -> Result<String, Error> {
    let arguments = named(&["width", "first", "blank", "indentfirst"], arguments, &kwargs)?;
    let width = arguments.get::<Option<Value>>("width")?.unwrap_or_else(|| 4.into());
    let is_set =
        |name| Ok::<_, Error>(arguments.get::<Option<Value>>(name)?.is_some_and(|flag| flag.is_true()));
    let (first, blank) = (is_set("first")? | is_set("indentfirst")?, is_set("blank")?);
    arguments.assert_all_used()?;
    let text = printing::text(&value)?;
    let indentation = match width.as_str() {
        Some(text) => text.to_owned(),
        None => " ".repeat(usize::try_from(width).unwrap_or_default().min(MAX_INDENT)),
    };
    check_size("indent", [(text.len(), 1), (text.matches('\n').count() + 1, indentation.len())])?;
    let mut output = String::with_capacity(text.len());
    for (number, line) in text.split('\n').enumerate() {
        output.push_str(if number == 0 { "" } else { "\n" });
        if if number == 0 { first } else { blank || !line.is_empty() } {
            output.push_str(&indentation);
        }
        output.push_str(line);
    }
    Ok(output)
}

/// Deepest indentation; more is a mistake of the template.
const MAX_INDENT: usize = 10_000;

/// One of the items: another one for another instance, but always the same for the same one, because a
/// request that is sent again must be the same.
fn random(state: &State, list: Value) -> Result<Value, Error> {
    let items: Vec<Value> = list.try_iter()?.collect();
    let mut hasher = DefaultHasher::new();
    state.lookup("node_id").and_then(|id| id.as_str().map(str::to_owned)).hash(&mut hasher);
    let length = u64::try_from(items.len()).unwrap_or(u64::MAX);
    let place = usize::try_from(hasher.finish() % length.max(1)).unwrap_or_default();
    Ok(items.into_iter().nth(place).unwrap_or_default())
}

/// The text with its URLs and mail addresses as links.
fn urlize(text: &str) -> String {
    let escaped = escape(text);
    let mut output = String::with_capacity(escaped.len());
    for word in escaped.split_inclusive(char::is_whitespace) {
        let link = word
            .trim_start_matches(['('])
            .trim_end_matches(|last: char| ".,)".contains(last) || last.is_whitespace());
        let (before, after) = match word.find(link).filter(|_| !link.is_empty()) {
            Some(at) => (&word[..at], &word[at + link.len()..]),
            None => (word, ""),
        };
        output.push_str(before);
        match target(link) {
            Some(target) => output.push_str(&format!("<a href=\"{target}\" rel=\"noopener\">{link}</a>")),
            None if link.is_empty() => {}
            None => output.push_str(link),
        }
        output.push_str(after);
    }
    output
}

/// Where a word leads, if it leads anywhere.
fn target(word: &str) -> Option<String> {
    let is_host = |word: &str| [".org", ".net", ".com"].iter().any(|end| word.ends_with(end));
    if word.starts_with("http://") || word.starts_with("https://") {
        return Some(word.to_owned());
    }
    match word.split_once('@') {
        None if word.starts_with("www.") => Some(format!("http://{word}")),
        None if word.starts_with(char::is_alphanumeric) && is_host(word) => Some(format!("http://{word}")),
        Some((user, host)) if !user.is_empty() && host.contains('.') && !word.contains(':') => {
            Some(format!("mailto:{word}"))
        }
        _ => None,
    }
}

/// The entries as attributes of an XML element; those without a value are left out.
fn xmlattr(entries: Value, autospace: Option<bool>) -> Result<String, Error> {
    if entries.kind() != ValueKind::Map {
        return Err(Refusal("xmlattr needs a mapping".to_owned()).into());
    }
    let mut attributes = Vec::new();
    for key in entries.try_iter()? {
        let value = entries.get_item(&key)?;
        if value.is_none() || value.is_undefined() {
            continue;
        }
        let (key, value) = (printing::text(&key)?, printing::text(&value)?);
        attributes.push(format!("{}=\"{}\"", escape(&key), escape(&value)));
    }
    let space = if autospace.unwrap_or(true) && !attributes.is_empty() { " " } else { "" };
    Ok(format!("{space}{}", attributes.join(" ")))
}

/// Filler text. In Jinja2 it is random; here it is always the same.
fn lipsum(paragraphs: Option<usize>, html: Option<bool>) -> String {
    const PARAGRAPH: &str = "Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do eiusmod tempor \
                             incididunt ut labore et dolore magna aliqua.";
    let count = paragraphs.unwrap_or(5).min(100);
    let (paragraph, between) = if html.unwrap_or(true) {
        (format!("<p>{PARAGRAPH}</p>"), "\n")
    } else {
        (PARAGRAPH.to_owned(), "\n\n")
    };
    vec![paragraph; count].join(between)
}
