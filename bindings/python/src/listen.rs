//! Who is told of which events.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use occopus::engine::event::{Event, EventSink};
use occopus::engine::ids::InfraId;

use crate::inbox::Inbox;

/// All operations of an engine that listen.
#[derive(Clone, Default)]
pub(crate) struct Listeners(Arc<Mutex<BTreeMap<u64, Listener>>>);

struct Listener {
    inbox: Arc<Inbox>,
    /// The infrastructures it listens to; empty for all of them.
    infras: BTreeSet<InfraId>,
}

impl Listeners {
    fn with<T>(&self, use_map: impl FnOnce(&mut BTreeMap<u64, Listener>) -> T) -> T {
        use_map(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl EventSink for Listeners {
    fn event(&self, event: &Event) {
        self.with(|listeners| {
            for listener in listeners.values() {
                if listener.infras.is_empty() || listener.infras.contains(&event.infra_id) {
                    listener.inbox.put(event.clone());
                }
            }
        });
    }
}

/// An operation that may listen.
pub(crate) struct Ear {
    /// Those who do.
    pub(crate) listeners: Listeners,
    /// Where to put events; `None` if nobody wants them.
    pub(crate) inbox: Option<Arc<Inbox>>,
}

impl Ear {
    /// Listens to `infras`, or to all if there are none, until the returned value is dropped.
    pub(crate) fn listen(&self, infras: impl IntoIterator<Item = InfraId>) -> Option<Listening> {
        let inbox = self.inbox.clone()?;
        let listening = Listening { listeners: self.listeners.clone(), number: inbox.number() };
        let listener = Listener { inbox, infras: infras.into_iter().collect() };
        self.listeners.with(|listeners| drop(listeners.insert(listening.number, listener)));
        Some(listening)
    }

    /// Tells only this operation.
    pub(crate) fn tell(&self, event: &Event) {
        if let Some(inbox) = &self.inbox {
            inbox.put(event.clone());
        }
    }
}

/// Ends listening when it is dropped.
pub(crate) struct Listening {
    listeners: Listeners,
    number: u64,
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.listeners.with(|listeners| drop(listeners.remove(&self.number)));
    }
}
