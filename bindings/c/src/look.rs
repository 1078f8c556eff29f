//! Functions that look at infrastructures and change nothing.

#![expect(unsafe_code, reason = "functions of a C library")]
#![expect(clippy::missing_safety_doc, reason = "the header says at its beginning what programs must keep to")]

use std::collections::BTreeMap;
use std::ffi::c_char;

use occopus::engine::event::Event;
use occopus::engine::ids::InfraId;
use occopus::engine::record::{Goal, InfraRecord};
use occopus::{Error, GraphFormat};
use serde_json::{Value, json};

use crate::calls::{Context, ask};
use crate::fault::{Answer, Fault};
use crate::given::{document, optional_text, text};
use crate::types::occopus_code_t::{self, *};
use crate::types::{occopus_error_t, occopus_t};

/// Lists the infrastructures, oldest first, without looking at their instances.
///
/// `*result`: an array of {"schema", "infra_id", "name", "state", "generation", "created_at"}.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn occopus_list(
    occopus: *mut occopus_t,
    result: *mut *mut c_char,
    error: *mut occopus_error_t,
) -> occopus_code_t {
    // SAFETY: what a program must keep to.
    unsafe { ask(occopus, result, error, || Ok(()), list) }
}

async fn list(context: Context, (): ()) -> Result<Answer, Error> {
    Ok(context.occopus.list().await?.iter().map(listed).collect::<Value>().into())
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
    unsafe { ask(occopus, result, error, || text("infra", infra), status) }
}

async fn status(context: Context, infra: String) -> Result<Answer, Error> {
    let infra = context.resolve(&infra).await?;
    Ok(json!(context.occopus.status(&infra).await?).into())
}

/// Shows what the outputs of a description come to: all of them, or only the one called `name`, which may be
/// NULL.
///
/// `*result`: {"schema", "infra_id", "outputs": values by name, "errors": reasons by name}. It is set with
/// OCCOPUS_FAILED, too, which is returned if one has no value.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn occopus_outputs(
    occopus: *mut occopus_t,
    infra: *const c_char,
    name: *const c_char,
    result: *mut *mut c_char,
    error: *mut occopus_error_t,
) -> occopus_code_t {
    // SAFETY: what a program must keep to.
    unsafe {
        let read = || Ok((text("infra", infra)?, optional_text("name", name)?));
        ask(occopus, result, error, read, outputs)
    }
}

async fn outputs(context: Context, (infra, name): (String, Option<String>)) -> Result<Answer, Error> {
    let infra = context.resolve(&infra).await?;
    let (mut values, mut errors) = (BTreeMap::new(), BTreeMap::new());
    for (name, result) in context.occopus.outputs(&infra, name.as_deref()).await? {
        match result {
            Ok(value) => drop(values.insert(name, value)),
            Err(reason) => drop(errors.insert(name, reason)),
        }
    }
    let reasons: Vec<String> =
        errors.iter().map(|(name, reason)| format!("output '{name}' has no value: {reason}")).collect();
    let fault = (!reasons.is_empty()).then(|| Fault::new(OCCOPUS_FAILED, reasons.join("; ")));
    let json = json!({"schema": 1, "infra_id": infra, "outputs": values, "errors": errors});
    Ok(Answer { json, fault })
}

/// Shows the living instances as other programs want to have them.
///
/// `*result`: {"schema", "infra_id", "name", "hosts", "without_address", "ansible", "ssh_config",
/// "hosts_file"}; the last three are texts: an inventory of Ansible in YAML, entries of a configuration file of
/// ssh, and lines of /etc/hosts.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn occopus_inventory(
    occopus: *mut occopus_t,
    infra: *const c_char,
    result: *mut *mut c_char,
    error: *mut occopus_error_t,
) -> occopus_code_t {
    // SAFETY: what a program must keep to.
    unsafe { ask(occopus, result, error, || text("infra", infra), inventory) }
}

async fn inventory(context: Context, infra: String) -> Result<Answer, Error> {
    let inventory = context.occopus.inventory(&context.resolve(&infra).await?).await?;
    let mut json = json!(inventory);
    json["ansible"] = json!(inventory.ansible());
    json["ssh_config"] = json!(inventory.ssh_config());
    json["hosts_file"] = json!(inventory.hosts_file());
    Ok(json.into())
}

