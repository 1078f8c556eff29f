//! Scaling requests: registered by anybody, consumed exactly once by the controller.

use occopus_descriptor::model::Node;

use crate::control::Controller;
use crate::engine::Engine;
use crate::error::EngineError;
use crate::event::{Event, EventKind};
use crate::hold::holds;
use crate::ids::InfraId;
use crate::journal::{encode, infra_key, read, read_all};
use crate::names::Renames;
use crate::record::{Attempt, Generation, Goal, InfraRecord, ScaleChange, ScaleRequest};
use crate::scaling::{Rescaled, Scaled, fold};
use crate::store::{Batch, Key, StoreError, Table, Write};

/// Registers scaling requests for the next pass, after checking that the node exists and that a named
/// instance is one of its own. Returns notes on limits that will cut them. Requests for what is paused wait.
///
/// # Errors
/// If the infrastructure, the node or the instance is unknown, if it is being destroyed, or if an instance would
/// have to go that an operator protects: nothing is registered then.
pub async fn request_scaling(
    engine: &Engine,
    infra: &InfraId,
    node: &str,
    changes: &[ScaleChange],
) -> Result<Scaled, EngineError> {
    let (record, generation, attempts) = super::load(engine, infra).await?;
    if record.goal == Goal::Absent {
        return Err(EngineError::Description(format!(
            "infrastructure '{}' is being destroyed; it cannot be scaled",
            record.name
        )));
    }
    let described = known_node(&generation, node)?;
    let mine: Vec<&Attempt> = attempts.iter().filter(|a| !a.is_closed() && a.slot.node == node).collect();
    let waiting = waiting_requests(engine, infra).await?;
    let target = record.targets.get(node).copied().unwrap_or(described.scaling.min);
    let earlier: Vec<ScaleChange> =
        waiting.into_iter().filter(|(_, r)| r.node == node).map(|(_, r)| r.change).collect();
    let before = fold(node, target, described.scaling, &mine, &earlier);
    let all: Vec<ScaleChange> = earlier.iter().chain(changes).cloned().collect();
    let scaled = fold(node, target, described.scaling, &mine, &all);
    for change in changes {
        if let ScaleChange::RemoveInstance(text) | ScaleChange::ReplaceInstance(text) = change
            && scaled.notes.iter().any(|note| note.contains(&format!("no instance '{text}'")))
        {
            let known: Vec<String> = mine
                .iter()
                .map(|a| format!("{} ({} {})", a.slot, a.node_id, a.addresses.join(" ")))
                .collect();
            return Err(EngineError::Description(format!(
                "node '{node}' has no instance '{text}'; it has: {}",
                known.join(", ")
            )));
        }
    }
    if takes_away(&before, &scaled, mine.len()) {
        require_unprotected(engine, &record, node).await?;
    }
    let writes = changes
        .iter()
        .map(|change| {
            let request = ScaleRequest {
                node: node.to_owned(),
                change: change.clone(),
                at: engine.clock.wall(),
                epoch: record.names.epoch(),
            };
            Write::Append(Table::Scaling, infra.to_string(), encode(&request))
        })
        .collect();
    engine.store.commit(Batch { expect: Vec::new(), writes }).await.map_err(|error| match error {
        StoreError::UnknownOutcome(text) => StoreError::UnknownOutcome(format!(
            "{text}; but look at `occopus status {infra}` before: a request to add or remove instances counts each \
             time it is made"
        )),
        other => other,
    })?;
    Ok(scaled)
}

/// Whether the requests that came `before`, with some more, destroy or replace instances that they leave
/// alone without them. There are `living` instances.
fn takes_away(before: &Scaled, now: &Scaled, living: usize) -> bool {
    now.retire.len() > before.retire.len()
        || now.replace.len() > before.replace.len()
        || now.target < before.target && (now.target as usize) < living
}

async fn require_unprotected(engine: &Engine, record: &InfraRecord, node: &str) -> Result<(), EngineError> {
    let holds = holds(engine.store.as_ref(), &record.id, engine.clock.wall()).await?;
    let Some(hold) = holds.protection(node) else { return Ok(()) };
    Err(EngineError::Description(format!(
        "node '{node}' of '{}' keeps its instances: {}; lift that with `{}` first",
        record.name,
        hold.describe(),
        hold.lifted_with(&record.name)
    )))
}

