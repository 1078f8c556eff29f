//! Turns at an endpoint: only so many calls are under way at the same time, and the most urgent caller is
//! next.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use super::urgency::Urgency;
use crate::ids::Slot;

/// The gate of one endpoint. A clone is the same gate.
#[derive(Clone)]
pub(super) struct Gate(Arc<Mutex<State>>);

struct State {
    free: usize,
    /// Callers by urgency, and by the order of their coming; the last entry is next.
    waiting: BTreeMap<(Urgency, Reverse<u64>), Caller>,
    came: u64,
}

/// Who waits for a turn.
struct Caller {
    /// What it is about.
    slot: Slot,
    turn: oneshot::Sender<Turn>,
}

/// The right to make a call, until it is dropped.
pub(super) struct Turn(Option<Gate>);

impl Gate {
    /// A gate for `size` calls at the same time, at least one.
    pub(super) fn new(size: usize) -> Self {
        Self(Arc::new(Mutex::new(State { free: size.max(1), waiting: BTreeMap::new(), came: 0 })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a turn to do something about `slot`. A caller that is dropped meanwhile has lost its place, and nothing else.
    pub(super) async fn turn(&self, slot: &Slot, urgency: Urgency) -> Turn {
        let receiver = {
            let mut state = self.state();
            if state.free > 0 {
                state.free -= 1;
                return Turn(Some(self.clone()));
            }
            let (turn, receiver) = oneshot::channel();
            state.came += 1;
            let place = (urgency, Reverse(state.came));
            state.waiting.insert(place, Caller { slot: slot.clone(), turn });
            receiver
        };
        // The sender waits in the gate, which this call keeps: it is never dropped without a turn.
        receiver.await.unwrap_or(Turn(None))
    }

    /// Puts those who wait in the order of what `urgency` says now.
    pub(super) fn sort(&self, urgency: impl Fn(&Slot) -> Urgency) {
        let mut state = self.state();
        let waiting = std::mem::take(&mut state.waiting);
        state.waiting =
            waiting.into_iter().map(|((_, came), caller)| ((urgency(&caller.slot), came), caller)).collect();
    }

    fn hand_on(&self) {
        loop {
            let next = {
                let mut state = self.state();
                let Some((_, next)) = state.waiting.pop_last() else {
                    state.free += 1;
                    return;
                };
                next
            };
            match next.turn.send(Turn(Some(self.clone()))) {
                Ok(()) => return,
                // That caller has gone away; the next one has its turn.
                Err(mut refused) => refused.0 = None,
            }
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(gate) = self.0.take() {
            gate.hand_on();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures::FutureExt;
    use futures::future::BoxFuture;

    use super::*;

    fn waiting(gate: &Gate, urgency: u64) -> BoxFuture<'static, Turn> {
        let (gate, slot) = (gate.clone(), Slot::new("node", u32::try_from(urgency).unwrap()));
        let mut turn = async move { gate.turn(&slot, Duration::from_secs(urgency)).await }.boxed();
        assert!((&mut turn).now_or_never().is_none(), "all turns are taken");
        turn
    }

    async fn first(gate: &Gate) -> Turn {
        gate.turn(&Slot::new("node", 0), Duration::ZERO).await
    }

    #[tokio::test]
    async fn who_waits_is_put_in_another_order() {
        let gate = Gate::new(1);
        let turn = first(&gate).await;
        let (mut one, mut other) = (waiting(&gate, 1), waiting(&gate, 2));
        gate.sort(|slot| Duration::from_secs(10 - u64::from(slot.index)));
        drop(turn);
        assert!((&mut other).now_or_never().is_none());
        assert!((&mut one).now_or_never().is_some());
    }

    #[tokio::test]
    async fn the_most_urgent_is_next_and_among_equals_who_came_first() {
        let gate = Gate::new(1);
        let turn = first(&gate).await;
        let (mut low, mut high, mut second) = (waiting(&gate, 1), waiting(&gate, 2), waiting(&gate, 2));
        drop(turn);
        assert!((&mut second).now_or_never().is_none() && (&mut low).now_or_never().is_none());
        drop((&mut high).now_or_never());
        assert!((&mut low).now_or_never().is_none());
        drop((&mut second).now_or_never());
        assert!((&mut low).now_or_never().is_some());
    }

    #[tokio::test]
    async fn who_goes_away_takes_no_turn_along() {
        let gate = Gate::new(1);
        let turn = first(&gate).await;
        // One goes away before it is offered a turn, one after.
        drop(waiting(&gate, 3));
        let offered = waiting(&gate, 2);
        let mut patient = waiting(&gate, 1);
        drop(turn);
        drop(offered);
        assert!((&mut patient).now_or_never().is_some());
    }

    #[tokio::test]
    async fn so_many_calls_are_under_way_at_once() {
        let gate = Gate::new(3);
        let mut turns = Vec::new();
        for _ in 0..3 {
            turns.push(first(&gate).await);
        }
        let mut fourth = waiting(&gate, 9);
        turns.pop();
        let taken = (&mut fourth).now_or_never();
        assert!(taken.is_some());
        drop(waiting(&gate, 9));
    }
}
