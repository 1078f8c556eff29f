//! Orphans: resources with the tags of this store that no record accounts for. An operator takes one
//! back into its slot, or has it removed.

use std::collections::BTreeMap;

use occopus_descriptor::model::{Implementation, Infrastructure, Node, Scaling};
use serde_json::{Map, Value};

use super::Controller;
use crate::enact::{Enacted, enact};
use crate::error::EngineError;
use crate::event::EventKind;
use crate::handler::{Found, Identity, Listed, Place};
use crate::hold::holds;
use crate::ids::AttemptId;
use crate::plan::{Action, Plan, What};
use crate::record::{Attempt, Cause, Generation, Goal, InfraRecord, Phase};
use crate::topology::Topology;

/// What an orphan becomes when it is taken back.
#[derive(Debug, Clone, PartialEq)]
pub struct Vacancy<'a> {
    /// Its node as it is described now.
    pub node: &'a Node,
    /// Index of the implementation in the node definition.
    pub index: usize,
    /// The implementation that made it, as far as can be told.
    pub implementation: &'a Implementation,
}

/// The vacancy that the resource called `identity` at `place` can fill. Pure.
///
/// # Errors
/// Why it can fill none, in words.
pub fn vacancy<'a>(
    (record, generation): (&InfraRecord, &'a Generation),
    attempts: &[Attempt],
    identity: &Identity,
    place: &Place,
) -> Result<Vacancy<'a>, String> {
    let (name, slot) = (&record.name, &identity.slot);
    if record.goal == Goal::Absent {
        let state = if record.closed_at.is_some() { "was destroyed" } else { "is being destroyed" };
        return Err(format!("'{name}' {state}"));
    }
    let Some(node) = generation.infrastructure.node(&slot.node) else {
        return Err(format!("'{name}' has no node '{}' any more", slot.node));
    };
    let open = || attempts.iter().filter(|attempt| !attempt.is_closed() && attempt.slot.node == slot.node);
    if let Some(other) = open().find(|attempt| attempt.slot == *slot) {
        return Err(format!("{slot} of '{name}' is filled by {}", other.node_id));
    }
    let Scaling { min, max, .. } = node.scaling;
    let target = record.targets.get(&node.name).copied().unwrap_or(min).clamp(min, max);
    let have = open().count();
    if have >= target as usize {
        return Err(format!("'{}' of '{name}' has {have} of {target} instances without it", node.name));
    }
    let of_type =
        |(_, implementation): &(usize, &Implementation)| implementation.resource_type() == place.handler;
    let at_place = |(_, implementation): &&(usize, &Implementation)| {
        implementation.resource.get("endpoint").and_then(Value::as_str) == Some(place.endpoint.as_str())
    };
    let fitting: Vec<_> = generation.candidates(node, slot.index).into_iter().filter(of_type).collect();
    let Some((index, implementation)) = fitting.iter().find(at_place).or(fitting.first()).copied() else {
        return Err(format!("'{}' of '{name}' is no longer made on {}", node.name, place.handler));
    };
    Ok(Vacancy { node, index, implementation })
}

/// Gives `listed` the name that its slot has now: its tags have that of the time when it was made.
pub fn rename_listed(record: &InfraRecord, attempts: &[Attempt], listed: &mut Listed) {
    let identity = &mut listed.found.identity;
    let known = attempts.iter().find(|attempt| attempt.id == identity.attempt);
    identity.slot = match (known, listed.created_at) {
        (Some(attempt), _) => attempt.slot.clone(),
        (None, Some(at)) => record.names.since_time(at).slot(&identity.slot),
        (None, None) => return,
    };
}

