//! The living instances as templates see them, kept up to date: to make the views of all of them anew for
//! each of many creations would take the square of their number.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::context::InstanceView;
use crate::ids::AttemptId;
use crate::journal::Journal;
use crate::record::Attempt;

/// The views of one run.
#[derive(Default)]
pub(super) struct Views {
    instances: BTreeMap<String, Vec<InstanceView>>,
    /// Of which attempt each view is, with its place among them: oldest first.
    order: BTreeMap<String, Vec<(Timestamp, AttemptId)>>,
    /// Whether the instances that lived before the run are there.
    complete: bool,
}

impl Views {
    /// The views of all living instances by node, oldest first.
    pub(super) fn of(&mut self, journal: &Journal, infra_name: &str) -> &BTreeMap<String, Vec<InstanceView>> {
        let changed = journal.take_changed();
        if self.complete {
            let attempts = changed.iter().filter_map(|id| journal.attempt(id));
            attempts.for_each(|attempt| self.update(attempt, journal, infra_name));
        } else {
            journal.attempts().into_iter().for_each(|attempt| self.update(attempt, journal, infra_name));
            self.complete = true;
        }
        &self.instances
    }

    fn update(&mut self, attempt: Attempt, journal: &Journal, infra_name: &str) {
        let node = attempt.slot.node.clone();
        let order = self.order.entry(node.clone()).or_default();
        let instances = self.instances.entry(node.clone()).or_default();
        let key = (attempt.created_at, attempt.id.clone());
        let place = order.binary_search(&key);
        if let Ok(place) = place {
            order.remove(place);
            instances.remove(place);
        }
        if attempt.is_live() {
            let (Ok(place) | Err(place)) = place;
            order.insert(place, key);
            instances.insert(place, view(attempt, journal, infra_name));
        } else if instances.is_empty() {
            // To templates a node without living instances is one that is not there.
            self.instances.remove(&node);
        }
    }
}

fn view(attempt: Attempt, journal: &Journal, infra_name: &str) -> InstanceView {
    InstanceView {
        record: attempt.view(journal.infra(), infra_name),
        node_id: attempt.node_id,
        addresses: attempt.addresses,
        private_address: attempt.private_address,
    }
}
