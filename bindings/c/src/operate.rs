//! Functions about existing infrastructures: looking at them, looking after them, scaling, holding,
//! destroying.

#![expect(unsafe_code, reason = "functions of a C library")]
#![expect(clippy::missing_safety_doc, reason = "the header says at its beginning what programs must keep to")]

use std::ffi::c_char;
use std::future::Future;
use std::sync::Arc;

use jiff::SignedDuration;
use occopus::engine::control::{Demolished, Pass};
use occopus::engine::enact::Failed;
use occopus::engine::error::EngineError;
use occopus::engine::event::Event;
use occopus::engine::hold::HoldKind;
use occopus::engine::ids::InfraId;
use occopus::engine::plan::Note;
use occopus::engine::record::{Goal, InfraRecord, ScaleChange};
use occopus::{Error, HoldRequest, Occopus, Run};
use serde_json::{Value, json};

use crate::boundary::answering;
use crate::fault::{Answer, Fault};
use crate::given::{optional_text, options, text};
use crate::handles::with_engine;
use crate::stop::Stop;
use crate::types::occopus_code_t::{self, *};
use crate::types::{
    OCCOPUS_PAUSE, OCCOPUS_PROTECT, OCCOPUS_SCALE_ADD, OCCOPUS_SCALE_REMOVE, OCCOPUS_SCALE_REMOVE_INSTANCE,
    OCCOPUS_SCALE_REPLACE_INSTANCE, OCCOPUS_SCALE_SET, occopus_error_t, occopus_hold_options_t,
    occopus_scale_options_t, occopus_stop_t, occopus_t,
};

/// Lists the infrastructures, oldest first, without looking at their instances.
///
/// `*result`: an array of {"schema", "infra_id", "name", "state", "generation", "created_at"}.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn occopus_list(
    occopus: *mut occopus_t,
    result: *mut *mut c_char,
    error: *mut occopus_error_t,
) -> occopus_code_t {
    let body = || {
        with_engine(occopus, |engine| {
            let records = engine.call(|occopus| async move { occopus.list().await })?;
            Ok(records.iter().map(listed).collect::<Value>().into())
        })
    };
    // SAFETY: what a program must keep to.
    unsafe { answering(result, error, body) }
}

fn listed(record: &InfraRecord) -> Value {
    let state = match (record.goal, record.completed) {
        (Goal::Absent, _) => "destroying",
        (Goal::Present, true) => "built",
        (Goal::Present, false) => "unfinished",
    };
    json!({
        "schema": 1,
        "infra_id": record.id,
        "name": record.name,
        "state": state,
        "generation": record.generation,
        "created_at": record.created_at,
    })
}

/// Runs `work` on the infrastructure that `infra` names: an id, a unique prefix of one, or a name.
///
/// # Safety
/// `infra` is as the header says.
unsafe fn about<F>(
    occopus: *mut occopus_t,
    infra: *const c_char,
    work: impl FnOnce(Arc<Occopus>, InfraId) -> F + Send + 'static,
) -> Result<Value, Fault>
where
    F: Future<Output = Result<Value, Error>> + Send + 'static,
{
    // SAFETY: promised by the caller.
    let infra = unsafe { text("infra", infra) }?;
    with_engine(occopus, |engine| {
        engine.call(|occopus| async move {
            let infra = occopus.resolve(&infra).await?;
            work(occopus, infra).await
        })
    })
}

/// Looks at an infrastructure with all its instances now; changes nothing. `infra` is an id, a unique
/// prefix of one, or a name, here and below.
///
/// `*result`: as `occopus status --format json`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn occopus_status(
    occopus: *mut occopus_t,
    infra: *const c_char,
    result: *mut *mut c_char,
    error: *mut occopus_error_t,
) -> occopus_code_t {
    // SAFETY: what a program must keep to.
    let body = || unsafe {
        let work = |occopus: Arc<Occopus>, infra| async move { Ok(json!(occopus.status(&infra).await?)) };
        Ok(about(occopus, infra, work)?.into())
    };
    // SAFETY: what a program must keep to.
    unsafe { answering(result, error, body) }
}

/// Shows the stored events of an infrastructure: all, or those after the position `after`, which is the
/// `after` of an earlier result; NULL for all.
///
/// `*result`: {"schema", "events", "after"}.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn occopus_events(
    occopus: *mut occopus_t,
    infra: *const c_char,
    after: *const c_char,
    result: *mut *mut c_char,
    error: *mut occopus_error_t,
) -> occopus_code_t {
    let body = || {
        // SAFETY: what a program must keep to.
        let (infra, after) = unsafe { (text("infra", infra)?, optional_text("after", after)?) };
        let after = after.unwrap_or_default();
        with_engine(occopus, |engine| {
            let json = engine.call(|occopus| async move {
                let found = stored(&occopus, &infra, &after).await?;
                let last = found.last().map_or(after, |(number, _)| number.clone());
                let events: Vec<Event> = found.into_iter().map(|(_, event)| event).collect();
                Ok(json!({"schema": 1, "events": events, "after": last}))
            })?;
            Ok(json.into())
        })
    };
    // SAFETY: what a program must keep to.
    unsafe { answering(result, error, body) }
}

/// The events of an infrastructure, also of one that is gone but whose events are still kept.
async fn stored(occopus: &Occopus, text: &str, after: &str) -> Result<Vec<(String, Event)>, Error> {
    match occopus.resolve(text).await {
        Ok(infra) => occopus.events(&infra, after).await,
        Err(unknown @ Error::Engine(EngineError::UnknownInfrastructure { .. })) => {
            let infra = InfraId::from(text);
            if occopus.events(&infra, "").await?.is_empty() {
                return Err(unknown);
            }
            occopus.events(&infra, after).await
        }
        Err(error) => Err(error),
    }
}

