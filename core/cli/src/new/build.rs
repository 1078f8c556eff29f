//! `occopus build`.

use occopus::engine::control::Built;
use occopus::engine::enact::Failed;
use occopus::engine::ids::AttemptId;
use occopus::engine::plan::{Order, Plan, Situation, What};
use occopus::engine::record::Phase;
use occopus::{BuildReport, Error, Input};

use super::plan::{headed, prepare};
use super::{Session, args, say_ways_out, stop_at_ctrl_c};
use crate::confirm::{Answer, ask};
use crate::live::Progress;
use crate::output::Output;
use crate::words::{count, failure as failure_text, span};
use crate::{DONE, FAILED, INTERRUPTED};

pub(super) async fn run(session: &Session, args: args::Build) -> Result<u8, Error> {
    let output = &session.output;
    let progress = Progress::new(output);
    let occopus = session.open_with(progress.clone(), args.pace.max_parallel).await?;
    let prepared = prepare(&occopus, output, Input::File(args.description), args.subject).await?;
    let order = if args.pace.sequential { Order::Sequential } else { Order::Parallel };
    let (plan, situation) = occopus.preview(&prepared, order).await?;
    output.say(&headed(&prepared, &plan, output.colors_progress()));
    let confirmed = (args.yes, args.confirm.as_deref());
    if prepared.exists && !may_destroy(output, (&plan, &situation), confirmed).await? {
        output.say("nothing was changed");
        return Ok(crate::USAGE);
    }
    let name = prepared.generation.infrastructure.name.clone();
    let first = !prepared.exists;
    let stop = stop_at_ctrl_c(output);
    let run = args.pace.run_of("build", stop);
    let mut show = |plan: &Plan, situation: &Situation| progress.plan(plan, situation);
    let infra = prepared.infra_id.clone();
    match progress.during(occopus.build(prepared, &run, args.rollback, &mut show)).await {
        Ok(report) => Ok(conclude(output, &name, first && args.rollback, &report)),
        Err(error) => {
            if broke_off(&error) {
                say_ways_out(output, &infra);
            }
            Err(error)
        }
    }
}

/// Whether `error` ended a build that may have begun already, as opposed to one that was refused.
fn broke_off(error: &Error) -> bool {
    use occopus::engine::error::EngineError;
    matches!(
        error,
        Error::Engine(EngineError::Store(_) | EngineError::LeaseLost(_) | EngineError::Record { .. })
    )
}

/// Asks before a change destroys or replaces instances; `named` is what `--confirm` gave.
async fn may_destroy(
    output: &Output,
    (plan, situation): (&Plan, &Situation),
    (yes, named): (bool, Option<&str>),
) -> Result<bool, Error> {
    let lost = losses(plan, situation);
    // A change of the name is confirmed by the old or the new one.
    let (name, new) = (&situation.record.name, &situation.generation.infrastructure.name);
    if let Some(other) = named.filter(|named| named != name && named != new) {
        return Err(Error::Usage(format!(
            "--confirm {other}: this infrastructure is called '{name}' (nothing was changed)"
        )));
    }
    if lost.is_empty() || named.is_some() {
        return Ok(true);
    }
    let many = lost.len() > MANY || lost.len() * 100 > situation.instances.len() * MANY_PERCENT;
    if yes && !many {
        return Ok(true);
    }
    let what = format!(
        "the change destroys or replaces {} of {}; what is on their local disks is lost:\n{}",
        count(lost.len(), "instance"),
        situation.instances.len(),
        lost.join("\n")
    );
    match ask(output, &format!("{what}\nGo on?")).await {
        Answer::Yes => Ok(true),
        Answer::No => Ok(false),
        Answer::Unasked => {
            let option = if many { format!("--confirm {name}") } else { "--yes".to_owned() };
            Err(Error::Usage(format!("{what}\nconfirm it with {option} (nothing was changed)")))
        }
    }
}

/// More instances than this need more than `--yes`.
const MANY: usize = 5;
/// A larger part of all instances than this needs more than `--yes`.
const MANY_PERCENT: usize = 30;

/// The instances that the plan destroys, other than those that failed or are being destroyed already,
/// each with its age and the reason.
fn losses(plan: &Plan, situation: &Situation) -> Vec<String> {
    let living = |id: &AttemptId| {
        let attempts = situation.instances.iter().map(|instance| &instance.attempt);
        attempts.filter(|attempt| !matches!(attempt.phase, Phase::Destroying { .. })).find(|a| a.id == *id)
    };
    let lost = plan.actions.iter().filter_map(|action| match &action.what {
        What::Destroy { attempt, failed: false, .. } => living(attempt).map(|attempt| (action, attempt)),
        _ => None,
    });
    lost.map(|(action, attempt)| {
        let age = span(situation.now.duration_since(attempt.created_at).as_secs());
        let id = attempt.provider_id.as_ref().map(ToString::to_string).unwrap_or_default();
        format!("  {} ({} {id}, {age} old): {}", action.slot, attempt.place.handler, action.cause)
    })
    .collect()
}

/// Says how the build ended and what to do now. `undone` tells that a first build is rolled back unless
/// it succeeded.
fn conclude(output: &Output, name: &str, undone: bool, report: &BuildReport) -> u8 {
    let infra = &report.infra_id;
    let code = match &report.built {
        Built::Ready => {
            output.say(&format!("'{name}' is ready; look at it with: occopus status {infra}"));
            DONE
        }
        Built::Failed { failures } => {
            output.error(&format!("'{name}' could not be built as described"));
            say_failures(output, failures);
            FAILED
        }
        Built::Interrupted => {
            output.error(&format!("the build of '{name}' was interrupted"));
            INTERRUPTED
        }
    };
    if code != DONE {
        say_undone(output, name, undone, report);
    }
    let exists = code == DONE || !(undone || report.withdrawn) || !report.leftovers.is_empty();
    if output.is_json() {
        output.json(report);
    } else if exists {
        output.result(infra.as_str());
    }
    code
}

fn say_undone(output: &Output, name: &str, undone: bool, report: &BuildReport) {
    let infra = &report.infra_id;
    if report.withdrawn {
        output.write_line("nothing was created and nothing was changed; mend the cause and build again");
        return;
    }
    if !report.leftovers.is_empty() {
        output.error("not everything could be undone; nothing is forgotten:");
        say_failures(output, &report.leftovers);
    } else if undone {
        output.write_line(&format!("'{name}' was rolled back; nothing of it is left"));
        return;
    } else if report.restored {
        output.write_line("the change was undone; the description before it is in force again");
        output.write_line(&format!("to look at it: occopus status {infra}"));
        return;
    }
    if undone {
        output.write_line(&format!("to remove: occopus destroy {infra}"));
    } else {
        say_ways_out(output, infra);
    }
}

/// Lists what failed and why.
pub(super) fn say_failures(output: &Output, failures: &[Failed]) {
    for failure in failures {
        output.write_line(&format!("  {}", failure_text(failure)));
    }
}
