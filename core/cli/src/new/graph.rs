//! `occopus graph`.

use std::path::{Path, PathBuf};

use occopus::engine::plan::Order;
use occopus::{BuildRequest, Error, Input, Target, draw};
use serde_json::json;

use super::Session;
use super::args::Drawing;
use crate::DONE;

pub(super) async fn run(
    session: &Session,
    subject: &str,
    definitions: Vec<PathBuf>,
    drawing: Drawing,
) -> Result<u8, Error> {
    let output = &session.output;
    let occopus = session.open().await?;
    let graph = if is_file(subject) {
        let description = Input::File(subject.into());
        let request = BuildRequest { definitions, ..BuildRequest::new(description, Target::New) };
        let prepared = occopus.prepare(&request).await?;
        let (_, situation) = occopus.preview(&prepared, Order::Parallel).await?;
        draw(&prepared.generation.infrastructure, &situation.topology, drawing.into())
    } else {
        let infra = occopus.resolve(subject).await?;
        occopus.graph(&infra, drawing.into()).await?
    };
    if output.is_json() {
        output.json(&json!({"schema": 1, "graph": graph}));
    } else {
        output.result(graph.trim_end());
    }
    Ok(DONE)
}

/// Whether `subject` means a file: there is one, or it is written like one.
fn is_file(subject: &str) -> bool {
    let path = Path::new(subject);
    let yaml = path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml");
    yaml || subject.contains('/') || path.is_file()
}

#[cfg(test)]
mod tests {
    use super::is_file;

    #[test]
    fn what_is_written_like_a_file_is_a_file_even_if_it_is_missing() {
        assert!(is_file("infra.yaml") && is_file("./demo") && is_file("a/b.yml"));
        assert!(!is_file("demo") && !is_file("3f2a"));
    }
}
