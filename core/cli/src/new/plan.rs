//! `occopus plan`, and plans in words.

use crossterm::style::Color;
use occopus::descriptor::Diagnostics;
use occopus::descriptor::codes::{self, Code};
use occopus::engine::difference::Change;
use occopus::engine::plan::{Action, Note, Order, Plan, What};
use occopus::{BuildRequest, Error, Input, Occopus, Prepared, Target, note_text};
use serde_json::json;

use super::Session;
use super::build_args::{PlanArgs, Subject};
use super::history::lines_of;
use crate::output::{Output, paint};
use crate::words::count;
use crate::{CHANGES, DONE};

pub(super) async fn run(session: &Session, args: PlanArgs) -> Result<u8, Error> {
    let output = &session.output;
    let occopus = session.open().await?;
    let Some(description) = args.description else {
        let text = args.subject.infra.as_deref().unwrap_or_default();
        let infra = occopus.resolve(text).await?;
        let plan = occopus.plan(&infra).await?;
        if output.is_json() {
            output.json(&json!({"schema": 1, "infra_id": infra, "exists": true, "plan": plan}));
        } else {
            output.result(&text_of(&plan, output.colors_results()));
        }
        return Ok(code(args.exit_code, &plan, &[]));
    };
    let prepared = prepare(&occopus, output, Input::File(description), args.subject).await?;
    let order = if args.sequential { Order::Sequential } else { Order::Parallel };
    let plan = match &args.save {
        Some(path) => {
            let (saved, plan, _) = occopus.save_plan(&prepared, order).await?;
            saved.write(path).await?;
            plan
        }
        None => occopus.preview(&prepared, order).await?.0,
    };
    let changes = occopus.changes(&prepared).await?;
    if output.is_json() {
        output.json(&json!({
            "schema": 1,
            "infra_id": prepared.exists.then_some(&prepared.infra_id),
            "exists": prepared.exists,
            "changes": changes,
            "plan": plan,
            "warnings": prepared.warnings,
        }));
    } else {
        let told = if prepared.exists { lines_of(&changes) } else { Vec::new() };
        for line in told {
            output.say(&format!("description: {line}"));
        }
        output.result(&headed(&prepared, &plan, output.colors_results()));
    }
    if let Some(path) = &args.save {
        output.say(&format!("saved; to do exactly this: occopus build --plan {}", path.display()));
    }
    Ok(code(args.exit_code, &plan, &changes))
}

/// The exit code: that of changes if it is `asked` for and anything is to be done or to be changed.
fn code(asked: bool, plan: &Plan, changes: &[Change]) -> u8 {
    let later = plan.notes.iter().any(|note| matches!(note, Note::Deferred { .. }));
    if asked && (!plan.is_empty() || later || !changes.is_empty()) { CHANGES } else { DONE }
}

/// Reads and checks the files of a build and shows their warnings.
pub(super) async fn prepare(
    occopus: &Occopus,
    output: &Output,
    description: Input,
    subject: Subject,
) -> Result<Prepared, Error> {
    let target = match (subject.infra, subject.create, subject.new) {
        (Some(infra), true, _) => Target::Chosen(infra),
        (Some(infra), false, _) => Target::Existing(infra),
        (None, _, true) => Target::New,
        (None, _, false) => Target::First,
    };
    let may_create = matches!(target, Target::Existing(_));
    let request = BuildRequest {
        definitions: subject.nodes,
        variables: subject.variables.into(),
        replacing: subject.replacing.into(),
        ..BuildRequest::new(description, target)
    };
    let prepared = occopus.prepare(&request).await.map_err(|error| {
        if may_create && super::is_unknown(&error) {
            return Error::Usage(format!("{error}; to build a new one under this id, add --create"));
        }
        error
    })?;
    show_warnings(output, &prepared.warnings);
    Ok(prepared)
}

/// Shows the warnings of files, but for those that are about nothing.
pub(super) fn show_warnings(output: &Output, warnings: &Diagnostics) {
    for warning in warnings.iter() {
        if LEFT_OUT.contains(&warning.code) {
            tracing::info!("{warning}");
        } else {
            output.write_line(&warning.shown(output.colors_progress()).to_string());
        }
    }
}

