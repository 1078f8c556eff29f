//! Tags: the core ones, the imports, and everything that is refused.

use super::import;
use super::loader::{Loader, Stop};
use super::node::{Node, Value};
use super::scalar;
use super::source::Span;
use crate::codes;
use crate::diagnostic::{Diagnostic, suggestion};
use crate::secret::{self, SecretRef};

const CORE: &str = "tag:yaml.org,2002:";
const IMPORTS: [&str; 2] = ["yaml_import", "text_import"];

/// The tag of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Tag {
    /// None.
    Absent,
    /// A single `!`: a scalar is text.
    NonSpecific,
    /// One of YAML's own, such as `str`.
    Core(String),
    /// One of an application, without its `!`.
    Local(String),
}

impl Tag {
    pub(super) fn new(tag: Option<&saphyr_parser::Tag>) -> Self {
        let Some(tag) = tag else { return Self::Absent };
        let full = format!("{}{}", tag.handle, tag.suffix);
        match full.strip_prefix(CORE) {
            Some(name) => Self::Core(name.to_owned()),
            None if full == "!" => Self::NonSpecific,
            None => Self::Local(full.strip_prefix('!').unwrap_or(&full).to_owned()),
        }
    }

    fn shown(&self) -> String {
        match self {
            Self::Absent | Self::NonSpecific => "!".to_owned(),
            Self::Core(name) => format!("!!{name}"),
            Self::Local(name) => format!("!{name}"),
        }
    }
}

/// The value of a scalar.
pub(super) fn scalar(
    loader: &mut Loader<'_, '_>,
    text: &str,
    plain: bool,
    tag: &Tag,
    span: Span,
) -> Result<Node, Stop> {
    let value = match tag {
        Tag::Absent if plain && matches!(text, "=" | "<<") => {
            let message = format!("'{text}' alone is not a value");
            let help = "put it in quotes if it is meant as text";
            loader
                .session
                .diagnostics
                .push(Diagnostic::error(codes::BAD_SCALAR, message).at(&span).help(help));
            Value::Null
        }
        Tag::Absent if plain => scalar::plain(text, loader.version),
        Tag::Absent | Tag::NonSpecific => Value::Str(text.into()),
        Tag::Core(name) => match core(name, text, loader.version) {
            Some(value) => value,
            None => {
                refuse_scalar(loader, tag, name, text, &span);
                Value::Null
            }
        },
        Tag::Local(name) if name == secret::TAG => reference(loader, text, &span),
        Tag::Local(name) if IMPORTS.contains(&name.as_str()) => {
            let problem = Diagnostic::error(codes::BAD_IMPORT, "expected a mapping node, but found scalar");
            loader
                .session
                .diagnostics
                .push(problem.at(&span).help(format!("write !{name} {{url: file://FILE}}")));
            Value::Null
        }
        Tag::Local(name) if loader.session.dialect.plain_tags.contains(&name.as_str()) => {
            scalar::plain(text, loader.version)
        }
        Tag::Local(_) => {
            refuse(loader, tag, &span);
            Value::Null
        }
    };
    Ok(loader.leaf(value, span))
}

/// The reference to a secret that `text` is, with the path of a file seen from the file it stands in.
fn reference(loader: &mut Loader<'_, '_>, text: &str, span: &Span) -> Value {
    match text.parse::<SecretRef>() {
        Ok(reference) => Value::Secret(reference.seen_from(loader.base).into()),
        Err(error) => {
            loader.session.diagnostics.push(Diagnostic::error(codes::BAD_SECRET, error.to_string()).at(span));
            Value::Null
        }
    }
}

/// A mapping that spells a reference as JSON does, `{"!secret": "env:NAME"}`, as that reference.
fn spelt_out(loader: &mut Loader<'_, '_>, node: Node) -> Node {
    let Some((key, value)) = node.entry(secret::KEY) else { return node };
    let alone = node.as_map().is_some_and(|entries| entries.len() == 1);
    let value = match value.as_str() {
        Some(text) if alone => reference(loader, text, &value.span),
        _ => {
            let message = format!("'{}' must be the only key and have a text as value", secret::KEY);
            let problem = Diagnostic::error(codes::BAD_SECRET, message).at(&key.span);
            loader.session.diagnostics.push(problem.help("write !secret env:NAME or !secret file:PATH"));
            Value::Null
        }
    };
    loader.leaf(value, node.span)
}

const SCALARS: [&str; 7] = ["str", "int", "float", "bool", "null", "binary", "timestamp"];

/// A scalar under one of YAML's own tags.
fn core(name: &str, text: &str, version: scalar::Version) -> Option<Value> {
    match name {
        "str" => Some(Value::Str(text.into())),
        "int" => scalar::integer(text.trim(), version),
        "float" => scalar::float(text, version).map(Value::Float).or_else(|| {
            let Value::Int(number) = scalar::integer(text, version)? else { return None };
            // A float is asked for, so the nearest one is meant.
            #[allow(clippy::cast_precision_loss)]
            Some(Value::Float(number as f64))
        }),
        "bool" => scalar::boolean(text, version).or_else(|| scalar::word(text)).map(Value::Bool),
        "null" => Some(Value::Null),
        "timestamp" => scalar::timestamp(text).map(|text| Value::Date(text.into())),
        "binary" => base64(text).map(|text| Value::Str(text.into())),
        _ => None,
    }
}

