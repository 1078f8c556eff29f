//! `occopus define`.

use std::path::PathBuf;

use occopus::Error;
use serde_json::json;

use super::Session;
use crate::DONE;

/// Imports `files`, all or none: every file is checked before the first is imported.
pub(super) async fn run(session: &Session, files: &[PathBuf]) -> Result<u8, Error> {
    let output = &session.output;
    let occopus = session.open().await?;
    for file in files {
        occopus.load_definitions(file).await?;
    }
    let mut names = Vec::new();
    for file in files {
        let (definitions, warnings) = occopus.define(file).await?;
        for warning in warnings.iter() {
            output.write_line(&warning.shown(output.colors_progress()).to_string());
        }
        names.extend(definitions.into_iter().map(|definition| definition.name));
    }
    if output.is_json() {
        output.json(&json!({"schema": 1, "imported": names}));
    } else {
        output.result(&format!("Successfully imported nodes: {}", names.join(", ")));
    }
    Ok(DONE)
}