/// What Occopus 1.10 warned about although nothing is wrong: keys that are optional. Shown with `-v`.
pub(super) const LEFT_OUT: [Code; 2] = [codes::NO_SCALING, codes::NO_DEPENDENCIES];

/// The plan of a build, headed by what it is for.
pub(super) fn headed(prepared: &Prepared, plan: &Plan, colors: bool) -> String {
    let name = &prepared.generation.infrastructure.name;
    let head = if prepared.exists {
        format!("change of '{name}' ({})", prepared.infra_id)
    } else {
        format!("first build of '{name}'")
    };
    format!("{head}\n{}", text_of(plan, colors))
}

/// A plan with its reasons, for people.
pub(super) fn text_of(plan: &Plan, colors: bool) -> String {
    let mut lines: Vec<String> = plan
        .actions
        .iter()
        .map(|action| {
            let (sign, color) = sign(action);
            format!("  {} {action}", paint(colors, color, sign))
        })
        .collect();
    for note in &plan.notes {
        let label = match note {
            Note::Warning { .. } => paint(colors, Color::Yellow, "warning:"),
            Note::Moved { .. } => "moved:".to_owned(),
            Note::Deferred { .. } => "later:".to_owned(),
        };
        lines.push(format!("  {label} {}", note_text(note)));
    }
    lines.push(summary(plan));
    lines.join("\n")
}

fn sign(action: &Action) -> (&'static str, Color) {
    match action.what {
        What::Create { .. } => ("+", Color::Green),
        What::Destroy { .. } | What::Settle { wanted: false, .. } => ("-", Color::Red),
        What::Await { .. } | What::Settle { wanted: true, .. } | What::Adopt { .. } => ("~", Color::Yellow),
    }
}

/// The number of actions by kind, in one line.
pub(super) fn summary(plan: &Plan) -> String {
    let number = |wanted: &str| plan.actions.iter().filter(|action| sign(action).0 == wanted).count();
    let parts: Vec<String> = [("+", "create"), ("~", "wait for"), ("-", "destroy")]
        .into_iter()
        .filter(|(sign, _)| number(sign) > 0)
        .map(|(sign, verb)| format!("{} to {verb}", number(sign)))
        .collect();
    let later = plan.notes.iter().filter(|note| matches!(note, Note::Deferred { .. })).count();
    match (parts.is_empty(), later) {
        (true, 0) => "nothing to do".to_owned(),
        (true, later) => format!("nothing to do now, {} for later", count(later, "action")),
        (false, _) => parts.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use occopus::engine::ids::{AttemptId, Slot};
    use occopus::engine::record::Cause;

    use super::*;

    fn action(id: usize, slot: &str, what: What, cause: &str) -> Action {
        Action {
            id,
            slot: slot.parse::<Slot>().expect("a slot"),
            what,
            cause: Cause(cause.to_owned()),
            needs: Vec::new(),
            follows: Vec::new(),
            behind: Vec::new(),
        }
    }

    #[test]
    fn a_plan_tells_every_action_with_its_reason_and_a_sum() {
        let create =
            What::Create { implementation: 0, resource: "process".to_owned(), endpoint: String::new() };
        let destroy =
            What::Destroy { attempt: AttemptId::from("a"), failed: false, others: None, found: None };
        let plan = Plan {
            actions: vec![
                action(0, "worker/2", create, "'worker' has 1 of 2 instances"),
                action(1, "old/1", destroy, "node 'old' is no longer described"),
            ],
            notes: vec![Note::Deferred {
                slot: Slot::new("worker", 3),
                text: "next try in 20 s".to_owned(),
                hold: None,
                earlier: false,
            }],
            ..Plan::default()
        };
        assert_eq!(
            text_of(&plan, false),
            "  + create worker/2 on process: 'worker' has 1 of 2 instances\n  \
             - destroy old/1: node 'old' is no longer described\n  \
             later: worker/3 has to wait: next try in 20 s\n\
             1 to create, 1 to destroy"
        );
    }

    #[test]
    fn an_empty_plan_says_so() {
        assert_eq!(text_of(&Plan::default(), false), "nothing to do");
    }
}
