//! `occopus adopt`.

use occopus::Error;
use serde_json::json;

use super::{Session, run_of, stop_at_ctrl_c};
use crate::DONE;
use crate::live::Progress;

pub(super) async fn run(session: &Session, orphan: &str) -> Result<u8, Error> {
    let output = &session.output;
    let progress = Progress::new(output);
    let occopus = session.open_with(progress.clone(), None).await?;
    let run = run_of("adopt", false, stop_at_ctrl_c(output));
    let (infra, attempt) = progress.during(occopus.adopt(orphan, &run)).await?;
    let id = attempt.provider_id.as_ref().map(ToString::to_string).unwrap_or_default();
    if output.is_json() {
        output.json(&json!({
            "schema": 1,
            "infra_id": infra,
            "slot": attempt.slot,
            "node_id": attempt.node_id,
            "provider_id": id,
            "result": "adopted",
        }));
    } else {
        output.result(&format!("{id} is {} of '{infra}' again", attempt.slot));
    }
    output.say(&format!("to look at it: occopus maintain {infra}"));
    Ok(DONE)
}
