//! Functions that plan and build: first builds, changes, saved plans, and the way back.

#![expect(unsafe_code, reason = "functions of a C library")]
#![expect(clippy::missing_safety_doc, reason = "the header says at its beginning what programs must keep to")]

use std::ffi::c_char;
use std::path::PathBuf;

use occopus::engine::control::Built;
use occopus::engine::plan::Order;
use occopus::{BuildReport, BuildRequest, Error, Loss, Prepared, Replacing, Run, SavedPlan, Target};
use serde_json::{Value, json};

use crate::calls::{Context, ask, pursue};
use crate::fault::{Answer, Fault};
use crate::given::{
    flags, input, list, optional_path, optional_text, options, paths, replacing, text, variables,
};
use crate::operate::failures_text;
use crate::types::occopus_code_t::{self, *};
use crate::types::{
    OCCOPUS_CASCADE, OCCOPUS_CREATE, OCCOPUS_NEW, OCCOPUS_REPLACE, OCCOPUS_ROLLBACK, OCCOPUS_SEQUENTIAL,
    occopus_build_options_t, occopus_error_t, occopus_rollback_options_t, occopus_stop_t, occopus_t,
};

/// All flags that there are.
const FLAGS: u32 =
    OCCOPUS_CREATE | OCCOPUS_NEW | OCCOPUS_ROLLBACK | OCCOPUS_SEQUENTIAL | OCCOPUS_REPLACE | OCCOPUS_CASCADE;

/// A build of a description.
struct Described {
    request: BuildRequest,
    order: Order,
}

/// # Safety
/// As the header says.
unsafe fn described(given: &occopus_build_options_t) -> Result<Described, Fault> {
    // SAFETY: promised by the caller.
    let (description, definitions, infra, variables, replacing) = unsafe {
        (
            input(given.description, given.text, given.base)?,
            list("definitions", given.definitions)?,
            optional_text("infra", given.infra)?,
            variables(given.variables, given.variable_files)?,
            replacing(given.flags, given.only, given.exclude)?,
        )
    };
    let has = |flag: u32| given.flags & flag != 0;
    let target = match (infra, has(OCCOPUS_CREATE), has(OCCOPUS_NEW)) {
        (Some(infra), true, false) => Target::Chosen(infra),
        (Some(infra), false, false) => Target::Existing(infra),
        (None, false, true) => Target::New,
        (None, false, false) => Target::First,
        (Some(_), _, true) => return Err(Fault::argument("OCCOPUS_NEW does not go with infra")),
        (None, true, _) => return Err(Fault::argument("OCCOPUS_CREATE needs infra, the id to create")),
    };
    if replacing.is_some() && !matches!(target, Target::Existing(_) | Target::Chosen(_)) {
        return Err(Fault::argument("OCCOPUS_REPLACE needs infra, the infrastructure to change"));
    }
    let request = BuildRequest {
        definitions: paths(definitions),
        variables,
        replacing,
        ..BuildRequest::new(description, target)
    };
    Ok(Described { request, order: order(given.flags) })
}

fn order(flags: u32) -> Order {
    if flags & OCCOPUS_SEQUENTIAL == 0 { Order::Parallel } else { Order::Sequential }
}

/// Whether nothing is given beside a saved plan, an infrastructure, or a file to save the plan in.
fn is_bare(given: &occopus_build_options_t) -> bool {
    let texts = [given.description, given.text, given.base, given.variables];
    let lists = [given.definitions, given.variable_files, given.only, given.exclude];
    texts.iter().all(|text| text.is_null()) && lists.iter().all(|list| list.is_null())
}

/// What is planned.
enum Planned {
    /// A build, whose plan may be saved in a file.
    Build(Box<Described>, Option<PathBuf>),
    /// The next pass over an infrastructure.
    Pass(String),
}

