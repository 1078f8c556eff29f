//! The embedded store: one SQLite file.
//!
//! Write-ahead log with `synchronous = FULL`: a batch is on disk when `commit` returns, readers and a
//! writer of several processes do not block each other, and a kill at any moment leaves a whole file.

mod database;
mod fault;
mod place;
mod schema;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use occopus_engine::ids::StoreId;
use occopus_engine::store::{Batch, Key, Record, Store, StoreError, Table};
use tokio::sync::{Mutex, oneshot};
use tokio::task::{JoinError, spawn_blocking};

use self::database::Database;
pub(crate) use self::place::sharing_group;

/// How long a call waits for other processes; a batch takes milliseconds.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// How long emptying the log waits for other processes. Short, because it can be repeated.
const ERASE_TIMEOUT: Duration = Duration::from_millis(200);

/// Deleted requests are erased from the log after so long: to empty it takes longer than to write a batch, and
/// while much is made, many are deleted.
const ERASED_AFTER: Duration = Duration::from_millis(200);

/// A store in a file. Clones share one connection; its calls are queued without blocking a thread of
/// the runtime, in tasks of their own: a caller who has the connection, but does not go on for a while,
/// would hold up all others. Batches that wait at the same time are written in one transaction: to make it durable takes
/// most of the time, however much it writes.
///
/// A call whose future is dropped before it is done may still take effect.
#[derive(Clone)]
pub struct SqliteStore {
    id: StoreId,
    path: PathBuf,
    database: Arc<Mutex<Database>>,
    waiting: Arc<std::sync::Mutex<Vec<Waiting>>>,
    /// The log is going to be emptied.
    erasing: Arc<AtomicBool>,
}

/// A batch that is to be written.
struct Waiting {
    batch: Batch,
    outcome: oneshot::Sender<Result<(), StoreError>>,
}

impl SqliteStore {
    /// Opens the store at `path`. If there is none, it is created together with missing directories,
    /// for the user alone; in a shared directory, for its group.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unusable`] for a file that is not a store, is damaged, was written by a newer
    /// program or may not be written, and for a filesystem on which locks are unsafe. Such a file is not
    /// touched. [`StoreError::Failed`] if it is locked for too long or the disk is full.
    pub async fn open(path: impl Into<PathBuf>) -> Result<Self, StoreError> {
        let path = path.into();
        blocking(move || Database::open(&path)).await.map(Self::new)
    }

    /// Opens the store at `path`, or returns `None` and creates nothing if there is none: for commands
    /// that only look.
    ///
    /// # Errors
    ///
    /// As [`SqliteStore::open`].
    pub async fn open_existing(path: impl Into<PathBuf>) -> Result<Option<Self>, StoreError> {
        let path = path.into();
        Ok(blocking(move || Database::open_existing(&path)).await?.map(Self::new))
    }

    /// The store file, as an absolute path without symbolic links.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn new(database: Database) -> Self {
        Self {
            id: database.id().clone(),
            path: database.path().to_owned(),
            database: Arc::new(Mutex::new(database)),
            waiting: Arc::default(),
            erasing: Arc::default(),
        }
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, Vec<Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Empties the log a little later, unless that is going to happen anyway. What is still there when the
    /// store is closed goes then; after a kill, when it is opened again.
    fn erase_later(&self) {
        if self.erasing.swap(true, Ordering::Relaxed) {
            return;
        }
        let (database, erasing) = (Arc::downgrade(&self.database), Arc::clone(&self.erasing));
        tokio::spawn(async move {
            tokio::time::sleep(ERASED_AFTER).await;
            let Some(database) = database.upgrade() else { return };
            let mut database = database.lock_owned().await;
            erasing.store(false, Ordering::Relaxed);
            drop(spawn_blocking(move || database.erase_log()).await);
        });
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Database) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let database = Arc::clone(&self.database);
        let call = async move {
            let mut database = database.lock_owned().await;
            blocking(move || work(&mut database)).await
        };
        broken_off(tokio::spawn(call).await)
    }

    /// Writes what waits, in one transaction.
    async fn write_waiting(self) {
        let mut database = Arc::clone(&self.database).lock_owned().await;
        let mut group = std::mem::take(&mut *self.waiting());
        // Nobody waits for what was given up, and whoever gave it up may have decided otherwise.
        group.retain(|waiting| !waiting.outcome.is_closed());
        if group.is_empty() {
            return;
        }
        let write = move || {
            let (batches, outcomes): (Vec<_>, Vec<_>) =
                group.into_iter().map(|waiting| (waiting.batch, waiting.outcome)).unzip();
            let results = database.commit(&batches);
            if database.log_holds_erased() {
                self.erase_later();
            }
            // Whoever closes the store upon the answer closes the file.
            drop((database, self));
            for (outcome, result) in outcomes.into_iter().zip(results) {
                // Who has gone away meanwhile needs no answer.
                drop(outcome.send(result));
            }
            Ok(())
        };
        blocking(write)
            .await
            .unwrap_or_else(|error| tracing::debug!(%error, "a write of the store was broken off"));
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    broken_off(spawn_blocking(work).await)
}

