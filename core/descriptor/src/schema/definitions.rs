//! The schema of node definitions: one definition per section type.

use serde_json::{Map, Value as Json, json};

use super::kind::{Place, choices, in_any_case, object, property};
use crate::definition::{Rules, Section, SectionRules};
use crate::fields::{Field, IMPLEMENTATION};

/// The content of a file, and the definitions it refers to.
pub(super) fn schema(rules: &Rules) -> (Json, Json) {
    let mut definitions = json!({"implementation": implementation()});
    for section in Section::ALL {
        definitions[section.key()] = dispatch(section, rules);
        for kind in rules.kinds(section) {
            if let Some(rules) = rules.get(section, kind) {
                definitions[name(section, kind)] = section_of_type(rules);
            }
        }
    }
    let content = json!({
        "type": "object",
        "patternProperties": {"^node_def:": {
            "description": "A node definition: a list of implementations, each one way to make an instance.",
            "anyOf": [
                {
                    "type": "array",
                    "minItems": 1,
                    "items": {"anyOf": [
                        {"$ref": "#/$defs/implementation"},
                        {"$ref": "#/$defs/import"},
                    ]},
                },
                {"$ref": "#/$defs/import"},
            ],
        }},
        "additionalProperties": false,
    });
    (content, definitions)
}

fn name(section: Section, kind: &str) -> String {
    format!("{}.{kind}", section.key())
}

/// The sections; what they hold depends on their types.
fn implementation() -> Json {
    let mut schema = object(IMPLEMENTATION, true, Place::PLAIN);
    for section in Section::ALL {
        if let Some(choices) = choices(&mut schema["properties"][section.key()]) {
            choices[0] = json!({"$ref": format!("#/$defs/{}", section.key())});
        }
    }
    schema
}

/// A section: its type decides about the rest.
fn dispatch(section: Section, rules: &Rules) -> Json {
    let kinds: Vec<&str> = rules.kinds(section).collect();
    // A health check without a type is a basic one.
    let implied = |kind: &str| section == Section::HealthCheck && kind == "basic";
    let branches: Vec<Json> = kinds
        .iter()
        .map(|kind| {
            let mut condition = json!({"properties": {"type": {"const": kind}}});
            if !implied(kind) {
                condition["required"] = json!(["type"]);
            }
            json!({"if": condition, "then": {"$ref": format!("#/$defs/{}", name(section, kind))}})
        })
        .collect();
    let mut schema = json!({
        "type": "object",
        "properties": {"type": {
            "description": format!("Which kind of {} this is; decides about the other keys.", section.key()),
            "enum": kinds,
        }},
        "allOf": branches,
    });
    if section != Section::HealthCheck {
        schema["required"] = json!(["type"]);
    }
    schema
}

/// A section of one type.
fn section_of_type(rules: &SectionRules) -> Json {
    let mut properties = Map::from_iter([("type".to_owned(), json!({"const": rules.kind}))]);
    for key in rules.required.iter().chain(&rules.optional) {
        let mut schema = match rules.field(key) {
            Some(field) => property(field, place_of(rules, field)),
            None => json!({}),
        };
        if let (true, Some(choices)) = (rules.booleans.contains(key), choices(&mut schema)) {
            let words = ["yes", "no", "on", "off", "true", "false"].map(in_any_case).join("|");
            choices.push(json!({"type": "string", "pattern": format!("^({words})$")}));
        }
        properties.insert(key.clone(), schema);
    }
    let mut schema = json!({"type": "object", "properties": properties, "additionalProperties": false});
    if !rules.required.is_empty() {
        schema["required"] = json!(rules.required);
    }
    let one_of = |keys: &Vec<String>| {
        let choices: Vec<Json> = keys.iter().map(|key| json!({"required": [key]})).collect();
        json!({"anyOf": choices})
    };
    if !rules.alternatives.is_empty() {
        schema["allOf"] = rules.alternatives.iter().map(one_of).collect();
    }
    schema
}

/// A health check is looked at before it is rendered; everything else may be a template.
fn place_of(rules: &SectionRules, field: &Field) -> Place {
    match (rules.section, field.key) {
        (Section::HealthCheck, "urls" | "mysqldbs") => Place::SECRET,
        (Section::HealthCheck, _) => Place::PLAIN,
        (_, key) => Place { templates: true, secrets: rules.takes_secret(key) },
    }
}
