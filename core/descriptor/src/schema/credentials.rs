//! The schema of credentials files: the fields of an entry depend on its type.

use serde_json::{Value as Json, json};

use super::kind::{Place, choices, object};
use crate::definition::Section;
use crate::fields::{AUTH_FORMS, AuthForm, CREDENTIALS, CREDENTIALS_ENTRY};

/// The content of a file, and the definitions it refers to.
pub(super) fn schema() -> (Json, Json) {
    let mut content = object(CREDENTIALS, false, Place::SECRET);
    let mut definitions = json!({});
    for section in [Section::Resource, Section::ConfigManagement] {
        if let Some(choices) = choices(&mut content["properties"][section.key()]) {
            choices[0] = json!({"type": "array", "items": {"anyOf": [
                {"$ref": format!("#/$defs/{}", section.key())},
                {"$ref": "#/$defs/import"},
            ]}});
        }
        definitions[section.key()] = entry(section);
    }
    (content, definitions)
}

/// An entry: its type decides about the fields below `auth_data`.
fn entry(section: Section) -> Json {
    let forms = || AUTH_FORMS.iter().filter(move |form| form.section == section);
    let mut types: Vec<&str> = forms().flat_map(|form| form.types).copied().collect();
    types.dedup();
    let branches: Vec<Json> = types
        .iter()
        .map(|kind| {
            let fitting: Vec<&AuthForm> = forms().filter(|form| form.types.contains(kind)).collect();
            let several = fitting.len() > 1;
            let mut choices: Vec<Json> = fitting.iter().map(|form| auth_data(form, several)).collect();
            choices.extend([json!({"$ref": "#/$defs/import"}), json!({"type": "null"})]);
            json!({
                "if": {"properties": {"type": {"const": kind}}, "required": ["type"]},
                "then": {"properties": {"auth_data": {"anyOf": choices}}},
            })
        })
        .collect();
    let mut schema = object(CREDENTIALS_ENTRY, false, Place::SECRET);
    schema["allOf"] = json!(branches);
    schema
}

/// One form of `auth_data`; where a type has several, the key `type` tells them apart.
fn auth_data(form: &AuthForm, several: bool) -> Json {
    let mut schema = object(form.fields, false, Place::SECRET);
    match form.tag {
        Some(tag) => {
            schema["properties"]["type"] = json!({"const": tag});
            if let Some(required) = schema["required"].as_array_mut() {
                required.push(json!("type"));
            }
        }
        None if several => schema["properties"]["type"] = json!(false),
        None => {}
    }
    schema
}
