//! Creates that one call can make together: those of a node that start in the same step wait for each other,
//! and the first that has its turn takes along what is like it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use tokio::sync::{oneshot, watch};

use super::Trouble;
use crate::batch::CreateBatch;
use crate::handler::{Access, CreateRequest};
use crate::ids::{AttemptId, BatchToken, NodeId, Slot};
use crate::record::Attempt;

/// Whose creates may be alike: node, and implementation.
type Kind = (String, usize);

/// A create that is ready for its call.
pub(super) struct Prepared {
    pub(super) attempt: Attempt,
    pub(super) request: CreateRequest,
    pub(super) access: Access,
}

/// What is next for one that was created together with others. Its attempt is recorded already.
pub(super) enum Next {
    /// The back-end accepted it.
    Accepted(Box<Prepared>),
    /// Nobody knows what came of the call.
    Settle(AttemptId),
    /// It may be accepted alone.
    Alone,
    /// It is done with: it went alone, as there was nobody like it.
    Ended,
}

/// The creates of one run.
pub(super) struct Gathering {
    token: BatchToken,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    groups: BTreeMap<Kind, Group>,
    /// Slots whose identifiers were given out.
    given: BTreeSet<Slot>,
}

#[derive(Default)]
struct Group {
    /// How many have started, and are not ready for their call yet.
    coming: watch::Sender<usize>,
    waiting: BTreeMap<Slot, Waiting>,
}

struct Waiting {
    prepared: Prepared,
    sender: oneshot::Sender<Result<Next, Trouble>>,
}

/// With whom a create goes whose turn it is.
pub(super) enum Leave {
    /// Another has taken it along already.
    Taken,
    /// With nobody: there is none like it.
    Alone(Box<Prepared>),
    /// With others.
    Together(Company),
}

/// Those who go together.
pub(super) struct Company {
    pub(super) batch: CreateBatch,
    /// In the order of the launch indices.
    pub(super) members: Vec<Prepared>,
    /// Who waits to hear what became of them.
    pub(super) senders: Vec<oneshot::Sender<Result<Next, Trouble>>>,
}

impl Gathering {
    /// Creates of a run that is identified by `token`.
    pub(super) fn new(token: BatchToken) -> Self {
        Self { token, state: Mutex::default() }
    }

    fn with<T>(&self, use_state: impl FnOnce(&mut State) -> T) -> T {
        use_state(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether `batch` was made in this run.
    pub(super) fn made(&self, batch: &CreateBatch) -> bool {
        *batch.token() == self.token
    }

    /// Takes down that the create for `slot` starts; `None` if this run has filled the slot before, because
    /// identifiers are never used again.
    pub(super) fn expect(&self, slot: &Slot, implementation: usize) -> Option<Arrival<'_>> {
        let kind = (slot.node.clone(), implementation);
        self.with(|state| {
            let is_new = state.given.insert(slot.clone());
            is_new.then(|| {
                state.groups.entry(kind.clone()).or_default().coming.send_modify(|count| *count += 1)
            })
        })?;
        Some(Arrival { gathering: self, kind, slot: slot.clone() })
    }
}

/// A create that has started. Nobody waits for it any more when it is dropped.
pub(super) struct Arrival<'a> {
    gathering: &'a Gathering,
    kind: Kind,
    slot: Slot,
}

impl<'a> Arrival<'a> {
    /// Identifiers of the attempt and its instance.
    pub(super) fn identifiers(&self) -> (AttemptId, NodeId) {
        self.gathering.token.member(&self.slot)
    }

    /// Waits from now on for a turn, with the others.
    pub(super) fn sit(self, prepared: Prepared) -> Seat<'a> {
        let (sender, receiver) = oneshot::channel();
        let (gathering, kind, slot) = (self.gathering, self.kind.clone(), self.slot.clone());
        let coming = gathering.with(|state| {
            let group = state.groups.entry(kind.clone()).or_default();
            group.waiting.insert(slot.clone(), Waiting { prepared, sender });
            group.coming.subscribe()
        });
        Seat { gathering, kind, slot, coming, receiver }
    }
}

impl Drop for Arrival<'_> {
    fn drop(&mut self) {
        self.gathering.with(|state| {
            if let Some(group) = state.groups.get(&self.kind) {
                group.coming.send_modify(|count| *count -= 1);
            }
        });
    }
}

/// A create that waits for a turn. Nobody takes it along any more when it is dropped.
pub(super) struct Seat<'a> {
    gathering: &'a Gathering,
    kind: Kind,
    pub(super) slot: Slot,
    coming: watch::Receiver<usize>,
    receiver: oneshot::Receiver<Result<Next, Trouble>>,
}

impl Seat<'_> {
    /// Returns when all that started in the same step are ready for their call, or have failed before it.
    pub(super) async fn others_have_come(&mut self) {
        // The sender lives as long as the gathering.
        drop(self.coming.wait_for(|count| *count == 0).await);
    }

    /// What became of it, once somebody else has taken it along.
    pub(super) async fn taken_along(&mut self) -> Result<Next, Trouble> {
        // Who took it along and did not answer has ended the whole run.
        (&mut self.receiver).await.unwrap_or(Err(Trouble::Interrupted))
    }

    /// Leaves with those who are alike, `most` together with itself.
    pub(super) fn leave(&self, most: usize) -> Leave {
        self.gathering.with(|state| {
            let Some(group) = state.groups.get_mut(&self.kind) else { return Leave::Taken };
            let waiting = &mut group.waiting;
            let Some(batch) = waiting.get(&self.slot).map(|this| self.batch(this, waiting, most)) else {
                return Leave::Taken;
            };
            let Some(batch) = batch else {
                let alone = waiting.remove(&self.slot);
                return alone.map_or(Leave::Taken, |alone| Leave::Alone(Box::new(alone.prepared)));
            };
            let leaving: Vec<Waiting> = batch.slots().filter_map(|slot| waiting.remove(&slot)).collect();
            let (members, senders) = leaving.into_iter().map(|left| (left.prepared, left.sender)).unzip();
            Leave::Together(Company { batch, members, senders })
        })
    }

    /// This and those like it, as many as there may be and as a tag can tell; `None` if there is none like it.
    fn batch(&self, this: &Waiting, waiting: &BTreeMap<Slot, Waiting>, most: usize) -> Option<CreateBatch> {
        let (place, request) = (&this.prepared.access.place, &this.prepared.request);
        let is_like = |(slot, other): &(&Slot, &Waiting)| {
            **slot != self.slot
                && other.prepared.access.place == *place
                && other.prepared.request.is_like(request)
        };
        let like_it = waiting.iter().filter(is_like).map(|(slot, _)| slot.index);
        let mut others: Vec<u32> = like_it.take(most.saturating_sub(1)).collect();
        while !others.is_empty() {
            let all = others.iter().copied().chain([self.slot.index]).collect();
            let batch = CreateBatch::new(self.gathering.token.clone(), &self.slot.node, all);
            if batch.is_some() {
                return batch;
            }
            others.pop();
        }
        None
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        self.gathering.with(|state| {
            if let Some(group) = state.groups.get_mut(&self.kind) {
                group.waiting.remove(&self.slot);
            }
        });
    }
}
