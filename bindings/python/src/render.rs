//! The function behind `occopus.render`: offline, without an engine.

use std::path::PathBuf;

use occopus::engine::secret::Redactor;
use occopus::{Error, Input, RenderRequest};
use pyo3::prelude::*;
use serde_json::json;

use crate::call::{Failure, failure};
use crate::engine::variables;

/// Description, node definition files, variables as a JSON object, files of variables.
type Files = (PathBuf, Vec<PathBuf>, String, Vec<PathBuf>);
/// Node, file of instances, id of the infrastructure, node id.
type Surroundings = (Option<String>, Option<PathBuf>, Option<String>, Option<String>);

/// What the nodes of a description would be created with, and the warnings of their templates, as JSON.
#[pyfunction]
pub(crate) fn render(py: Python<'_>, files: Files, surroundings: Surroundings) -> PyResult<String> {
    let (description, definitions, values, vars_files) = files;
    let (node, instances, infra_id, node_id) = surroundings;
    let rendering = py.detach(|| {
        let request = RenderRequest {
            description: Input::File(description),
            definitions,
            variables: variables(&values, vars_files)?,
            node,
            instances,
            infra_id,
            node_id,
        };
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let runtime =
            runtime.map_err(|error| Error::File(format!("no runtime could be started: {error}")))?;
        runtime.block_on(occopus::render(request))
    });
    let rendering = rendering.map_err(|error| failure(&error, &Redactor::default()))?;
    let warnings = rendering.nodes.iter().map(|(name, node)| (name, &node.warnings));
    let warnings: std::collections::BTreeMap<_, _> = warnings.collect();
    let result = json!({"rendering": rendering, "warnings": warnings});
    serde_json::to_string(&result).map_err(|error| Failure::new_err(("internal", error.to_string(), "[]")))
}
