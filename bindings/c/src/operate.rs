//! Functions that change infrastructures: looking after them, scaling, replacing, holding, destroying.

#![expect(unsafe_code, reason = "functions of a C library")]
#![expect(clippy::missing_safety_doc, reason = "the header says at its beginning what programs must keep to")]

use std::ffi::c_char;

use jiff::SignedDuration;
use occopus::engine::control::{Demolished, Pass};
use occopus::engine::enact::Failed;
use occopus::engine::hold::HoldKind;
use occopus::engine::ids::InfraId;
use occopus::engine::plan::Note;
use occopus::engine::record::{Attempt, ScaleChange};
use occopus::{Error, HoldRequest};
use serde_json::{Value, json};

use crate::calls::{Context, actor, ask, pursue};
use crate::fault::{Answer, Fault};
use crate::given::{optional_text, options, text};
use crate::types::occopus_code_t::{self, *};
use crate::types::{
    OCCOPUS_PAUSE, OCCOPUS_PROTECT, OCCOPUS_SCALE_ADD, OCCOPUS_SCALE_REMOVE, OCCOPUS_SCALE_REMOVE_INSTANCE,
    OCCOPUS_SCALE_REPLACE_INSTANCE, OCCOPUS_SCALE_SET, occopus_error_t, occopus_hold_options_t,
    occopus_scale_options_t, occopus_stop_t, occopus_t,
};

/// Looks after an infrastructure once: finishes, heals and scales it. `stop` may be NULL.
///
/// `*result`: {"schema", "infra_id", "plan", "enacted"}. It is set with OCCOPUS_FAILED, if something failed
/// or has to wait for a later pass, and with OCCOPUS_INTERRUPTED, too, if the pass had begun.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn occopus_maintain(
    occopus: *mut occopus_t,
    infra: *const c_char,
    stop: *mut occopus_stop_t,
    result: *mut *mut c_char,
    error: *mut occopus_error_t,
) -> occopus_code_t {
    // SAFETY: what a program must keep to.
    unsafe { pursue((occopus, stop), result, error, || text("infra", infra), maintain) }
}

async fn maintain(context: Context, infra: String) -> Result<Answer, Error> {
    let infra = context.resolve(&infra).await?;
    let pass = context.occopus.maintain(&infra, &context.run("maintain"), &mut |_, _| {}).await?;
    let json = json!({"schema": 1, "infra_id": infra, "plan": pass.plan, "enacted": pass.enacted});
    Ok(Answer { json, fault: unfinished(&infra, &pass) })
}

fn unfinished(infra: &InfraId, pass: &Pass) -> Option<Fault> {
    if pass.enacted.interrupted {
        return Some(Fault::new(OCCOPUS_INTERRUPTED, format!("the pass over {infra} was interrupted")));
    }
    let waiting = pass.plan.notes.iter().filter(|note| matches!(note, Note::Deferred { .. }));
    let mut texts: Vec<String> = waiting.map(occopus::note_text).collect();
    if !pass.enacted.failed.is_empty() {
        texts.insert(0, failures_text(&pass.enacted.failed));
    }
    (!texts.is_empty()).then(|| Fault::new(OCCOPUS_FAILED, format!("{infra}: {}", texts.join("; "))))
}

/// What failed and why, in words.
pub(crate) fn failures_text(failures: &[Failed]) -> String {
    let text = |failed: &Failed| {
        // A place that could not be listed has no slot.
        let slot = if failed.slot.index == 0 { String::new() } else { failed.slot.to_string() };
        if failed.reason.starts_with(&slot) {
            failed.reason.clone()
        } else {
            format!("{slot}: {}", failed.reason)
        }
    };
    failures.iter().map(text).collect::<Vec<_>>().join("; ")
}

/// Registers a scaling request; a maintainer that is at work, or the next occopus_maintain(), carries it out.
///
/// `*result`: {"schema", "infra_id", "node", "target", "notes", "maintainer"}; `maintainer` is null if none
/// is running.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn occopus_scale(
    occopus: *mut occopus_t,
    infra: *const c_char,
    options: *const occopus_scale_options_t,
    result: *mut *mut c_char,
    error: *mut occopus_error_t,
) -> occopus_code_t {
    // SAFETY: what a program must keep to.
    unsafe {
        let read = || {
            let (node, change) = change(options)?;
            Ok((text("infra", infra)?, node, change))
        };
        ask(occopus, result, error, read, scale)
    }
}

async fn scale(
    context: Context,
    (infra, node, change): (String, String, ScaleChange),
) -> Result<Answer, Error> {
    let infra = context.resolve(&infra).await?;
    Ok(register(&context, &infra, &node, change).await?.into())
}

async fn register(
    context: &Context,
    infra: &InfraId,
    node: &str,
    change: ScaleChange,
) -> Result<Value, Error> {
    let scaling = context.occopus.scale(infra, node, &[change]).await?;
    Ok(json!({
        "schema": 1,
        "infra_id": infra,
        "node": node,
        "target": scaling.target,
        "notes": scaling.notes,
        "maintainer": scaling.maintainer,
    }))
}

