//! JSON Schemas of the descriptor files, for editors: generated from the tables of the checker.
//!
//! A schema refuses what the checker reports about the keys and kinds of values, errors and warnings
//! alike, because editors know no other level. What needs more than one value (references between
//! nodes, for example) only the checker sees.

mod credentials;
mod definitions;
mod kind;
#[cfg(test)]
mod tests;

use serde_json::{Value as Json, json};

use crate::definition::Rules;
use crate::fields::{CONFIGURATION, INFRASTRUCTURE};
use kind::{Place, object};

/// A kind of file that has a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SchemaFile {
    /// Infrastructure descriptions.
    Infrastructure,
    /// Node definitions.
    NodeDefinitions,
    /// Credentials files.
    AuthData,
    /// Configuration files.
    Config,
}

impl SchemaFile {
    /// Every kind of file.
    pub const ALL: [Self; 4] = [Self::Infrastructure, Self::NodeDefinitions, Self::AuthData, Self::Config];

    /// The name of the schema.
    pub fn name(self) -> &'static str {
        match self {
            Self::Infrastructure => "infrastructure",
            Self::NodeDefinitions => "node-definitions",
            Self::AuthData => "auth-data",
            Self::Config => "config",
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Infrastructure => "Occopus infrastructure description",
            Self::NodeDefinitions => "Occopus node definitions",
            Self::AuthData => "Occopus credentials",
            Self::Config => "Occopus configuration",
        }
    }
}

/// The JSON Schema (draft 2020-12) of a kind of file; `rules` are those of the section types.
pub fn schema(file: SchemaFile, rules: &Rules) -> Json {
    let (content, mut definitions) = match file {
        SchemaFile::Infrastructure => (object(INFRASTRUCTURE, true, Place::PLAIN), json!({})),
        SchemaFile::NodeDefinitions => definitions::schema(rules),
        SchemaFile::AuthData => credentials::schema(),
        SchemaFile::Config => (object(CONFIGURATION, false, Place::PLAIN), json!({})),
    };
    definitions["import"] = import();
    definitions["secret"] = secret();
    definitions["template"] = json!({
        "description": "A template; its value is known only when it is rendered.",
        "type": "string",
        "pattern": r"\{\{|\{%",
    });
    definitions["blank"] = json!({
        "description": "A value that is still to be filled in, as in the tutorials.",
        "type": "string",
        "pattern": "^replace_with_",
    });
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": format!("urn:occopus:schema:{}", file.name()),
        "title": file.title(),
        "anyOf": [content, {"$ref": "#/$defs/import"}],
        "$defs": definitions,
    })
}

/// What stands below `!yaml_import` and `!text_import`; editors do not see the tag.
fn import() -> Json {
    json!({
        "description": "The content of another file.",
        "type": "object",
        "properties": {"url": {
            "description": "file://FILE, relative to this file, or file:///ABSOLUTE/FILE.",
            "type": "string",
            "pattern": "^[Ff][Ii][Ll][Ee]://.",
        }},
        "required": ["url"],
    })
}

/// What stands behind `!secret`, and the same without a tag.
fn secret() -> Json {
    let reference = json!({"type": "string", "pattern": "^(env|file):."});
    json!({
        "description": "A secret that is kept elsewhere: !secret env:NAME or !secret file:PATH.",
        "anyOf": [
            reference.clone(),
            {
                "type": "object",
                "properties": {"!secret": reference},
                "required": ["!secret"],
                "additionalProperties": false,
            },
        ],
    })
}
