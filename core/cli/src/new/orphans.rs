//! `occopus orphans`.

use jiff::Timestamp;
use occopus::engine::enact::Enacted;
use occopus::{Error, Orphan, Orphans};
use serde::Serialize;
use serde_json::{Value, json};

use super::{Session, run_of, stop_at_ctrl_c};
use crate::confirm::{Answer, ask};
use crate::live::Progress;
use crate::output::Output;
use crate::words::{failure, span, table};
use crate::{DONE, FAILED, INTERRUPTED, USAGE};

/// Lists them.
pub(super) async fn list(session: &Session) -> Result<u8, Error> {
    let output = &session.output;
    let orphans = session.open().await?.orphans().await?;
    if output.is_json() {
        for (kind, listed) in [("orphan", &orphans.ours), ("foreign", &orphans.foreign)] {
            listed.iter().for_each(|orphan| output.json(&object(kind, orphan)));
        }
        orphans.unasked.iter().for_each(|unasked| output.json(&object("unasked", unasked)));
    } else if orphans.ours.is_empty() && orphans.foreign.is_empty() {
        output.say("no orphans");
    } else {
        output.result(&text(&orphans, Timestamp::now()));
    }
    for unasked in &orphans.unasked {
        output.error(&format!(
            "cannot tell whether there are orphans at {}: {}",
            unasked.place, unasked.reason
        ));
    }
    Ok(if orphans.unasked.is_empty() { DONE } else { FAILED })
}

/// Destroys one of them.
pub(super) async fn remove(session: &Session, text: &str, yes: bool) -> Result<u8, Error> {
    let output = &session.output;
    let progress = Progress::new(output);
    let occopus = session.open_with(progress.clone(), None).await?;
    let orphan = occopus.orphans().await?.pick(text)?;
    let id = orphan.listed.found.provider_id.to_string();
    let what = format!("{} {id} at {}", name(&orphan), orphan.place);
    output.say(&format!(
        "{what} ({}, {}) will be destroyed: {}",
        state(&orphan),
        age(&orphan, Timestamp::now()),
        orphan.reason
    ));
    if !yes {
        match ask(output, &format!("destroy {id}?")).await {
            Answer::Yes => {}
            Answer::No => {
                output.say("nothing was changed");
                return Ok(USAGE);
            }
            Answer::Unasked => {
                let text = format!("destroying {id} needs a confirmation: add --yes (nothing was changed)");
                return Err(Error::Usage(text));
            }
        }
    }
    let run = run_of("orphans", false, stop_at_ctrl_c(output));
    let enacted = progress.during(occopus.remove_orphan(&orphan, &run)).await?;
    Ok(conclude(output, &id, &enacted))
}

fn conclude(output: &Output, id: &str, enacted: &Enacted) -> u8 {
    let (code, result) = match enacted {
        Enacted { interrupted: true, .. } => (INTERRUPTED, "interrupted"),
        Enacted { failed, .. } if !failed.is_empty() => (FAILED, "failed"),
        _ => (DONE, "destroyed"),
    };
    if output.is_json() {
        output.json(&json!({"schema": 1, "provider_id": id, "result": result, "failed": enacted.failed}));
    } else if code == DONE {
        output.result(&format!("{id} is destroyed"));
    }
    enacted.failed.iter().for_each(|failed| output.error(&failure(failed)));
    if code != DONE {
        output.write_line(&format!("to go on: occopus orphans --remove {id}"));
    }
    code
}

fn object(kind: &str, what: impl Serialize) -> Value {
    let mut object = json!(what);
    object["schema"] = json!(1);
    object["kind"] = json!(kind);
    object
}

fn text(orphans: &Orphans, now: Timestamp) -> String {
    let mut lines = Vec::new();
    let mut ours = rows(&orphans.ours, now).into_iter();
    lines.extend(ours.next().filter(|_| !orphans.ours.is_empty()));
    for (row, orphan) in ours.zip(&orphans.ours) {
        lines.push(row);
        lines.push(format!("  {}", orphan.reason));
        lines.push(format!("  next: {}", orphan.next.join(", or ")));
    }
    if !orphans.foreign.is_empty() {
        if !lines.is_empty() {
            lines.push(String::new());
        }
        lines.push("of other stores, not to be touched from here:".to_owned());
        let mut foreign = rows(&orphans.foreign, now).into_iter();
        lines.extend(foreign.next());
        for (row, orphan) in foreign.zip(&orphans.foreign) {
            lines.push(row);
            lines.push(format!("  {}", orphan.reason));
        }
    }
    lines.join("\n")
}

/// A head and a row for each.
fn rows(orphans: &[Orphan], now: Timestamp) -> Vec<String> {
    let mut rows = vec![["INSTANCE", "STATE", "AGE", "ID", "PLACE"].map(str::to_owned)];
    rows.extend(orphans.iter().map(|orphan| {
        let id = orphan.listed.found.provider_id.to_string();
        [name(orphan), state(orphan), age(orphan, now), id, orphan.place.to_string()]
    }));
    table(&rows, |_, _, cell| cell.to_owned())
}

/// Who it is by its tags, with the name of its infrastructure if that is known.
fn name(orphan: &Orphan) -> String {
    let identity = &orphan.listed.found.identity;
    let infra = orphan.infra_name.as_deref().unwrap_or(identity.infra.as_str());
    format!("{infra}/{}", identity.slot)
}

/// The state in the word that machine output uses.
fn state(orphan: &Orphan) -> String {
    match serde_json::to_value(orphan.listed.found.state) {
        Ok(Value::String(word)) => word,
        _ => String::new(),
    }
}

fn age(orphan: &Orphan, now: Timestamp) -> String {
    orphan
        .listed
        .created_at
        .map_or_else(|| "age unknown".to_owned(), |created_at| span(now.duration_since(created_at).as_secs()))
}