fn broken_off<T>(ended: Result<Result<T, StoreError>, JoinError>) -> Result<T, StoreError> {
    ended.unwrap_or_else(|error| {
        Err(StoreError::Failed(format!("a call of the store was broken off ({error}); repeat the command")))
    })
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore").field("id", &self.id).field("path", &self.path).finish_non_exhaustive()
    }
}

#[async_trait]
impl Store for SqliteStore {
    fn id(&self) -> &StoreId {
        &self.id
    }

    fn location(&self) -> String {
        self.path.display().to_string()
    }

    async fn read(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        let key = key.clone();
        self.run(move |database| database.read(&key)).await
    }

    async fn list(&self, table: Table, scope: &str, after: &str) -> Result<Vec<Record>, StoreError> {
        let (scope, after) = (scope.to_owned(), after.to_owned());
        self.run(move |database| database.list(table, &scope, &after)).await
    }

    async fn commit(&self, batch: Batch) -> Result<(), StoreError> {
        let (outcome, written) = oneshot::channel();
        self.waiting().push(Waiting { batch, outcome });
        tokio::spawn(self.clone().write_waiting());
        written.await.unwrap_or_else(|_| {
            Err(StoreError::UnknownOutcome(
                "a write of the store was broken off; it is not known whether it was recorded: repeat the command, \
                 which finds out"
                    .to_owned(),
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use occopus_engine::store::Write;
    use serde_json::json;

    use super::*;

    fn batch(id: &str) -> Batch {
        let key = Key::new(Table::Place, "scope", id);
        Batch { expect: vec![], writes: vec![Write::Put(key, json!(id))] }
    }

    #[tokio::test]
    async fn what_is_given_up_while_it_waits_is_not_written_later() {
        let directory = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(directory.path().join("occopus.db")).await.unwrap();
        let busy = store.database.clone().lock_owned().await;
        let given_up = store.commit(batch("given-up"));
        // A timer that has run out: the call is dropped as soon as it has to wait.
        assert!(tokio::time::timeout(Duration::ZERO, given_up).await.is_err());
        let freed = async move { drop(busy) };
        let (one, two, ()) = tokio::join!(store.commit(batch("one")), store.commit(batch("two")), freed);
        assert!(one.is_ok() && two.is_ok(), "{one:?} {two:?}");
        let records = store.list(Table::Place, "scope", "").await.unwrap();
        let ids: Vec<&str> = records.iter().map(|record| record.id.as_str()).collect();
        assert_eq!(ids, ["one", "two"]);
    }

    fn files_with(directory: &Path, text: &str) -> usize {
        let files = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
        let contains = |path: &std::path::PathBuf| {
            std::fs::read(path).unwrap().windows(text.len()).any(|part| part == text.as_bytes())
        };
        files.filter(contains).count()
    }

    /// Writes a request with `secret` in it and deletes it again.
    async fn settle_one(store: &SqliteStore, secret: &str) {
        let key = Key::new(Table::Request, "scope", "one");
        let put = Write::Put(key.clone(), json!(secret));
        for write in [put, Write::Delete(key)] {
            store.commit(Batch { expect: vec![], writes: vec![write] }).await.unwrap();
        }
    }

    #[tokio::test]
    async fn a_deleted_request_is_erased_while_the_store_is_idle() {
        let directory = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(directory.path().join("occopus.db")).await.unwrap();
        settle_one(&store, "hunter2-correct-horse").await;
        let erased = async {
            while files_with(directory.path(), "hunter2-correct-horse") > 0 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), erased).await.expect("erased without another call");
    }

    #[tokio::test]
    async fn a_deleted_request_is_erased_when_the_store_is_closed_though_others_use_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("occopus.db");
        let other = SqliteStore::open(&path).await.unwrap();
        let store = SqliteStore::open(&path).await.unwrap();
        settle_one(&store, "hunter2-correct-horse").await;
        drop(store);
        assert_eq!(files_with(directory.path(), "hunter2-correct-horse"), 0);
        assert!(other.list(Table::Request, "scope", "").await.unwrap().is_empty());
    }
}
