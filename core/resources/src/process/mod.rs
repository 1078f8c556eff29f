//! Resource handler `process` (Linux): a node is a process on this machine.
//!
//! Each instance has an address of its own in 127.0.0.0/8, a working folder, a log and a clean
//! environment, and lives on when the command that started it ends. What is known about it is in its
//! folder; it is the process with the run of the machine, identifier and start time written
//! there, and never just one that looks like it.

mod address;
mod family;
mod folder;
mod launch;
mod procfs;
mod request;
mod stop;

use std::fmt;
use std::io;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use occopus_engine::clock::{Clock, Random};
use occopus_engine::handler::{
    Access, Capabilities, CreateRequest, ErrorKind, Found, HandlerError, Identity, Listed, Observation,
    Place, ProviderId, ResourceHandler, ResourceState, StepJournal,
};
use occopus_engine::ids::StoreId;
use serde_json::{Map, Value};

use address::Reservations;
use folder::{Claim, Folder, Record};
use request::Program;

/// The same for all users and stores of the machine, and kept over a restart of it.
const ADDRESSES: &str = "/var/tmp/occopus-addresses";

/// Bytes of the log that `console` returns at most.
const CONSOLE: u64 = 64 * 1024;

/// Characters of the last line of the log that explain why an instance ended.
const LAST_WORDS: usize = 200;

/// Of millions of addresses one that is free is found at the first try, or something is wrong.
const ADDRESS_TRIES: usize = 20;

/// The handler `process`.
pub struct ProcessHandler {
    base: PathBuf,
    machine: String,
    reservations: Reservations,
    clock: Arc<dyn Clock>,
    random: Random,
}

impl ProcessHandler {
    /// Keeps instances in folders below `base` (an absolute path on a local file system, made when it
    /// is needed). Waits on `clock`; addresses are chosen by `random`.
    pub fn new(base: PathBuf, clock: Arc<dyn Clock>, random: Random) -> Self {
        let machine = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let reservations = Reservations::new(ADDRESSES);
        let base = std::path::absolute(&base).unwrap_or(base);
        Self { base, machine: machine.trim().to_owned(), reservations, clock, random }
    }

    fn endpoint(&self) -> String {
        format!("local:{}", self.machine)
    }

    /// Refuses a place on another machine: its processes cannot be seen from here, and must not pass
    /// for gone.
    fn check_place(&self, place: &Place) -> Result<(), HandlerError> {
        if place.endpoint == self.endpoint() {
            return Ok(());
        }
        let message = format!(
            "{place} is not this machine ({}); run Occopus there with the same store",
            self.endpoint()
        );
        Err(HandlerError::new(ErrorKind::Invalid, message))
    }

    fn folder_for(&self, identity: &Identity) -> Result<Folder, HandlerError> {
        let Identity { store, infra, attempt, .. } = identity;
        Folder::of(&self.base, store.as_str(), infra.as_str(), attempt.as_str()).ok_or_else(|| {
            let message =
                format!("the infrastructure id '{infra}' cannot name a folder; choose a shorter one");
            HandlerError::new(ErrorKind::Invalid, message)
        })
    }

    /// The folder that `id` means; `None` if it is none that this handler can have made.
    fn folder_of(&self, id: &ProviderId) -> Option<Folder> {
        Folder::of(&self.base, id.parts.get("store")?, id.parts.get("infra")?, &id.id)
    }

    /// Writes down who the instance is and reserves its address, or picks up where an earlier try of
    /// the same attempt stopped.
    async fn prepare_folder(&self, folder: &Folder, record: Record) -> Result<Ipv4Addr, HandlerError> {
        let (folder, reservations, random) = (folder.clone(), self.reservations.clone(), self.random.clone());
        blocking(move || {
            let failed = format!("cannot make the folder {} of the process", folder.path().display());
            folder.prepare(&record).map_err(trouble(&failed))?;
            let mut taken = None;
            for _ in 0..ADDRESS_TRIES {
                let address =
                    folder.choose_address(address::pick(&random), taken).map_err(trouble(&failed))?;
                let reserved = reservations.reserve(address, folder.path());
                if reserved.map_err(trouble(format!("cannot reserve an address in {ADDRESSES}")))? {
                    return Ok(address);
                }
                taken = Some(address);
            }
            let message = format!("no free address found; remove what nobody uses from {ADDRESSES}");
            Err(HandlerError::new(ErrorKind::Quota, message))
        })
        .await
    }

    async fn start(&self, folder: &Folder, request: &CreateRequest) -> Result<(), HandlerError> {
        let program = Program::of(request)?;
        program.check_runnable()?;
        let record = Record::new(request.identity.clone(), program.stop_timeout);
        let address = self.prepare_folder(folder, record).await?;
        launch::launch(self.clock.as_ref(), folder, &program, &request.identity, address).await
    }

    /// Makes true what `error` promises about a failed start: that nothing happened.
    async fn undo(&self, folder: Folder, error: HandlerError) -> HandlerError {
        if error.kind == ErrorKind::UnknownOutcome {
            return error;
        }
        match self.remove(folder).await {
            Ok(()) => error,
            Err(left) => HandlerError::new(ErrorKind::UnknownOutcome, format!("{error}; and {left}")),
        }
    }

