//! What to type next: the command that fits the situation.

use occopus_descriptor::model::Heal;
use occopus_engine::control::{Health, Survey};
use occopus_engine::hold::{Hold, HoldKind};
use occopus_engine::ids::Slot;
use occopus_engine::judge::InstanceState;
use occopus_engine::plan::Note;
use occopus_engine::record::{Outcome, Phase};

/// A command, and what it is good for.
struct Advice {
    /// Words to stand before the command; `None` where the remark itself names it.
    to: Option<&'static str>,
    command: String,
}

/// A remark of a plan in words, with the command that fits it.
pub(crate) fn remark(survey: &Survey, note: &Note) -> String {
    let text = crate::status::note_text(note);
    let advice = match note {
        Note::Deferred { slot, hold, .. } => for_slot(survey, slot, hold.as_ref()),
        Note::Warning { .. } | Note::Moved { .. } => None,
    };
    match advice {
        Some(Advice { to: Some(to), command }) => format!("{text}; {to}: {command}"),
        _ => text,
    }
}

/// The command that fits the whole situation.
pub(crate) fn command(survey: &Survey) -> String {
    let id = &survey.situation.record.id;
    let controlled = survey.lease.holder.is_some();
    match survey.health() {
        Health::Ready if !survey.requests.is_empty() && !controlled => format!("occopus maintain {id}"),
        Health::Ready => format!("occopus scale {id} NODE=COUNT, or occopus destroy {id}"),
        Health::Incomplete => {
            let deferred = survey.plan.notes.iter().filter_map(|note| match note {
                Note::Deferred { slot, hold, .. } => for_slot(survey, slot, hold.as_ref()),
                Note::Warning { .. } | Note::Moved { .. } => None,
            });
            let paused = survey.situation.holds.iter().find(|hold| hold.kind == HoldKind::Pause);
            match (deferred.map(|advice| advice.command).next(), paused) {
                (Some(command), _) => command,
                (None, Some(pause)) => pause.lifted_with(id.as_str()),
                (None, None) if controlled => format!("occopus events {id} --follow"),
                (None, None) => format!("occopus maintain {id}"),
            }
        }
        Health::Destroying => format!("occopus destroy {id}"),
        Health::Destroyed => "occopus list".to_owned(),
    }
}

/// What helps a slot that has to wait, for `hold` if there is one; `None` if time does.
fn for_slot(survey: &Survey, slot: &Slot, hold: Option<&Hold>) -> Option<Advice> {
    let situation = &survey.situation;
    let id = &situation.record.id;
    if let Some(hold) = hold.or_else(|| situation.holds.pause(&slot.node)) {
        let to = match hold.kind {
            HoldKind::Pause => "go on with",
            HoldKind::Protect => "allow it with",
        };
        return Some(Advice { to: Some(to), command: hold.lifted_with(id.as_str()) });
    }
    let instance = situation.instances.iter().find(|instance| instance.attempt.slot == *slot);
    let Some(instance) = instance else {
        return has_failed(survey, slot)
            .then(|| Advice { to: Some("look at it with"), command: format!("occopus events {id}") });
    };
    let state = instance.verdict.as_ref().map(|verdict| verdict.state).filter(|state| state.is_lost())?;
    let node = situation.generation.infrastructure.node(&slot.node);
    if node.is_some_and(|node| node.care.heal == Heal::Report) {
        return Some(Advice { to: None, command: format!("occopus replace {id} {slot}") });
    }
    // What is gone has no log any more.
    let command = match state {
        InstanceState::Gone => format!("occopus events {id}"),
        _ => format!("occopus logs {id} {slot}"),
    };
    Some(Advice { to: Some("look at it with"), command })
}

/// Whether an attempt to fill `slot` failed.
fn has_failed(survey: &Survey, slot: &Slot) -> bool {
    survey.situation.closed.iter().filter(|attempt| attempt.slot == *slot).any(|attempt| {
        matches!(
            attempt.phase,
            Phase::Closed {
                outcome: Outcome::Refused { .. }
                    | Outcome::Destroyed { failed: true, .. }
                    | Outcome::NeverAppeared { failed: true },
                ..
            }
        )
    })
}
