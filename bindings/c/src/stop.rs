//! Means to stop calls. Stopping is one step on an atomic number, so that a signal handler may do it; calls
//! look at the number now and then.

use std::ptr::without_provenance_mut;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::fault::Fault;
use crate::types::occopus_code_t::OCCOPUS_BAD_HANDLE;
use crate::types::occopus_stop_t;

/// How many there can be at the same time.
const PLACES: usize = 256;
/// How often a call looks whether it is stopped.
const PERIOD: Duration = Duration::from_millis(50);
/// The lowest bits of a handle tell its kind; see `handles`.
const KIND: usize = 0b10;

/// What is in a place: `serial << 1 | stopped`; an even serial is a free place.
static STOPS: [AtomicUsize; PLACES] = [const { AtomicUsize::new(0) }; PLACES];

/// A handle that was valid when it was looked at: `serial << 10 | place << 2 | KIND`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stop {
    place: usize,
    serial: usize,
}

impl Stop {
    /// Takes a free place.
    pub(crate) fn new() -> Result<Self, Fault> {
        for (place, state) in STOPS.iter().enumerate() {
            let before = state.load(Ordering::Acquire);
            let serial = (before >> 1) + 1;
            let free = serial % 2 == 1;
            let swap = |new| state.compare_exchange(before, new, Ordering::AcqRel, Ordering::Acquire).is_ok();
            if free && swap(serial << 1) {
                return Ok(Self { place, serial });
            }
        }
        Err(Fault::argument(format!("there are {PLACES} stops already; free those that are not used")))
    }

    /// The stop of a handle, if there is one. Safe in signal handlers.
    pub(crate) fn parse(handle: *const occopus_stop_t) -> Option<Self> {
        let number = handle.addr();
        let stop = Self { place: (number >> 2) % PLACES, serial: number >> 10 };
        let is_ours = number & 0b11 == KIND && stop.serial % 2 == 1 && stop.state().is_some();
        is_ours.then_some(stop)
    }

    /// The stop that a call is given; NULL means that it is not to be stopped.
    pub(crate) fn optional(handle: *const occopus_stop_t) -> Result<Option<Self>, Fault> {
        if handle.is_null() {
            return Ok(None);
        }
        let text = "stop is no occopus_stop_t, or one that was freed";
        Self::parse(handle).map(Some).ok_or_else(|| Fault::new(OCCOPUS_BAD_HANDLE, text))
    }

    /// The handle.
    pub(crate) fn handle(self) -> *mut occopus_stop_t {
        without_provenance_mut(self.serial << 10 | self.place << 2 | KIND)
    }

    /// Whether it is stopped; `None` if it was freed. Safe in signal handlers.
    fn state(self) -> Option<bool> {
        let state = STOPS.get(self.place)?.load(Ordering::Acquire);
        (state >> 1 == self.serial).then_some(state & 1 == 1)
    }

    /// Stops. Safe in signal handlers. False if it was freed.
    pub(crate) fn trigger(self) -> bool {
        let Some(place) = STOPS.get(self.place) else { return false };
        let running = self.serial << 1;
        match place.compare_exchange(running, running | 1, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => true,
            Err(now) => now == running | 1,
        }
    }

    /// Frees the place. False if it was freed before.
    pub(crate) fn free(self) -> bool {
        let Some(place) = STOPS.get(self.place) else { return false };
        let free = (self.serial + 1) << 1;
        place
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |now| {
                (now >> 1 == self.serial).then_some(free)
            })
            .is_ok()
    }

    /// Waits until it is stopped: for ever if it is freed before.
    pub(crate) async fn triggered(self) {
        loop {
            match self.state() {
                Some(true) => return,
                Some(false) => tokio::time::sleep(PERIOD).await,
                None => std::future::pending().await,
            }
        }
    }
}
