//! Findings as SARIF 2.1.0, the format that code hosts and editors read.

use occopus::descriptor::codes::Code;
use occopus::descriptor::diagnostic::{Diagnostic, Location, Severity};
use occopus::descriptor::explain::explain;
use occopus::descriptor::project::Findings;
use serde_json::{Value, json};

/// The schema that the log follows.
const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";

/// A log with one run that holds all problems.
pub(crate) fn log(findings: &Findings) -> Value {
    let mut rules: Vec<Code> = Vec::new();
    let results: Vec<Value> = findings
        .problems
        .iter()
        .map(|problem| {
            let known = rules.iter().position(|code| *code == problem.code);
            let index = known.unwrap_or_else(|| {
                rules.push(problem.code);
                rules.len() - 1
            });
            result(problem, index)
        })
        .collect();
    let artifacts: Vec<Value> =
        findings.files.iter().map(|file| json!({"location": {"uri": uri(&file.file)}})).collect();
    json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "occopus",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": rules.into_iter().map(rule).collect::<Vec<_>>(),
            }},
            "columnKind": "unicodeCodePoints",
            "artifacts": artifacts,
            "results": results,
        }],
    })
}

fn rule(code: Code) -> Value {
    let mut rule = json!({
        "id": code.id(),
        "shortDescription": {"text": code.title()},
        "help": {"text": format!("occopus explain {code}")},
    });
    if let Ok(page) = explain(code.id()) {
        let markdown =
            format!("{}\n\n## Example\n\n{}\n\n## Remedy\n\n{}", page.cause, page.example, page.remedy);
        rule["fullDescription"] = json!({"text": page.cause});
        rule["help"]["markdown"] = json!(markdown);
    }
    rule
}

fn result(problem: &Diagnostic, rule: usize) -> Value {
    let level = match problem.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let help = problem.help.as_ref().map(|help| format!("; {help}")).unwrap_or_default();
    let mut result = json!({
        "ruleId": problem.code.id(),
        "ruleIndex": rule,
        "level": level,
        "message": {"text": format!("{}{help}", problem.message)},
        "locations": problem.location.iter().map(place).collect::<Vec<_>>(),
    });
    if !problem.related.is_empty() {
        let related = problem.related.iter().map(|related| {
            let mut place = place(&related.location);
            place["message"] = json!({"text": related.label});
            place
        });
        result["relatedLocations"] = related.collect();
    }
    result
}

/// Lines and columns count from 1; the end of a region is the column behind it.
fn place(location: &Location) -> Value {
    json!({"physicalLocation": {
        "artifactLocation": {"uri": uri(&location.file)},
        "region": {
            "startLine": location.line,
            "startColumn": location.column,
            "endLine": location.line,
            "endColumn": location.column + location.length,
        },
    }})
}

/// A path as a URI: relative paths stay relative, to the folder the command ran in.
fn uri(path: &str) -> String {
    let mut uri = if path.starts_with('/') { "file://".to_owned() } else { String::new() };
    for byte in path.strip_prefix("./").unwrap_or(path).bytes() {
        if byte.is_ascii_alphanumeric() || b"/-_.~".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            uri.push_str(&format!("%{byte:02X}"));
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::uri;

    #[test]
    fn a_path_becomes_a_uri() {
        assert_eq!(uri("./nodes/a b.yaml"), "nodes/a%20b.yaml");
        assert_eq!(uri("/etc/ü.yaml"), "file:///etc/%C3%BC.yaml");
        assert_eq!(uri("<--var>"), "%3C--var%3E");
    }
}
