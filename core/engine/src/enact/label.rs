//! Names and tags of its own for each of those that were made together: while the run goes on, because nothing
//! depends on them.

use std::sync::{Mutex, PoisonError};

use futures::{StreamExt, stream};
use tokio::sync::mpsc;

use super::Enactor;
use crate::clock::timeout;
use crate::handler::CreateRequest;
use crate::record::Attempt;

/// Calls under way at the same time.
const AT_ONCE: usize = 4;

/// What was made together with others, and how it was asked for.
type Made = (Attempt, CreateRequest);

/// What is to be labelled.
pub(super) struct Labels {
    /// `None` when nothing more will come.
    queue: Mutex<Option<mpsc::Sender<Made>>>,
}

impl Labels {
    /// For a run of so many actions, and where the run takes from what there is to do.
    pub(super) fn of(actions: usize) -> (Self, mpsc::Receiver<Made>) {
        let (queue, made) = mpsc::channel(actions.max(1));
        (Self { queue: Mutex::new(Some(queue)) }, made)
    }

    /// Has `attempt` labelled.
    pub(super) fn add(&self, attempt: Attempt, request: CreateRequest) {
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        // There is room for one of each action.
        if let Some(queue) = queue.as_ref() {
            drop(queue.try_send((attempt, request)));
        }
    }

    /// Nothing more will come.
    pub(super) fn end(&self) {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

impl Enactor<'_> {
    /// Labels until nothing more will come.
    pub(super) async fn label_all(&self, mut made: mpsc::Receiver<Made>) {
        stream::poll_fn(|context| made.poll_recv(context))
            .for_each_concurrent(AT_ONCE, async |(attempt, request)| self.label(&attempt, &request).await)
            .await;
    }

    async fn label(&self, attempt: &Attempt, request: &CreateRequest) {
        let labelling = async {
            if let Err(reason) = self.try_label(attempt, request).await {
                tracing::warn!(slot = %attempt.slot, reason, "it keeps the name that it shares with others");
            }
        };
        tokio::select! {
            biased;
            () = self.stop.cancelled() => {}
            () = labelling => {}
        }
    }

    /// The error says why it was not done.
    async fn try_label(&self, attempt: &Attempt, request: &CreateRequest) -> Result<(), String> {
        let known = self.journal.attempt(&attempt.id).and_then(|attempt| attempt.provider_id);
        let id = known.ok_or("it has gone")?;
        let handler = self.engine.handlers.get(&attempt.place.handler).map_err(|error| error.message)?;
        let access = self.engine.access(&attempt.place).map_err(|error| error.message)?;
        let limit = handler.capabilities().destroy_deadline;
        self.journal.lease().outlasts(limit).await.map_err(|error| error.to_string())?;
        let call = handler.label(&access, &id, request);
        let answer = timeout(self.engine.clock.as_ref(), limit, call).await;
        answer.map_err(|late| late.to_string())?.map_err(|error| error.message)
    }
}
