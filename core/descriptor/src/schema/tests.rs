//! What the schemas say; that they accept and refuse the right files is tested with a validator of
//! JSON Schemas, through the command.

use std::collections::BTreeSet;

use serde_json::{Value as Json, json};

use super::{SchemaFile, schema};
use crate::definition::{Rules, Section, SectionRules};
use crate::fields::{Field, Kind};

fn builtin(file: SchemaFile) -> Json {
    schema(file, &Rules::builtin())
}

/// Every value of the key `wanted` inside `value`.
fn all<'a>(wanted: &str, value: &'a Json, found: &mut Vec<&'a Json>) {
    match value {
        Json::Array(items) => items.iter().for_each(|item| all(wanted, item, found)),
        Json::Object(entries) => entries.iter().for_each(|(key, value)| {
            if key == wanted {
                found.push(value);
            }
            all(wanted, value, found);
        }),
        _ => {}
    }
}

#[test]
fn every_reference_has_a_definition_and_every_definition_of_a_section_a_reference() {
    for file in SchemaFile::ALL {
        let schema = builtin(file);
        let mut references = Vec::new();
        all("$ref", &schema, &mut references);
        let named: BTreeSet<&str> =
            references.iter().map(|name| name.as_str().unwrap().strip_prefix("#/$defs/").unwrap()).collect();
        let defined: BTreeSet<&str> =
            schema["$defs"].as_object().unwrap().keys().map(String::as_str).collect();
        assert!(named.is_subset(&defined), "{file:?}: {named:?} {defined:?}");
        let shared = BTreeSet::from(["blank", "secret", "template"]);
        assert!(defined.difference(&named).all(|name| shared.contains(name)), "{file:?}");
    }
}

#[test]
fn every_key_of_every_built_in_section_is_described() {
    let rules = Rules::builtin();
    let schema = builtin(SchemaFile::NodeDefinitions);
    for section in Section::ALL {
        for kind in rules.kinds(section) {
            let properties = &schema["$defs"][format!("{}.{kind}", section.key())]["properties"];
            for key in rules.get(section, kind).unwrap().known().filter(|key| *key != "type") {
                assert!(properties[key]["description"].is_string(), "{kind}: {key}");
            }
        }
    }
}

#[test]
fn a_plug_in_is_part_of_the_schema() {
    const FIELDS: &[Field] = &[Field::required("size", Kind::COUNT, "How large the toy is.")];
    let mut rules = Rules::builtin();
    rules.register(SectionRules::new(Section::Resource, "toy").fields(FIELDS));
    rules.register(SectionRules::new(Section::ConfigManagement, "plain").optional(&["level"]));
    let schema = schema(SchemaFile::NodeDefinitions, &rules);
    let definitions = &schema["$defs"];
    let kinds = definitions["resource"]["properties"]["type"]["enum"].as_array().unwrap();
    assert!(kinds.contains(&json!("toy")) && kinds.contains(&json!("ec2")));
    let toy = &definitions["resource.toy"];
    assert_eq!(toy["required"], json!(["size"]));
    assert_eq!(toy["properties"]["size"]["description"], json!("How large the toy is."));
    assert_eq!(toy["additionalProperties"], json!(false));
    assert_eq!(definitions["config_management.plain"]["properties"]["level"], json!({}));
}

#[test]
fn a_schema_says_what_it_is() {
    for file in SchemaFile::ALL {
        let schema = builtin(file);
        assert_eq!(schema["$schema"], json!("https://json-schema.org/draft/2020-12/schema"));
        assert_eq!(schema["$id"], json!(format!("urn:occopus:schema:{}", file.name())));
        assert!(schema["title"].as_str().unwrap().starts_with("Occopus "));
    }
}
