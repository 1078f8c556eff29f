//! One call from Python: work on the runtime, events and signals on the calling thread.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use occopus::Error;
use occopus::engine::event::{Event, EventSink};
use occopus::engine::secret::Redactor;
use pyo3::create_exception;
use pyo3::exceptions::{PyException, PyKeyboardInterrupt};
use pyo3::prelude::*;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

create_exception!(
    _native,
    Failure,
    PyException,
    "An operation failed; its arguments are the kind of error, the message and details as JSON."
);

/// How often the calling thread looks for signals.
const SIGNAL_PERIOD: Duration = Duration::from_millis(100);
/// Events that may wait for a slow callback; what comes on top is dropped, the store keeps it.
const EVENT_QUEUE: usize = 4096;

/// What the calling thread waits for.
enum Message<T> {
    Event(String),
    Done(Result<T, Error>),
}

type Sink = Box<dyn Fn(&Event) + Send>;

/// Hands each event to every call that listens.
#[derive(Clone, Default)]
pub(crate) struct Subscribers {
    state: Arc<Mutex<State>>,
    /// Hides secrets in the messages of exceptions.
    pub(crate) redactor: Redactor,
}

#[derive(Default)]
struct State {
    next: u64,
    sinks: BTreeMap<u64, Sink>,
}

impl Subscribers {
    fn with<T>(&self, use_state: impl FnOnce(&mut State) -> T) -> T {
        use_state(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn add(&self, sink: Sink) -> u64 {
        self.with(|state| {
            state.next += 1;
            state.sinks.insert(state.next, sink);
            state.next
        })
    }
}

impl EventSink for Subscribers {
    fn event(&self, event: &Event) {
        self.with(|state| state.sinks.values().for_each(|sink| sink(event)));
    }
}

/// Runs `work` on `runtime` and waits for it with the interpreter lock released.
///
/// `work` gets the token that stops it. Events of the infrastructure it is about go to `on_event` as
/// JSON; `None` as infrastructure means all events.
pub(crate) fn call<T, F>(
    py: Python<'_>,
    (runtime, subscribers): (&Runtime, &Subscribers),
    on_event: Option<(Py<PyAny>, Option<String>)>,
    work: impl FnOnce(CancellationToken) -> F,
) -> PyResult<T>
where
    T: Send + 'static,
    F: Future<Output = Result<T, Error>> + Send + 'static,
{
    let (sender, mut receiver) = sync_channel::<Message<T>>(EVENT_QUEUE);
    let (callback, infra) = match on_event {
        Some((callback, infra)) => (Some(callback), infra),
        None => (None, None),
    };
    let subscription = callback.is_some().then(|| subscribers.add(forward(sender.clone(), infra)));
    let stop = CancellationToken::new();
    let future = work(stop.clone());
    runtime.spawn(async move {
        let result = future.await;
        // The queue may be full of events that the callback is still working on.
        let handed_over = tokio::task::spawn_blocking(move || sender.send(Message::Done(result))).await;
        if handed_over.is_err() {
            tracing::warn!("a result could not be handed over: the runtime is shutting down");
        }
    });
    let result = wait(py, &mut receiver, callback.as_ref(), &stop, &subscribers.redactor);
    if let Some(number) = subscription {
        subscribers.with(|state| drop(state.sinks.remove(&number)));
    }
    result
}

fn forward<T: Send + 'static>(sender: SyncSender<Message<T>>, infra: Option<String>) -> Sink {
    Box::new(move |event| {
        if infra.as_ref().is_some_and(|infra| infra != event.infra_id.as_str()) {
            return;
        }
        let json = serde_json::to_string(event).unwrap_or_default();
        if sender.try_send(Message::Event(json)).is_err() {
            tracing::debug!("an event was dropped: the callback is too slow, or the call has ended");
        }
    })
}

fn wait<T: Send>(
    py: Python<'_>,
    receiver: &mut Receiver<Message<T>>,
    callback: Option<&Py<PyAny>>,
    stop: &CancellationToken,
    redactor: &Redactor,
) -> PyResult<T> {
    let mut interrupt: Option<PyErr> = None;
    loop {
        // A receiver may move to the thread without the lock, but not be shared with it.
        let receiver = &mut *receiver;
        match py.detach(move || receiver.recv_timeout(SIGNAL_PERIOD)) {
            Ok(Message::Event(json)) => {
                if let Some(error) = deliver(py, callback, json) {
                    interrupt_with(&mut interrupt, error, stop)?;
                }
            }
            Ok(Message::Done(result)) => {
                return match interrupt {
                    Some(error) => Err(error),
                    None => result.map_err(|error| failure(&error, redactor)),
                };
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                return Err(Failure::new_err(("internal", "the operation ended without a result", "[]")));
            }
        }
        if let Err(error) = py.check_signals() {
            interrupt_with(&mut interrupt, error, stop)?;
        }
    }
}

/// Hands an event to the callback. An exception there is reported and stops nothing, unless it is a
/// Ctrl-C that happened to arrive during the callback, which is returned.
fn deliver(py: Python<'_>, callback: Option<&Py<PyAny>>, json: String) -> Option<PyErr> {
    let callback = callback?;
    let error = callback.call1(py, (json,)).err()?;
    if error.is_instance_of::<PyKeyboardInterrupt>(py) {
        return Some(error);
    }
    error.write_unraisable(py, Some(callback.bind(py).as_any()));
    None
}

/// Stops the operation properly at the first Ctrl-C; at the second one the error leaves at once, and the
/// next pass settles what is open.
fn interrupt_with(interrupt: &mut Option<PyErr>, error: PyErr, stop: &CancellationToken) -> PyResult<()> {
    if interrupt.is_some() {
        return Err(error);
    }
    stop.cancel();
    *interrupt = Some(error);
    Ok(())
}

/// The Python exception for an error of the facade.
pub(crate) fn failure(error: &Error, redactor: &Redactor) -> PyErr {
    let details = match error {
        Error::Descriptor(diagnostics) => serde_json::to_value(diagnostics).unwrap_or_default(),
        _ => serde_json::json!([]),
    };
    let (message, details) = (redactor.string(error.to_string()), redactor.json(details).to_string());
    Failure::new_err((error.kind(), message, details))
}
