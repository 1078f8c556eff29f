//! Functions about resources with our tags that belong to nothing known.

#![expect(unsafe_code, reason = "functions of a C library")]
#![expect(clippy::missing_safety_doc, reason = "the header says at its beginning what programs must keep to")]

use std::ffi::c_char;

use occopus::engine::enact::Enacted;
use occopus::{Error, Orphans};
use serde_json::json;

use crate::calls::{Context, ask, pursue};
use crate::fault::{Answer, Fault};
use crate::given::text;
use crate::operate::failures_text;
use crate::types::occopus_code_t::{self, *};
use crate::types::{occopus_error_t, occopus_stop_t, occopus_t};

/// Looks for resources with our tags that belong to nothing known, at all places that were ever used. Changes
/// nothing. `stop` may be NULL.
///
/// `*result`: {"schema", "ours", "foreign", "unasked"}, arrays of what carries the tags of this store, what
/// carries those of another store and is never touched, and of places that could not be asked. It is set with
/// OCCOPUS_FAILED, too, which is returned if there are such places.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn occopus_orphans(
    occopus: *mut occopus_t,
    stop: *mut occopus_stop_t,
    result: *mut *mut c_char,
    error: *mut occopus_error_t,
) -> occopus_code_t {
    // SAFETY: what a program must keep to.
    unsafe { pursue((occopus, stop), result, error, || Ok(()), orphans) }
}

async fn orphans(context: Context, (): ()) -> Result<Answer, Error> {
    let Some(found) = context.stop.run_until_cancelled(context.occopus.orphans()).await else {
        let fault = Fault::new(OCCOPUS_INTERRUPTED, "the search for orphans was interrupted");
        return Ok(Answer { json: json!(null), fault: Some(fault) });
    };
    let found = found?;
    let mut json = json!(found);
    json["schema"] = json!(1);
    Ok(Answer { json, fault: unasked(&found) })
}

fn unasked(found: &Orphans) -> Option<Fault> {
    let places: Vec<String> =
        found.unasked.iter().map(|unasked| format!("{}: {}", unasked.place, unasked.reason)).collect();
    let text = || format!("cannot tell whether there are orphans at {}", places.join("; "));
    (!places.is_empty()).then(|| Fault::new(OCCOPUS_FAILED, text()))
}

/// Takes an orphan back into its slot, which must be empty; the next occopus_maintain() looks at it. `orphan`
/// is its provider id, a unique prefix of it, or INFRA/SLOT.
///
/// `*result`: {"schema", "infra_id", "slot", "node_id", "provider_id", "result": "adopted"}.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn occopus_adopt(
    occopus: *mut occopus_t,
    orphan: *const c_char,
    result: *mut *mut c_char,
    error: *mut occopus_error_t,
) -> occopus_code_t {
    // SAFETY: what a program must keep to.
    unsafe { ask(occopus, result, error, || text("orphan", orphan), adopt) }
}

async fn adopt(context: Context, orphan: String) -> Result<Answer, Error> {
    let (infra, attempt) = context.occopus.adopt(&orphan, &context.run("adopt")).await?;
    let json = json!({
        "schema": 1,
        "infra_id": infra,
        "slot": attempt.slot,
        "node_id": attempt.node_id,
        "provider_id": attempt.provider_id.as_ref().map(|id| &id.id),
        "result": "adopted",
    });
    Ok(json.into())
}

/// Destroys an orphan, named as for occopus_adopt(), and nothing else, without a question. `stop` may be NULL.
///
/// `*result`: {"schema", "provider_id", "result": "destroyed", "failed" or "interrupted", "failed"}. It is set
/// with OCCOPUS_FAILED and OCCOPUS_INTERRUPTED, too.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn occopus_remove_orphan(
    occopus: *mut occopus_t,
    orphan: *const c_char,
    stop: *mut occopus_stop_t,
    result: *mut *mut c_char,
    error: *mut occopus_error_t,
) -> occopus_code_t {
    // SAFETY: what a program must keep to.
    unsafe { pursue((occopus, stop), result, error, || text("orphan", orphan), remove_orphan) }
}

async fn remove_orphan(context: Context, orphan: String) -> Result<Answer, Error> {
    let orphan = context.occopus.orphans().await?.pick(&orphan)?;
    let id = &orphan.listed.found.provider_id.id;
    let enacted = context.occopus.remove_orphan(&orphan, &context.run("remove_orphan")).await?;
    let (result, fault) = match &enacted {
        Enacted { interrupted: true, .. } => {
            let text = format!("the removal of {id} was interrupted");
            ("interrupted", Some(Fault::new(OCCOPUS_INTERRUPTED, text)))
        }
        Enacted { failed, .. } if !failed.is_empty() => {
            let text = format!("{id} could not be destroyed: {}", failures_text(failed));
            ("failed", Some(Fault::new(OCCOPUS_FAILED, text)))
        }
        _ => ("destroyed", None),
    };
    let json = json!({"schema": 1, "provider_id": id, "result": result, "failed": enacted.failed});
    Ok(Answer { json, fault })
}
