//! Holds: what an operator keeps the engine from doing. Pure, but for reading and writing the records.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::engine::Engine;
use crate::error::EngineError;
use crate::event::{Event, EventKind};
use crate::ids::InfraId;
use crate::journal::{encode, infra_key, read, read_all};
use crate::names::Renames;
use crate::record::{Goal, InfraRecord};
use crate::store::{Batch, Key, Store, Table, Write};

/// What a hold keeps the engine from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HoldKind {
    /// From changing anything, until it is resumed or its time is over. A destroy is not kept.
    Pause,
    /// From destroying or replacing anything, for whatever reason, until it is lifted.
    Protect,
}

impl HoldKind {
    /// The state in a word, as in `paused`.
    pub fn participle(self) -> &'static str {
        match self {
            Self::Pause => "paused",
            Self::Protect => "protected",
        }
    }
}

/// One hold on an infrastructure or on one of its nodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// What it keeps the engine from.
    pub kind: HoldKind,
    /// The node; `None` for all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// Why, in the operator's words.
    #[serde(default)]
    pub reason: String,
    /// Who asked for it.
    pub actor: String,
    /// Since when.
    pub since: Timestamp,
    /// When it ends by itself; `None` for never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

impl Hold {
    /// Whether it is about `node`.
    pub fn covers(&self, node: &str) -> bool {
        self.node.as_deref().is_none_or(|held| held == node)
    }

    /// The hold in words: `'worker' is paused by alice@host since … until …: reason`.
    pub fn describe(&self) -> String {
        let whom = self.node.as_deref().map_or_else(|| "it".to_owned(), |node| format!("'{node}'"));
        let until = self.until.map(|until| format!(" until {until:.0}")).unwrap_or_default();
        let reason = if self.reason.is_empty() { String::new() } else { format!(": {}", self.reason) };
        let (held, actor, since) = (self.kind.participle(), &self.actor, self.since);
        format!("{whom} is {held} by {actor} since {since:.0}{until}{reason}")
    }

    /// The command that lifts it from `infra`, an identifier or a name.
    pub fn lifted_with(&self, infra: &str) -> String {
        match (self.kind, &self.node) {
            (HoldKind::Pause, None) => format!("occopus resume {infra}"),
            (HoldKind::Pause, Some(node)) => format!("occopus resume {infra} --node {node}"),
            (HoldKind::Protect, None) => format!("occopus unprotect {infra}"),
            (HoldKind::Protect, Some(node)) => format!("occopus unprotect {infra} {node}"),
        }
    }
}

/// A hold as it is on record.
#[derive(Serialize, Deserialize)]
struct Kept {
    #[serde(flatten)]
    hold: Hold,
    /// When its node was called so; see [`Names::epoch`](crate::names::Names::epoch).
    #[serde(default)]
    epoch: usize,
}

impl Kept {
    /// Its identifier among the holds of an infrastructure.
    fn id(&self) -> String {
        let (kind, node) = (self.hold.kind.participle(), self.hold.node.as_deref().unwrap_or_default());
        // Names of nodes hold neither a colon nor an at sign.
        match self.epoch {
            0 => format!("{kind}:{node}"),
            epoch => format!("{kind}:{node}@{epoch}"),
        }
    }
}

/// The holds on one infrastructure.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Holds {
    held: Vec<Hold>,
    /// The names on record of nodes that are going to be renamed.
    on_record: Renames,
}

