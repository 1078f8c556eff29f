//! The instances that are there, for those who want to know where things are.

use std::collections::BTreeMap;

use occopus_engine::context::InstanceView;
use occopus_engine::control::load;
use occopus_engine::handler::ResourceState;
use occopus_engine::ids::InfraId;
use occopus_engine::observe::states;
use occopus_engine::record::{Attempt, Generation, InfraRecord};

use crate::Occopus;
use crate::error::Error;

/// An infrastructure with the instances that live.
pub(crate) struct Living {
    pub(crate) record: InfraRecord,
    pub(crate) generation: Generation,
    /// Those that were ready once and that their back-ends still have, oldest first, each with the addresses
    /// that it has now.
    pub(crate) instances: Vec<Attempt>,
}

impl Occopus {
    /// Asks the back-ends for the instances of `infra`, one call for each place. What cannot be asked is taken for
    /// living, with its last known addresses.
    pub(crate) async fn living(&self, infra: &InfraId) -> Result<Living, Error> {
        let (record, generation, attempts) = load(&self.engine, infra).await?;
        let ready: Vec<Attempt> =
            attempts.into_iter().filter(|attempt| attempt.is_live() && attempt.ready_at.is_some()).collect();
        let mut instances = Vec::new();
        for (mut attempt, seen) in states(&self.engine, &ready).await {
            match seen.resource {
                Ok(found) if is_there(found.state) => {
                    if !found.addresses.is_empty() {
                        attempt.addresses = found.addresses;
                        attempt.private_address = found.private_address;
                    }
                    instances.push(attempt);
                }
                Ok(_) => {}
                Err(reason) => {
                    tracing::warn!(slot = %attempt.slot, %reason, "its last known address is used");
                    instances.push(attempt);
                }
            }
        }
        instances.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
        Ok(Living { record, generation, instances })
    }
}

fn is_there(state: ResourceState) -> bool {
    match state {
        ResourceState::Pending | ResourceState::Running | ResourceState::Unknown => true,
        ResourceState::Stopped | ResourceState::Failed | ResourceState::Gone | ResourceState::Missing => {
            false
        }
    }
}

impl Living {
    /// The instances as templates see them, by node.
    pub(crate) fn views(&self) -> BTreeMap<String, Vec<InstanceView>> {
        let mut views: BTreeMap<String, Vec<InstanceView>> = BTreeMap::new();
        for attempt in &self.instances {
            views.entry(attempt.slot.node.clone()).or_default().push(InstanceView {
                node_id: attempt.node_id.clone(),
                addresses: attempt.addresses.clone(),
                private_address: attempt.private_address.clone(),
                record: attempt.view(&self.record.id, &self.record.name),
            });
        }
        views
    }
}
