//! Where work puts its events and its result, and how those who wait learn of them: a condition for threads,
//! a socket for event loops. Nothing here touches the interpreter.

use std::io::{self, Read, Write};
use std::iter;
use std::mem;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use occopus::Backlog;
use occopus::engine::event::Event;
use pyo3::prelude::*;

use crate::failure::Fault;

/// The result of work, as JSON.
pub(crate) type Outcome = Result<String, Fault>;

/// Tells an event loop that operations have news, by one socket for all of them.
#[pyclass(frozen)]
pub(crate) struct Alarm(pub(crate) Arc<Bell>);

#[pymethods]
impl Alarm {
    #[new]
    fn new() -> PyResult<Self> {
        Ok(Self(Arc::new(Bell::new()?)))
    }

    /// The socket that can be read when there is news.
    fn fileno(&self) -> RawFd {
        self.0.ear.as_raw_fd()
    }

    /// Makes the socket unreadable until there is news again.
    fn silence(&self) {
        self.0.silence();
    }
}

/// The inside of an [`Alarm`].
pub(crate) struct Bell {
    clapper: UnixStream,
    ear: UnixStream,
    ringing: Mutex<bool>,
}

impl Bell {
    fn new() -> io::Result<Self> {
        let (clapper, ear) = UnixStream::pair()?;
        clapper.set_nonblocking(true)?;
        ear.set_nonblocking(true)?;
        Ok(Self { clapper, ear, ringing: Mutex::default() })
    }

    fn ring(&self) {
        let mut ringing = self.ringing.lock().unwrap_or_else(PoisonError::into_inner);
        if !*ringing {
            // Both ends are here, and there is at most one byte between them: it can be written.
            *ringing = (&self.clapper).write(&[1]).is_ok();
        }
    }

    fn silence(&self) {
        let mut ringing = self.ringing.lock().unwrap_or_else(PoisonError::into_inner);
        if *ringing {
            *ringing = (&self.ear).read(&mut [0]).is_err();
        }
    }
}

/// What one operation has to tell.
pub(crate) struct Inbox {
    number: u64,
    content: Mutex<Content>,
    news: Condvar,
    bell: Option<Arc<Bell>>,
}

#[derive(Default)]
struct Content {
    events: Backlog,
    outcome: Option<Outcome>,
}

impl Inbox {
    /// An empty one; `bell` is rung for all that is put into it.
    pub(crate) fn new(bell: Option<Arc<Bell>>) -> Arc<Self> {
        static LAST: AtomicU64 = AtomicU64::new(0);
        let number = LAST.fetch_add(1, Ordering::Relaxed) + 1;
        Arc::new(Self { number, content: Mutex::default(), news: Condvar::new(), bell })
    }

    /// A number that no other has.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    fn content(&self) -> MutexGuard<'_, Content> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut Content)) {
        change(&mut self.content());
        self.news.notify_all();
        if let Some(bell) = &self.bell {
            bell.ring();
        }
    }

    /// Puts an event.
    pub(crate) fn put(&self, event: Event) {
        self.change(|content| content.events.put(event));
    }

    /// Takes the events that wait, as JSON.
    pub(crate) fn events(&self) -> Vec<String> {
        let mut waiting = mem::take(&mut self.content().events);
        // An event is plain data, which always serialises.
        iter::from_fn(|| waiting.take())
            .map(|event| serde_json::to_string(&event).unwrap_or_default())
            .collect()
    }

    /// The result, once there is one.
    pub(crate) fn outcome(&self) -> Option<Outcome> {
        self.content().outcome.clone()
    }

    /// Blocks until there is an event or the result, but no longer than `limit`.
    pub(crate) fn wait(&self, limit: Duration) {
        let is_empty = |content: &mut Content| content.events.is_empty() && content.outcome.is_none();
        drop(self.news.wait_timeout_while(self.content(), limit, is_empty));
    }
}

/// Sees to it that an inbox gets a result, even if the work panics or is dropped.
pub(crate) struct Conclusion(pub(crate) Arc<Inbox>);

impl Conclusion {
    /// Puts the result.
    pub(crate) fn is(self, outcome: Outcome) {
        self.0.change(|content| content.outcome = Some(outcome));
    }
}

impl Drop for Conclusion {
    fn drop(&mut self) {
        if self.0.outcome().is_none() {
            let fault = Fault::internal("the operation was cut short; the next pass goes on with it");
            self.0.change(|content| content.outcome = Some(Err(fault)));
        }
    }
}
