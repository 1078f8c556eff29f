//! Crash points, compiled in for tests only: the process kills itself right before or right after a
//! write of the store or a call to a back-end. So a test can try every instant at which a crash matters.
//!
//! `OCCOPUS_CRASH_LOG=FILE` appends the name of every point that is passed; `OCCOPUS_CRASH_AT=NAME`
//! kills at that point. A name tells when, what, and how often before: `before create process #2`.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use async_trait::async_trait;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use occopus_engine::batch::CreateBatch;
use occopus_engine::handler::{
    Access, Capabilities, CreateRequest, Found, HandlerError, Listed, Observation, Place, Progress,
    ProviderId, ResourceHandler, StepJournal,
};
use occopus_engine::ids::StoreId;
use occopus_engine::store::{Batch, Key, Record, Store, StoreError, Table, Write};
use serde_json::{Map, Value};

/// All crash points of this process.
#[derive(Debug)]
pub(crate) struct CrashPoints {
    log: Option<File>,
    at: Option<String>,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    times: BTreeMap<String, u64>,
    last: String,
}

/// The crash points of this process, as the environment asks for them.
pub(crate) fn points() -> &'static Arc<CrashPoints> {
    static POINTS: OnceLock<Arc<CrashPoints>> = OnceLock::new();
    POINTS.get_or_init(CrashPoints::from_environment)
}

impl CrashPoints {
    fn from_environment() -> Arc<Self> {
        let log = std::env::var_os("OCCOPUS_CRASH_LOG")
            .and_then(|path| OpenOptions::new().create(true).append(true).open(path).ok());
        let at = std::env::var("OCCOPUS_CRASH_AT").ok();
        Arc::new(Self { log, at, seen: Mutex::default() })
    }

    /// Passes the point `before` or `after` `what`, or dies there.
    fn pass(&self, when: &str, what: &str) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let name = format!("{when} {what}");
        // How often a back-end is asked until something is ready depends on time, which a name must not.
        if is_polling(what) && seen.last == what {
            return;
        }
        if when == "after" || !is_polling(what) {
            what.clone_into(&mut seen.last);
        }
        let times = seen.times.entry(name.clone()).or_default();
        *times += 1;
        let name = format!("{name} #{times}");
        if let Some(mut log) = self.log.as_ref() {
            // A log that cannot be written makes the test fail, which is what it is for.
            drop(writeln!(log, "{name}"));
        }
        if self.at.as_ref() == Some(&name) {
            let _ = kill(Pid::this(), Signal::SIGKILL);
        }
    }

    /// `store` with a crash point before and after every write.
    pub(crate) fn store(self: &Arc<Self>, store: Arc<dyn Store>) -> Arc<dyn Store> {
        Arc::new(CrashStore { points: self.clone(), inner: store })
    }

    /// `handler` with a crash point before and after every call.
    pub(crate) fn handler(self: &Arc<Self>, handler: Arc<dyn ResourceHandler>) -> Arc<dyn ResourceHandler> {
        Arc::new(CrashHandler { points: self.clone(), inner: handler })
    }
}

fn is_polling(what: &str) -> bool {
    what.starts_with("observe") || what.starts_with("find") || what == "write beat"
}

struct CrashStore {
    points: Arc<CrashPoints>,
    inner: Arc<dyn Store>,
}

/// A batch in words: the journal records in it, or else its tables.
fn describe(batch: &Batch) -> String {
    let mut words: Vec<String> = Vec::new();
    for write in &batch.writes {
        let word = match write {
            Write::Append(Table::Journal, _, entry) => {
                let text = |key: &str| entry.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
                format!("{} {}", text("action"), text("mark"))
            }
            Write::Append(table, ..) => table.name().to_owned(),
            Write::Put(key, _) | Write::Delete(key) if key.table == Table::Lease => key.id.clone(),
            Write::Put(key, _) | Write::Delete(key) => key.table.name().to_owned(),
        };
        if !words.contains(&word) {
            words.push(word);
        }
    }
    let journal = words.iter().find(|word| word.contains(' ')).cloned();
    format!("write {}", journal.unwrap_or_else(|| words.join("+")))
}

#[async_trait]
impl Store for CrashStore {
    fn id(&self) -> &StoreId {
        self.inner.id()
    }

    fn location(&self) -> String {
        self.inner.location()
    }

    async fn read(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        self.inner.read(key).await
    }

    async fn list(&self, table: Table, scope: &str, after: &str) -> Result<Vec<Record>, StoreError> {
        self.inner.list(table, scope, after).await
    }

    async fn commit(&self, batch: Batch) -> Result<(), StoreError> {
        let what = describe(&batch);
        self.points.pass("before", &what);
        let result = self.inner.commit(batch).await;
        self.points.pass("after", &what);
        result
    }
}

struct CrashHandler {
    points: Arc<CrashPoints>,
    inner: Arc<dyn ResourceHandler>,
}

impl CrashHandler {
    async fn between<T>(&self, call: &str, work: impl Future<Output = T>) -> T {
        let what = format!("{call} {}", self.inner.name());
        self.points.pass("before", &what);
        let result = work.await;
        self.points.pass("after", &what);
        result
    }
}

#[async_trait]
impl ResourceHandler for CrashHandler {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn place(&self, resource: &Map<String, Value>) -> Result<Place, HandlerError> {
        self.inner.place(resource)
    }

    async fn prepare(
        &self,
        access: &Access,
        request: &CreateRequest,
        progress: &dyn Progress,
    ) -> Result<(), HandlerError> {
        self.between("prepare", self.inner.prepare(access, request, progress)).await
    }

    async fn create(
        &self,
        access: &Access,
        request: &CreateRequest,
        steps: &dyn StepJournal,
    ) -> Result<ProviderId, HandlerError> {
        self.between("create", self.inner.create(access, request, steps)).await
    }

    async fn create_batch(
        &self,
        access: &Access,
        batch: &CreateBatch,
        requests: &[CreateRequest],
    ) -> Result<Vec<ProviderId>, HandlerError> {
        self.between("create-batch", self.inner.create_batch(access, batch, requests)).await
    }

    async fn label(
        &self,
        access: &Access,
        id: &ProviderId,
        request: &CreateRequest,
    ) -> Result<(), HandlerError> {
        self.between("label", self.inner.label(access, id, request)).await
    }

    async fn observe(&self, access: &Access, ids: &[ProviderId]) -> Result<Vec<Observation>, HandlerError> {
        self.between("observe", self.inner.observe(access, ids)).await
    }

    async fn find(&self, access: &Access, store: &StoreId) -> Result<Vec<Found>, HandlerError> {
        self.between("find", self.inner.find(access, store)).await
    }

    async fn find_all(&self, access: &Access, store: &StoreId) -> Result<Vec<Listed>, HandlerError> {
        self.between("find", self.inner.find_all(access, store)).await
    }

    async fn destroy(
        &self,
        access: &Access,
        id: &ProviderId,
        steps: &dyn StepJournal,
    ) -> Result<(), HandlerError> {
        self.between("destroy", self.inner.destroy(access, id, steps)).await
    }

    async fn console(&self, access: &Access, id: &ProviderId) -> Result<String, HandlerError> {
        self.inner.console(access, id).await
    }
}
