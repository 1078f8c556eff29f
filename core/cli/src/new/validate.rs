//! `occopus validate`.

use occopus::descriptor::diagnostic::Severity;
use occopus::descriptor::project::Findings;
use occopus::{Error, Settings, ValidateRequest};
use serde_json::json;

use super::Session;
use super::args::ValidateArgs;
use super::plan::LEFT_OUT;
use crate::output::{Format, Output, bold};
use crate::words::count;
use crate::{DONE, USAGE, sarif};

pub(super) async fn run(session: &Session, args: ValidateArgs) -> Result<u8, Error> {
    let output = &session.output;
    let global = &session.global;
    let settings = Settings {
        store: global.store.clone(),
        config: global.config.clone(),
        credentials: global.auth.clone(),
        ..Settings::default()
    };
    let request = ValidateRequest { files: args.files, variables: args.variables.into() };
    let mut findings = occopus::validate(request, &settings).await?;
    if global.verbose == 0 {
        findings.problems.retain(|problem| !LEFT_OUT.contains(&problem.code));
    } else {
        for file in &findings.files {
            let kind = file.kind.map_or_else(|| "unknown".to_owned(), |kind| kind.to_string());
            output.say(&format!("{}: {kind}", file.file));
        }
    }
    match global.format {
        Format::Text => show(output, &findings),
        Format::Json => output.json(&object(&findings)),
        Format::Sarif => output.json(&sarif::log(&findings)),
    }
    Ok(if findings.count(Severity::Error) > 0 { USAGE } else { DONE })
}

fn object(findings: &Findings) -> serde_json::Value {
    json!({
        "schema": 1,
        "files": findings.files,
        "errors": findings.count(Severity::Error),
        "warnings": findings.count(Severity::Warning),
        "problems": findings.problems,
    })
}

fn show(output: &Output, findings: &Findings) {
    let colors = output.colors_results();
    for problem in &findings.problems {
        output.result(&format!("{}\n", problem.shown(colors)));
    }
    output.result(&bold(colors, &summary(findings)));
}

/// One line about everything: "3 errors, 2 warnings in 3 files".
fn summary(findings: &Findings) -> String {
    let numbers = [(Severity::Error, "error"), (Severity::Warning, "warning")];
    let found = numbers.into_iter().map(|(severity, word)| (findings.count(severity), word));
    let found: Vec<String> =
        found.filter(|(number, _)| *number > 0).map(|(number, word)| count(number, word)).collect();
    let found = if found.is_empty() { "no problems".to_owned() } else { found.join(", ") };
    format!("{found} in {}", count(findings.files.len(), "file"))
}