    /// Ends whatever runs as the instance in `folder` and removes everything made for it.
    async fn remove(&self, folder: Folder) -> Result<(), HandlerError> {
        // A launcher may come in between; each round has made it the last one or ends it.
        for _ in 0..3 {
            let look = folder.clone();
            if let Some(target) = blocking(move || cancel(look)).await? {
                stop::stop(self.clock.as_ref(), target).await?;
            }
            let (folder, reservations) = (folder.clone(), self.reservations.clone());
            if blocking(move || discard(&folder, &reservations)).await? {
                return Ok(());
            }
        }
        let message = format!("{} fills up while it is removed; try again", folder.path().display());
        Err(HandlerError::new(ErrorKind::UnknownOutcome, message))
    }
}

#[async_trait]
impl ResourceHandler for ProcessHandler {
    fn name(&self) -> &'static str {
        "process"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            idempotent_create: true,
            findable: true,
            batch: 1,
            visibility_delay: Duration::ZERO,
            create_deadline: Duration::from_secs(30),
            destroy_deadline: stop::SLICE * 2,
            read_deadline: Duration::from_secs(10),
            prepare_deadline: Duration::from_secs(10),
            needs_credentials: false,
        }
    }

    fn place(&self, resource: &Map<String, Value>) -> Result<Place, HandlerError> {
        let endpoint = self.endpoint();
        match resource.get("endpoint") {
            None | Some(Value::Null) => {}
            Some(Value::String(text)) if text == "local" || *text == endpoint => {}
            Some(_) => {
                let message =
                    "a process runs on this machine only: remove 'endpoint' or write `endpoint: local`";
                return Err(HandlerError::new(ErrorKind::Invalid, message));
            }
        }
        let handler = self.name().to_owned();
        Ok(Place { handler, endpoint, region: None, project: None, account: String::new() })
    }

    async fn create(
        &self,
        access: &Access,
        request: &CreateRequest,
        _steps: &dyn StepJournal,
    ) -> Result<ProviderId, HandlerError> {
        self.check_place(&access.place)?;
        let folder = self.folder_for(&request.identity)?;
        let look = folder.clone();
        // Before the request is checked: what could be started then counts, not what could be now.
        let claim =
            blocking(move || look.claim().map_err(trouble("cannot read who runs the process"))).await?;
        if claim.is_none()
            && let Err(error) = self.start(&folder, request).await
        {
            return Err(self.undo(folder, error).await);
        }
        Ok(provider_id(&request.identity))
    }

    async fn observe(&self, access: &Access, ids: &[ProviderId]) -> Result<Vec<Observation>, HandlerError> {
        self.check_place(&access.place)?;
        let folders: Vec<Option<Folder>> = ids.iter().map(|id| self.folder_of(id)).collect();
        blocking(move || {
            let boot = boot_id()?;
            let look = |folder: Option<Folder>| {
                let Some(folder) = folder else { return Observation::bare(ResourceState::Gone, "") };
                // What cannot be read of one does not hide the others.
                observe(&folder, &boot).unwrap_or_else(|error| {
                    let detail = format!("cannot read {}: {error}", folder.path().display());
                    Observation::bare(ResourceState::Unknown, detail)
                })
            };
            Ok(folders.into_iter().map(look).collect())
        })
        .await
    }

    async fn find(&self, access: &Access, store: &StoreId) -> Result<Vec<Found>, HandlerError> {
        self.check_place(&access.place)?;
        let (base, store) = (self.base.clone(), store.clone());
        blocking(move || {
            let all = Folder::all(&base, store.as_str()).map_err(unreadable(&base))?;
            let listed = list(all)?.into_iter().map(|listed| listed.found);
            Ok(listed.filter(|found| found.identity.store == store).collect())
        })
        .await
    }

    async fn find_all(&self, access: &Access, store: &StoreId) -> Result<Vec<Listed>, HandlerError> {
        self.check_place(&access.place)?;
        let (base, store) = (self.base.clone(), store.clone());
        blocking(move || {
            let mut all = Folder::all(&base, store.as_str()).map_err(unreadable(&base))?;
            all.extend(Folder::all_of_others(&base, store.as_str()).map_err(unreadable(&base))?);
            list(all)
        })
        .await
    }

    async fn destroy(
        &self,
        access: &Access,
        id: &ProviderId,
        _steps: &dyn StepJournal,
    ) -> Result<(), HandlerError> {
        self.check_place(&access.place)?;
        match self.folder_of(id) {
            Some(folder) => self.remove(folder).await,
            None => Ok(()),
        }
    }

    async fn console(&self, access: &Access, id: &ProviderId) -> Result<String, HandlerError> {
        self.check_place(&access.place)?;
        let Some(folder) = self.folder_of(id) else { return Ok(String::new()) };
        blocking(move || folder.log_tail(CONSOLE).map_err(trouble("cannot read the log of the process")))
            .await
    }
}

