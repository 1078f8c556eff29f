//! Names that are too long for the cloud they go to. Names that Occopus makes itself have at most 63
//! characters and fit everywhere.

use serde_json::Value as Json;

use super::Known;
use super::view::{Implementation, Source};
use crate::codes;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::yaml::{Node, Span};

/// Resource type, key of its section, and most characters of the value.
const LIMITS: [(&str, &str, usize); 13] = [
    ("ec2", "key_name", 255),
    ("nova", "server_name", 255),
    ("nova", "key_name", 255),
    ("azure_vm", "server_name", 64),
    ("azure_vm", "username", 64),
    ("azure_vm", "resource_group", 90),
    ("azure_vm", "vnet_name", 64),
    ("azure_vm", "subnet_name", 80),
    ("azure_aci", "resource_group", 90),
    ("azure_aci", "vnet_name", 64),
    ("azure_aci", "subnet_name", 80),
    ("docker", "image", 255),
    ("docker", "tag", 128),
];
/// Windows takes shorter host names than Linux.
const WINDOWS_HOST: usize = 15;
/// What EC2 takes as name and value of a tag.
const TAG: (usize, usize) = (128, 256);

pub(super) fn check(known: &Known<'_>, warnings: &mut Diagnostics) {
    for implementation in known.all().flat_map(|definition| &definition.implementations) {
        if let Some(source) = &implementation.source {
            resource(implementation, source, warnings);
        }
    }
}

fn resource(implementation: &Implementation<'_>, source: &Source<'_>, warnings: &mut Diagnostics) {
    let text = |key: &str| implementation.resource.get(key).and_then(Json::as_str);
    let kind = text("type").unwrap_or_default();
    let windows = text("publisher").is_some_and(|publisher| publisher.starts_with("MicrosoftWindows"));
    for (_, key, limit) in LIMITS.iter().filter(|(of, ..)| *of == kind) {
        let most = if windows && *key == "server_name" { WINDOWS_HOST } else { *limit };
        if let Some(value) = text(key) {
            length(key, value, most, kind, source.resource_key(key), warnings);
        }
    }
    let tags = source.node.get("resource").filter(|_| kind == "ec2").and_then(|section| section.get("tags"));
    for (key, value) in tags.and_then(Node::as_map).unwrap_or_default() {
        length("the name of a tag", &key.to_text(), TAG.0, kind, &key.span, warnings);
        length("the value of a tag", &value.to_text(), TAG.1, kind, &value.span, warnings);
    }
}

/// Warns if `value` is longer than `most` characters, whatever its templates print.
fn length(what: &str, value: &str, most: usize, kind: &str, at: &Span, warnings: &mut Diagnostics) {
    let count = literal(value);
    if count > most {
        let message = format!("{what} has {count} characters; {kind} takes at most {most}");
        warnings.push(Diagnostic::warning(codes::NAME_TOO_LONG, message).at(at).help("choose a shorter one"));
    }
}

/// The characters of `text` outside of templates.
fn literal(text: &str) -> usize {
    let mut count = 0;
    let mut rest = text;
    while let Some(start) = rest.find("{{").or_else(|| rest.find("{%")) {
        count += rest[..start].chars().count();
        let end = rest[start..].find("}}").or_else(|| rest[start..].find("%}"));
        rest = end.map_or("", |end| &rest[start + end + 2..]);
    }
    count + rest.chars().count()
}
