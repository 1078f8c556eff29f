//! `occopus logs`.

use occopus::Error;
use serde_json::json;

use super::Session;
use crate::{DONE, FAILED};

pub(super) async fn run(session: &Session, infra: &str, which: Option<&str>) -> Result<u8, Error> {
    let output = &session.output;
    let occopus = session.open().await?;
    let infra = occopus.resolve(infra).await?;
    let logs = occopus.logs(&infra, which).await?;
    let several = logs.len() > 1;
    let mut code = DONE;
    for (attempt, log) in logs {
        let slot = &attempt.slot;
        if log.is_err() {
            code = FAILED;
        }
        if output.is_json() {
            let mut object = json!({"schema": 1, "slot": slot, "node_id": attempt.node_id});
            match log {
                Ok(log) => object["log"] = json!(log),
                Err(error) => object["error"] = json!(error.to_string()),
            }
            output.json(&object);
            continue;
        }
        if several {
            output.result(&format!("==> {slot} ({}) <==", attempt.node_id));
        }
        match log {
            Ok(log) if log.is_empty() => output.say(&format!("{slot} has written nothing yet")),
            Ok(log) => output.result(log.trim_end_matches('\n')),
            Err(error) => output.error(&format!("the log of {slot} cannot be read: {error}")),
        }
    }
    Ok(code)
}
