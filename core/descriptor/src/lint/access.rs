//! Credentials: a node on a cloud needs an entry that fits.

use serde_json::Value as Json;

use super::Known;
use super::view::Implementation;
use crate::codes;
use crate::credentials::{CredentialsFile, needs_credentials};
use crate::definition::Section;
use crate::diagnostic::{Diagnostic, Diagnostics};

pub(super) fn check(known: &Known<'_>, files: &[(&str, &CredentialsFile)], warnings: &mut Diagnostics) {
    let all = known.all().flat_map(|definition| &definition.implementations);
    for implementation in all.filter(|_| !files.is_empty()) {
        implementation_check(implementation, files, warnings);
    }
}

fn implementation_check(
    implementation: &Implementation<'_>,
    files: &[(&str, &CredentialsFile)],
    warnings: &mut Diagnostics,
) {
    let Some(source) = &implementation.source else { return };
    let resource = &implementation.resource;
    let kind = resource.get("type").and_then(Json::as_str).unwrap_or_default();
    // What is rendered first may fit anything.
    let rendered =
        |key: &str| resource.get(key).and_then(Json::as_str).is_some_and(|text| text.contains('{'));
    let undecided = files.iter().any(|(_, file)| file.filter_keys(Section::Resource).any(rendered));
    if !needs_credentials(kind) || undecided {
        return;
    }
    let at = source.resource_key("type");
    let choices: Vec<_> = files.iter().map(|(_, file)| file.choose(Section::Resource, resource)).collect();
    if let Some(ambiguous) = choices.iter().find_map(|choice| choice.as_ref().err()) {
        let problem = Diagnostic::warning(codes::NO_CREDENTIALS, ambiguous.to_string()).at(at);
        warnings.push(problem);
    } else if choices.iter().all(|choice| matches!(choice, Ok(None))) {
        let names: Vec<String> = files.iter().map(|(name, _)| format!("'{name}'")).collect();
        let endpoint = resource.get("endpoint").and_then(Json::as_str).unwrap_or_default();
        let message = format!("no credentials in {} fit this {kind} resource", names.join(" or "));
        let help = format!("add an entry under 'resource' with type: {kind}, and none but equal other keys");
        let problem = Diagnostic::warning(codes::NO_CREDENTIALS, message).at(at).help(help);
        let legacy = format!("Cannot find credentials for \"{endpoint}\". Please, specify!");
        warnings.push(problem.legacy(legacy));
    }
}
