//! Methods of Python's strings and lists, and filters of Jinja2, that the engine lacks.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use minijinja::value::{Kwargs, Rest, Tuple, ValueKind, ValueOrKwargs, from_args};
use minijinja::{Environment, Error, ErrorKind, State, Value};
use minijinja_contrib::pycompat;

use crate::error::Refusal;
use crate::printing;

/// Adds methods and filters.
pub(crate) fn add(environment: &mut Environment<'static>) {
    environment.set_unknown_method_callback(method);
    environment.add_filter("b64encode", |value: Value| text(&value).map(|text| STANDARD.encode(text)));
    environment.add_filter("center", |value: Value, width: Option<i64>| {
        text(&value).map(|text| pad(&text, width.unwrap_or(80), ' ', Side::Both))
    });
    environment.add_filter("string", |value: Value| text(&value));
    environment.add_filter("format", format);
    environment.add_filter("tojson", tojson);
    environment.add_filter("truncate", truncate);
    environment.add_filter("wordwrap", wordwrap);
}

fn text(value: &Value) -> Result<String, Error> {
    Ok(printing::text(value)?)
}

fn truncate(state: &mut State, text: &Value, arguments: Rest<Value>, kwargs: Kwargs) -> Result<Value, Error> {
    let names = ["length", "killwords", "end", "leeway"];
    minijinja_contrib::filters::truncate(state, text, named(&names, arguments, &kwargs)?)
}

fn format(state: &mut State, format: &Value, arguments: Rest<ValueOrKwargs>) -> Result<Value, Error> {
    let values: Vec<Value> = arguments.iter().cloned().map(ValueOrKwargs::into_value).collect();
    check_fields(format.as_str().unwrap_or_default(), '%', &values)?;
    minijinja::filters::format(state, format, arguments)
}

fn tojson(value: &Value, indent: Option<Value>, kwargs: Kwargs) -> Result<Value, Error> {
    // What is too large or too deep to be printed is so for JSON, too.
    text(value)?;
    let json = minijinja::filters::tojson(&sorted(value), indent, kwargs)?;
    let mut output = String::new();
    for character in json.as_str().unwrap_or_default().chars() {
        if character.is_ascii() {
            output.push(character);
        } else {
            // As Python: everything is readable in ASCII.
            let mut units = [0; 2];
            character
                .encode_utf16(&mut units)
                .iter()
                .for_each(|unit| output.push_str(&format!("\\u{unit:04x}")));
        }
    }
    Ok(Value::from_safe_string(output))
}

/// The value with the keys of all mappings in it sorted, as Jinja2 writes JSON.
fn sorted(value: &Value) -> Value {
    let items = || value.try_iter().into_iter().flatten();
    match value.kind() {
        ValueKind::Map => {
            let mut keys: Vec<Value> = items().collect();
            keys.sort();
            let entry = |key: Value| {
                let item = sorted(&value.get_item(&key).unwrap_or_default());
                (key, item)
            };
            Value::from_pairs(keys.into_iter().map(entry))
        }
        ValueKind::Seq | ValueKind::Iterable => items().map(|item| sorted(&item)).collect(),
        _ => value.clone(),
    }
}

fn wordwrap(value: &Value, arguments: Rest<Value>, kwargs: Kwargs) -> Result<Value, Error> {
    let names = ["width", "break_long_words", "wrapstring", "break_on_hyphens"];
    let arguments = named(&names, arguments, &kwargs)?;
    let wrap = arguments.peek::<Option<Value>>("wrapstring").ok().flatten();
    let wrap = wrap.and_then(|wrap| wrap.as_str().map(str::len)).unwrap_or(1);
    check_size("wordwrap", [(text(value)?.len(), 1 + wrap)])?;
    minijinja_contrib::filters::wordwrap(value, arguments)
}

/// Gives positional arguments their names: the engine's own filters take named ones only.
pub(crate) fn named(names: &[&str], arguments: Rest<Value>, kwargs: &Kwargs) -> Result<Kwargs, Error> {
    if arguments.len() > names.len() {
        return Err(ErrorKind::TooManyArguments.into());
    }
    let mut all: Vec<(String, Value)> = Vec::new();
    for name in kwargs.args() {
        all.push((name.to_owned(), kwargs.peek(name)?));
    }
    all.extend(names.iter().zip(arguments.0).map(|(name, value)| ((*name).to_owned(), value)));
    Ok(all.into_iter().collect())
}