/// Scaling requests that no pass has consumed yet, with their identifiers; nodes have the names of now.
pub async fn waiting_requests(
    engine: &Engine,
    infra: &InfraId,
) -> Result<Vec<(String, ScaleRequest)>, EngineError> {
    let store = engine.store.as_ref();
    let waiting: Vec<(String, ScaleRequest)> = read_all(store, Table::Scaling, infra.as_str()).await?;
    if waiting.is_empty() {
        return Ok(waiting);
    }
    let record: Option<InfraRecord> = read(store, &infra_key(infra)).await?;
    let names = record.map(|record| record.names).unwrap_or_default();
    Ok(waiting
        .into_iter()
        .map(|(id, request)| {
            let renames = names.since(request.epoch);
            (id, request.renamed(&renames))
        })
        .collect())
}

/// The node called `name`, or an error that says which there are.
pub fn known_node<'a>(generation: &'a Generation, name: &str) -> Result<&'a Node, EngineError> {
    generation.infrastructure.node(name).ok_or_else(|| {
        let names: Vec<&str> =
            generation.infrastructure.nodes.iter().map(|node| node.name.as_str()).collect();
        EngineError::Description(format!(
            "infrastructure '{}' has no node '{name}'; it has: {}",
            generation.infrastructure.name,
            names.join(", ")
        ))
    })
}

impl Controller<'_> {
    /// Applies all waiting requests in one batch: new targets, named instances, requests deleted. What is
    /// to be destroyed is not scaled: its requests are dropped.
    pub(super) async fn consume_scaling(&self) -> Result<(), EngineError> {
        let requests = waiting_requests(self.engine, self.journal.infra()).await?;
        if requests.is_empty() {
            return Ok(());
        }
        let mut record: InfraRecord = read(self.engine.store.as_ref(), &infra_key(self.journal.infra()))
            .await?
            .ok_or_else(|| EngineError::UnknownInfrastructure {
                infra: self.journal.infra().to_string(),
                store: self.engine.store.location(),
            })?;
        let consumed = requests
            .iter()
            .map(|(id, _)| Write::Delete(Key::new(Table::Scaling, self.journal.infra().as_str(), id)))
            .collect();
        if record.goal == Goal::Absent {
            // They must not come to life again with a later infrastructure of the same identifier.
            return self.journal.commit(consumed, Vec::new()).await;
        }
        let generation = self.journal.generation(record.generation).await?;
        let requests: Vec<ScaleRequest> = requests.into_iter().map(|(_, request)| request).collect();
        let rescaled = Rescaled::of(&requests, &record, &generation, &self.journal.attempts());
        rescaled.put_targets(&mut record);
        let notes = rescaled.notes.iter();
        let mut events: Vec<Event> =
            notes.map(|note| self.journal.event(EventKind::Notice, None, note.clone())).collect();
        for (node, before, target) in &rescaled.targets {
            let text = format!("'{node}' is to have {target} instances (was {before})");
            events.push(self.journal.event(EventKind::Scaled, None, text).from_to(before, target));
        }
        self.journal.apply_scaling(&record, &rescaled.named, consumed, events).await
    }
}

/// As if all waiting requests had been applied, which are returned: what the next pass finds once nodes are
/// renamed as `renames` says.
pub async fn anticipate(
    engine: &Engine,
    record: &mut InfraRecord,
    generation: &Generation,
    attempts: &mut [Attempt],
    renames: &Renames,
) -> Result<Vec<ScaleRequest>, EngineError> {
    let waiting = waiting_requests(engine, &record.id).await?.into_iter();
    let requests: Vec<ScaleRequest> = waiting.map(|(_, request)| request.renamed(renames)).collect();
    if record.goal == Goal::Present {
        let rescaled = Rescaled::of(&requests, record, generation, attempts);
        rescaled.put_targets(record);
        attempts.iter_mut().for_each(|attempt| rescaled.named.mark(attempt));
    }
    Ok(requests)
}
