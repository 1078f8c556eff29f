//! The runtime that all work runs on, and its end.
//!
//! Threads of the runtime never touch the interpreter: that is what makes an exit of the interpreter safe at
//! any moment. Whoever waits in Python is told by a condition or a socket, see [`crate::inbox`].

use std::future::Future;
use std::mem;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use occopus::Error;
use pyo3::prelude::*;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How often a thread that waits for work looks for signals.
pub(crate) const SIGNAL_PERIOD: Duration = Duration::from_millis(100);
/// How long the end of the process waits for threads that no work needs any more.
const LAST: Duration = Duration::from_secs(2);

enum State {
    /// Nothing was started yet.
    Idle,
    Running(Plant),
    /// The interpreter is exiting.
    Finished,
}

/// A runtime with its work.
struct Plant {
    runtime: Runtime,
    /// Id of the process that started it: its threads do not live on in a fork.
    process: u32,
    stop: CancellationToken,
    work: TaskTracker,
}

static STATE: Mutex<State> = Mutex::new(State::Idle);

impl Plant {
    fn start() -> Result<Self, Error> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime =
            runtime.map_err(|error| Error::File(format!("no runtime could be started: {error}")))?;
        let (stop, work) = (CancellationToken::new(), TaskTracker::new());
        Ok(Self { runtime, process: std::process::id(), stop, work })
    }
}

/// Uses the runtime, which is started if need be.
fn with<T>(use_plant: impl FnOnce(&Plant) -> T) -> Result<T, Error> {
    let mut state = STATE.lock().unwrap_or_else(PoisonError::into_inner);
    let usable = matches!(&*state, State::Running(plant) if plant.process == std::process::id());
    match &*state {
        State::Finished => return Err(Error::Usage("the interpreter is exiting".to_owned())),
        State::Running(_) if usable => {}
        State::Running(_) | State::Idle => {
            abandon(mem::replace(&mut *state, State::Running(Plant::start()?)))
        }
    }
    match &*state {
        State::Running(plant) => Ok(use_plant(plant)),
        State::Idle | State::Finished => Err(Error::Usage("the runtime is not running".to_owned())),
    }
}

/// Leaves the runtime of the process that this one was forked from alone: its threads are not here, and
/// waiting for them would never end.
fn abandon(state: State) {
    if let State::Running(plant) = state {
        mem::forget(plant);
    }
}

/// A token that is cancelled when the interpreter exits.
pub(crate) fn stop() -> Result<CancellationToken, Error> {
    with(|plant| plant.stop.child_token())
}

/// Starts `work`; the exit of the interpreter waits for its end.
pub(crate) fn spawn(work: impl Future<Output = ()> + Send + 'static) -> Result<(), Error> {
    with(|plant| drop(plant.work.spawn_on(work, plant.runtime.handle())))
}

/// Stops all work properly and waits for its end; called when the interpreter exits. A Ctrl-C ends the
/// waiting: what is cut short is settled by the next pass, as after a crash.
#[pyfunction]
pub(crate) fn finish(py: Python<'_>) -> PyResult<()> {
    let state = mem::replace(&mut *STATE.lock().unwrap_or_else(PoisonError::into_inner), State::Finished);
    let plant = match state {
        State::Running(plant) if plant.process == std::process::id() => plant,
        other => {
            abandon(other);
            return Ok(());
        }
    };
    plant.stop.cancel();
    plant.work.close();
    let (done, mut ended) = sync_channel::<()>(1);
    let work = plant.work.clone();
    plant.runtime.spawn(async move {
        work.wait().await;
        drop(done);
    });
    if let Err(interrupt) = wait(py, &mut ended) {
        plant.runtime.shutdown_background();
        return Err(interrupt);
    }
    py.detach(|| plant.runtime.shutdown_timeout(LAST));
    Ok(())
}

fn wait(py: Python<'_>, ended: &mut Receiver<()>) -> PyResult<()> {
    loop {
        // A receiver may move to the code without the interpreter lock, but not be shared with it.
        let ended = &mut *ended;
        match py.detach(move || ended.recv_timeout(SIGNAL_PERIOD)) {
            Err(RecvTimeoutError::Timeout) => py.check_signals()?,
            Ok(()) | Err(RecvTimeoutError::Disconnected) => return Ok(()),
        }
    }
}