fn method(state: &mut State, value: &Value, name: &str, arguments: &[Value]) -> Result<Value, Error> {
    let own = match value.kind() {
        ValueKind::String => text_method(value.as_str().unwrap_or_default(), name, arguments),
        ValueKind::Seq => list_method(value, name, arguments),
        ValueKind::Map if name == "copy" => from_args::<()>(arguments).map(|()| value.clone()),
        _ => Err(ErrorKind::UnknownMethod.into()),
    };
    match own {
        Err(error) if error.kind() == ErrorKind::UnknownMethod => {
            pycompat::unknown_method_callback(state, value, name, arguments)
        }
        answer => answer,
    }
}

fn text_method(text: &str, name: &str, arguments: &[Value]) -> Result<Value, Error> {
    let padded = |side| {
        let (width, fill): (i64, Option<String>) = from_args(arguments)?;
        let fill = fill.and_then(|fill| fill.chars().next()).unwrap_or(' ');
        Ok(Value::from(pad(text, width, fill, side)))
    };
    let argument = || from_args::<(&str,)>(arguments).map(|(argument,)| argument);
    match name {
        "center" => padded(Side::Both),
        "ljust" => padded(Side::Right),
        "rjust" => padded(Side::Left),
        "zfill" => from_args::<(i64,)>(arguments).map(|(width,)| zero_fill(text, width).into()),
        "casefold" => from_args::<()>(arguments).map(|()| text.to_lowercase().into()),
        "swapcase" => {
            from_args::<()>(arguments).map(|()| text.chars().flat_map(swap).collect::<String>().into())
        }
        "removeprefix" => argument().map(|prefix| text.strip_prefix(prefix).unwrap_or(text).into()),
        "removesuffix" => argument().map(|suffix| text.strip_suffix(suffix).unwrap_or(text).into()),
        "partition" => argument().map(|separator| match text.split_once(separator) {
            Some((before, after)) => triple(before, separator, after),
            None => triple(text, "", ""),
        }),
        "rpartition" => argument().map(|separator| match text.rsplit_once(separator) {
            Some((before, after)) => triple(before, separator, after),
            None => triple("", "", text),
        }),
        "index" => match text.find(argument()?) {
            Some(at) => Ok(text[..at].chars().count().into()),
            None => {
                Err(Refusal("index(): the text does not contain what is looked for; use find()".to_owned())
                    .into())
            }
        },
        "rsplit" => split_from_right(text, arguments),
        // The engine's own follow, which do not look at what they would give.
        "replace" => {
            let (old, new, _): (&str, &str, Option<i64>) = from_args(arguments)?;
            check_size(name, [(text.len(), 1), (text.matches(old).count(), new.len())])?;
            Err(ErrorKind::UnknownMethod.into())
        }
        "join" => {
            let (items,): (&Value,) = from_args(arguments)?;
            check_size(name, [(items.len().unwrap_or(MAX_TEXT), 1 + text.len())])?;
            join(text, items)
        }
        "format" => {
            check_format(text, arguments)?;
            Err(ErrorKind::UnknownMethod.into())
        }
        _ => Err(ErrorKind::UnknownMethod.into()),
    }
}

/// Longest text, in bytes, that a method gives.
const MAX_TEXT: usize = 16 << 20;

/// Refuses what would give more than [`MAX_TEXT`]: `parts` are numbers of pieces and the size of each.
pub(crate) fn check_size(
    method: &str,
    parts: impl IntoIterator<Item = (usize, usize)>,
) -> Result<(), Refusal> {
    let sizes = parts.into_iter().map(|(count, size)| count.saturating_mul(size));
    if sizes.fold(0_usize, usize::saturating_add) <= MAX_TEXT {
        return Ok(());
    }
    Err(Refusal(format!("{method}() would give more than {} MiB; shorten the text", MAX_TEXT >> 20)))
}

/// The printed `items` with `separator` between them.
fn join(separator: &str, items: &Value) -> Result<Value, Error> {
    let mut joined = String::new();
    for (number, item) in items.try_iter()?.enumerate() {
        let item = text(&item)?;
        check_size("join", [(1, joined.len() + separator.len() + item.len())])?;
        if number > 0 {
            joined.push_str(separator);
        }
        joined.push_str(&item);
    }
    Ok(joined.into())
}

