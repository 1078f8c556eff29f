//! A store as one process sees it: it can stop that process before or after any write, or freeze it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use occopus_engine::clock::Clock;
use occopus_engine::ids::StoreId;
use occopus_engine::store::{Batch, Key, Record, Store, StoreError, Table, Write};
use occopus_store::MemoryStore;
use tokio::sync::Notify;

/// Whether a write is still made when it is the last thing a process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// The process stops right before the write.
    Before,
    /// The process stops right after the write, before it learns that it was made.
    After,
}

/// A crash: at which write of the process, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Crash {
    /// Number of the write.
    pub at: usize,
    /// Before or after it.
    pub when: When,
}

/// The records of `shared` as one process sees them.
pub struct SimStore {
    shared: MemoryStore,
    clock: Arc<dyn Clock>,
    control: Mutex<Control>,
    crashed: Notify,
}

#[derive(Default)]
struct Control {
    commits: usize,
    writes: BTreeMap<Table, usize>,
    crash: Option<Crash>,
    dead: bool,
    /// Freeze after this commit, for so long.
    freeze: Option<(usize, Duration)>,
    frozen_until: Duration,
}

impl SimStore {
    /// A new process on `shared`, which `crash` stops.
    pub fn new(shared: MemoryStore, clock: Arc<dyn Clock>, crash: Option<Crash>) -> Self {
        let control = Mutex::new(Control { crash, ..Control::default() });
        Self { shared, clock, control, crashed: Notify::new() }
    }

    fn control(&self) -> MutexGuard<'_, Control> {
        self.control.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Suspends the whole process for `duration` right after its write number `commit`, counted from 1.
    pub fn freeze_after(&self, commit: usize, duration: Duration) {
        self.control().freeze = Some((commit, duration));
    }

    /// Waits until the process is stopped by its crash.
    pub async fn crashed(&self) {
        self.crashed.notified().await;
    }

    /// How many batches the process has committed.
    pub fn commits(&self) -> usize {
        self.control().commits
    }

    /// How many records the process has written, by table.
    pub fn writes(&self) -> BTreeMap<Table, usize> {
        self.control().writes.clone()
    }

    async fn die(&self) -> ! {
        self.control().dead = true;
        self.crashed.notify_one();
        std::future::pending().await
    }

    /// A dead process does nothing any more, and a frozen one nothing for now.
    async fn live(&self) {
        let (dead, thaw) = {
            let control = self.control();
            (control.dead, control.frozen_until)
        };
        if dead {
            std::future::pending::<()>().await;
        }
        let now = self.clock.monotonic();
        if thaw > now {
            self.clock.sleep(thaw - now).await;
        }
    }

    fn count(&self, batch: &Batch) -> usize {
        let mut control = self.control();
        control.commits += 1;
        for write in &batch.writes {
            let table = match write {
                Write::Put(key, _) | Write::Delete(key) => key.table,
                Write::Append(table, ..) => *table,
            };
            *control.writes.entry(table).or_insert(0) += 1;
        }
        control.commits
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
        self.live().await;
        self.shared.read(key).await
    }

    async fn list(&self, table: Table, scope: &str, after: &str) -> Result<Vec<Record>, StoreError> {
        self.live().await;
        self.shared.list(table, scope, after).await
    }

    async fn commit(&self, batch: Batch) -> Result<(), StoreError> {
        self.live().await;
        let number = self.count(&batch);
        let crash = self.control().crash.filter(|crash| crash.at == number).map(|crash| crash.when);
        if crash == Some(When::Before) {
            self.die().await;
        }
        let result = self.shared.commit(batch).await;
        if crash == Some(When::After) {
            self.die().await;
        }
        let freeze = self.control().freeze.filter(|(commit, _)| *commit == number);
        if let Some((_, duration)) = freeze {
            self.control().frozen_until = self.clock.monotonic() + duration;
            self.live().await;
        }
        result
    }
}
