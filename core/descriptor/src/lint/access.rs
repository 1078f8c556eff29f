//! Credentials: a node on a cloud needs an entry that fits.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use super::Known;
use super::view::{Implementation, Infrastructure};
use crate::codes;
use crate::credentials::{CredentialsFile, needs_credentials};
use crate::definition::Section;
use crate::diagnostic::{Diagnostic, Diagnostics};

/// A credentials file with its name.
type Named<'a> = (&'a str, &'a CredentialsFile);

/// What no node uses needs no credentials; without descriptions, everything counts as used.
pub(super) fn check(
    infrastructures: &[Infrastructure<'_>],
    known: &Known<'_>,
    files: &[Named<'_>],
    warnings: &mut Diagnostics,
) {
    let nodes = infrastructures.iter().flat_map(|infrastructure| &infrastructure.nodes);
    let used: BTreeSet<&str> = nodes.filter_map(|node| node.kind?.as_str()).collect();
    let is_used = |name: &str| infrastructures.is_empty() || used.contains(name);
    let definitions = known.all().filter(|definition| !files.is_empty() && is_used(definition.name));
    for implementation in definitions.flat_map(|definition| &definition.implementations) {
        compare(implementation, files, warnings);
    }
}

fn compare(implementation: &Implementation<'_>, files: &[Named<'_>], warnings: &mut Diagnostics) {
    let Some(source) = &implementation.source else { return };
    let resource = &implementation.resource;
    let text = |key: &str| resource.get(key).and_then(Json::as_str).unwrap_or_default();
    let kind = text("type");
    // What is rendered first may fit anything.
    let rendered = |key: &str| text(key).contains('{');
    let undecided = files.iter().any(|(_, file)| file.filter_keys(Section::Resource).any(rendered));
    if !needs_credentials(kind) || undecided {
        return;
    }
    let at = source.resource_key("type");
    let choices: Vec<_> = files.iter().map(|(_, file)| file.choose(Section::Resource, resource)).collect();
    if let Some(ambiguous) = choices.iter().find_map(|choice| choice.as_ref().err()) {
        warnings.push(Diagnostic::warning(codes::NO_CREDENTIALS, ambiguous.to_string()).at(at));
    } else if choices.iter().all(|choice| matches!(choice, Ok(None))) {
        let names: Vec<String> = files.iter().map(|(name, _)| format!("'{name}'")).collect();
        let message = format!("no credentials in {} fit this {kind} resource", names.join(" or "));
        let help = format!(
            "add an entry with type: {kind} under 'resource'; its other keys beside auth_data must equal those \
             of the resource section"
        );
        let legacy = format!("Cannot find credentials for \"{}\". Please, specify!", text("endpoint"));
        let problem = Diagnostic::warning(codes::NO_CREDENTIALS, message);
        warnings.push(problem.at(at).help(help).legacy(legacy));
    }
}
