//! `occopus output`.

use std::collections::BTreeMap;

use occopus::Error;
use serde_json::json;

use super::Session;
use crate::words::table;
use crate::{DONE, FAILED};

pub(super) async fn run(session: &Session, infra: &str, name: Option<&str>, raw: bool) -> Result<u8, Error> {
    let output = &session.output;
    let occopus = session.open().await?;
    let infra = occopus.resolve(infra).await?;
    let (mut values, mut errors) = (BTreeMap::new(), BTreeMap::new());
    for (name, result) in occopus.outputs(&infra, name).await? {
        match result {
            Ok(value) => drop(values.insert(name, value)),
            Err(reason) => drop(errors.insert(name, reason)),
        }
    }
    if output.is_json() {
        output.json(&json!({"schema": 1, "infra_id": infra, "outputs": values, "errors": errors}));
    } else {
        for (name, reason) in &errors {
            // The place in the template begins with the section.
            output.error(&format!("output '{name}' has no value: {reason}"));
        }
        if raw {
            values.values().for_each(|value| output.result(value));
        } else if !values.is_empty() {
            let rows: Vec<[String; 2]> = values.into_iter().map(|(name, value)| [name, value]).collect();
            output.result(&table(&rows, |_, _, cell| cell.to_owned()).join("\n"));
        } else if errors.is_empty() {
            output.say("there are no outputs; describe them in a section 'outputs'");
        }
    }
    Ok(if errors.is_empty() { DONE } else { FAILED })
}
