//! Events on their way to who receives them: in order, in a thread of their own, so that a receiver that
//! blocks (a full pipe, a callback that takes its time) does not hold the engine up.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use occopus_engine::event::{Event, EventKind, EventSink, Events};
use tokio::sync::watch;

/// Events that may wait for a slow receiver.
const ROOM: usize = 4096;
/// How long an operation that has ended waits for its events to be received.
const PATIENCE: Duration = Duration::from_secs(5);

/// Events that wait for a slow receiver. There is room for 4096; then the oldest goes, progress before all
/// others, and the receiver is told how many it missed. The store keeps all but progress.
#[derive(Debug, Default)]
pub struct Backlog {
    waiting: VecDeque<Event>,
    dropped: u64,
}

impl Backlog {
    /// Puts `event` at the end.
    pub fn put(&mut self, event: Event) {
        if self.waiting.len() >= ROOM {
            self.dropped += 1;
            let progress = self.waiting.iter().position(|event| event.event == EventKind::Progress);
            if progress.is_none() && event.event == EventKind::Progress {
                return;
            }
            drop(self.waiting.remove(progress.unwrap_or(0)));
        }
        self.waiting.push_back(event);
    }

    /// Takes the next one: a notice where some were dropped, else the oldest.
    pub fn take(&mut self) -> Option<Event> {
        if self.dropped == 0 {
            return self.waiting.pop_front();
        }
        let Event { infra_id, time, .. } = self.waiting.front()?;
        let text = format!(
            "{} events were left out here, because their receiver is too slow; `occopus events` has all of them but \
             progress",
            self.dropped
        );
        let notice = Event::new(infra_id.clone(), EventKind::Notice, *time, text);
        self.dropped = 0;
        Some(notice)
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

/// The way of events to one receiver.
pub(crate) struct Delivery {
    queue: Arc<Queue>,
    received: watch::Receiver<u64>,
}

/// Where events are put.
struct Entrance(Arc<Queue>);

struct Queue {
    state: Mutex<State>,
    news: Condvar,
}

struct State {
    backlog: Backlog,
    /// How many were ever put.
    put: u64,
    /// What the thread needs, until there is one: many commands have no events.
    receiver: Option<Receiver>,
    ended: bool,
}

struct Receiver {
    sink: Events,
    /// Of all that were put, how many are received, or dropped.
    received: watch::Sender<u64>,
}

impl Delivery {
    /// A way to `sink`.
    pub(crate) fn to(sink: Events) -> Self {
        let (sender, received) = watch::channel(0);
        let receiver = Some(Receiver { sink, received: sender });
        let state = Mutex::new(State { backlog: Backlog::default(), put: 0, receiver, ended: false });
        Self { queue: Arc::new(Queue { state, news: Condvar::new() }), received }
    }

    /// Where events are put. Never blocks.
    pub(crate) fn sink(&self) -> Events {
        Arc::new(Entrance(self.queue.clone()))
    }

    /// Waits until all that was put so far is received, but not for longer than a few seconds: who blocks
    /// for good must not keep an operation from returning.
    pub(crate) async fn flush(&self) {
        let put = self.queue.state().put;
        let mut received = self.received.clone();
        let all = received.wait_for(|received| *received >= put);
        if tokio::time::timeout(PATIENCE, all).await.is_err() {
            tracing::debug!("a receiver of events is too slow; it gets the rest later");
        }
    }
}

/// What waits is still received, as long as the process lives.
impl Drop for Delivery {
    fn drop(&mut self) {
        self.queue.state().ended = true;
        self.queue.news.notify_all();
    }
}

impl EventSink for Entrance {
    fn event(&self, event: &Event) {
        let mut state = self.0.state();
        state.put += 1;
        state.backlog.put(event.clone());
        let receiver = state.receiver.take();
        drop(state);
        self.0.news.notify_all();
        if let Some(receiver) = receiver {
            self.0.start(receiver);
        }
    }
}

impl Queue {
    fn state(&self) -> MutexGuard<'_, State> {
        // Every change is a single one, so that the state is whole even after a panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn start(self: &Arc<Self>, receiver: Receiver) {
        let queue = self.clone();
        let thread = std::thread::Builder::new().name("occopus-events".to_owned());
        let deliver = move || {
            while let Some(event) = queue.next(&receiver) {
                receiver.sink.event(&event);
            }
        };
        if let Err(error) = thread.spawn(deliver) {
            tracing::warn!(%error, "events are not shown: no thread could be started for them");
        }
    }

    /// Blocks until there is an event; `None` when no more will come.
    fn next(&self, receiver: &Receiver) -> Option<Event> {
        let mut state = self.state();
        loop {
            receiver.received.send_replace(state.put - state.backlog.len() as u64);
            match state.backlog.take() {
                None if !state.ended => {
                    state = self.news.wait(state).unwrap_or_else(PoisonError::into_inner);
                }
                next => return next,
            }
        }
    }
}

#[cfg(test)]
mod tests;
