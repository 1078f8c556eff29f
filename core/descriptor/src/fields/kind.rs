//! Kinds of values, and what does not fit them.

use super::{Field, looks_like_url};
use crate::model::Share;
use crate::yaml::{Node, Value};

/// What a value should be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// Anything.
    Any,
    /// A string; a number, boolean or date is taken as its text.
    Text,
    /// A string and nothing else.
    String,
    /// The name of an infrastructure or node: 1 to 63 letters, digits and hyphens.
    Name,
    /// A URL with a scheme and a host; if the list is not empty, with one of these schemes.
    Url(&'static [&'static str]),
    /// True or false; in sections of node definitions also `yes`, `no`, `on` and `off`.
    Bool,
    /// An integer in a range, both ends included.
    Int {
        /// The least.
        min: i64,
        /// The most.
        max: i64,
    },
    /// An integer or fraction in a range, both ends included.
    Number {
        /// The least.
        min: f64,
        /// The most.
        max: f64,
    },
    /// An environment variable as one string: `KEY=VALUE`.
    Env,
    /// A number of instances, or a part of them such as `30%`.
    Share,
    /// One of these words, in any case.
    Word(&'static [&'static str]),
    /// A list whose items are of one kind.
    List(&'static Kind),
    /// A list of exactly two items of one kind.
    Pair(&'static Kind),
    /// A mapping with these keys and no others.
    Closed(&'static [Field]),
    /// A mapping with these keys and any others.
    Open(&'static [Field]),
    /// A mapping with free keys whose values are of one kind.
    Dict(&'static Kind),
    /// Any of these.
    Either(&'static [Kind]),
}

impl Kind {
    /// A TCP or UDP port.
    pub const PORT: Self = Self::Int { min: 1, max: 65_535 };
    /// An integer from 0 up.
    pub const COUNT: Self = Self::Int { min: 0, max: i64::MAX };
    /// A positive number.
    pub const POSITIVE: Self = Self::Number { min: f64::MIN_POSITIVE, max: f64::MAX };
    /// A list of strings.
    pub const TEXTS: Self = Self::List(&Self::Text);
    /// A mapping of free content.
    pub const FREE: Self = Self::Dict(&Self::Any);

    /// The kind in words, such as `a list of integers from 1 to 65535`.
    pub fn words(&self) -> String {
        match self {
            Self::Any => "anything".to_owned(),
            Self::Text | Self::String => "a string".to_owned(),
            Self::Name => "a name of 1 to 63 letters, digits and hyphens".to_owned(),
            Self::Url([]) => "a URL such as https://HOST:PORT/PATH".to_owned(),
            Self::Url(schemes) => format!("a URL that begins with {}", join(schemes, "://", " or ")),
            Self::Bool => "true or false".to_owned(),
            Self::Int { min, max } if *max == i64::MAX => format!("an integer of at least {min}"),
            Self::Int { min, max } => format!("an integer from {min} to {max}"),
            Self::Number { max, .. } if *max == f64::MAX => "a number above 0".to_owned(),
            Self::Number { min, max } => format!("a number from {min} to {max}"),
            Self::Env => "KEY=VALUE".to_owned(),
            Self::Share => "a number of instances or a part such as 30%".to_owned(),
            Self::Word(words) => join(words, "", " or "),
            Self::List(item) => match item {
                Self::Any => "a list".to_owned(),
                item => format!("a list, each item {}", item.words()),
            },
            Self::Pair(_) => "a list of two items".to_owned(),
            Self::Closed(fields) | Self::Open(fields) => {
                let keys: Vec<&str> = fields.iter().map(|field| field.key).collect();
                format!("a mapping with {}", join(&keys, "", ", "))
            }
            Self::Dict(_) => "a mapping".to_owned(),
            Self::Either(kinds) => kinds.iter().map(Self::words).collect::<Vec<_>>().join(", or "),
        }
    }

    /// The values inside `node` that are not of this kind; nothing if it fits. Missing and unknown keys
    /// of mappings are for the caller to find. With `templates`, a
    /// string with a template fits everything: its value is known only when it is rendered.
    pub fn mismatches<'n>(&self, node: &'n Node, templates: bool) -> Vec<Mismatch<'n>> {
        if templates && is_template(node) {
            return Vec::new();
        }
        match (self, &node.value) {
            (Self::List(item), Value::Seq(items)) => inside(items.iter(), item, templates),
            (Self::Pair(item), Value::Seq(items)) if items.len() == 2 => {
                inside(items.iter(), item, templates)
            }
            (Self::Dict(item), Value::Map(entries)) => {
                inside(entries.iter().map(|(_, value)| value), item, templates)
            }
            (Self::Closed(fields) | Self::Open(fields), Value::Map(_)) => fields_of(fields, node, templates),
            (Self::Either(kinds), _) => either(kinds, node, templates),
            _ if self.fits(node) => Vec::new(),
            _ => vec![Mismatch { at: node, wanted: *self, key: None }],
        }
    }

    /// Whether a value without inner values is of this kind.
    fn fits(&self, node: &Node) -> bool {
        match (self, &node.value) {
            (Self::Any, _) | (Self::Bool, Value::Bool(_)) | (Self::String, Value::Str(_)) => true,
            (Self::Text, Value::Null | Value::Seq(_) | Value::Map(_)) => false,
            (Self::Text, _) => true,
            (Self::Name, Value::Str(text)) => crate::infrastructure::is_name(text),
            (Self::Url(schemes), Value::Str(text)) => {
                let scheme = |scheme: &&str| text.to_ascii_lowercase().starts_with(&format!("{scheme}://"));
                looks_like_url(text) && (schemes.is_empty() || schemes.iter().any(scheme))
            }
            (Self::Int { min, max }, Value::Int(number)) => {
                (i128::from(*min)..=i128::from(*max)).contains(number)
            }
            (Self::Int { max, .. }, Value::BigInt(text)) => *max == i64::MAX && !text.starts_with('-'),
            (Self::Number { min, max }, Value::Int(number)) => (*min..=*max).contains(&(*number as f64)),
            (Self::Number { min, max }, Value::Float(number)) => (*min..=*max).contains(number),
            (Self::String | Self::Url(_) | Self::Env, Value::Secret(_)) => true,
            (Self::Share, Value::Int(_) | Value::Str(_)) => Share::read(&node.to_text()).is_some(),
            (Self::Env, Value::Str(text)) => super::env_entry(text),
            (Self::Word(words), Value::Str(text)) => words.iter().any(|word| word.eq_ignore_ascii_case(text)),
            _ => false,
        }
    }
}

/// A value of a kind that does not fit its place.
#[derive(Debug, Clone, Copy)]
pub struct Mismatch<'n> {
    /// The value.
    pub at: &'n Node,
    /// What it should be.
    pub wanted: Kind,
    /// The innermost key of a table that it stands under; `None` if there is none inside the value that
    /// was compared.
    pub key: Option<&'static str>,
}

impl Mismatch<'_> {
    /// The value in words, where `outer` is the key of the value that was compared.
    pub fn place(&self, outer: &str) -> String {
        match self.key {
            Some(key) => format!("'{key}' in '{outer}'"),
            None => format!("a value inside '{outer}'"),
        }
    }

    /// A sentence about `what` that never quotes a text, which may be a secret.
    pub fn text(&self, what: &str) -> String {
        let wanted = self.wanted.words();
        let is_number = matches!(self.at.value, Value::Int(_) | Value::BigInt(_) | Value::Float(_));
        match self.wanted {
            Kind::Int { .. } | Kind::Number { .. } if is_number => {
                format!("{what} should be {wanted}, but it is {}", self.at.to_text())
            }
            Kind::Url(_) | Kind::Env | Kind::Word(_) | Kind::Either(_) if self.at.as_str().is_some() => {
                format!("{what} should be {wanted}")
            }
            _ => format!("{what} should be {wanted}, but it is {}", self.at.value.kind()),
        }
    }
}

/// Whether a value becomes known only when it is rendered.
pub(crate) fn is_template(node: &Node) -> bool {
    node.as_str().is_some_and(|text| text.contains("{{") || text.contains("{%"))
}

fn inside<'n>(nodes: impl Iterator<Item = &'n Node>, kind: &Kind, templates: bool) -> Vec<Mismatch<'n>> {
    nodes.flat_map(|node| kind.mismatches(node, templates)).collect()
}

