//! Batches: each is applied once or not at all, and it is found out which.

use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use occopus_engine::store::{Batch, Expect, Key, StoreError, Write};
use redis::Script;
use uuid::Uuid;

use super::fault::Fault;
use super::link::Call;
use super::{RedisStore, definitions, is_definition};

/// How long a Redis remembers a batch: longer than any network holds a packet back.
const MARKER_LIFETIME: Duration = Duration::from_secs(3600);

static COMMIT: LazyLock<Script> =
    LazyLock::new(|| Script::new(concat!(include_str!("guard.lua"), include_str!("commit.lua"))));
static SETTLE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("settle.lua")));

/// Markers of batches that were sent and given up without an answer. Each might still arrive.
#[derive(Default)]
pub(super) struct Outstanding(Mutex<Vec<String>>);

impl Outstanding {
    fn markers(&self) -> MutexGuard<'_, Vec<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A batch under way. Given up (dropped) without an answer, it becomes outstanding.
struct UnderWay<'a> {
    outstanding: &'a Outstanding,
    marker: Option<String>,
}

impl UnderWay<'_> {
    fn answered(mut self) {
        self.marker = None;
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.outstanding.markers().extend(self.marker.take());
    }
}

impl RedisStore {
    /// Applies a batch.
    pub(super) async fn apply(&self, batch: Batch) -> Result<(), StoreError> {
        self.settle().await?;
        let shared = self.shared.as_ref();
        let marker = format!("{}batch:{}", shared.prefix, Uuid::new_v4());
        let mut arguments = vec![MARKER_LIFETIME.as_secs().to_string()];
        encode(&batch, &mut arguments)?;
        let mut call = self.guarded(&COMMIT, arguments);
        call.keys.push(marker.clone());
        let under_way = UnderWay { outstanding: &shared.outstanding, marker: Some(marker) };
        let reply = match shared.link.call(&call).await {
            Err(fault @ Fault::Unanswered(_)) => return Err(fault.explain_batch(&shared.place)),
            other => {
                under_way.answered();
                other.map_err(|fault| fault.explain_batch(&shared.place))?
            }
        };
        self.judge(&batch, &reply)?;
        // What is not on disk yet is not recorded yet.
        shared.link.await_disk().await.map_err(|fault| fault.explain_unsynced(&shared.place))
    }

    fn judge(&self, batch: &Batch, reply: &[String]) -> Result<(), StoreError> {
        match (reply.first().map(String::as_str), reply.get(1)) {
            (Some("applied"), last) => last.map_or(Ok(()), |last| self.saw(last)),
            (Some("conflict"), Some(index)) => {
                let broken = index.parse::<usize>().ok().and_then(|index| batch.expect.get(index));
                Err(broken
                    .map_or_else(|| self.refused(reply), |expect| StoreError::Conflict(expect.key().clone())))
            }
            _ => Err(self.refused(reply)),
        }
    }

    /// Finds out about the batches that were given up, and makes those void that were not applied: they
    /// must not arrive late, over what is done from now on.
    pub(super) async fn settle(&self) -> Result<(), StoreError> {
        let shared = self.shared.as_ref();
        loop {
            let Some(marker) = shared.outstanding.markers().last().cloned() else { return Ok(()) };
            let arguments = vec![MARKER_LIFETIME.as_secs().to_string()];
            let call = Call { script: &SETTLE, keys: vec![marker.clone()], arguments };
            let reply = shared.answer(&call).await?;
            shared.outstanding.markers().retain(|other| *other != marker);
            let outcome = if reply.first().is_some_and(|status| status == "void") { "not" } else { "indeed" };
            tracing::info!(
                "a change whose answer from the Redis {} was lost was {outcome} recorded",
                shared.place
            );
        }
    }
}

/// The batch as arguments of the script.
fn encode(batch: &Batch, arguments: &mut Vec<String>) -> Result<(), StoreError> {
    // Counted first, so that the script knows where the writes begin.
    let count = batch.expect.len().to_string();
    arguments.push(count);
    for expect in &batch.expect {
        let Key { table, scope, id } = expect.key();
        arguments.extend([table.name(), scope, id].map(str::to_owned));
        arguments.push(match expect {
            Expect::Absent(_) => String::new(),
            Expect::Version(_, version) => version.to_string(),
        });
    }
    for write in &batch.writes {
        let (operation, table, scope, id, value) = match write {
            Write::Put(key, value) => ("put", key.table, &key.scope, key.id.as_str(), text(key, value)?),
            Write::Append(table, scope, value) => ("append", *table, scope, "", value.to_string()),
            Write::Delete(key) => ("delete", key.table, &key.scope, key.id.as_str(), String::new()),
        };
        arguments.extend([operation, table.name(), scope, id].map(str::to_owned));
        arguments.push(value);
    }
    Ok(())
}

/// A record's value as it is kept.
fn text(key: &Key, value: &serde_json::Value) -> Result<String, StoreError> {
    if !is_definition(key.table, &key.scope) {
        return Ok(value.to_string());
    }
    definitions::to_text(value)
        .ok_or_else(|| StoreError::Failed(format!("'{}' is no node definition; nothing was changed", key.id)))
}
