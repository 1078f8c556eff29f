//! `occopus build`.

use std::sync::Arc;

use occopus::engine::control::Built;
use occopus::engine::enact::Failed;
use occopus::engine::plan::{Order, Plan, Situation};
use occopus::{BuildReport, Confirmed, Error, Input, Loss, Occopus, Prepared, SavedPlan};

use super::build_args::{self as args, Leave, Pace};
use super::plan::{headed, prepare};
use super::{Session, say_ways_out, stop_at_ctrl_c};
use crate::confirm::{Answer, ask, ask_for};
use crate::live::Progress;
use crate::output::Output;
use crate::words::{count, failure as failure_text, span};
use crate::{DONE, FAILED, INTERRUPTED};

pub(super) async fn run(session: &Session, mut args: args::Build) -> Result<u8, Error> {
    let output = &session.output;
    let progress = Progress::new(output);
    let occopus = session.open_with(progress.clone(), args.pace.max_parallel).await?;
    let ready = match (args.plan, args.description) {
        (Some(path), _) => {
            let saved = SavedPlan::read(&path).await?;
            args.pace.sequential = saved.order() == Order::Sequential;
            occopus.prepare_saved(saved).await?
        }
        (None, description) => {
            let description = Input::File(description.unwrap_or_default());
            let prepared = prepare(&occopus, output, description, args.subject).await?;
            look_ahead(&occopus, prepared, &args.pace).await?
        }
    };
    let how = How { command: "build", pace: args.pace, rollback: args.rollback, leave: args.leave };
    carry_out(session, &occopus, &progress, ready, how).await
}

/// A build with what it would do now.
pub(super) type Ready = (Prepared, Plan, Situation);

/// How a build is carried out.
pub(super) struct How {
    /// Name of the command.
    pub(super) command: &'static str,
    pub(super) pace: Pace,
    /// Whether a first build that fails is destroyed again.
    pub(super) rollback: bool,
    pub(super) leave: Leave,
}

/// What `prepared` would do now.
pub(super) async fn look_ahead(occopus: &Occopus, prepared: Prepared, pace: &Pace) -> Result<Ready, Error> {
    let (plan, situation) = occopus.preview(&prepared, pace.order()).await?;
    Ok((prepared, plan, situation))
}

/// Shows the plan, asks where that is needed, and builds.
pub(super) async fn carry_out(
    session: &Session,
    occopus: &Occopus,
    progress: &Arc<Progress>,
    (mut prepared, plan, situation): Ready,
    how: How,
) -> Result<u8, Error> {
    let output = &session.output;
    output.say(&headed(&prepared, &plan, output.colors_progress()));
    let confirmed = (how.leave.yes, how.leave.confirm.as_deref());
    if let Some(refusal) = occopus.refusal(&situation) {
        return Err(Error::Usage(refusal));
    }
    let lost = occopus.losses(&plan, &situation);
    if prepared.exists && !may_destroy(output, &situation, &lost, confirmed).await? {
        output.say("nothing was changed");
        return Ok(crate::USAGE);
    }
    // Others may change it until its lease is ours. Who gives the name agrees to whatever it takes.
    if prepared.exists && how.leave.confirm.is_none() {
        prepared.confirmed = Some(Confirmed::of(&lost, &situation));
    }
    let name = prepared.generation.infrastructure.name.clone();
    let first = !prepared.exists;
    let stop = stop_at_ctrl_c(output);
    let run = how.pace.run_of(how.command, stop);
    let mut show = |plan: &Plan, situation: &Situation| progress.plan(plan, situation);
    let infra = prepared.infra_id.clone();
    match progress.during(occopus.build(prepared, &run, how.rollback, &mut show)).await {
        Ok(report) => {
            let code = conclude(output, &name, first && how.rollback, &report);
            if code != DONE && !first && !report.restored {
                let before = situation.record.generation;
                output.write_line(&format!("to go back: occopus rollback {infra} {before}"));
            }
            Ok(code)
        }
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

/// Asks before a change destroys or replaces the instances `lost`; `named` is what `--confirm` gave.
async fn may_destroy(
    output: &Output,
    situation: &Situation,
    lost: &[Loss],
    (yes, named): (bool, Option<&str>),
) -> Result<bool, Error> {
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
        lost.iter().map(loss_text).collect::<Vec<_>>().join("\n")
    );
    let answer = if many {
        ask_for(output, &format!("{what}\nTo go on, type its name ({name}):"), &[name, new]).await
    } else {
        ask(output, &format!("{what}\nGo on?")).await
    };
    match answer {
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

fn loss_text(loss: &Loss) -> String {
    let Loss { slot, resource, age, cause, .. } = loss;
    let id = loss.provider_id.as_ref().map(ToString::to_string).unwrap_or_default();
    format!("  {slot} ({resource} {id}, {} old): {cause}", span(*age))
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
