//! Progress of an operation: a live tree on a terminal, plain lines elsewhere.

pub(crate) mod event;
pub(crate) mod tree;

use std::convert::Infallible;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use occopus::engine::event::{Event, EventKind, EventSink};
use occopus::engine::plan::{Plan, Situation};
use tokio::sync::Notify;
use tokio::task::spawn_blocking;

use crate::output::Output;
use tree::{Size, Tree};

/// Shortest time between two drawings.
const REDRAW: Duration = Duration::from_millis(100);
/// Longest time between two drawings: the clock in the head goes on.
const TICK: Duration = Duration::from_secs(1);

/// Shows events while they happen.
pub(crate) struct Progress {
    output: Arc<Output>,
    tree: Mutex<Tree>,
    changed: Notify,
    start: Instant,
    /// Held while drawing; whether the last drawing was made.
    finished: Mutex<bool>,
}

impl Progress {
    /// Progress shown on `output`.
    pub(crate) fn new(output: &Arc<Output>) -> Arc<Self> {
        Arc::new(Self {
            output: output.clone(),
            tree: Mutex::default(),
            changed: Notify::new(),
            start: Instant::now(),
            finished: Mutex::default(),
        })
    }

    /// Takes a plan over that is about to be carried out.
    pub(crate) fn plan(&self, plan: &Plan, situation: &Situation) {
        if !plan.is_empty() {
            self.tree().plan(plan, situation);
            self.changed.notify_one();
        }
    }

    /// Does `work` while its progress is shown.
    pub(crate) async fn during<T>(self: &Arc<Self>, work: impl Future<Output = T>) -> T {
        if !self.output.is_live() {
            return work.await;
        }
        *self.finished() = false;
        let result = tokio::select! {
            biased;
            result = work => result,
            never = self.paint() => match never {},
        };
        self.draw(true);
        self.output.release();
        result
    }

    async fn paint(self: &Arc<Self>) -> Infallible {
        loop {
            // A terminal that was stopped (Ctrl-S) blocks who writes to it; the work goes on.
            let progress = self.clone();
            drop(spawn_blocking(move || progress.draw(false)).await);
            tokio::time::sleep(REDRAW).await;
            tokio::select! {
                () = self.changed.notified() => {}
                () = tokio::time::sleep(TICK) => {}
            }
        }
    }

    /// Draws the tree, for the `last` time or unless that was done: a drawing may be late.
    fn draw(&self, last: bool) {
        let mut finished = self.finished();
        if *finished {
            return;
        }
        *finished = last;
        // Some terminals do not know their size and say that it is nothing.
        let known = crossterm::terminal::size().ok().filter(|(columns, rows)| *columns > 0 && *rows > 0);
        let (columns, rows) = known.unwrap_or((80, 24));
        let size = Size { columns: usize::from(columns), rows: usize::from(rows) };
        let lines = self.tree().lines(size, self.start.elapsed(), self.output.colors_progress());
        if !lines.is_empty() {
            self.output.show(lines);
        }
    }

    fn finished(&self) -> MutexGuard<'_, bool> {
        self.finished.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tree(&self) -> MutexGuard<'_, Tree> {
        // A tree is worth showing after any panic.
        self.tree.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl EventSink for Progress {
    fn event(&self, event: &Event) {
        if self.output.is_live() {
            self.tree().event(event);
            self.changed.notify_one();
        } else if event.event != EventKind::Progress {
            self.output.say(&event::sentence(event));
        } else if event.slot.is_none() {
            self.output.say(&event.message);
        }
    }
}