fn provider_id(identity: &Identity) -> ProviderId {
    let parts = [("store", identity.store.as_str()), ("infra", identity.infra.as_str())];
    let parts = parts.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
    ProviderId { parts, ..ProviderId::plain(identity.attempt.as_str()) }
}

/// The instances in `folders` that exist.
fn list(folders: Vec<Folder>) -> Result<Vec<Listed>, HandlerError> {
    let boot = boot_id()?;
    let mut all = Vec::new();
    for folder in folders {
        let Some(record) = folder.record().map_err(unreadable(folder.path()))? else { continue };
        let state = observe(&folder, &boot).map_err(unreadable(folder.path()))?.state;
        if state != ResourceState::Gone {
            let provider_id = provider_id(&record.identity);
            let found = Found { identity: record.identity, provider_id, state };
            let created_at = folder.prepared_at().and_then(|at| Timestamp::try_from(at).ok());
            all.push(Listed { found, created_at });
        }
    }
    Ok(all)
}

fn unreadable(path: &Path) -> impl FnOnce(io::Error) -> HandlerError + use<> {
    trouble(format!("cannot read {}", path.display()))
}

/// State of the instance in `folder`, while the machine's run is `boot`.
fn observe(folder: &Folder, boot: &str) -> io::Result<Observation> {
    if folder.record()?.is_none() {
        return Ok(Observation::bare(ResourceState::Gone, ""));
    }
    let stopped = |why: &str| Ok(Observation::bare(ResourceState::Stopped, why));
    match folder.claim()? {
        None => stopped("it was prepared but never started"),
        Some(Claim::Void) => stopped("it was never started, or this machine was restarted"),
        Some(Claim::Started { boot: then, birth }) if then == boot => {
            if !procfs::is_alive(birth)? {
                return stopped(&last_words(folder)?);
            }
            let addresses = folder.address()?.iter().map(Ipv4Addr::to_string).collect();
            let detail = format!("process {}", birth.pid);
            Ok(Observation { addresses, ..Observation::bare(ResourceState::Running, detail) })
        }
        Some(Claim::Started { .. }) => stopped("this machine was restarted"),
    }
}

/// Why an instance ended. Its exit code went to whoever started it; its last line may tell.
fn last_words(folder: &Folder) -> io::Result<String> {
    let log = folder.log_tail(4096)?;
    let line: Option<String> = log.lines().rfind(|line| !line.trim().is_empty()).map(|line| {
        let printable = line.trim().chars().filter(|c| !c.is_control());
        printable.take(LAST_WORDS).collect()
    });
    Ok(match line {
        Some(line) => format!("the process exited; its log ends with: {line}"),
        None => "the process exited and had printed nothing".to_owned(),
    })
}

/// Keeps the instance from starting, and says whom to stop if it has started during this run of the
/// machine.
fn cancel(folder: Folder) -> Result<Option<stop::Target>, HandlerError> {
    let claim = folder.cancel().map_err(trouble("cannot mark the process as being removed"))?;
    let Some(Claim::Started { boot, birth: leader }) = claim else { return Ok(None) };
    if boot != boot_id()? {
        return Ok(None);
    }
    // Without its record an instance can still be ended, only without patience for special wishes.
    let record = folder.record().ok().flatten();
    let stop_timeout = record.as_ref().map_or(request::STOP_TIMEOUT, |record| record.stop_timeout);
    let node_id = record.map(|record| record.identity.node_id.to_string());
    Ok(Some(stop::Target { folder, leader, node_id, stop_timeout }))
}

/// Gives the address back and removes the folder, in this order: while the folder is there, a later
/// try knows the address. False if a launcher came in between.
fn discard(folder: &Folder, reservations: &Reservations) -> Result<bool, HandlerError> {
    let failed = || trouble(format!("cannot remove {}", folder.path().display()));
    if let Some(address) = folder.address().map_err(failed())? {
        reservations.release(address, folder.path()).map_err(failed())?;
    }
    folder.remove().map_err(failed())
}

fn boot_id() -> Result<String, HandlerError> {
    procfs::boot_id().map_err(trouble("cannot read the identifier of this run of the machine"))
}

/// Runs `work`, which reads and writes files, where it holds up nobody.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, HandlerError> + Send + 'static,
) -> Result<T, HandlerError> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| {
        Err(HandlerError::new(ErrorKind::UnknownOutcome, format!("the work was interrupted: {error}")))
    })
}

/// A failed file operation as a handler's error: `what` failed, why, and what kind of failure it is.
fn trouble(what: impl fmt::Display) -> impl FnOnce(io::Error) -> HandlerError {
    move |error| {
        let kind = match error.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => ErrorKind::Auth,
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ErrorKind::Quota,
            io::ErrorKind::InvalidFilename | io::ErrorKind::NotADirectory | io::ErrorKind::InvalidData => {
                ErrorKind::Invalid
            }
            _ => ErrorKind::Transient,
        };
        HandlerError::new(kind, format!("{what}: {error}"))
    }
}

#[cfg(test)]
mod tests;
