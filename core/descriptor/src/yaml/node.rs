//! The loaded tree.

use std::sync::Arc;

use serde_json::{Map, Number};

use super::source::Span;
use crate::secret::SecretRef;

/// A value with its place and its identity. Cloning is cheap: contents are shared.
#[derive(Debug, Clone)]
pub struct Node {
    /// The value.
    pub value: Value,
    /// Where it stands; for an alias, where the alias stands.
    pub span: Span,
    /// Where its text is written, if that is elsewhere: in an imported file, or at the anchor of an alias.
    pub(super) origin: Option<Arc<Span>>,
    /// An alias has the identity of its anchor; every other node one of its own.
    pub identity: usize,
    /// Size with aliases expanded, see [`super::MAX_WEIGHT`].
    pub(super) weight: usize,
    /// Levels of nesting with aliases expanded.
    pub(super) height: usize,
}

/// A YAML value.
#[derive(Debug, Clone)]
pub enum Value {
    /// Nothing.
    Null,
    /// True or false.
    Bool(bool),
    /// An integer.
    Int(i128),
    /// An integer too large for [`Value::Int`], as decimal text (other bases as written).
    BigInt(Arc<str>),
    /// A floating-point number, possibly infinite or not a number.
    Float(f64),
    /// A text.
    Str(Arc<str>),
    /// A date or a point in time (UTC), in ISO form.
    Date(Arc<str>),
    /// A reference to a secret, which itself is not read.
    Secret(Arc<SecretRef>),
    /// A list.
    Seq(Arc<[Node]>),
    /// A mapping in file order; its keys are distinct.
    Map(Arc<[(Node, Node)]>),
}

impl Value {
    /// The kind of value, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "empty",
            Self::Bool(_) => "a boolean",
            Self::Int(_) | Self::BigInt(_) => "an integer",
            Self::Float(_) => "a number",
            Self::Str(_) => "a string",
            Self::Date(_) => "a date",
            Self::Secret(_) => "a secret",
            Self::Seq(_) => "a list",
            Self::Map(_) => "a mapping",
        }
    }

    /// The value as JSON: dates, big integers and non-finite numbers as text, keys as text.
    pub fn to_json(&self) -> serde_json::Value {
        use serde_json::Value as Json;
        match self {
            Self::Null => Json::Null,
            Self::Bool(flag) => Json::Bool(*flag),
            Self::Int(number) => {
                Number::from_i128(*number).map_or_else(|| Json::String(number.to_string()), Json::Number)
            }
            Self::Float(number) => {
                Number::from_f64(*number).map_or_else(|| Json::String(non_finite(*number)), Json::Number)
            }
            Self::BigInt(text) | Self::Str(text) | Self::Date(text) => Json::String(text.to_string()),
            Self::Secret(reference) => reference.to_json(),
            Self::Seq(items) => Json::Array(items.iter().map(Node::to_json).collect()),
            Self::Map(entries) => Json::Object(object(entries)),
        }
    }
}

impl Node {
    /// Where the text of the value is written: for an imported text in the imported file, for an alias at
    /// its anchor.
    pub fn written(&self) -> &Span {
        self.origin.as_deref().unwrap_or(&self.span)
    }

    /// The text, if this is one.
    pub fn as_str(&self) -> Option<&str> {
        match &self.value {
            Value::Str(text) => Some(text),
            _ => None,
        }
    }

    /// The items, if this is a list.
    pub fn as_seq(&self) -> Option<&[Node]> {
        match &self.value {
            Value::Seq(items) => Some(items),
            _ => None,
        }
    }

    /// The entries in file order, if this is a mapping.
    pub fn as_map(&self) -> Option<&[(Node, Node)]> {
        match &self.value {
            Value::Map(entries) => Some(entries),
            _ => None,
        }
    }

    /// Whether nothing was written.
    pub fn is_null(&self) -> bool {
        matches!(self.value, Value::Null)
    }

    /// Whether this is a text, or a number, boolean or date that can be taken for one.
    pub(crate) fn is_plain(&self) -> bool {
        !matches!(self.value, Value::Null | Value::Secret(_) | Value::Seq(_) | Value::Map(_))
    }

    /// The value of the string key `key`, if this is a mapping that has it.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|(_, value)| value)
    }

    /// Key and value of the string key `key`, if this is a mapping that has it.
    pub fn entry(&self, key: &str) -> Option<(&Node, &Node)> {
        let (key, value) = self.as_map()?.iter().find(|(name, _)| name.as_str() == Some(key))?;
        Some((key, value))
    }

    /// Size with aliases expanded: one for each value and one for each 64 bytes of text.
    pub fn weight(&self) -> usize {
        self.weight
    }

    /// The value as text, for messages and for keys: strings bare, references to secrets as written,
    /// everything else as JSON.
    pub fn to_text(&self) -> String {
        if let Value::Secret(reference) = &self.value {
            return format!("!secret {reference}");
        }
        match self.to_json() {
            serde_json::Value::String(text) => text,
            other => other.to_string(),
        }
    }

    /// The value as JSON, see [`Value::to_json`].
    pub fn to_json(&self) -> serde_json::Value {
        self.value.to_json()
    }

    /// The entries as a JSON object; empty if this is no mapping.
    pub fn to_object(&self) -> Map<String, serde_json::Value> {
        self.as_map().map(object).unwrap_or_default()
    }
}

fn object(entries: &[(Node, Node)]) -> Map<String, serde_json::Value> {
    entries.iter().map(|(key, value)| (key.to_text(), value.to_json())).collect()
}

/// As in Python, which the templates print like.
fn non_finite(number: f64) -> String {
    let text = if number.is_nan() {
        "nan"
    } else if number > 0.0 {
        "inf"
    } else {
        "-inf"
    };
    text.to_owned()
}
