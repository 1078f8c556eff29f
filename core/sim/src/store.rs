//! A store as one process sees it: that process can die before or after any write, or fall asleep.

use std::sync::Arc;

use async_trait::async_trait;
use occopus_engine::ids::StoreId;
use occopus_engine::journal::decode;
use occopus_engine::record::Attempt;
use occopus_engine::store::{Batch, Key, Record, Store, StoreError, Table, Write};
use occopus_store::MemoryStore;
use serde_json::Value;

use crate::fault::FaultKind;
use crate::process::{Deed, Life, StoreFault};
use crate::referee::Referee;

/// The records of all processes as one of them sees them.
pub struct SimStore {
    shared: MemoryStore,
    life: Arc<Life>,
    referee: Referee,
}

impl SimStore {
    /// The store of a process.
    pub(crate) fn new(shared: MemoryStore, life: Arc<Life>, referee: Referee) -> Self {
        Self { shared, life, referee }
    }

    fn look_at(&self, batch: &Batch) {
        for write in &batch.writes {
            let (table, value) = match write {
                Write::Put(key, value) => (key.table, Some(value)),
                Write::Append(table, _, value) => (*table, Some(value)),
                Write::Delete(key) => (key.table, None),
            };
            self.life.count_write(table);
            value.into_iter().for_each(|value| self.referee.secret_hidden(table, value));
        }
    }

    /// Takes down what a batch that was written means.
    fn notice(&self, key: &Key, value: &Value) {
        let text = |pointer: &str| value.pointer(pointer).and_then(Value::as_str);
        match (key.table, key.id.as_str()) {
            (Table::Lease, "fence") if value.get("holder").is_some_and(Value::is_object) => {
                self.life.ledger().lease_taken(self.life.number);
            }
            (Table::Lease, "fence") => self.life.ledger().lease_released(),
            (Table::Lease, "waiting") => self.life.ledger().count(FaultKind::Contention),
            _ => {}
        }
        if key.table == Table::Attempt
            // One that is closed already may be written again, with another name.
            && self.life.ledger().closes(&key.id, text("/phase/name") == Some("closed"))
            && let Ok(attempt) = decode::<Attempt>(key, value.clone())
        {
            self.referee.attempt_closed(&attempt);
        }
    }
}

#[async_trait]
impl Store for SimStore {
    fn id(&self) -> &StoreId {
        self.shared.id()
    }

    fn location(&self) -> String {
        "simulated store".to_owned()
    }

    async fn read(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        self.life.running().await;
        self.shared.read(key).await
    }

    async fn list(&self, table: Table, scope: &str, after: &str) -> Result<Vec<Record>, StoreError> {
        self.life.running().await;
        self.shared.list(table, scope, after).await
    }

    async fn commit(&self, batch: Batch) -> Result<(), StoreError> {
        let number = self.life.before(Deed::Write).await;
        self.look_at(&batch);
        let fault = self.life.store_fault(number);
        if let Some(fault) = fault {
            self.life.ledger().count(fault.kind());
        }
        match fault {
            Some(StoreFault::Refuses) => {
                return Err(StoreError::Failed("the simulated disk is full".to_owned()));
            }
            Some(StoreFault::LosesWrite) => return Err(no_answer()),
            Some(StoreFault::LosesAnswer) | None => {}
        }
        let puts: Vec<(Key, Value)> = batch
            .writes
            .iter()
            .filter_map(|write| match write {
                Write::Put(key, value) if matches!(key.table, Table::Lease | Table::Attempt) => {
                    Some((key.clone(), value.clone()))
                }
                _ => None,
            })
            .collect();
        let result = self.shared.commit(batch).await;
        if result.is_ok() {
            puts.iter().for_each(|(key, value)| self.notice(key, value));
        }
        self.life.after(Deed::Write, number).await;
        if fault.is_some() { Err(no_answer()) } else { result }
    }
}

fn no_answer() -> StoreError {
    StoreError::UnknownOutcome("the simulated store did not answer".to_owned())
}