fn refuse_scalar(loader: &mut Loader<'_, '_>, tag: &Tag, name: &str, text: &str, span: &Span) {
    if !SCALARS.contains(&name) {
        return refuse(loader, tag, span);
    }
    let quoted = if span.source.is_private() { "the value".to_owned() } else { format!("'{text}'") };
    let problem =
        Diagnostic::error(codes::BAD_SCALAR, format!("{quoted} does not fit the tag {}", tag.shown()));
    loader.session.diagnostics.push(problem.at(span));
}

/// The text encoded in base64; `None` if it is not, or if the content is no text.
fn base64(text: &str) -> Option<String> {
    let digit = |byte: u8| match byte {
        b'A'..=b'Z' => Some(u32::from(byte - b'A')),
        b'a'..=b'z' => Some(u32::from(byte - b'a') + 26),
        b'0'..=b'9' => Some(u32::from(byte - b'0') + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let (mut bytes, mut buffer, mut bits) = (Vec::new(), 0_u32, 0);
    for byte in text.bytes().filter(|byte| !byte.is_ascii_whitespace() && *byte != b'=') {
        buffer = (buffer << 6 | digit(byte)?) & 0xffff;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from(buffer >> bits & 0xff).ok()?);
        }
    }
    String::from_utf8(bytes).ok()
}

/// The value of a list with its tag applied.
pub(super) fn sequence(loader: &mut Loader<'_, '_>, node: Node, tag: &Tag) -> Result<Node, Stop> {
    match tag {
        Tag::Absent | Tag::NonSpecific => {}
        Tag::Core(name) if matches!(name.as_str(), "seq" | "pairs") => {}
        Tag::Core(name) if name == "omap" => return Ok(ordered_map(loader, node)),
        Tag::Local(name) if loader.session.dialect.plain_tags.contains(&name.as_str()) => {}
        Tag::Local(name) if IMPORTS.contains(&name.as_str()) => {
            let problem = Diagnostic::error(codes::BAD_IMPORT, "expected a mapping node, but found sequence");
            loader.session.diagnostics.push(problem.at(&node.span));
        }
        _ => refuse(loader, tag, &node.span),
    }
    Ok(node)
}

/// A list of one-pair mappings as one mapping.
fn ordered_map(loader: &mut Loader<'_, '_>, node: Node) -> Node {
    let items = node.as_seq().unwrap_or_default();
    let pairs: Option<Vec<_>> = items
        .iter()
        .map(|item| item.as_map().filter(|entries| entries.len() == 1).map(|e| e[0].clone()))
        .collect();
    if let Some(pairs) = pairs {
        return Node { value: Value::Map(pairs.into()), ..node };
    }
    let problem = Diagnostic::error(codes::BAD_SCALAR, "!!omap needs a list of mappings with one key each");
    loader.session.diagnostics.push(problem.at(&node.span));
    node
}

/// The value of a mapping with its tag applied; `depth` is the nesting around it.
pub(super) fn mapping(
    loader: &mut Loader<'_, '_>,
    node: Node,
    tag: &Tag,
    depth: usize,
) -> Result<Node, Stop> {
    match tag {
        Tag::Absent | Tag::NonSpecific => Ok(spelt_out(loader, node)),
        Tag::Core(name) if matches!(name.as_str(), "map" | "set" | "omap") => Ok(node),
        Tag::Local(name) if name == "yaml_import" => import::yaml(loader, node, depth),
        Tag::Local(name) if name == "text_import" => import::text(loader, node),
        Tag::Local(name) if loader.session.dialect.plain_tags.contains(&name.as_str()) => Ok(node),
        _ => {
            refuse(loader, tag, &node.span);
            Ok(node)
        }
    }
}

/// Reports a tag that is not known. Only the line of the tag's value is quoted, never a secret.
fn refuse(loader: &mut Loader<'_, '_>, tag: &Tag, span: &Span) {
    let problem = if matches!(tag, Tag::Core(name) if name.starts_with("python/")) {
        Diagnostic::error(codes::UNKNOWN_TAG, "Python tags are not allowed: they would run code")
            .help("write the value out instead")
    } else if matches!(tag, Tag::Local(name) if name == secret::TAG) {
        Diagnostic::error(codes::BAD_SECRET, "a reference to a secret must be a text")
            .help("write !secret env:NAME or !secret file:PATH")
    } else if span.source.is_private() {
        Diagnostic::error(codes::UNKNOWN_TAG, "unknown tag")
            .help("put a value that starts with '!' in quotes")
    } else {
        let shown = tag.shown();
        let known = IMPORTS.iter().chain(&[secret::TAG]).chain(loader.session.dialect.plain_tags).copied();
        let help = suggestion(shown.trim_start_matches('!'), known);
        Diagnostic::error(codes::UNKNOWN_TAG, format!("unknown tag '{shown}'"))
            .help(help)
            .legacy(format!("could not determine a constructor for the tag '{shown}'"))
    };
    loader.session.diagnostics.push(problem.at(span));
}
