//! What calls answer, as JSON.

use std::collections::BTreeMap;

use occopus::engine::event::Event;
use occopus::engine::ids::InfraId;
use occopus::engine::record::Attempt;
use occopus::{Error, Occopus, Orphan, Orphans};
use serde_json::{Value, json};

/// The events of an infrastructure, also of one that is gone but whose events are still kept.
pub(crate) async fn events(occopus: &Occopus, infra: &str, after: &str) -> Result<Value, Error> {
    let infra = occopus.resolve_past(infra).await?;
    let events = numbered(occopus.events(&infra, after).await?);
    Ok(json!({"infra_id": infra, "events": events}))
}

/// The events of all infrastructures by time, each after its position in `after`.
pub(crate) async fn all_events(occopus: &Occopus, after: &BTreeMap<InfraId, String>) -> Result<Value, Error> {
    let mut all = Vec::new();
    for record in occopus.records().await? {
        let after = after.get(&record.id).map_or("", String::as_str);
        all.extend(occopus.events(&record.id, after).await?);
    }
    // Stable: the events of one infrastructure keep their order.
    all.sort_by_key(|(_, event)| event.time);
    Ok(numbered(all))
}

fn numbered(events: Vec<(String, Event)>) -> Value {
    events.into_iter().map(|(number, event)| json!([number, event])).collect()
}

/// Lists of slot, node id and log.
pub(crate) async fn logs(occopus: &Occopus, infra: &InfraId, which: Option<&str>) -> Result<Value, Error> {
    let mut logs = Vec::new();
    for (attempt, log) in occopus.logs(infra, which).await? {
        logs.push(json!([attempt.slot, attempt.node_id, log?]));
    }
    Ok(logs.into())
}

/// The outputs that have a value, and why others have none.
pub(crate) async fn outputs(occopus: &Occopus, infra: &InfraId, name: Option<&str>) -> Result<Value, Error> {
    let (mut values, mut errors) = (BTreeMap::new(), BTreeMap::new());
    for (name, result) in occopus.outputs(infra, name).await? {
        match result {
            Ok(value) => values.insert(name, value),
            Err(reason) => errors.insert(name, reason),
        };
    }
    Ok(json!({"values": values, "errors": errors}))
}

/// The living instances, as data and as other programs want to have them.
pub(crate) async fn inventory(occopus: &Occopus, infra: &InfraId) -> Result<Value, Error> {
    let inventory = occopus.inventory(infra).await?;
    Ok(json!({
        "inventory": inventory,
        "ansible": inventory.ansible(),
        "ssh_config": inventory.ssh_config(),
        "hosts_file": inventory.hosts_file(),
    }))
}

/// An instance that was given up.
pub(crate) fn left(attempt: &Attempt) -> Value {
    json!({
        "slot": attempt.slot,
        "node_id": attempt.node_id,
        "provider_id": attempt.provider_id.as_ref().map(|id| &id.id),
        "place": attempt.place.to_string(),
    })
}

/// Resources that belong to nothing known.
pub(crate) fn orphans(orphans: &Orphans) -> Value {
    let unasked = orphans.unasked.iter();
    let unasked = unasked.map(|place| json!({"place": place.place.to_string(), "reason": place.reason}));
    json!({
        "ours": orphans.ours.iter().map(orphan).collect::<Value>(),
        "foreign": orphans.foreign.iter().map(orphan).collect::<Value>(),
        "unasked": unasked.collect::<Value>(),
    })
}

fn orphan(orphan: &Orphan) -> Value {
    let found = &orphan.listed.found;
    json!({
        "place": orphan.place.to_string(),
        "provider_id": found.provider_id.id,
        "store": found.identity.store,
        "infra_id": found.identity.infra,
        "infra_name": orphan.infra_name,
        "slot": found.identity.slot,
        "node_id": found.identity.node_id,
        "state": found.state,
        "created_at": orphan.listed.created_at,
        "reason": orphan.reason,
        "adoptable": orphan.adoptable,
    })
}
