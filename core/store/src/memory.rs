//! A store that lives as long as its last handle.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use occopus_engine::ids::StoreId;
use occopus_engine::store::{Batch, Expect, Key, Record, Store, StoreError, Table, Write};
use serde_json::Value;
use uuid::Uuid;

use crate::append_id;

/// A store in memory, for tests. A clone is a second handle on the same records, as another process
/// would have it.
#[derive(Clone)]
pub struct MemoryStore {
    id: StoreId,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// The last version or append number given out. Never goes back, so none is used twice.
    last_number: u64,
    records: BTreeMap<Key, Entry>,
}

struct Entry {
    version: u64,
    value: Value,
}

impl MemoryStore {
    /// An empty store with a new identity.
    pub fn new() -> Self {
        Self::with_id(Uuid::new_v4().into())
    }

    /// An empty store with the identity `id`, for runs that must be repeatable.
    pub fn with_id(id: StoreId) -> Self {
        Self { id, state: Arc::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing between two changes of a batch can panic, so the records are whole even then.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

/// Shows the identity only: records may hold secrets.
impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore").field("id", &self.id).finish_non_exhaustive()
    }
}

impl State {
    fn holds(&self, expect: &Expect) -> bool {
        let found = self.records.get(expect.key()).map(|entry| entry.version);
        match expect {
            Expect::Absent(_) => found.is_none(),
            Expect::Version(_, version) => found == Some(*version),
        }
    }

    fn apply(&mut self, write: Write) {
        self.last_number += 1;
        let version = self.last_number;
        match write {
            Write::Put(key, value) => {
                self.records.insert(key, Entry { version, value });
            }
            Write::Append(table, scope, value) => {
                self.records.insert(Key::new(table, scope, append_id(version)), Entry { version, value });
            }
            Write::Delete(key) => {
                self.records.remove(&key);
            }
        }
    }
}

impl Entry {
    fn record(&self, id: &str) -> Record {
        Record { id: id.to_owned(), version: self.version, value: self.value.clone() }
    }
}

#[async_trait]
impl Store for MemoryStore {
    fn id(&self) -> &StoreId {
        &self.id
    }

    fn location(&self) -> String {
        "memory".to_owned()
    }

    async fn read(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        Ok(self.state().records.get(key).map(|entry| entry.record(&key.id)))
    }

    async fn list(&self, table: Table, scope: &str, after: &str) -> Result<Vec<Record>, StoreError> {
        let start = Bound::Excluded(Key::new(table, scope, after));
        let records = self
            .state()
            .records
            .range((start, Bound::Unbounded))
            .take_while(|(key, _)| key.table == table && key.scope == scope)
            .map(|(key, entry)| entry.record(&key.id))
            .collect();
        Ok(records)
    }

    async fn commit(&self, batch: Batch) -> Result<(), StoreError> {
        let mut state = self.state();
        if let Some(broken) = batch.expect.iter().find(|expect| !state.holds(expect)) {
            return Err(StoreError::Conflict(broken.key().clone()));
        }
        batch.writes.into_iter().for_each(|write| state.apply(write));
        Ok(())
    }
}
