//! `occopus pause`, `resume`, `protect` and `unprotect`.

use jiff::SignedDuration;
use occopus::engine::hold::{Hold, HoldKind};
use occopus::engine::ids::InfraId;
use occopus::{Error, HoldRequest};
use serde_json::json;

use super::Session;
use crate::DONE;
use crate::output::Output;

/// `occopus pause` and `occopus protect`.
pub(super) async fn put(
    session: &Session,
    infra: &str,
    kind: HoldKind,
    node: Option<String>,
    (reason, duration): (String, Option<SignedDuration>),
) -> Result<u8, Error> {
    let occopus = session.open().await?;
    let infra = occopus.resolve(infra).await?;
    let request = HoldRequest { kind, node, reason, duration, command: command(kind, true).to_owned() };
    let hold = occopus.hold(&infra, request).await?;
    answer(&session.output, &infra, kind, Some(&hold), &hold.describe());
    Ok(DONE)
}

/// `occopus resume` and `occopus unprotect`.
pub(super) async fn lift(
    session: &Session,
    infra: &str,
    kind: HoldKind,
    node: Option<String>,
) -> Result<u8, Error> {
    let occopus = session.open().await?;
    let infra = occopus.resolve(infra).await?;
    let lifted = occopus.lift_hold(&infra, kind, node.as_deref(), command(kind, false)).await?;
    let whom = node.map_or_else(|| format!("'{infra}'"), |node| format!("'{node}' of '{infra}'"));
    let word = kind.participle();
    if lifted.is_some() {
        answer(&session.output, &infra, kind, None, &format!("{whom} is no longer {word}"));
        return Ok(DONE);
    }
    let others: Vec<String> =
        occopus.holds(&infra).await?.iter().filter(|hold| hold.kind == kind).map(Hold::describe).collect();
    if others.is_empty() {
        answer(&session.output, &infra, kind, None, &format!("{whom} was not {word}"));
        return Ok(DONE);
    }
    Err(Error::Usage(format!("{whom} was not {word} as such, but: {}", others.join("; "))))
}

fn command(kind: HoldKind, put: bool) -> &'static str {
    match (kind, put) {
        (HoldKind::Pause, true) => "occopus pause",
        (HoldKind::Pause, false) => "occopus resume",
        (HoldKind::Protect, true) => "occopus protect",
        (HoldKind::Protect, false) => "occopus unprotect",
    }
}

fn answer(output: &Output, infra: &InfraId, kind: HoldKind, hold: Option<&Hold>, text: &str) {
    if output.is_json() {
        output.json(&json!({"schema": 1, "infra_id": infra, "kind": kind, "hold": hold}));
    } else {
        output.result(text);
    }
}
