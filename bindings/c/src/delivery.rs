//! Events on their way to the program's callback, in a thread of their own that lives as long as the handle.

#![expect(unsafe_code, reason = "the callback is a C function")]

use std::cell::Cell;
use std::ffi::{CString, c_void};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use occopus::engine::event::{Event, EventSink};

use crate::fault::Fault;
use crate::types::occopus_event_fn;

/// Events that may wait here for a slow callback. What is more waits in the facade, which keeps the engine from
/// waiting for it.
const QUEUE: usize = 4096;

thread_local! {
    static HERE: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread delivers events, that is, whether a callback is running in it.
pub(crate) fn is_here() -> bool {
    HERE.get()
}

enum Message {
    Event(CString),
    /// Everything before it was delivered.
    Flush(SyncSender<()>),
    End,
}

/// A program's callback.
struct Callback {
    function: unsafe extern "C" fn(*const std::ffi::c_char, *mut c_void),
    user_data: *mut c_void,
}

// SAFETY: the header says that the callback is called in another thread; what `user_data` points at is the
// program's business.
unsafe impl Send for Callback {}

impl Callback {
    fn call(&self, event: &CString) {
        // SAFETY: the program promises a function that may be called with its data until it is closed; the
        // text lives until the function returns.
        unsafe { (self.function)(event.as_ptr(), self.user_data) };
    }
}

/// Where events are put.
#[derive(Clone)]
pub(crate) struct Sink(Option<SyncSender<Message>>);

impl EventSink for Sink {
    /// Called from the facade's thread for events, which may be blocked.
    fn event(&self, event: &Event) {
        if let (Some(sender), Some(message)) = (&self.0, message(event)) {
            // An error means that the handle was closed, and nobody is to be told anything more.
            drop(sender.send(message));
        }
    }
}

impl Sink {
    /// Puts an event unless the callback is too slow. For callers that must not wait for it.
    pub(crate) fn offer(&self, event: &Event) {
        if let (Some(sender), Some(message)) = (&self.0, message(event)) {
            drop(sender.try_send(message));
        }
    }
}

fn message(event: &Event) -> Option<Message> {
    // An event is plain data; its texts are escaped in JSON, so there is no NUL inside.
    CString::new(serde_json::to_vec(event).ok()?).ok().map(Message::Event)
}

/// The thread that delivers, if there is a callback.
pub(crate) struct Delivery {
    sink: Sink,
    thread: Option<JoinHandle<()>>,
}

impl Delivery {
    /// Starts the thread.
    pub(crate) fn start(function: occopus_event_fn, user_data: *mut c_void) -> Result<Self, Fault> {
        let Some(function) = function else { return Ok(Self { sink: Sink(None), thread: None }) };
        let (sender, receiver) = sync_channel(QUEUE);
        let callback = Callback { function, user_data };
        let thread = std::thread::Builder::new()
            .name("occopus-events".to_owned())
            .spawn(move || deliver(&callback, &receiver))
            .map_err(|error| Fault::internal(format!("no thread could be started: {error}")))?;
        Ok(Self { sink: Sink(Some(sender)), thread: Some(thread) })
    }

    /// Where to put events.
    pub(crate) fn sink(&self) -> Sink {
        self.sink.clone()
    }

    /// Waits until everything that was put before is delivered.
    pub(crate) fn flush(&self) {
        let Some(sender) = &self.sink.0 else { return };
        let (done, wait) = sync_channel(1);
        if sender.send(Message::Flush(done)).is_ok() {
            // An error means that the thread has ended, so that nothing more is delivered.
            let _ = wait.recv();
        }
    }
}

/// Delivers what is left and ends the thread.
impl Drop for Delivery {
    fn drop(&mut self) {
        if let Some(sender) = self.sink.0.take() {
            drop(sender.send(Message::End));
        }
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

fn deliver(callback: &Callback, receiver: &Receiver<Message>) {
    HERE.set(true);
    while let Ok(message) = receiver.recv() {
        match message {
            Message::Event(event) => callback.call(&event),
            Message::Flush(done) => drop(done.send(())),
            Message::End => return,
        }
    }
}
