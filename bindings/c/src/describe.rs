//! Functions about descriptions: validating, rendering, importing, and what is known about files.

#![expect(unsafe_code, reason = "functions of a C library")]
#![expect(clippy::missing_safety_doc, reason = "the header says at its beginning what programs must keep to")]

use std::ffi::c_char;
use std::path::{Path, PathBuf};

use occopus::descriptor::Rules;
use occopus::descriptor::diagnostic::Severity;
use occopus::descriptor::explain;
use occopus::descriptor::project::{File, Findings, Kind};
use occopus::descriptor::schema::{SchemaFile, schema};
use occopus::{Error, RenderRequest, Settings, ValidateRequest, Variables};
use serde_json::{Value, json};

use crate::boundary::answering;
use crate::calls::{Context, ask};
use crate::engine::without_engine;
use crate::fault::{Answer, Fault};
use crate::given::{document, input, list, optional_path, optional_text, options, paths, text, variables};
use crate::types::occopus_code_t::{self, *};
use crate::types::{occopus_error_t, occopus_render_options_t, occopus_t, occopus_validate_options_t};

/// Checks files and whether they go together, or the text of an infrastructure description. Changes
/// nothing and asks no cloud.
///
/// `*result`: {"schema", "files", "errors", "warnings", "problems"}. It is set with OCCOPUS_INVALID, too,
/// which is returned if a problem is an error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn occopus_validate(
    options: *const occopus_validate_options_t,
    result: *mut *mut c_char,
    error: *mut occopus_error_t,
) -> occopus_code_t {
    // SAFETY: what a program must keep to.
    unsafe { answering(result, error, || validate(options)) }
}

/// # Safety
/// As the header says.
unsafe fn validate(given: *const occopus_validate_options_t) -> Result<Answer, Fault> {
    // SAFETY: promised by the caller.
    let (files, text, base, variables, credentials) = unsafe {
        let given = options(given)?;
        (
            list("files", given.files)?,
            document("text", given.text)?,
            optional_path("base", given.base)?.unwrap_or_else(|| PathBuf::from(".")),
            variables(given.variables, given.variable_files)?,
            optional_path("credentials", given.credentials)?,
        )
    };
    let findings = match text {
        Some(text) if files.is_empty() => without_engine(async move { of_text(&text, &base, &variables) })?,
        None if !files.is_empty() => without_engine(async move {
            let request = ValidateRequest { files: paths(files), variables };
            occopus::validate(request, &Settings { credentials, ..Settings::default() }).await
        })?,
        _ => return Err(Fault::argument("give either files or text")),
    };
    Ok(judged(&findings))
}

fn of_text(text: &str, base: &Path, variables: &Variables) -> Result<Findings, Error> {
    let checked = occopus::descriptor::infrastructure_from_text("<text>", text, base, &variables.read()?);
    let problems = match checked {
        Ok((_, warnings)) => warnings,
        Err(problems) => problems,
    };
    let file = File { file: "<text>".to_owned(), kind: Some(Kind::Infrastructure) };
    Ok(Findings { files: vec![file], problems: problems.into_iter().collect() })
}

fn judged(findings: &Findings) -> Answer {
    let errors = findings.count(Severity::Error);
    let json = json!({
        "schema": 1,
        "files": findings.files,
        "errors": errors,
        "warnings": findings.count(Severity::Warning),
        "problems": findings.problems,
    });
    let fault = (errors > 0).then(|| {
        let wrong = findings.problems.iter().filter(|problem| problem.severity == Severity::Error);
        let texts: Vec<String> = wrong.map(ToString::to_string).collect();
        let problems = json.get("problems").cloned();
        Fault { code: OCCOPUS_INVALID, message: texts.join("\n"), problems }
    });
    Answer { json, fault }
}

/// Shows what every node would be created with. Creates nothing and asks nobody; needs no store.
///
/// `*result`: {"schema", "levels", "nodes", "warnings"}; secrets are shown by their reference.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn occopus_render(
    options: *const occopus_render_options_t,
    result: *mut *mut c_char,
    error: *mut occopus_error_t,
) -> occopus_code_t {
    // SAFETY: what a program must keep to.
    unsafe { answering(result, error, || render(options)) }
}

