//! The folder of one instance: everything that is known about it.
//!
//! ```text
//! BASE/STORE/INFRA/ATTEMPT/
//!   record.json   who the instance is; durable before anything is started
//!   address       its address, chosen before it is reserved, so that a crash loses no reservation
//!   claim         who runs as this instance: written once, by the first launcher, or by a destroy
//!   stopping      since when it has been asked to end
//!   log           what it printed
//!   work/         its working folder and HOME
//! ```
//!
//! Files appear under their names complete or not at all. The claim is a hard link, which the file
//! system gives to one only: of two launchers, or a launcher and a destroy, exactly one wins.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::net::Ipv4Addr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use occopus_engine::handler::Identity;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::procfs::Birth;

const VERSION: u32 = 1;
const RECORD: &str = "record.json";
const CLAIM: &str = "claim";

/// Who an instance is and how it is to be stopped. Holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    version: u32,
    /// Who it is.
    pub(super) identity: Identity,
    /// How long it may take to end when asked to.
    pub(super) stop_timeout: Duration,
}

impl Record {
    pub(super) fn new(identity: Identity, stop_timeout: Duration) -> Self {
        Self { version: VERSION, identity, stop_timeout }
    }
}

/// Who runs, ran or will never run as an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Claim {
    /// This process, during this run of the machine.
    Started {
        /// Identifier of the run of the machine.
        boot: String,
        /// The process.
        birth: Birth,
    },
    /// Nobody, for ever: it was destroyed before it was started, or a power failure took the content
    /// of the claim and with it whatever ran.
    Void,
}

impl Claim {
    fn parse(text: &str) -> Self {
        let started = || -> Option<Self> {
            let mut words = text.strip_suffix('\n')?.split(' ');
            let birth = Birth { pid: words.next()?.parse().ok()?, start: words.next()?.parse().ok()? };
            Some(Self::Started { boot: words.next()?.to_owned(), birth })
        };
        started().unwrap_or(Self::Void)
    }
}

/// The folder of one instance, existing or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Folder(PathBuf);

impl Folder {
    /// The folder below `base` for these identifiers; `None` if one of them cannot name a folder.
    pub(super) fn of(base: &Path, store: &str, infra: &str, attempt: &str) -> Option<Self> {
        Some(Self(base.join(component(store)?).join(component(infra)?).join(component(attempt)?)))
    }

    /// All folders below `base` of `store`.
    pub(super) fn all(base: &Path, store: &str) -> io::Result<Vec<Self>> {
        let Some(store) = component(store) else { return Ok(Vec::new()) };
        Self::below(&base.join(store))
    }

    /// All folders below `base` of other stores than `store`, as far as they may be read: they can belong
    /// to another user.
    pub(super) fn all_of_others(base: &Path, store: &str) -> io::Result<Vec<Self>> {
        let own = component(store).map(|store| base.join(store));
        let mut all = Vec::new();
        for other in subfolders(base)?.into_iter().filter(|folder| Some(folder) != own.as_ref()) {
            match Self::below(&other) {
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
                folders => all.extend(folders?),
            }
        }
        Ok(all)
    }

    fn below(store: &Path) -> io::Result<Vec<Self>> {
        let mut all = Vec::new();
        for infra in subfolders(store)? {
            all.extend(subfolders(&infra)?.into_iter().map(Self));
        }
        Ok(all)
    }

