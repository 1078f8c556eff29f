//! Functions about descriptions: validating, rendering, importing, planning, building.

#![expect(unsafe_code, reason = "functions of a C library")]
#![expect(clippy::missing_safety_doc, reason = "the header says at its beginning what programs must keep to")]

use std::ffi::c_char;
use std::path::{Path, PathBuf};

use occopus::descriptor::diagnostic::Severity;
use occopus::descriptor::project::{File, Findings, Kind};
use occopus::engine::control::Built;
use occopus::engine::plan::Order;
use occopus::{
    BuildReport, BuildRequest, Error, RenderRequest, Run, Settings, Target, ValidateRequest, Variables,
};
use serde_json::{Value, json};

use crate::boundary::answering;
use crate::engine::without_engine;
use crate::fault::{Answer, Fault};
use crate::given::{flags, input, list, optional_path, optional_text, options, paths, text, variables};
use crate::handles::with_engine;
use crate::operate::failures_text;
use crate::stop::Stop;
use crate::types::occopus_code_t::{self, *};
use crate::types::{
    OCCOPUS_CREATE, OCCOPUS_NEW, OCCOPUS_ROLLBACK, OCCOPUS_SEQUENTIAL, occopus_build_options_t,
    occopus_error_t, occopus_render_options_t, occopus_stop_t, occopus_t, occopus_validate_options_t,
};

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
            optional_text("text", given.text)?,
            optional_path("base", given.base)?.unwrap_or_else(|| PathBuf::from(".")),
            variables(given.variables, given.variable_files)?,
            optional_path("credentials", given.credentials)?,
        )
    };
    let findings = match text {
        Some(text) if files.is_empty() => of_text(&text, &base, &variables)?,
        None if !files.is_empty() => {
            let request = ValidateRequest { files: paths(files), variables };
            without_engine(occopus::validate(request, &Settings { credentials, ..Settings::default() }))?
        }
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
    let body = || {
        // SAFETY: what a program must keep to.
        let file = PathBuf::from(unsafe { text("file", file) }?);
        with_engine(occopus, |engine| {
            let (definitions, _) = engine.call(|occopus| async move { occopus.define(&file).await })?;
            let names: Vec<String> = definitions.into_iter().map(|definition| definition.name).collect();
            Ok(json!({"schema": 1, "imported": names}).into())
        })
    };
    // SAFETY: what a program must keep to.
    unsafe { answering(result, error, body) }
}

/// What a build is about, and how it goes about it.
struct Asked {
    request: BuildRequest,
    order: Order,
    rollback: bool,
}

/// # Safety
/// As the header says.
unsafe fn asked(given: *const occopus_build_options_t) -> Result<Asked, Fault> {
    // SAFETY: promised by the caller.
    let (given, description, definitions, infra, variables) = unsafe {
        let given = options(given)?;
        (
            given,
            input(given.description, given.text, given.base)?,
            list("definitions", given.definitions)?,
            optional_text("infra", given.infra)?,
            variables(given.variables, given.variable_files)?,
        )
    };
    let known = OCCOPUS_CREATE | OCCOPUS_NEW | OCCOPUS_ROLLBACK | OCCOPUS_SEQUENTIAL;
    let flags = flags(given.flags, known)?;
    let has = |flag: u32| flags & flag != 0;
    let target = match (infra, has(OCCOPUS_CREATE), has(OCCOPUS_NEW)) {
        (Some(infra), true, false) => Target::Chosen(infra),
        (Some(infra), false, false) => Target::Existing(infra),
        (None, false, true) => Target::New,
        (None, false, false) => Target::First,
        (Some(_), _, true) => return Err(Fault::argument("OCCOPUS_NEW does not go with infra")),
        (None, true, _) => return Err(Fault::argument("OCCOPUS_CREATE needs infra, the id to create")),
    };
    let request =
        BuildRequest { definitions: paths(definitions), variables, ..BuildRequest::new(description, target) };
    let order = if has(OCCOPUS_SEQUENTIAL) { Order::Sequential } else { Order::Parallel };
    Ok(Asked { request, order, rollback: has(OCCOPUS_ROLLBACK) })
}

/// Shows what a build would do and why; changes nothing.
///
/// `*result`: {"schema", "infra_id", "exists", "plan", "warnings"}.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn occopus_plan(
    occopus: *mut occopus_t,
    options: *const occopus_build_options_t,
    result: *mut *mut c_char,
    error: *mut occopus_error_t,
) -> occopus_code_t {
    let body = || {
        // SAFETY: what a program must keep to.
        let asked = unsafe { asked(options) }?;
        with_engine(occopus, |engine| {
            let json = engine.call(|occopus| async move {
                let prepared = occopus.prepare(&asked.request).await?;
                let (plan, _) = occopus.preview(&prepared, asked.order).await?;
                Ok(json!({
                    "schema": 1,
                    "infra_id": prepared.exists.then_some(&prepared.infra_id),
                    "exists": prepared.exists,
                    "plan": plan,
                    "warnings": prepared.warnings,
                }))
            })?;
            Ok(json.into())
        })
    };
    // SAFETY: what a program must keep to.
    unsafe { answering(result, error, body) }
}

/// Builds an infrastructure, or changes one. Nobody is asked before a change destroys instances:
/// occopus_plan() tells them. What is ready when a first build fails or is stopped is kept, unless
/// OCCOPUS_ROLLBACK is set; a failed change is undone. `stop` may be NULL.
///
/// `*result`: {"schema", "infra_id", "result": "ready", "failed" or "interrupted", "failures", "restored",
/// "withdrawn", "leftovers"}. It is set with OCCOPUS_FAILED and OCCOPUS_INTERRUPTED, too, if the build had
/// begun.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn occopus_build(
    occopus: *mut occopus_t,
    options: *const occopus_build_options_t,
    stop: *mut occopus_stop_t,
    result: *mut *mut c_char,
    error: *mut occopus_error_t,
) -> occopus_code_t {
    let body = || {
        // SAFETY: what a program must keep to.
        let asked = unsafe { asked(options) }?;
        let stop = Stop::optional(stop)?;
        with_engine(occopus, |engine| {
            let (name, report) = engine.run(stop, |occopus, stop| async move {
                let prepared = occopus.prepare(&asked.request).await?;
                let name = prepared.generation.infrastructure.name.clone();
                let run = Run { stop, order: asked.order, ..Run::new("occopus (C) build") };
                let report = occopus.build(prepared, &run, asked.rollback, &mut |_, _| {}).await?;
                Ok((name, report))
            })?;
            let fault = unbuilt(&name, &report).map(|fault| engine.redacted(fault));
            Ok(Answer { json: json!(report), fault })
        })
    };
    // SAFETY: what a program must keep to.
    unsafe { answering(result, error, body) }
}

fn unbuilt(name: &str, report: &BuildReport) -> Option<Fault> {
    match &report.built {
        Built::Ready => None,
        Built::Failed { failures } => {
            let text = format!("'{name}' could not be built as described: {}", failures_text(failures));
            Some(Fault::new(OCCOPUS_FAILED, text))
        }
        Built::Interrupted => {
            Some(Fault::new(OCCOPUS_INTERRUPTED, format!("the build of '{name}' was interrupted")))
        }
    }
}