fn fields_of<'n>(fields: &[Field], node: &'n Node, templates: bool) -> Vec<Mismatch<'n>> {
    let given = fields.iter().filter_map(|field| Some((field, node.get(field.key)?)));
    let wanted = given.filter(|(field, value)| !(field.nullable && value.is_null()));
    let named = |key| move |found: Mismatch<'n>| Mismatch { key: found.key.or(Some(key)), ..found };
    wanted
        .flat_map(|(field, value)| field.kind.mismatches(value, templates).into_iter().map(named(field.key)))
        .collect()
}

/// Where several kinds are allowed, those of the right shape say what is wrong inside.
fn either<'n>(kinds: &'static [Kind], node: &'n Node, templates: bool) -> Vec<Mismatch<'n>> {
    let mut found = Vec::new();
    for kind in kinds {
        let problems = kind.mismatches(node, templates);
        if problems.is_empty() {
            return problems;
        }
        if found.is_empty() && problems.iter().all(|problem| !std::ptr::eq(problem.at, node)) {
            found = problems;
        }
    }
    if found.is_empty() { vec![Mismatch { at: node, wanted: Kind::Either(kinds), key: None }] } else { found }
}

fn join(words: &[&str], end: &str, between: &str) -> String {
    words.iter().map(|word| format!("{word}{end}")).collect::<Vec<_>>().join(between)
}