    /// When the instance was prepared, if it can be told.
    pub(super) fn prepared_at(&self) -> Option<SystemTime> {
        fs::metadata(self.0.join(RECORD)).and_then(|record| record.modified()).ok()
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    pub(super) fn work(&self) -> PathBuf {
        self.0.join("work")
    }

    /// Makes the folder and writes `record` durably.
    pub(super) fn prepare(&self, record: &Record) -> io::Result<()> {
        // The folders above are made durable with the first instance in them only: a power failure that took
        // them along would have ended what runs in all of them, and each flush takes as long as the start.
        let synced = if self.0.parent().is_some_and(Path::exists) { 2 } else { 4 };
        let folders = || DirBuilder::new().recursive(true).mode(0o700).create(self.work());
        // Once more, if the last instance beside it took the parent folder along at this moment.
        folders().or_else(|_| folders())?;
        let draft = self.draft(serde_json::to_string(record)?.as_bytes())?;
        fs::rename(draft, self.0.join(RECORD))?;
        for folder in self.0.ancestors().take(synced) {
            File::open(folder)?.sync_all()?;
        }
        Ok(())
    }

    /// Who the instance is; `None` if there is none.
    pub(super) fn record(&self) -> io::Result<Option<Record>> {
        let Some(text) = self.read(RECORD)? else { return Ok(None) };
        let record: Record = serde_json::from_str(&text)?;
        if record.version > VERSION {
            return Err(io::Error::other("it was made by a newer Occopus; use that one"));
        }
        Ok(Some(record))
    }

    /// Chooses the address, unless one was chosen before; `instead` of one that proved taken. A power failure
    /// may take the choice back; the reservation of a folder that is gone is nobody's then.
    pub(super) fn choose_address(
        &self,
        address: Ipv4Addr,
        instead: Option<Ipv4Addr>,
    ) -> io::Result<Ipv4Addr> {
        let draft = self.draft(address.to_string().as_bytes())?;
        let file = self.0.join("address");
        let first = match instead {
            None => fs::hard_link(&draft, &file),
            Some(_) => fs::rename(&draft, &file),
        };
        match first {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => remove_file(&draft)?,
        }
        Ok(self.address()?.unwrap_or(address))
    }

    /// The chosen address.
    pub(super) fn address(&self) -> io::Result<Option<Ipv4Addr>> {
        Ok(self.read("address")?.and_then(|text| text.parse().ok()))
    }

    /// Who has the claim; `None` if nobody has yet.
    pub(super) fn claim(&self) -> io::Result<Option<Claim>> {
        Ok(self.read(CLAIM)?.map(|text| Claim::parse(&text)))
    }

    /// Sees to it that nobody can start the instance any more, and says who had before. `None` if there
    /// is no folder.
    pub(super) fn cancel(&self) -> io::Result<Option<Claim>> {
        // An empty claim is void; it needs no room even on a full disk.
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(self.0.join(CLAIM)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        self.claim()
    }

    /// When it was first asked to end: `now`, if it was not before (time since the machine started).
    pub(super) fn stopping_since(&self, now: Duration) -> Duration {
        let before = self.read("stopping").ok().flatten().and_then(|text| text.parse().ok());
        if let Some(before) = before {
            return Duration::from_secs(before);
        }
        let note = || fs::rename(self.draft(now.as_secs().to_string().as_bytes())?, self.0.join("stopping"));
        // A full disk must not keep an instance alive: then a later call is patient anew.
        if let Err(error) = note() {
            tracing::warn!(folder = %self.0.display(), %error, "cannot note since when a process ends");
        }
        now
    }

    /// The log, open for appending.
    pub(super) fn open_log(&self) -> io::Result<File> {
        OpenOptions::new().create(true).append(true).mode(0o600).open(self.0.join("log"))
    }

    /// At most the last `limit` bytes of the log, from the beginning of a line.
    pub(super) fn log_tail(&self, limit: u64) -> io::Result<String> {
        let mut file = match File::open(self.0.join("log")) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(String::new()),
            file => file?,
        };
        let start = file.metadata()?.len().saturating_sub(limit);
        file.seek(SeekFrom::Start(start))?;
        let mut tail = Vec::new();
        file.take(limit).read_to_end(&mut tail)?;
        let tail = String::from_utf8_lossy(&tail);
        let whole = if start == 0 { None } else { tail.split_once('\n').map(|(_, rest)| rest) };
        Ok(whole.unwrap_or(&tail).to_owned())
    }

    /// A new name for a file that registers a launcher.
    pub(super) fn ticket() -> String {
        format!("launch-{}", Uuid::new_v4())
    }

    pub(super) fn remove_ticket(&self, ticket: &str) -> io::Result<()> {
        remove_file(&self.0.join(ticket))
    }

    /// Removes the folder of a cancelled instance; false if a launcher came in between, which must be
    /// looked after first. The claim goes last: while anything is left, no launcher can win it.
    pub(super) fn remove(&self) -> io::Result<bool> {
        for entry in entries(&self.0)? {
            if entry.file_name() == CLAIM {
                continue;
            }
            let path = entry.path();
            let removed =
                if entry.file_type()?.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
            present(removed)?;
        }
        remove_file(&self.0.join(CLAIM))?;
        match fs::remove_dir(&self.0) {
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => return Ok(false),
            removed => present(removed)?,
        };
        // Not an error if other instances are still in them.
        for parent in self.0.ancestors().skip(1).take(2) {
            if fs::remove_dir(parent).is_err() {
                break;
            }
        }
        Ok(true)
    }

    /// Writes a durable file without a name of its own yet; the caller links or renames it.
    fn draft(&self, content: &[u8]) -> io::Result<PathBuf> {
        let path = self.0.join(format!("draft-{}", Uuid::new_v4()));
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        file.write_all(content)?;
        file.sync_all()?;
        Ok(path)
    }

    fn read(&self, name: &str) -> io::Result<Option<String>> {
        Ok(present(fs::read(self.0.join(name)))?
            .map(|content| String::from_utf8_lossy(&content).into_owned()))
    }
}

/// The result of an operation on something that may have vanished.
fn present<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn remove_file(path: &Path) -> io::Result<()> {
    present(fs::remove_file(path)).map(drop)
}

fn entries(folder: &Path) -> io::Result<Vec<fs::DirEntry>> {
    match present(fs::read_dir(folder))? {
        Some(entries) => entries.collect(),
        None => Ok(Vec::new()),
    }
}

fn subfolders(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut folders = Vec::new();
    for entry in entries(folder)? {
        if entry.file_type()?.is_dir() {
            folders.push(entry.path());
        }
    }
    folders.sort();
    Ok(folders)
}

/// `text` as the name of a folder: other characters than letters, digits, `-`, `_` and inner dots are
/// written as `%XX`, so that different identifiers never share a folder and none leads out of it.
fn component(text: &str) -> Option<String> {
    let mut name = String::new();
    for (index, byte) in text.bytes().enumerate() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => name.push(char::from(byte)),
            b'.' if index > 0 => name.push('.'),
            other => name.push_str(&format!("%{other:02X}")),
        }
    }
    (1..=200).contains(&name.len()).then_some(name)
}

#[cfg(test)]
mod tests;
