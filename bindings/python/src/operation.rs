//! Work under way, as Python sees it.

use std::future::Future;
use std::sync::Arc;

use occopus::Error;
use occopus::engine::secret::Redactor;
use pyo3::exceptions::PyKeyboardInterrupt;
use pyo3::prelude::*;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::failure::{Fault, raised};
use crate::inbox::{Alarm, Conclusion, Inbox};
use crate::runtime::{SIGNAL_PERIOD, spawn};

/// Work under way. It is stopped when nobody holds it any more.
#[pyclass(frozen)]
pub(crate) struct Operation {
    inbox: Arc<Inbox>,
    stop: CancellationToken,
    /// Id of the process that started it.
    process: u32,
}

/// What work needs beside its task.
pub(crate) struct Terms {
    /// Stops it properly.
    pub(crate) stop: CancellationToken,
    /// Hides secrets in its result.
    pub(crate) redactor: Redactor,
}

impl Operation {
    /// Starts `work`, which gets the inbox for its events and returns nothing if it was left. `alarm` tells
    /// of events and of the end.
    pub(crate) fn start<F>(
        terms: Terms,
        alarm: Option<&Alarm>,
        work: impl FnOnce(&Arc<Inbox>) -> F,
    ) -> PyResult<Self>
    where
        F: Future<Output = Option<Result<Value, Error>>> + Send + 'static,
    {
        let Terms { stop, redactor } = terms;
        let inbox = Inbox::new(alarm.map(|alarm| alarm.0.clone()));
        let work = work(&inbox);
        let conclusion = Conclusion(inbox.clone());
        let task = async move {
            conclusion.is(match work.await {
                Some(Ok(value)) => Ok(redactor.json(value).to_string()),
                Some(Err(error)) => Err(Fault::new(&error, &redactor)),
                None => Err(Fault::stopped()),
            });
        };
        spawn(task).map_err(|error| raised(&error))?;
        Ok(Self { inbox, stop, process: std::process::id() })
    }

    /// Hands events to the callback. An exception there is reported and stops nothing, unless it is a Ctrl-C
    /// that happened to arrive during the callback, which is returned.
    fn deliver(&self, py: Python<'_>, callback: Option<&Py<PyAny>>) -> PyResult<()> {
        let Some(callback) = callback else { return Ok(()) };
        let mut interrupt = Ok(());
        for event in self.inbox.events() {
            match callback.call1(py, (event,)) {
                Err(error) if error.is_instance_of::<PyKeyboardInterrupt>(py) => interrupt = Err(error),
                Err(error) => error.write_unraisable(py, Some(callback.bind(py).as_any())),
                Ok(_) => {}
            }
        }
        interrupt
    }
}

#[pymethods]
impl Operation {
    /// Stops it properly: nothing new is begun, calls that run are ended.
    fn stop(&self) {
        self.stop.cancel();
    }

    /// Whether it has ended, and the events that wait, as JSON.
    fn take(&self) -> (bool, Vec<String>) {
        // In this order: all events are put before the result.
        let ended = self.inbox.outcome().is_some();
        (ended, self.inbox.events())
    }

    /// The result as JSON, once it has ended.
    fn result(&self) -> PyResult<String> {
        let outcome = self.inbox.outcome();
        outcome.unwrap_or_else(|| Err(Fault::internal("the operation has not ended"))).map_err(Fault::raise)
    }

    /// Blocks until it has ended and returns the result. The first Ctrl-C stops it properly, the second
    /// leaves at once: the next pass settles what is open.
    #[pyo3(signature = (on_event=None))]
    fn wait(&self, py: Python<'_>, on_event: Option<Py<PyAny>>) -> PyResult<String> {
        if self.process != std::process::id() {
            let text = "this operation belongs to the process that this one was forked from";
            return Err(raised(&Error::Usage(text.to_owned())));
        }
        let mut interrupt: Option<PyErr> = None;
        loop {
            let ended = self.inbox.outcome().is_some();
            for signal in [self.deliver(py, on_event.as_ref()), py.check_signals()] {
                let Err(error) = signal else { continue };
                if interrupt.is_some() {
                    return Err(error);
                }
                self.stop.cancel();
                interrupt = Some(error);
            }
            if ended {
                return interrupt.map_or_else(|| self.result(), Err);
            }
            py.detach(|| self.inbox.wait(SIGNAL_PERIOD));
        }
    }
}

impl Drop for Operation {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