/// Shows the boot or process log of instances: of all, or of those that `which` names by node, slot such as
/// worker/1, node id or address.
///
/// `*result`: an array of {"schema", "slot", "node_id", "log"}, with "error" for a log that cannot be read.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn occopus_logs(
    occopus: *mut occopus_t,
    infra: *const c_char,
    which: *const c_char,
    result: *mut *mut c_char,
    error: *mut occopus_error_t,
) -> occopus_code_t {
    let body = || {
        // SAFETY: what a program must keep to.
        let which = unsafe { optional_text("which", which) }?;
        let work = |occopus: Arc<Occopus>, infra| async move {
            let logs = occopus.logs(&infra, which.as_deref()).await?;
            let shown = logs.into_iter().map(|(attempt, log)| {
                let mut entry = json!({"schema": 1, "slot": attempt.slot, "node_id": attempt.node_id});
                match log {
                    Ok(log) => entry["log"] = json!(log),
                    Err(error) => entry["error"] = json!(error.to_string()),
                }
                entry
            });
            Ok(shown.collect::<Value>())
        };
        // SAFETY: what a program must keep to.
        Ok(unsafe { about(occopus, infra, work) }?.into())
    };
    // SAFETY: what a program must keep to.
    unsafe { answering(result, error, body) }
}

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
    let body = || {
        // SAFETY: what a program must keep to.
        let infra = unsafe { text("infra", infra) }?;
        let stop = Stop::optional(stop)?;
        with_engine(occopus, |engine| {
            let (infra, pass) = engine.run(stop, |occopus, stop| async move {
                let infra = occopus.resolve(&infra).await?;
                let run = Run { stop, ..Run::new("occopus (C) maintain") };
                let pass = occopus.maintain(&infra, &run, &mut |_, _| {}).await?;
                Ok((infra, pass))
            })?;
            let json = json!({"schema": 1, "infra_id": infra, "plan": pass.plan, "enacted": pass.enacted});
            let fault = unfinished(&infra, &pass).map(|fault| engine.redacted(fault));
            Ok(Answer { json, fault })
        })
    };
    // SAFETY: what a program must keep to.
    unsafe { answering(result, error, body) }
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
    let body = || {
        // SAFETY: what a program must keep to.
        let (node, change) = unsafe { change(options) }?;
        let work = |occopus: Arc<Occopus>, infra| async move {
            let scaling = occopus.scale(&infra, &node, &[change]).await?;
            Ok(json!({
                "schema": 1,
                "infra_id": infra,
                "node": node,
                "target": scaling.target,
                "notes": scaling.notes,
                "maintainer": scaling.maintainer,
            }))
        };
        // SAFETY: what a program must keep to.
        Ok(unsafe { about(occopus, infra, work) }?.into())
    };
    // SAFETY: what a program must keep to.
    unsafe { answering(result, error, body) }
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
    let body = || {
        // SAFETY: what a program must keep to.
        let request = unsafe { hold(options) }?;
        let work = |occopus: Arc<Occopus>, infra| async move {
            let kind = request.kind;
            let hold = occopus.hold(&infra, request).await?;
            Ok(json!({"schema": 1, "infra_id": infra, "kind": kind, "hold": hold}))
        };
        // SAFETY: what a program must keep to.
        Ok(unsafe { about(occopus, infra, work) }?.into())
    };
    // SAFETY: what a program must keep to.
    unsafe { answering(result, error, body) }
}

/// # Safety
/// As the header says.
unsafe fn hold(given: *const occopus_hold_options_t) -> Result<HoldRequest, Fault> {
    // SAFETY: promised by the caller.
    let (given, node, reason) = unsafe {
        let given = options(given)?;
        (given, optional_text("node", given.node)?, optional_text("reason", given.reason)?)
    };
    Ok(HoldRequest {
        kind: kind(given.kind)?,
        node,
        reason: reason.unwrap_or_default(),
        duration: (given.seconds > 0).then(|| SignedDuration::from_secs(given.seconds.into())),
        command: "occopus (C) hold".to_owned(),
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
    let body = || {
        // SAFETY: what a program must keep to.
        let node = unsafe { optional_text("node", node) }?;
        let kind = self::kind(kind)?;
        let work = move |occopus: Arc<Occopus>, infra| async move {
            let lifted = occopus.lift_hold(&infra, kind, node.as_deref(), "occopus (C) lift").await?;
            Ok(json!({"schema": 1, "infra_id": infra, "kind": kind, "hold": lifted}))
        };
        // SAFETY: what a program must keep to.
        Ok(unsafe { about(occopus, infra, work) }?.into())
    };
    // SAFETY: what a program must keep to.
    unsafe { answering(result, error, body) }
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
    let body = || {
        // SAFETY: what a program must keep to.
        let infra = unsafe { text("infra", infra) }?;
        let stop = Stop::optional(stop)?;
        with_engine(occopus, |engine| {
            let (infra, demolished) = engine.run(stop, |occopus, stop| async move {
                let infra = occopus.resolve(&infra).await?;
                let run = Run { stop, ..Run::new("occopus (C) destroy") };
                let demolished = occopus.destroy(&infra, &run, &mut |_, _| {}).await?;
                Ok((infra, demolished))
            })?;
            let mut json = json!(demolished);
            json["schema"] = json!(1);
            json["infra_id"] = json!(infra);
            let fault = left(&infra, &demolished).map(|fault| engine.redacted(fault));
            Ok(Answer { json, fault })
        })
    };
    // SAFETY: what a program must keep to.
    unsafe { answering(result, error, body) }
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