impl Controller<'_> {
    /// Takes an orphan at `place` back into its slot. The next pass looks at it.
    ///
    /// # Errors
    /// If there is no vacancy for it: nothing is changed then.
    pub async fn adopt(&self, listed: &Listed, place: &Place) -> Result<Attempt, EngineError> {
        let record = self.journal.record().await?;
        let generation = self.journal.generation(record.generation).await?;
        let found = &listed.found;
        let attempts = self.journal.attempts();
        let Vacancy { node, index, implementation } =
            vacancy((&record, &generation), &attempts, &found.identity, place).map_err(|why| {
                EngineError::Description(format!("{} is not taken back: {why}", found.provider_id))
            })?;
        let now = self.engine.clock.wall();
        let known = self.journal.attempt(&found.identity.attempt);
        let before = known.as_ref().map_or("unknown", Attempt::word);
        // With a single description there ever was, it was made from that; else nobody knows.
        let digest = match self.journal.last_generation().await? {
            1 => generation.instance_digest(node, implementation),
            _ => String::new(),
        };
        let attempt = Attempt {
            generation: record.generation,
            node: node.clone(),
            implementation_index: index,
            implementation: implementation.clone(),
            digest,
            cause: Cause(format!("taken back by {}", self.journal.lease().holder())),
            created_at: listed.created_at.unwrap_or(now),
            ..unknown_attempt(found, place, now)
        };
        let attempt = match known {
            // What is known of it says more, but for why it was given up.
            Some(known) => Attempt {
                phase: Phase::Live,
                provider_id: attempt.provider_id,
                accepted_at: attempt.accepted_at,
                retire: None,
                replace: None,
                peers: BTreeMap::new(),
                failing: None,
                ..known
            },
            None => attempt,
        };
        let text = format!("{} at {place}, taken back", found.provider_id);
        let event = self.journal.event(EventKind::NodeAdopted, Some(&attempt), text);
        self.journal.insert(attempt.clone(), vec![event.from_to(before, attempt.word())]).await?;
        Ok(attempt)
    }

    /// Destroys an orphan at `place`, and nothing else. One of an unknown infrastructure leaves a tombstone,
    /// so that its removal is on record before it is begun.
    ///
    /// # Errors
    /// If it is an instance of the infrastructure, or if an operator protects it: nothing is changed then.
    pub async fn remove_orphan(&self, found: &Found, place: &Place) -> Result<Enacted, EngineError> {
        let Identity { slot, attempt: tagged, .. } = &found.identity;
        let refuse =
            |why: String| EngineError::Description(format!("{} is not removed: {why}", found.provider_id));
        let record = self.record_or_tombstone().await?;
        let holds = holds(self.engine.store.as_ref(), &record.id, self.engine.clock.wall()).await?;
        if let Some(hold) = holds.protection(&slot.node) {
            return Err(refuse(hold.describe()));
        }
        let cause = Cause(format!("an orphan, removed by {}", self.journal.lease().holder()));
        let id = match self.journal.attempt(tagged) {
            Some(attempt) if attempt.is_closed() || record.closed_at.is_some() => tagged.clone(),
            Some(attempt) if attempt.is_of(found) => {
                return Err(refuse(format!("it is {slot} of '{}'", record.name)));
            }
            // Its tags are those of the instance, whose record is not to be touched.
            Some(_) => AttemptId::from(self.engine.random.uuid()),
            None => tagged.clone(),
        };
        if self.journal.attempt(&id).is_none() {
            let attempt = Attempt {
                id: id.clone(),
                phase: Phase::Destroying { cause: cause.clone(), failed: false, error: None },
                ..unknown_attempt(found, place, self.engine.clock.wall())
            };
            let text = format!("{} at {place} is an orphan", found.provider_id);
            let event = self.journal.event(EventKind::Notice, Some(&attempt), text);
            self.journal.insert(attempt, vec![event]).await?;
        }
        let what = What::Destroy { attempt: id, failed: false, others: None, found: Some(found.clone()) };
        let action = Action::new(0, slot.clone(), what, cause);
        let plan = Plan { actions: vec![action], ..Plan::default() };
        let nothing = no_generation(&record);
        let book = (&record, &nothing, &Topology::default());
        enact(self.engine, &self.journal, book, &plan, &self.options.stop).await
    }

    async fn record_or_tombstone(&self) -> Result<InfraRecord, EngineError> {
        let unknown = match self.journal.record().await {
            Err(EngineError::UnknownInfrastructure { .. }) => self.journal.infra().clone(),
            known => return known,
        };
        let now = self.engine.clock.wall();
        let record = InfraRecord {
            name: unknown.to_string(),
            id: unknown,
            goal: Goal::Absent,
            generation: 0,
            targets: BTreeMap::new(),
            created_at: now,
            completed: false,
            closed_at: Some(now),
            rollout: None,
            completed_before: None,
            names: Default::default(),
        };
        let text = "this store knows nothing of it but what is removed now".to_owned();
        let event = self.journal.event(EventKind::Notice, None, text);
        self.journal.put_record(&record, vec![event.from_to("unknown", record.word())]).await?;
        Ok(record)
    }
}

/// To destroy takes no description.
fn no_generation(record: &InfraRecord) -> Generation {
    Generation {
        number: 0,
        infrastructure: Infrastructure {
            name: record.name.clone(),
            user_id: Value::Null,
            nodes: Vec::new(),
            dependencies: Vec::new(),
            variables: Map::new(),
            outputs: BTreeMap::new(),
            moved: Vec::new(),
        },
        definitions: BTreeMap::new(),
        shuffle: None,
        author: String::new(),
        undone_at: None,
        epoch: None,
        created_at: record.created_at,
    }
}

/// A resource of ours without a record (its attempt was pruned, or the store is an old copy).
pub(super) fn unknown_attempt(found: &Found, place: &Place, now: jiff::Timestamp) -> Attempt {
    let identity = &found.identity;
    let cause = Cause("found without a record".to_owned());
    Attempt {
        id: identity.attempt.clone(),
        slot: identity.slot.clone(),
        node_id: identity.node_id.clone(),
        generation: 0,
        node: Node {
            name: identity.slot.node.clone(),
            definition: String::new(),
            scaling: Scaling::default(),
            scaling_source: None,
            filter: None,
            variables: Map::new(),
            care: Default::default(),
        },
        implementation_index: 0,
        implementation: Implementation {
            resource: Map::new(),
            contextualisation: None,
            config_management: None,
            health_check: None,
        },
        digest: String::new(),
        request_digest: String::new(),
        place: place.clone(),
        phase: Phase::Live,
        provider_id: Some(found.provider_id.clone()),
        steps: Vec::new(),
        batch: None,
        cause,
        created_at: now,
        accepted_at: Some(now),
        ready_at: None,
        addresses: Vec::new(),
        private_address: None,
        failing: None,
        checks: Vec::new(),
        retire: None,
        replace: None,
        made_as: BTreeMap::new(),
        peers: BTreeMap::new(),
    }
}

#[cfg(test)]
mod tests;