/// The node and the change that are asked for.
///
/// # Safety
/// As the header says.
unsafe fn change(given: *const occopus_scale_options_t) -> Result<(String, ScaleChange), Fault> {
    // SAFETY: promised by the caller.
    let (given, node, instance) = unsafe {
        let given = options(given)?;
        (given, text("node", given.node)?, optional_text("instance", given.instance)?)
    };
    let change = match (given.change, given.count, instance) {
        (OCCOPUS_SCALE_SET, count, None) => ScaleChange::Set(count),
        (OCCOPUS_SCALE_ADD, count @ 1.., None) => ScaleChange::Add(count),
        (OCCOPUS_SCALE_REMOVE, count @ 1.., None) => ScaleChange::Remove(count),
        (OCCOPUS_SCALE_REMOVE_INSTANCE, 0, Some(instance)) => ScaleChange::RemoveInstance(instance),
        (OCCOPUS_SCALE_REPLACE_INSTANCE, 0, Some(instance)) => ScaleChange::ReplaceInstance(instance),
        (OCCOPUS_SCALE_SET..=OCCOPUS_SCALE_REPLACE_INSTANCE, ..) => {
            let text = "a change of the number needs count and no instance, a change of an instance the \
                        instance and no count";
            return Err(Fault::argument(text));
        }
        (other, ..) => return Err(Fault::argument(format!("{other} is no change; see OCCOPUS_SCALE_SET"))),
    };
    Ok((node, change))
}

/// Registers the replacement of an instance, named by slot such as worker/3, node id or address: it is
/// destroyed with its disks and created again. Carried out as a scaling request.
///
/// `*result`: as that of occopus_scale().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn occopus_replace(
    occopus: *mut occopus_t,
    infra: *const c_char,
    instance: *const c_char,
    result: *mut *mut c_char,
    error: *mut occopus_error_t,
) -> occopus_code_t {
    // SAFETY: what a program must keep to.
    unsafe {
        let read = || Ok((text("infra", infra)?, text("instance", instance)?));
        ask(occopus, result, error, read, replace)
    }
}

async fn replace(context: Context, (infra, instance): (String, String)) -> Result<Answer, Error> {
    let infra = context.resolve(&infra).await?;
    let status = context.occopus.status(&infra).await?;
    let slot = status.instance(&instance)?;
    // The node id: should another pass replace it meanwhile, the new one stays.
    let change = ScaleChange::ReplaceInstance(slot.node_id.to_string());
    Ok(register(&context, &infra, &slot.slot.node, change).await?.into())
}

/// Waits until the maintainer that is at work in another thread or process has carried all scaling requests
/// for a node out. `stop` may be NULL.
///
/// `*result`: {"schema", "infra_id", "node", "done"}; `done` is false if no maintainer is running any more, or
/// if it was stopped.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn occopus_await_scaled(
    occopus: *mut occopus_t,
    infra: *const c_char,
    node: *const c_char,
    stop: *mut occopus_stop_t,
    result: *mut *mut c_char,
    error: *mut occopus_error_t,
) -> occopus_code_t {
    // SAFETY: what a program must keep to.
    unsafe {
        let read = || Ok((text("infra", infra)?, text("node", node)?));
        pursue((occopus, stop), result, error, read, await_scaled)
    }
}

async fn await_scaled(context: Context, (infra, node): (String, String)) -> Result<Answer, Error> {
    let infra = context.resolve(&infra).await?;
    let done = context.occopus.await_scaled(&infra, &node, &context.run("await_scaled")).await?;
    let text = || format!("waiting for '{node}' of {infra} was interrupted");
    let fault = (!done && context.stop.is_cancelled()).then(|| Fault::new(OCCOPUS_INTERRUPTED, text()));
    Ok(Answer { json: json!({"schema": 1, "infra_id": infra, "node": node, "done": done}), fault })
}

/// Puts a hold on an infrastructure or one of its nodes; an earlier one of the same kind is replaced.
///
/// `*result`: {"schema", "infra_id", "kind", "hold"}.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn occopus_hold(
    occopus: *mut occopus_t,
    infra: *const c_char,
    options: *const occopus_hold_options_t,
    result: *mut *mut c_char,
    error: *mut occopus_error_t,
) -> occopus_code_t {
    // SAFETY: what a program must keep to.
    unsafe {
        let read = || {
            let request = hold_request(options)?;
            Ok((text("infra", infra)?, request))
        };
        ask(occopus, result, error, read, hold)
    }
}

async fn hold(context: Context, (infra, request): (String, HoldRequest)) -> Result<Answer, Error> {
    let infra = context.resolve(&infra).await?;
    let kind = request.kind;
    let hold = context.occopus.hold(&infra, request).await?;
    Ok(json!({"schema": 1, "infra_id": infra, "kind": kind, "hold": hold}).into())
}

