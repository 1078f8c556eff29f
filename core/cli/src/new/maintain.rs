//! `occopus maintain`.

use occopus::engine::control::Pass;
use occopus::engine::ids::InfraId;
use occopus::engine::plan::Note;
use occopus::{Error, Occopus, Run};
use serde_json::json;

use super::build_args::Pace;
use super::plan::{summary, text_of};
use super::{Session, say_ways_out, stop_at_ctrl_c};
use crate::live::Progress;
use crate::output::Output;
use crate::words::{count, failure as failure_text};
use crate::{DONE, FAILED, INTERRUPTED};

pub(super) async fn run(session: &Session, infras: &[String], pace: &Pace) -> Result<u8, Error> {
    let output = &session.output;
    // All names are looked up first: a wrong one changes nothing.
    let finder = session.open().await?;
    let mut ids: Vec<InfraId> = Vec::new();
    for text in infras {
        let infra = finder.resolve(text).await?;
        if !ids.contains(&infra) {
            ids.push(infra);
        }
    }
    let stop = stop_at_ctrl_c(output);
    let run = pace.run_of("maintain", stop);
    let mut worst = DONE;
    for infra in &ids {
        let progress = Progress::new(output);
        let occopus = session.open_with(progress.clone(), pace.max_parallel).await?;
        let code = match progress.during(pass(&occopus, output, infra, &run, &progress)).await {
            Ok(pass) => conclude(output, infra, &pass),
            Err(error) => output.fail(&error),
        };
        worst = worst.max(code);
        if run.stop.is_cancelled() {
            break;
        }
    }
    Ok(worst)
}

async fn pass(
    occopus: &Occopus,
    output: &Output,
    infra: &InfraId,
    run: &Run,
    progress: &Progress,
) -> Result<Pass, Error> {
    occopus
        .maintain(infra, run, &mut |plan, situation| {
            if !plan.is_empty() {
                output.say(&text_of(plan, output.colors_progress()));
            }
            progress.plan(plan, situation);
        })
        .await
}

fn conclude(output: &Output, infra: &InfraId, pass: &Pass) -> u8 {
    let code = code(pass);
    if output.is_json() {
        output.json(&json!({"schema": 1, "infra_id": infra, "plan": pass.plan, "enacted": pass.enacted}));
    } else {
        output.result(&format!("{infra}: {}", outcome(pass)));
    }
    for failure in &pass.enacted.failed {
        output.error(&failure_text(failure));
    }
    for note in &pass.plan.notes {
        output.warn(&occopus::note_text(note));
    }
    if code != DONE {
        say_ways_out(output, infra);
    }
    code
}

fn code(pass: &Pass) -> u8 {
    let deferred = pass.plan.notes.iter().any(|note| matches!(note, Note::Deferred { .. }));
    match () {
        () if pass.enacted.interrupted => INTERRUPTED,
        () if deferred || !pass.enacted.failed.is_empty() => FAILED,
        () => DONE,
    }
}

/// What was planned and what came of it, in one line.
pub(super) fn outcome(pass: &Pass) -> String {
    let enacted = &pass.enacted;
    if pass.plan.is_empty() && enacted.failed.is_empty() {
        return summary(&pass.plan);
    }
    let mut text = format!("{}; {} done", summary(&pass.plan), count(enacted.succeeded, "action"));
    if !enacted.failed.is_empty() {
        text.push_str(&format!(", {} failed", enacted.failed.len()));
    }
    if !enacted.skipped.is_empty() {
        text.push_str(&format!(", {} not started", enacted.skipped.len()));
    }
    if enacted.interrupted {
        text.push_str("; interrupted");
    }
    text
}

#[cfg(test)]
mod tests {
    use occopus::engine::enact::{Enacted, Failed};
    use occopus::engine::ids::Slot;
    use occopus::engine::plan::Plan;

    use super::*;

    #[test]
    fn an_idle_pass_is_a_success_that_did_nothing() {
        assert_eq!(outcome(&Pass::default()), "nothing to do");
        assert_eq!(code(&Pass::default()), DONE);
    }

    #[test]
    fn what_failed_or_has_to_wait_makes_the_pass_fail() {
        let failed = Failed { slot: Slot::new("db", 1), reason: String::new(), passing: true };
        let enacted = Enacted { succeeded: 2, failed: vec![failed], ..Enacted::default() };
        let pass = Pass { plan: Plan::default(), enacted };
        assert_eq!(outcome(&pass), "nothing to do; 2 actions done, 1 failed");
        assert_eq!(code(&pass), FAILED);
        let note = Note::Deferred {
            slot: Slot::new("db", 1),
            text: "next try in 20 s".to_owned(),
            hold: None,
            earlier: false,
        };
        let plan = Plan { notes: vec![note], ..Plan::default() };
        assert_eq!(code(&Pass { plan, ..Pass::default() }), FAILED);
    }

    #[test]
    fn an_interruption_counts_more_than_a_failure() {
        let enacted = Enacted { interrupted: true, ..Enacted::default() };
        assert_eq!(code(&Pass { enacted, ..Pass::default() }), INTERRUPTED);
    }
}