/// # Safety
/// As the header says.
unsafe fn planned(given: *const occopus_build_options_t) -> Result<Planned, Fault> {
    // SAFETY: promised by the caller.
    unsafe {
        let given = options(given)?;
        flags(given.flags, FLAGS)?;
        if !given.plan.is_null() {
            return Err(Fault::argument("plan is for occopus_build(); occopus_plan() saves one with save"));
        }
        if is_bare(&given) && !given.infra.is_null() && given.save.is_null() && given.flags == 0 {
            return Ok(Planned::Pass(text("infra", given.infra)?));
        }
        Ok(Planned::Build(Box::new(described(&given)?), optional_path("save", given.save)?))
    }
}

/// Shows what a build would do and why; changes nothing. Without a description, shows what the next pass over
/// `infra` would do. With `save`, the plan is saved in a file, too, for occopus_build().
///
/// `*result`: {"schema", "infra_id", "exists", "changes", "plan", "losses", "warnings"}; "changes" is what
/// differs from the description in force, "losses" the instances that the change destroys or replaces with their
/// local disks, now or when nothing is in its way any more: {"slot", "resource", "provider_id", "age" in seconds,
/// "cause"}. The next pass over an infrastructure has no "changes" and "losses".
#[unsafe(no_mangle)]
pub unsafe extern "C" fn occopus_plan(
    occopus: *mut occopus_t,
    options: *const occopus_build_options_t,
    result: *mut *mut c_char,
    error: *mut occopus_error_t,
) -> occopus_code_t {
    // SAFETY: what a program must keep to.
    unsafe { ask(occopus, result, error, || planned(options), plan) }
}

async fn plan(context: Context, planned: Planned) -> Result<Answer, Error> {
    let occopus = &context.occopus;
    let (described, save) = match planned {
        Planned::Build(described, save) => (described, save),
        Planned::Pass(infra) => {
            let infra = context.resolve(&infra).await?;
            let plan = occopus.plan(&infra).await?;
            return Ok(json!({"schema": 1, "infra_id": infra, "exists": true, "plan": plan}).into());
        }
    };
    let prepared = occopus.prepare(&described.request).await?;
    let (plan, situation) = match save {
        Some(path) => {
            let (saved, plan, situation) = occopus.save_plan(&prepared, described.order).await?;
            saved.write(&path).await?;
            (plan, situation)
        }
        None => occopus.preview(&prepared, described.order).await?,
    };
    let losses = occopus.losses(&plan, &situation);
    let json = json!({
        "schema": 1,
        "infra_id": prepared.exists.then_some(&prepared.infra_id),
        "exists": prepared.exists,
        "changes": occopus.changes(&prepared).await?,
        "plan": plan,
        "losses": losses.iter().map(lost).collect::<Value>(),
        "warnings": prepared.warnings,
    });
    Ok(json.into())
}

fn lost(loss: &Loss) -> Value {
    json!({
        "slot": loss.slot,
        "resource": loss.resource,
        "provider_id": loss.provider_id.as_ref().map(|id| &id.id),
        "age": loss.age,
        "cause": loss.cause,
    })
}

/// What is built.
enum Asked {
    Described(Box<Described>),
    /// Exactly what is in this file.
    Saved(PathBuf),
}

/// What is built, and whether a first build that fails is destroyed again.
///
/// # Safety
/// As the header says.
unsafe fn asked(given: *const occopus_build_options_t) -> Result<(Asked, bool), Fault> {
    // SAFETY: promised by the caller.
    unsafe {
        let given = options(given)?;
        let rollback = flags(given.flags, FLAGS)? & OCCOPUS_ROLLBACK != 0;
        if !given.save.is_null() {
            return Err(Fault::argument("save is for occopus_plan(); occopus_build() saves no plan"));
        }
        let Some(plan) = optional_path("plan", given.plan)? else {
            return Ok((Asked::Described(Box::new(described(&given)?)), rollback));
        };
        if !is_bare(&given) || !given.infra.is_null() || given.flags & !OCCOPUS_ROLLBACK != 0 {
            let text = "a saved plan is carried out as it is: give nothing beside plan but OCCOPUS_ROLLBACK";
            return Err(Fault::argument(text));
        }
        Ok((Asked::Saved(plan), rollback))
    }
}