/// # Safety
/// As the header says.
unsafe fn hold_request(given: *const occopus_hold_options_t) -> Result<HoldRequest, Fault> {
    // SAFETY: promised by the caller.
    let (given, node, reason) = unsafe {
        let given = options(given)?;
        (given, optional_text("node", given.node)?, optional_text("reason", given.reason)?)
    };
    let kind = kind(given.kind)?;
    Ok(HoldRequest {
        kind,
        node,
        reason: reason.unwrap_or_default(),
        duration: (given.seconds > 0).then(|| SignedDuration::from_secs(given.seconds.into())),
        command: actor(match kind {
            HoldKind::Pause => "pause",
            HoldKind::Protect => "protect",
        }),
    })
}

fn kind(number: u32) -> Result<HoldKind, Fault> {
    match number {
        OCCOPUS_PAUSE => Ok(HoldKind::Pause),
        OCCOPUS_PROTECT => Ok(HoldKind::Protect),
        other => Err(Fault::argument(format!("{other} is no kind of hold; see OCCOPUS_PAUSE"))),
    }
}

/// Lifts the hold of this kind, OCCOPUS_PAUSE or OCCOPUS_PROTECT, from a node, or from the infrastructure if
/// `node` is NULL.
///
/// `*result`: {"schema", "infra_id", "kind", "hold"}; `hold` is what was lifted, or null if there was none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn occopus_lift(
    occopus: *mut occopus_t,
    infra: *const c_char,
    node: *const c_char,
    kind: u32,
    result: *mut *mut c_char,
    error: *mut occopus_error_t,
) -> occopus_code_t {
    // SAFETY: what a program must keep to.
    unsafe {
        let read = || Ok((text("infra", infra)?, self::kind(kind)?, optional_text("node", node)?));
        ask(occopus, result, error, read, lift)
    }
}

async fn lift(
    context: Context,
    (infra, kind, node): (String, HoldKind, Option<String>),
) -> Result<Answer, Error> {
    let infra = context.resolve(&infra).await?;
    let command = actor(match kind {
        HoldKind::Pause => "resume",
        HoldKind::Protect => "unprotect",
    });
    let lifted = context.occopus.lift_hold(&infra, kind, node.as_deref(), &command).await?;
    Ok(json!({"schema": 1, "infra_id": infra, "kind": kind, "hold": lifted}).into())
}

/// Destroys an infrastructure, without a question. Its record stays until nothing is left of it, so that
/// destroying again goes on where this stopped. `stop` may be NULL.
///
/// `*result`: {"schema", "infra_id", "result": "gone", "incomplete" or "interrupted", "failures"}. It is set
/// with OCCOPUS_FAILED and OCCOPUS_INTERRUPTED, too, if the destruction had begun.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn occopus_destroy(
    occopus: *mut occopus_t,
    infra: *const c_char,
    stop: *mut occopus_stop_t,
    result: *mut *mut c_char,
    error: *mut occopus_error_t,
) -> occopus_code_t {
    // SAFETY: what a program must keep to.
    unsafe { pursue((occopus, stop), result, error, || text("infra", infra), destroy) }
}

async fn destroy(context: Context, infra: String) -> Result<Answer, Error> {
    let infra = context.resolve(&infra).await?;
    let demolished = context.occopus.destroy(&infra, &context.run("destroy"), &mut |_, _| {}).await?;
    let mut json = json!(demolished);
    json["schema"] = json!(1);
    json["infra_id"] = json!(infra);
    Ok(Answer { json, fault: left(&infra, &demolished) })
}

fn left(infra: &InfraId, demolished: &Demolished) -> Option<Fault> {
    match demolished {
        Demolished::Gone => None,
        Demolished::Incomplete { failures } => {
            let text = format!("something of {infra} may be left: {}", failures_text(failures));
            Some(Fault::new(OCCOPUS_FAILED, text))
        }
        Demolished::Interrupted => {
            Some(Fault::new(OCCOPUS_INTERRUPTED, format!("the destruction of {infra} was interrupted")))
        }
    }
}

/// Gives an infrastructure up without touching what is left of it, without a question. For a cloud that no
/// longer exists: what is left elsewhere costs money that nobody sees any more.
///
/// `*result`: {"schema", "infra_id", "result": "abandoned", "left"}; "left" is an array of {"slot", "node_id",
/// "provider_id", "place"}.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn occopus_abandon(
    occopus: *mut occopus_t,
    infra: *const c_char,
    result: *mut *mut c_char,
    error: *mut occopus_error_t,
) -> occopus_code_t {
    // SAFETY: what a program must keep to.
    unsafe { ask(occopus, result, error, || text("infra", infra), abandon) }
}

async fn abandon(context: Context, infra: String) -> Result<Answer, Error> {
    let infra = context.resolve(&infra).await?;
    let left = context.occopus.abandon(&infra, &context.run("abandon")).await?;
    let shown = left.iter().map(|attempt: &Attempt| {
        json!({
            "slot": attempt.slot,
            "node_id": attempt.node_id,
            "provider_id": attempt.provider_id.as_ref().map(|id| &id.id),
            "place": attempt.place,
        })
    });
    let left: Value = shown.collect();
    Ok(json!({"schema": 1, "infra_id": infra, "result": "abandoned", "left": left}).into())
}