impl Holds {
    /// Those of `all` that are in force at `now`.
    pub fn in_force(all: Vec<Hold>, now: Timestamp) -> Self {
        let held = all.into_iter().filter(|hold| hold.until.is_none_or(|until| now < until)).collect();
        Self { held, on_record: Renames::default() }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// The same as if nodes were renamed, which they are not yet.
    #[must_use]
    pub fn renamed(mut self, renames: &Renames) -> Self {
        for node in self.held.iter_mut().filter_map(|hold| hold.node.as_mut()) {
            *node = renames.name(node).to_owned();
        }
        self.on_record = renames.inverse();
        self
    }

    /// The command that lifts `hold` from `infra` today, whatever its node is going to be called.
    pub fn lifted_with(&self, hold: &Hold, infra: &str) -> String {
        let node = hold.node.as_deref().map(|node| self.on_record.name(node).to_owned());
        Hold { node, ..hold.clone() }.lifted_with(infra)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Hold> {
        self.held.iter()
    }

    /// The hold that keeps the engine from changing anything of `node`.
    pub fn pause(&self, node: &str) -> Option<&Hold> {
        self.held.iter().find(|hold| hold.kind == HoldKind::Pause && hold.covers(node))
    }

    /// The hold that keeps the engine from destroying anything of `node`.
    pub fn protection(&self, node: &str) -> Option<&Hold> {
        self.held.iter().find(|hold| hold.kind == HoldKind::Protect && hold.covers(node))
    }

    /// Any hold that keeps the engine from destroying the infrastructure as a whole.
    pub fn any_protection(&self) -> Option<&Hold> {
        self.held.iter().find(|hold| hold.kind == HoldKind::Protect)
    }
}

/// Reads the holds on `infra` that are in force at `now`.
pub async fn holds(store: &dyn Store, infra: &InfraId, now: Timestamp) -> Result<Holds, EngineError> {
    let all = on_record(store, infra).await?;
    Ok(Holds::in_force(all.into_iter().map(|(_, hold)| hold).collect(), now))
}

/// All holds on `infra` with their identifiers; nodes have the names of now.
async fn on_record(store: &dyn Store, infra: &InfraId) -> Result<Vec<(String, Hold)>, EngineError> {
    let kept: Vec<(String, Kept)> = read_all(store, Table::Hold, infra.as_str()).await?;
    let record: Option<InfraRecord> = match kept.iter().any(|(_, kept)| kept.hold.node.is_some()) {
        true => read(store, &infra_key(infra)).await?,
        false => None,
    };
    let names = record.map(|record| record.names).unwrap_or_default();
    let up_to_date = |Kept { mut hold, epoch }: Kept| {
        hold.node = hold.node.map(|node| names.since(epoch).name(&node).to_owned());
        hold
    };
    Ok(kept.into_iter().map(|(id, kept)| (id, up_to_date(kept))).collect())
}

/// Deletes the holds among `all` of `kind` on `node`, by whatever names they are on record.
fn deletions(infra: &InfraId, all: &[(String, Hold)], (kind, node): (HoldKind, Option<&str>)) -> Vec<Write> {
    let same = all.iter().filter(|(_, hold)| hold.kind == kind && hold.node.as_deref() == node);
    same.map(|(id, _)| Write::Delete(Key::new(Table::Hold, infra.as_str(), id))).collect()
}

/// Puts `hold` on `infra`, in the place of an earlier one of its kind on the same node. The controller
/// of the infrastructure heeds it within seconds: calls under way are ended, and the rest is planned anew.
///
/// # Errors
/// If the infrastructure or the node is unknown, or if it is being destroyed.
pub async fn put(engine: &Engine, infra: &InfraId, hold: &Hold) -> Result<(), EngineError> {
    let (record, generation, _) = crate::control::load(engine, infra).await?;
    if record.goal == Goal::Absent {
        return Err(EngineError::Description(format!(
            "infrastructure '{}' is being destroyed; it cannot be {} any more",
            record.name,
            hold.kind.participle()
        )));
    }
    if let Some(node) = &hold.node {
        crate::control::known_node(&generation, node)?;
    }
    let before = on_record(engine.store.as_ref(), infra).await?;
    let mut writes = deletions(infra, &before, (hold.kind, hold.node.as_deref()));
    let before = Holds::in_force(before.into_iter().map(|(_, hold)| hold).collect(), engine.clock.wall());
    let was = before.iter().find(|old| old.kind == hold.kind && old.node == hold.node);
    let event = Event { actor: hold.actor.clone(), ..notice(engine, infra, hold.describe()) }
        .from_to(was.map_or("free", |old| old.kind.participle()), hold.kind.participle());
    let kept = Kept { hold: hold.clone(), epoch: record.names.epoch() };
    writes.push(Write::Put(Key::new(Table::Hold, infra.as_str(), kept.id()), encode(&kept)));
    write(engine, infra, writes, event).await
}

/// Lifts the hold of `kind` from `node` of `infra`, or from all of it. Returns the hold; `None` if there
/// was none.
pub async fn lift(
    engine: &Engine,
    infra: &InfraId,
    (kind, node): (HoldKind, Option<&str>),
    actor: &str,
) -> Result<Option<Hold>, EngineError> {
    let all = on_record(engine.store.as_ref(), infra).await?;
    let writes = deletions(infra, &all, (kind, node));
    let lifted = all.into_iter().map(|(_, hold)| hold);
    let Some(hold) = lifted.filter(|hold| hold.kind == kind).find(|hold| hold.node.as_deref() == node) else {
        return Ok(None);
    };
    let whom = node.map_or_else(|| "it".to_owned(), |node| format!("'{node}'"));
    let text = format!("{whom} is no longer {}", kind.participle());
    let event = Event { actor: actor.to_owned(), ..notice(engine, infra, text) };
    write(engine, infra, writes, event.from_to(kind.participle(), "free")).await?;
    Ok(Some(hold))
}

fn notice(engine: &Engine, infra: &InfraId, text: String) -> Event {
    Event::new(infra.clone(), EventKind::Held, engine.clock.wall(), text)
}

/// Operators write without the lease: a hold must work while another process works.
async fn write(
    engine: &Engine,
    infra: &InfraId,
    mut writes: Vec<Write>,
    event: Event,
) -> Result<(), EngineError> {
    writes.push(Write::Append(Table::Event, infra.to_string(), encode(&event)));
    engine.store.commit(Batch { expect: Vec::new(), writes }).await?;
    engine.events.event(&event);
    Ok(())
}
