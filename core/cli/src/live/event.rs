//! Events in plain words.

use jiff::Timestamp;
use occopus::engine::event::{Event, EventKind};

/// What happened, in one or two words.
pub(crate) fn word(kind: EventKind) -> &'static str {
    match kind {
        EventKind::InfraStart => "building",
        EventKind::InfraUpdated => "updated",
        EventKind::InfraReady => "everything is ready",
        EventKind::NodeCreating => "creating",
        EventKind::NodeCreated | EventKind::NodeHealthy => "ready",
        EventKind::NodeDropping => "destroying",
        EventKind::NodeDropped => "destroyed",
        EventKind::InfraDrop => "nothing is left",
        EventKind::NodeStarted => "starting",
        EventKind::NodeFailed => "failed",
        EventKind::NodeUnhealthy => "unhealthy",
        EventKind::NodeAdopted => "adopted",
        EventKind::Scaled => "scaled",
        EventKind::Reconfigured => "reconfigured",
        EventKind::Held => "held",
        EventKind::Notice => "notice",
        EventKind::Progress => "progress",
    }
}

/// The event as one line without its time.
pub(crate) fn sentence(event: &Event) -> String {
    let mut line = match &event.slot {
        Some(slot) => format!("{slot} {}", word(event.event)),
        None => word(event.event).to_owned(),
    };
    if !event.message.is_empty() {
        line.push_str(": ");
        line.push_str(&event.message);
    }
    line
}

/// RFC 3339 without fractions of a second.
pub(crate) fn at_second(time: Timestamp) -> String {
    format!("{time:.0}")
}

#[cfg(test)]
pub(crate) mod tests {
    use occopus::engine::ids::{InfraId, Slot};

    use super::*;

    /// An event of slot `worker/1`, or of the infrastructure for kinds that have no slot.
    pub(crate) fn event(kind: EventKind, slot: Option<&str>, message: &str) -> Event {
        let time = Timestamp::from_second(1_700_000_000).expect("valid");
        Event {
            slot: slot.map(|slot| slot.parse::<Slot>().expect("a slot")),
            node_id: slot.map(|_| "n1".into()),
            ..Event::new(InfraId::from("i1"), kind, time, message.to_owned())
        }
    }

    #[test]
    fn an_event_of_the_whole_needs_no_slot_and_no_reason() {
        assert_eq!(sentence(&event(EventKind::InfraReady, None, "")), "everything is ready");
    }
}
