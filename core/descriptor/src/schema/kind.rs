//! Kinds of values and tables of keys as JSON Schemas.

use serde_json::{Map, Value as Json, json};

use crate::fields::{Field, Kind};

/// What may stand at a place instead of a value of the kind that its table asks for. An import may
/// stand everywhere.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    /// Texts that are templates.
    pub(super) templates: bool,
    /// References to secrets.
    pub(super) secrets: bool,
}

impl Place {
    /// Nothing but imports.
    pub(super) const PLAIN: Self = Self { templates: false, secrets: false };
    /// Secrets; texts are taken as they are.
    pub(super) const SECRET: Self = Self { templates: false, secrets: true };
}

/// A mapping with the keys of a table; if it is `closed`, with no others.
pub(super) fn object(fields: &[Field], closed: bool, place: Place) -> Json {
    let properties: Map<String, Json> =
        fields.iter().map(|field| (field.key.to_owned(), property(field, place))).collect();
    let required: Vec<&str> = fields.iter().filter(|field| field.required).map(|field| field.key).collect();
    let mut schema = json!({"type": "object", "properties": properties});
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    if closed {
        schema["additionalProperties"] = json!(false);
    }
    schema
}

/// The value of a key, with the line that editors show for it.
pub(super) fn property(field: &Field, place: Place) -> Json {
    let mut schema = value(&field.kind, place);
    if let (Some(choices), true) = (choices(&mut schema), field.nullable) {
        choices.push(json!({"type": "null"}));
    }
    schema["description"] = json!(field.doc);
    schema
}

/// What a schema offers to choose from, the kind of the table first; `None` if it takes anything.
pub(super) fn choices(schema: &mut Json) -> Option<&mut Vec<Json>> {
    schema.get_mut("anyOf")?.as_array_mut()
}

/// A value of a kind, or what may stand in its place.
pub(super) fn value(kind: &Kind, place: Place) -> Json {
    if *kind == Kind::Any {
        return json!({});
    }
    let mut choices = match kind {
        Kind::Either(kinds) => kinds.iter().map(|kind| plain(kind, place)).collect(),
        kind => vec![plain(kind, place)],
    };
    choices.push(json!({"$ref": "#/$defs/import"}));
    if place.secrets {
        choices.push(json!({"$ref": "#/$defs/secret"}));
    }
    if place.templates {
        choices.push(json!({"$ref": "#/$defs/template"}));
        choices.push(json!({"$ref": "#/$defs/blank"}));
    }
    json!({"anyOf": choices})
}

/// A value of exactly this kind.
fn plain(kind: &Kind, place: Place) -> Json {
    match kind {
        Kind::Any => json!({}),
        // Numbers and booleans are taken as their text.
        Kind::Text => json!({"type": ["string", "number", "boolean"]}),
        Kind::String => json!({"type": "string"}),
        Kind::Name => json!({"type": "string", "pattern": "^[A-Za-z0-9-]{1,63}$"}),
        Kind::Url(schemes) => url(schemes),
        Kind::Bool => json!({"type": "boolean"}),
        Kind::Int { min, max } => {
            let mut schema = json!({"type": "integer", "minimum": min});
            if *max != i64::MAX {
                schema["maximum"] = json!(max);
            }
            schema
        }
        Kind::Number { min, max } => {
            let mut schema = json!({"type": "number"});
            // The smallest positive number stands for "above zero".
            let (bound, least) =
                if *min == f64::MIN_POSITIVE { ("exclusiveMinimum", 0.0) } else { ("minimum", *min) };
            schema[bound] = json!(least);
            if *max != f64::MAX {
                schema["maximum"] = json!(max);
            }
            schema
        }
        Kind::Share => json!({"anyOf": [
            {"type": "integer", "minimum": 0},
            {"type": "string", "pattern": "^([0-9]+|100%|[0-9]{1,2}%)$"},
        ]}),
        Kind::Env => json!({"type": "string", "pattern": r"^\s*[^=\s][^=]*="}),
        Kind::Word(words) => {
            let pattern: Vec<String> = words.iter().map(|word| in_any_case(word)).collect();
            let pattern = format!("^({})$", pattern.join("|"));
            json!({"anyOf": [{"enum": words}, {"type": "string", "pattern": pattern}]})
        }
        Kind::List(item) => json!({"type": "array", "items": value(item, place)}),
        Kind::Pair(item) => {
            json!({"type": "array", "items": value(item, place), "minItems": 2, "maxItems": 2})
        }
        Kind::Closed(fields) => object(fields, true, place),
        Kind::Open(fields) => object(fields, false, place),
        Kind::Dict(item) => json!({"type": "object", "additionalProperties": value(item, place)}),
        Kind::Either(_) => value(kind, place),
    }
}

/// A URL with one of these schemes, or a template, which may hold the scheme.
fn url(schemes: &[&str]) -> Json {
    let schemes: Vec<String> = schemes.iter().map(|scheme| in_any_case(scheme)).collect();
    let scheme = if schemes.is_empty() { "[A-Za-z][A-Za-z0-9+.-]*".to_owned() } else { schemes.join("|") };
    json!({"type": "string", "pattern": format!(r"^({scheme})://\S+$|\{{\{{|\{{%")})
}

/// A pattern for a word in upper or lower case: JSON Schema has no such switch.
pub(super) fn in_any_case(word: &str) -> String {
    let letter = |c: char| match c {
        c if c.is_ascii_alphabetic() => format!("[{}{}]", c.to_ascii_uppercase(), c.to_ascii_lowercase()),
        c if c.is_ascii_alphanumeric() => c.to_string(),
        c => format!("[{c}]"),
    };
    word.chars().map(letter).collect()
}
