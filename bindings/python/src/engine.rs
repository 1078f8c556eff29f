//! The class behind `occopus.Occopus`: calls as JSON, each an operation.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use occopus::engine::secret::Redactor;
use occopus::{Error, Occopus, Settings};
use pyo3::prelude::*;
use serde_json::Value;
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::call::{Call, Context};
use crate::failure::raised;
use crate::inbox::Alarm;
use crate::listen::{Ear, Listeners};
use crate::operation::{Operation, Terms};
use crate::runtime;

/// An Occopus, opened by its first call.
#[pyclass(frozen)]
pub(crate) struct Engine {
    /// `None` once it is closed.
    opened: Mutex<Option<Arc<OnceCell<Occopus>>>>,
    settings: Settings,
    listeners: Listeners,
    redactor: Redactor,
    /// Ends with the engine and with the interpreter.
    stop: CancellationToken,
    work: TaskTracker,
    /// Id of the process that made it: connections of stores must not be shared with a fork.
    process: u32,
}

#[pymethods]
impl Engine {
    #[new]
    #[pyo3(signature = (store=None, allow_volatile_store=false, config=None, credentials=None, max_parallel=None))]
    fn new(
        store: Option<PathBuf>,
        allow_volatile_store: bool,
        config: Option<PathBuf>,
        credentials: Option<PathBuf>,
        max_parallel: Option<usize>,
    ) -> PyResult<Self> {
        let (listeners, redactor) = (Listeners::default(), Redactor::default());
        let settings = Settings {
            store,
            allow_volatile_store,
            config,
            credentials,
            max_parallel,
            events: Arc::new(listeners.clone()),
            redactor: redactor.clone(),
            ..Settings::default()
        };
        Ok(Self {
            opened: Mutex::new(Some(Arc::default())),
            settings,
            listeners,
            redactor,
            stop: runtime::stop().map_err(|error| raised(&error))?,
            work: TaskTracker::new(),
            process: std::process::id(),
        })
    }

    /// Starts the call that the JSON text says. Its events are kept only if somebody is to `listen`.
    #[pyo3(signature = (call, listen=false, alarm=None))]
    fn start(&self, call: &str, listen: bool, alarm: Option<&Alarm>) -> PyResult<Operation> {
        let call = Call::parse(call).map_err(|error| raised(&error))?;
        let opened = self.opened().map_err(|error| raised(&error))?;
        let (settings, stop) = (self.settings.clone(), self.stop.child_token());
        let terms = Terms { stop: stop.clone(), redactor: self.redactor.clone() };
        Operation::start(terms, alarm, |inbox| {
            let inbox = listen.then(|| inbox.clone());
            let ear = Ear { listeners: self.listeners.clone(), inbox };
            self.work.track_future(async move {
                let only_looks = call.only_looks();
                let work = async {
                    let occopus = opened.get_or_try_init(|| Occopus::open(settings)).await?;
                    call.run(&Context { occopus, stop: stop.clone(), ear }).await
                };
                // What only looks can be left at any point; what works ends properly by itself.
                if only_looks { stop.run_until_cancelled(work).await } else { Some(work.await) }
            })
        })
    }

    /// Stops all operations properly, waits for their end and closes the store.
    #[pyo3(signature = (alarm=None))]
    fn close(&self, alarm: Option<&Alarm>) -> PyResult<Operation> {
        self.stop.cancel();
        self.work.close();
        let opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner).take();
        let work = self.work.clone();
        let terms = Terms { stop: CancellationToken::new(), redactor: self.redactor.clone() };
        Operation::start(terms, alarm, |_| async move {
            work.wait().await;
            drop(opened);
            Some(Ok(Value::Null))
        })
    }
}

impl Engine {
    fn opened(&self) -> Result<Arc<OnceCell<Occopus>>, Error> {
        if self.process != std::process::id() {
            return Err(Error::Usage(format!(
                "this Occopus belongs to process {}, which this process was forked from; make another one here",
                self.process
            )));
        }
        let opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        opened.clone().ok_or_else(|| Error::Usage("this Occopus is closed; make another one".to_owned()))
    }
}