/// Draws the graph of dependencies. `format` is text, dot or mermaid; NULL for text.
///
/// `*result`: {"schema", "graph"}.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn occopus_graph(
    occopus: *mut occopus_t,
    infra: *const c_char,
    format: *const c_char,
    result: *mut *mut c_char,
    error: *mut occopus_error_t,
) -> occopus_code_t {
    // SAFETY: what a program must keep to.
    unsafe {
        let read = || Ok((text("infra", infra)?, graph_format(optional_text("format", format)?.as_deref())?));
        ask(occopus, result, error, read, graph)
    }
}

fn graph_format(name: Option<&str>) -> Result<GraphFormat, Fault> {
    match name {
        None | Some("text") => Ok(GraphFormat::Text),
        Some("dot") => Ok(GraphFormat::Dot),
        Some("mermaid") => Ok(GraphFormat::Mermaid),
        Some(other) => {
            Err(Fault::argument(format!("'{other}' is no format; there are text, dot and mermaid")))
        }
    }
}

async fn graph(context: Context, (infra, format): (String, GraphFormat)) -> Result<Answer, Error> {
    let infra = context.resolve(&infra).await?;
    Ok(json!({"schema": 1, "graph": context.occopus.graph(&infra, format).await?}).into())
}

/// What was read before.
enum Since {
    /// Of an infrastructure, up to the event with this number.
    One(String, String),
    /// Of all infrastructures, up to the numbers of these events.
    All(BTreeMap<InfraId, String>),
}

/// # Safety
/// As the header says.
unsafe fn since(infra: *const c_char, after: *const c_char) -> Result<Since, Fault> {
    // SAFETY: promised by the caller.
    let (infra, after) = unsafe { (optional_text("infra", infra)?, document("after", after)?) };
    match infra {
        Some(infra) => Ok(Since::One(infra, after.unwrap_or_default())),
        None => serde_json::from_str(after.as_deref().unwrap_or("{}"))
            .map(Since::All)
            .map_err(|_| Fault::argument("after is none that a call without infra gave")),
    }
}

/// Shows the stored events of an infrastructure, or of all infrastructures if `infra` is NULL: all events, or
/// those after the position `after`, which is the "after" of an earlier result of the same kind; NULL for all.
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
    // SAFETY: what a program must keep to.
    unsafe { ask(occopus, result, error, || since(infra, after), events) }
}

async fn events(context: Context, since: Since) -> Result<Answer, Error> {
    let (found, after) = match since {
        Since::One(infra, after) => {
            let infra = context.occopus.resolve_past(&infra).await?;
            let (events, last) = read_after(&context, &infra, &after).await?;
            (events, last.unwrap_or(after))
        }
        Since::All(mut positions) => {
            let mut all = Vec::new();
            for record in context.occopus.records().await? {
                let after = positions.get(&record.id).map_or("", String::as_str);
                let (events, last) = read_after(&context, &record.id, after).await?;
                positions.extend(last.map(|last| (record.id, last)));
                all.extend(events);
            }
            // Stable: the events of one infrastructure keep their order.
            all.sort_by_key(|event| event.time);
            (all, json!(positions).to_string())
        }
    };
    Ok(json!({"schema": 1, "events": found, "after": after}).into())
}

/// The events after the one with the number `after`, and the number of the last one.
async fn read_after(
    context: &Context,
    infra: &InfraId,
    after: &str,
) -> Result<(Vec<Event>, Option<String>), Error> {
    let found = context.occopus.events(infra, after).await?;
    let last = found.last().map(|(number, _)| number.clone());
    Ok((found.into_iter().map(|(_, event)| event).collect(), last))
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
    // SAFETY: what a program must keep to.
    unsafe {
        let read = || Ok((text("infra", infra)?, optional_text("which", which)?));
        ask(occopus, result, error, read, logs)
    }
}

async fn logs(context: Context, (infra, which): (String, Option<String>)) -> Result<Answer, Error> {
    let infra = context.resolve(&infra).await?;
    let logs = context.occopus.logs(&infra, which.as_deref()).await?;
    let shown = logs.into_iter().map(|(attempt, log)| {
        let mut entry = json!({"schema": 1, "slot": attempt.slot, "node_id": attempt.node_id});
        match log {
            Ok(log) => entry["log"] = json!(log),
            Err(error) => entry["error"] = json!(error.to_string()),
        }
        entry
    });
    Ok(shown.collect::<Value>().into())
}