/// Refuses a format whose result is large: by its widths, or by how often it repeats its arguments.
fn check_format(format: &str, arguments: &[Value]) -> Result<(), Error> {
    let is_wide = |field: &str| {
        let field = field.split('}').next().unwrap_or_default();
        field.split(|c: char| !c.is_ascii_digit()).any(|digits| digits.len() > 4)
    };
    if format.split('{').skip(1).any(is_wide) {
        let reason = "format(): a width or precision has four digits at most";
        return Err(Refusal(reason.to_owned()).into());
    }
    Ok(check_fields(format, '{', arguments)?)
}

/// Refuses a format that repeats its arguments too often: each `mark` in it may stand for the largest.
fn check_fields(format: &str, mark: char, arguments: &[Value]) -> Result<(), Refusal> {
    let mut largest = 0;
    for argument in arguments {
        largest = largest.max(printing::text(argument)?.len());
    }
    check_size("format", [(format.len(), 1), (format.matches(mark).count(), largest)])
}

fn list_method(list: &Value, name: &str, arguments: &[Value]) -> Result<Value, Error> {
    match name {
        "index" => {
            let (wanted,): (&Value,) = from_args(arguments)?;
            let position = list.try_iter()?.position(|item| item == *wanted);
            position.map(Value::from).ok_or_else(|| {
                Refusal(
                    "index(): the list does not contain what is looked for; test with 'in' first".to_owned(),
                )
                .into()
            })
        }
        "copy" => from_args::<()>(arguments).map(|()| list.clone()),
        "append" | "extend" | "insert" | "pop" | "remove" => Err(Refusal(format!(
            "lists cannot be changed, so there is no {name}(); build a new list with '+'"
        ))
        .into()),
        _ => Err(ErrorKind::UnknownMethod.into()),
    }
}

/// `rsplit(sep, maxsplit)`; without a separator only white space is one, and runs of it count once.
fn split_from_right(text: &str, arguments: &[Value]) -> Result<Value, Error> {
    let (separator, limit, kwargs): (Option<String>, Option<i64>, Kwargs) = from_args(arguments)?;
    let limit = match limit {
        Some(limit) => limit,
        None => kwargs.get::<Option<i64>>("maxsplit")?.unwrap_or(-1),
    };
    kwargs.assert_all_used()?;
    let most = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut parts = Vec::new();
    let mut rest = if separator.is_none() { text.trim() } else { text };
    while parts.len() < most {
        let split = match &separator {
            Some(separator) => rest.rsplit_once(separator.as_str()),
            None => rest.rsplit_once(char::is_whitespace).map(|(before, after)| (before.trim_end(), after)),
        };
        let Some((before, after)) = split else { break };
        parts.push(Value::from(after));
        rest = before;
    }
    if separator.is_some() || !rest.is_empty() {
        parts.push(Value::from(rest));
    }
    parts.reverse();
    Ok(parts.into())
}

fn triple(before: &str, separator: &str, after: &str) -> Value {
    Tuple::from(vec![Value::from(before), Value::from(separator), Value::from(after)]).into()
}

fn swap(character: char) -> Vec<char> {
    if character.is_uppercase() {
        character.to_lowercase().collect()
    } else {
        character.to_uppercase().collect()
    }
}

/// Where the fill goes.
#[derive(Clone, Copy)]
enum Side {
    Left,
    Right,
    Both,
}

/// The widest text padding produces; more is a mistake of the template.
const MAX_WIDTH: i64 = 10_000;

fn pad(text: &str, width: i64, fill: char, side: Side) -> String {
    let length = text.chars().count();
    let width = usize::try_from(width.min(MAX_WIDTH)).unwrap_or_default();
    let missing = width.saturating_sub(length);
    let left = match side {
        Side::Left => missing,
        Side::Right => 0,
        // The odd blank goes to the left only if the width is odd too, as in Python.
        Side::Both => missing / 2 + (missing & width & 1),
    };
    let blanks = |count| std::iter::repeat_n(fill, count);
    blanks(left).chain(text.chars()).chain(blanks(missing - left)).collect()
}

/// Zeros go behind a sign.
fn zero_fill(text: &str, width: i64) -> String {
    let (sign, digits) = match text.strip_prefix(['+', '-']) {
        Some(digits) => text.split_at(text.len() - digits.len()),
        None => ("", text),
    };
    let sign_width = i64::try_from(sign.len()).unwrap_or_default();
    format!("{sign}{}", pad(digits, width - sign_width, '0', Side::Left))
}