/// # Safety
/// As the header says.
unsafe fn render(given: *const occopus_render_options_t) -> Result<Answer, Fault> {
    // SAFETY: promised by the caller.
    let request = unsafe {
        let given = options(given)?;
        RenderRequest {
            description: input(given.description, given.text, given.base)?,
            definitions: paths(list("definitions", given.definitions)?),
            variables: variables(given.variables, given.variable_files)?,
            node: optional_text("node", given.node)?,
            instances: optional_path("instances", given.instances)?,
            infra_id: optional_text("infra_id", given.infra_id)?,
            node_id: optional_text("node_id", given.node_id)?,
        }
    };
    let rendering = without_engine(occopus::render(request))?;
    let of_nodes = rendering.nodes.iter().flat_map(|(name, node)| {
        node.warnings.iter().map(move |text| json!(format!("node '{name}': {text}")))
    });
    let warnings: Vec<Value> = of_nodes.collect();
    let mut json = json!(rendering);
    json["warnings"] = Value::from(warnings);
    Ok(json.into())
}

/// Explains a code of a problem, such as OCC0102; NULL for all codes.
///
/// `*result`: {"schema", "pages"}, an array of {"code", "title", "cause", "example", "remedy"} in Markdown.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn occopus_explain(
    code: *const c_char,
    result: *mut *mut c_char,
    error: *mut occopus_error_t,
) -> occopus_code_t {
    let body = || {
        // SAFETY: what a program must keep to.
        let pages = match unsafe { optional_text("code", code) }? {
            Some(code) => {
                let page = explain::explain(&code);
                vec![page.map_err(|error| Fault::new(OCCOPUS_USAGE, error.to_string()))?]
            }
            None => explain::all().collect(),
        };
        let shown = pages.iter().map(|page| {
            json!({
                "code": page.code,
                "title": page.code.title(),
                "cause": page.cause,
                "example": page.example,
                "remedy": page.remedy,
            })
        });
        Ok(json!({"schema": 1, "pages": shown.collect::<Value>()}).into())
    };
    // SAFETY: what a program must keep to.
    unsafe { answering(result, error, body) }
}

/// Gives the JSON Schema of a kind of file, for editors: infrastructure, node-definitions, auth-data or
/// config.
///
/// `*result`: the JSON Schema.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn occopus_schema(
    file: *const c_char,
    result: *mut *mut c_char,
    error: *mut occopus_error_t,
) -> occopus_code_t {
    let body = || {
        // SAFETY: what a program must keep to.
        let file = unsafe { text("file", file) }?;
        let found = SchemaFile::ALL.into_iter().find(|known| known.name() == file);
        let found = found.ok_or_else(|| {
            let names: Vec<&str> = SchemaFile::ALL.iter().map(|known| known.name()).collect();
            let text = format!("there is no schema '{file}'; there are: {}", names.join(", "));
            Fault::new(OCCOPUS_USAGE, text)
        })?;
        Ok(schema(found, &Rules::builtin()).into())
    };
    // SAFETY: what a program must keep to.
    unsafe { answering(result, error, body) }
}

/// Imports a file of node definitions; those of the same names are replaced. Running infrastructures keep
/// those they were built with.
///
/// `*result`: {"schema", "imported": names}.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn occopus_define(
    occopus: *mut occopus_t,
    file: *const c_char,
    result: *mut *mut c_char,
    error: *mut occopus_error_t,
) -> occopus_code_t {
    // SAFETY: what a program must keep to.
    unsafe { ask(occopus, result, error, || text("file", file), define) }
}

async fn define(context: Context, file: String) -> Result<Answer, Error> {
    let (definitions, _) = context.occopus.define(Path::new(&file)).await?;
    let names: Vec<String> = definitions.into_iter().map(|definition| definition.name).collect();
    Ok(json!({"schema": 1, "imported": names}).into())
}