/// Builds an infrastructure, or changes one, or carries a saved plan out. Nobody is asked before a change
/// destroys instances: occopus_plan() tells them, and a plan that it has saved is carried out exactly so or
/// refused with OCCOPUS_USAGE if the world has moved on. What is ready when a first build fails or is stopped
/// is kept, unless OCCOPUS_ROLLBACK is set; a failed change is undone. `stop` may be NULL.
///
/// `*result`: {"schema", "infra_id", "result": "ready", "failed" or "interrupted", "failures", "restored",
/// "withdrawn", "leftovers", "efficiency"}. It is set with OCCOPUS_FAILED and OCCOPUS_INTERRUPTED, too, if the
/// build had begun.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn occopus_build(
    occopus: *mut occopus_t,
    options: *const occopus_build_options_t,
    stop: *mut occopus_stop_t,
    result: *mut *mut c_char,
    error: *mut occopus_error_t,
) -> occopus_code_t {
    // SAFETY: what a program must keep to.
    unsafe { pursue((occopus, stop), result, error, || asked(options), build) }
}

async fn build(context: Context, (asked, rollback): (Asked, bool)) -> Result<Answer, Error> {
    let (prepared, order) = match asked {
        Asked::Described(described) => (context.occopus.prepare(&described.request).await?, described.order),
        Asked::Saved(path) => {
            let saved = SavedPlan::read(&path).await?;
            let order = saved.order();
            (context.occopus.prepare_saved(saved).await?.0, order)
        }
    };
    carry_out(&context, prepared, Run { order, ..context.run("build") }, rollback).await
}

async fn carry_out(context: &Context, prepared: Prepared, run: Run, rollback: bool) -> Result<Answer, Error> {
    let name = prepared.generation.infrastructure.name.clone();
    let report = context.occopus.build(prepared, &run, rollback, &mut |_, _| {}).await?;
    Ok(Answer { json: json!(report), fault: unbuilt(&name, &report) })
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

/// Shows the descriptions that an infrastructure had, the first one first: their numbers, when and by whom they
/// were put in force, and what each changed.
///
/// `*result`: {"schema", "infra_id", "name", "generations"}.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn occopus_history(
    occopus: *mut occopus_t,
    infra: *const c_char,
    result: *mut *mut c_char,
    error: *mut occopus_error_t,
) -> occopus_code_t {
    // SAFETY: what a program must keep to.
    unsafe { ask(occopus, result, error, || text("infra", infra), history) }
}

async fn history(context: Context, infra: String) -> Result<Answer, Error> {
    let infra = context.resolve(&infra).await?;
    Ok(json!(context.occopus.history(&infra).await?).into())
}

/// Where to go back to.
struct Back {
    infra: String,
    generation: u64,
    replacing: Option<Replacing>,
    order: Order,
}

/// # Safety
/// As the header says.
unsafe fn back(infra: *const c_char, given: *const occopus_rollback_options_t) -> Result<Back, Fault> {
    // SAFETY: promised by the caller.
    unsafe {
        let infra = text("infra", infra)?;
        let given = options(given)?;
        flags(given.flags, OCCOPUS_SEQUENTIAL | OCCOPUS_REPLACE | OCCOPUS_CASCADE)?;
        let replacing = replacing(given.flags, given.only, given.exclude)?;
        Ok(Back { infra, generation: given.generation, replacing, order: order(given.flags) })
    }
}

/// Changes an infrastructure back to an earlier description, as occopus_build() does: nobody is asked, and a
/// change that fails is undone. `stop` may be NULL.
///
/// `*result`: as that of occopus_build().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn occopus_rollback(
    occopus: *mut occopus_t,
    infra: *const c_char,
    options: *const occopus_rollback_options_t,
    stop: *mut occopus_stop_t,
    result: *mut *mut c_char,
    error: *mut occopus_error_t,
) -> occopus_code_t {
    // SAFETY: what a program must keep to.
    unsafe { pursue((occopus, stop), result, error, || back(infra, options), rollback) }
}

async fn rollback(context: Context, back: Back) -> Result<Answer, Error> {
    let infra = context.resolve(&back.infra).await?;
    let prepared = context.occopus.prepare_rollback(&infra, back.generation, back.replacing.as_ref()).await?;
    carry_out(&context, prepared, Run { order: back.order, ..context.run("rollback") }, false).await
}
