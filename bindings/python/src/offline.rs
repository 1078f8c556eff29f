//! Calls that need no engine: nothing is created, and no store is made.

use std::path::PathBuf;

use occopus::descriptor::Rules;
use occopus::descriptor::explain::{self, Explanation};
use occopus::descriptor::schema::{SchemaFile, schema};
use occopus::engine::secret::Redactor;
use occopus::{Error, Input, RenderRequest, Settings, ValidateRequest};
use pyo3::prelude::*;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::call::variables;
use crate::failure::raised;
use crate::operation::{Operation, Terms};
use crate::runtime;

/// A call.
#[derive(Deserialize)]
#[serde(tag = "call", rename_all = "snake_case", deny_unknown_fields)]
enum Offline {
    Render(Render),
    Validate(Validate),
    /// One page, or all without a code.
    Explain {
        code: Option<String>,
    },
    Schema {
        file: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Render {
    description: PathBuf,
    nodes: Vec<PathBuf>,
    variables: Map<String, Value>,
    vars_files: Vec<PathBuf>,
    node: Option<String>,
    instances: Option<PathBuf>,
    infra_id: Option<String>,
    node_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Validate {
    files: Vec<PathBuf>,
    variables: Map<String, Value>,
    vars_files: Vec<PathBuf>,
    store: Option<PathBuf>,
    config: Option<PathBuf>,
    credentials: Option<PathBuf>,
}

/// Starts the call that the JSON text says.
#[pyfunction]
pub(crate) fn offline(call: &str) -> PyResult<Operation> {
    let call: Offline = serde_json::from_str(call)
        .map_err(|error| raised(&Error::Usage(format!("wrong arguments: {error}"))))?;
    let stop = runtime::stop().map_err(|error| raised(&error))?;
    let terms = Terms { stop: stop.clone(), redactor: Redactor::default() };
    Operation::start(terms, None, |_| async move { stop.run_until_cancelled(call.run()).await })
}

impl Offline {
    async fn run(self) -> Result<Value, Error> {
        match self {
            Self::Render(render) => render.run().await,
            Self::Validate(validate) => validate.run().await,
            Self::Explain { code } => {
                let pages = match code {
                    Some(code) => {
                        vec![explain::explain(&code).map_err(|error| Error::Usage(error.to_string()))?]
                    }
                    None => explain::all().collect(),
                };
                Ok(pages.iter().map(page).collect())
            }
            Self::Schema { file } => {
                let found = SchemaFile::ALL.into_iter().find(|known| known.name() == file);
                let found = found.ok_or_else(|| {
                    let names: Vec<&str> = SchemaFile::ALL.iter().map(|known| known.name()).collect();
                    Error::Usage(format!("there is no schema '{file}'; there are: {}", names.join(", ")))
                })?;
                Ok(schema(found, &Rules::builtin()))
            }
        }
    }
}

fn page(page: &Explanation) -> Value {
    json!({
        "code": page.code,
        "title": page.code.title(),
        "cause": page.cause,
        "example": page.example,
        "remedy": page.remedy,
    })
}

impl Render {
    async fn run(self) -> Result<Value, Error> {
        let rendering = occopus::render(RenderRequest {
            description: Input::File(self.description),
            definitions: self.nodes,
            variables: variables(self.variables, self.vars_files),
            node: self.node,
            instances: self.instances,
            infra_id: self.infra_id,
            node_id: self.node_id,
        });
        let rendering = rendering.await?;
        let warnings: Map<String, Value> =
            rendering.nodes.iter().map(|(name, node)| (name.clone(), json!(node.warnings))).collect();
        Ok(json!({"rendering": rendering, "warnings": warnings}))
    }
}

impl Validate {
    async fn run(self) -> Result<Value, Error> {
        let Self { files, variables: values, vars_files, store, config, credentials } = self;
        let request = ValidateRequest { files, variables: variables(values, vars_files) };
        let settings = Settings { store, config, credentials, ..Settings::default() };
        Ok(json!(occopus::validate(request, &settings).await?))
    }
}
