//! The class behind `occopus.Occopus`: the facade with JSON results.

use std::path::PathBuf;
use std::sync::Arc;

use occopus::engine::control::{Built, Demolished};
use occopus::engine::ids::InfraId;
use occopus::engine::plan::Order;
use occopus::engine::record::ScaleChange;
use occopus::{BuildRequest, Error, GraphFormat, Input, Occopus, Run, Settings, Target, Variables};
use pyo3::prelude::*;
use serde::Serialize;
use serde_json::json;
use tokio::runtime::Runtime;

use crate::call::{Failure, Subscribers, call, failure};

/// An open Occopus. All methods block, release the interpreter lock and return JSON text.
#[pyclass(frozen)]
pub(crate) struct Engine {
    occopus: Arc<Occopus>,
    runtime: Option<Runtime>,
    subscribers: Subscribers,
}

impl Drop for Engine {
    fn drop(&mut self) {
        // Every call has ended; what is left are timers, which need not be waited for.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// The parts of a build request: description, node definition files, infrastructure, create it if unknown,
/// build another one, variables as a JSON object, files of variables.
type Request = (PathBuf, Vec<PathBuf>, Option<String>, bool, bool, String, Vec<PathBuf>);

impl Engine {
    fn parts(&self) -> PyResult<(&Runtime, &Subscribers)> {
        let runtime = self.runtime.as_ref();
        let runtime = runtime.ok_or_else(|| Failure::new_err(("internal", "the engine is closed", "[]")))?;
        Ok((runtime, &self.subscribers))
    }

    fn resolve(&self, py: Python<'_>, infra: String) -> PyResult<InfraId> {
        let occopus = self.occopus.clone();
        call(py, self.parts()?, None, |_| async move { occopus.resolve(&infra).await })
    }
}

#[pymethods]
impl Engine {
    #[new]
    #[pyo3(signature = (store=None, config=None, credentials=None, max_parallel=None))]
    fn new(
        py: Python<'_>,
        store: Option<PathBuf>,
        config: Option<PathBuf>,
        credentials: Option<PathBuf>,
        max_parallel: Option<usize>,
    ) -> PyResult<Self> {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().map_err(
                |error| Failure::new_err(("file", format!("no runtime could be started: {error}"), "[]")),
            )?;
        let subscribers = Subscribers::default();
        let events = Arc::new(subscribers.clone());
        let redactor = subscribers.redactor.clone();
        let settings =
            Settings { store, config, credentials, max_parallel, events, redactor, ..Settings::default() };
        let occopus = py.detach(|| runtime.block_on(Occopus::open(settings)));
        let occopus = occopus.map_err(|error| failure(&error, &subscribers.redactor))?;
        Ok(Self { occopus: Arc::new(occopus), runtime: Some(runtime), subscribers })
    }

    /// Where the store is.
    fn store(&self) -> String {
        self.occopus.store_location()
    }

    fn define(&self, py: Python<'_>, path: PathBuf) -> PyResult<Vec<String>> {
        let occopus = self.occopus.clone();
        call(py, self.parts()?, None, |_| async move {
            let (definitions, _) = occopus.define(&path).await?;
            Ok(definitions.into_iter().map(|definition| definition.name).collect())
        })
    }

    fn plan(&self, py: Python<'_>, request: Request) -> PyResult<String> {
        let occopus = self.occopus.clone();
        call(py, self.parts()?, None, |_| async move {
            let prepared = occopus.prepare(&build_request(request)?).await?;
            let (plan, _) = occopus.preview(&prepared, Order::Parallel).await?;
            let exists = prepared.exists.then(|| prepared.infra_id.clone());
            Ok(json!({"schema": 1, "infra_id": exists, "plan": plan}).to_string())
        })
    }

    fn plan_pass(&self, py: Python<'_>, infra: String) -> PyResult<String> {
        let infra = self.resolve(py, infra)?;
        let occopus = self.occopus.clone();
        call(py, self.parts()?, None, |_| async move {
            let plan = occopus.plan(&infra).await?;
            Ok(json!({"schema": 1, "infra_id": infra, "plan": plan}).to_string())
        })
    }

    #[pyo3(signature = (request, rollback, sequential, on_event=None))]
    fn build(
        &self,
        py: Python<'_>,
        request: Request,
        rollback: bool,
        sequential: bool,
        on_event: Option<Py<PyAny>>,
    ) -> PyResult<String> {
        let occopus = self.occopus.clone();
        let prepared =
            call(
                py,
                self.parts()?,
                None,
                |_| async move { occopus.prepare(&build_request(request)?).await },
            )?;
        let infra = prepared.infra_id.to_string();
        let occopus = self.occopus.clone();
        let listener = on_event.map(|callback| (callback, Some(infra)));
        call(py, self.parts()?, listener, |stop| async move {
            let order = if sequential { Order::Sequential } else { Order::Parallel };
            let run = Run { stop, order, ..Run::new("occopus (Python) build") };
            let report = occopus.build(prepared, &run, rollback, &mut |_, _| {}).await?;
            let result = match report.built {
                Built::Ready => "ready",
                Built::Failed { .. } => "failed",
                Built::Interrupted => "interrupted",
            };
            tracing::debug!(infra = %report.infra_id, result, "build ended");
            Ok(to_json(&report))
        })
    }

    #[pyo3(signature = (infra, on_event=None))]
    fn maintain(&self, py: Python<'_>, infra: String, on_event: Option<Py<PyAny>>) -> PyResult<String> {
        let infra = self.resolve(py, infra)?;
        let occopus = self.occopus.clone();
        let listener = on_event.map(|callback| (callback, Some(infra.to_string())));
        call(py, self.parts()?, listener, |stop| async move {
            let run = Run { stop, ..Run::new("occopus (Python) maintain") };
            Ok(to_json(&occopus.maintain(&infra, &run, &mut |_, _| {}).await?))
        })
    }

    /// Exactly one of `count`, `change` and `remove` is given.
    #[pyo3(signature = (infra, node, count=None, change=None, remove=None))]
    fn scale(
        &self,
        py: Python<'_>,
        infra: String,
        node: String,
        count: Option<u32>,
        change: Option<i32>,
        remove: Option<String>,
    ) -> PyResult<String> {
        let infra = self.resolve(py, infra)?;
        let occopus = self.occopus.clone();
        call(py, self.parts()?, None, |_| async move {
            let change = match (count, change, remove) {
                (Some(count), None, None) => ScaleChange::Set(count),
                (None, Some(change), None) if change > 0 => ScaleChange::Add(change.unsigned_abs()),
                (None, Some(change), None) if change < 0 => ScaleChange::Remove(change.unsigned_abs()),
                (None, None, Some(instance)) => ScaleChange::RemoveInstance(instance),
                _ => {
                    let text = "give exactly one of count, change (not 0) and remove";
                    return Err(Error::Usage(text.to_owned()));
                }
            };
            let scaling = occopus.scale(&infra, &node, &[change]).await?;
            let answer = json!({
                "target": scaling.target, "notes": scaling.notes, "maintainer": scaling.maintainer,
            });
            Ok(answer.to_string())
        })
    }

    #[pyo3(signature = (infra, on_event=None))]
    fn destroy(&self, py: Python<'_>, infra: String, on_event: Option<Py<PyAny>>) -> PyResult<String> {
        let infra = self.resolve(py, infra)?;
        let occopus = self.occopus.clone();
        let listener = on_event.map(|callback| (callback, Some(infra.to_string())));
        call(py, self.parts()?, listener, |stop| async move {
            let run = Run { stop, ..Run::new("occopus (Python) destroy") };
            let demolished: Demolished = occopus.destroy(&infra, &run, &mut |_, _| {}).await?;
            Ok(to_json(&demolished))
        })
    }

    fn status(&self, py: Python<'_>, infra: String) -> PyResult<String> {
        let infra = self.resolve(py, infra)?;
        let occopus = self.occopus.clone();
        call(py, self.parts()?, None, |_| async move { Ok(to_json(&occopus.status(&infra).await?)) })
    }

    fn list(&self, py: Python<'_>) -> PyResult<String> {
        let occopus = self.occopus.clone();
        call(py, self.parts()?, None, |_| async move { Ok(to_json(&occopus.list().await?)) })
    }

    /// Pairs of event number and event as JSON.
    fn events(&self, py: Python<'_>, infra: String, after: String) -> PyResult<Vec<(String, String)>> {
        let infra = self.resolve(py, infra)?;
        let occopus = self.occopus.clone();
        call(py, self.parts()?, None, |_| async move {
            let events = occopus.events(&infra, &after).await?;
            Ok(events.into_iter().map(|(number, event)| (number, to_json(&event))).collect())
        })
    }

    /// Triples of slot, node id and log.
    #[pyo3(signature = (infra, which=None))]
    fn logs(
        &self,
        py: Python<'_>,
        infra: String,
        which: Option<String>,
    ) -> PyResult<Vec<(String, String, String)>> {
        let infra = self.resolve(py, infra)?;
        let occopus = self.occopus.clone();
        call(py, self.parts()?, None, |_| async move {
            let mut logs = Vec::new();
            for (attempt, log) in occopus.logs(&infra, which.as_deref()).await? {
                logs.push((attempt.slot.to_string(), attempt.node_id.to_string(), log?));
            }
            Ok(logs)
        })
    }

    fn graph(&self, py: Python<'_>, infra: String, format: &str) -> PyResult<String> {
        let format = match format {
            "text" => GraphFormat::Text,
            "dot" => GraphFormat::Dot,
            "mermaid" => GraphFormat::Mermaid,
            other => {
                let text = format!("'{other}' is no graph format; there are text, dot and mermaid");
                return Err(Failure::new_err(("usage", text, "[]")));
            }
        };
        let infra = self.resolve(py, infra)?;
        let occopus = self.occopus.clone();
        call(py, self.parts()?, None, |_| async move { occopus.graph(&infra, format).await })
    }
}

fn to_json<T: Serialize>(value: &T) -> String {
    // The facade's results are plain data with text keys, which always serialise.
    serde_json::to_string(value).unwrap_or_default()
}

fn build_request(request: Request) -> Result<BuildRequest, Error> {
    let (description, definitions, infra, create, new, values, files) = request;
    let target = match infra {
        Some(infra) if create => Target::Chosen(infra),
        Some(infra) => Target::Existing(infra),
        None if new => Target::New,
        None => Target::First,
    };
    let variables = variables(&values, files)?;
    Ok(BuildRequest { definitions, variables, ..BuildRequest::new(Input::File(description), target) })
}

/// Variables from outside; `values` is a JSON object.
pub(crate) fn variables(values: &str, files: Vec<PathBuf>) -> Result<Variables, Error> {
    let wrong = |error: serde_json::Error| Error::Usage(format!("variables: {error}"));
    Ok(Variables { files, values: serde_json::from_str(values).map_err(wrong)?, ..Variables::default() })
}
