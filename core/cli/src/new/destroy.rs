//! `occopus destroy`.

use occopus::engine::control::Demolished;
use occopus::engine::ids::InfraId;
use occopus::engine::plan::{Plan, Situation};
use occopus::{Error, Occopus, Run, Status};
use serde_json::json;

use super::build::say_failures;
use super::{Session, run_of, stop_at_ctrl_c};
use crate::confirm::{Answer, ask};
use crate::legacy::unlist;
use crate::live::Progress;
use crate::output::Output;
use crate::{DONE, FAILED, INTERRUPTED, USAGE};

pub(super) async fn run(session: &Session, infra: &str, yes: bool, abandon: bool) -> Result<u8, Error> {
    let output = &session.output;
    let progress = Progress::new(output);
    let occopus = session.open_with(progress.clone(), None).await?;
    let infra = occopus.resolve(infra).await?;
    let status = occopus.status(&infra).await?;
    output.say(&inventory(&status));
    if !yes {
        let verb = if abandon { "give up without destroying it" } else { "destroy" };
        match ask(output, &format!("{verb}: '{}' ({infra})?", status.name)).await {
            Answer::Yes => {}
            Answer::No => {
                output.say("nothing was changed");
                return Ok(USAGE);
            }
            Answer::Unasked => {
                return Err(Error::Usage(format!(
                    "destroying '{}' ({infra}) needs a confirmation: add --yes (nothing was changed)",
                    status.name
                )));
            }
        }
    }
    let stop = stop_at_ctrl_c(output);
    let run = run_of("destroy", false, stop);
    if abandon {
        return give_up(&occopus, output, &status, &run).await;
    }
    let mut show = |plan: &Plan, situation: &Situation| progress.plan(plan, situation);
    let demolished = progress.during(occopus.destroy(&infra, &run, &mut show)).await?;
    if demolished == Demolished::Gone {
        unlist(&infra).await;
    }
    Ok(conclude(output, &infra, &status.name, &demolished))
}

/// What there is to be destroyed.
fn inventory(status: &Status) -> String {
    let slots = status.nodes.iter().flat_map(|node| &node.slots);
    let lines: Vec<String> = slots
        .map(|slot| {
            let id = if slot.provider_id.is_empty() { "not created yet" } else { &slot.provider_id };
            format!("  {} ({} {id})", slot.slot, slot.resource)
        })
        .collect();
    if lines.is_empty() {
        return format!("'{}' has no instances", status.name);
    }
    format!("'{}' has these instances:\n{}", status.name, lines.join("\n"))
}

async fn give_up(occopus: &Occopus, output: &Output, status: &Status, run: &Run) -> Result<u8, Error> {
    let infra = &status.infra_id;
    let left = occopus.abandon(infra, run).await?;
    unlist(infra).await;
    for attempt in &left {
        let id = attempt.provider_id.as_ref().map(ToString::to_string).unwrap_or_default();
        output.warn(&format!("{} {id} at {} may still exist and cost money", attempt.slot, attempt.place));
    }
    if output.is_json() {
        let slots: Vec<String> = left.iter().map(|attempt| attempt.slot.to_string()).collect();
        output.json(&json!({"schema": 1, "infra_id": infra, "result": "abandoned", "left": slots}));
    } else {
        output.result(&format!("'{}' ({infra}) is given up", status.name));
    }
    Ok(DONE)
}

fn conclude(output: &Output, infra: &InfraId, name: &str, demolished: &Demolished) -> u8 {
    if output.is_json() {
        let mut object = json!(demolished);
        object["schema"] = json!(1);
        object["infra_id"] = json!(infra);
        output.json(&object);
    }
    match demolished {
        Demolished::Gone => {
            if !output.is_json() {
                output.result(&format!("'{name}' ({infra}) is destroyed; nothing is left"));
            }
            DONE
        }
        Demolished::Incomplete { failures } => {
            output.error(&format!("something of '{name}' may be left; nothing is forgotten:"));
            say_failures(output, failures);
            output.write_line(&format!(
                "to go on: occopus destroy {infra}\nif its cloud no longer exists: occopus destroy {infra} --abandon"
            ));
            FAILED
        }
        Demolished::Interrupted => {
            output.error(&format!("the destruction of '{name}' was interrupted"));
            output.write_line(&format!("to go on: occopus destroy {infra}"));
            INTERRUPTED
        }
    }
}
