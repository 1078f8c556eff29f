//! The list of infrastructures that Occopus 1.10 keeps in `~/.occopus/infralist.yaml`.
//!
//! Other programs read and write the same file, so only entries with the given id are ever added or
//! removed; everything else stays byte for byte. A file that is not a plain list is left alone.

mod text;

use std::fs::{self, File, OpenOptions, Permissions, TryLockError};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use occopus_engine::ids::InfraId;
use tokio::task::spawn_blocking;
use uuid::Uuid;

use self::text::ListText;
use crate::directory;

/// How long a change waits for other processes that change the list; each takes milliseconds.
const LOCK_TIMEOUT: Duration = Duration::from_secs(5);

/// How often a waiting change looks whether the list is free.
const LOCK_POLL: Duration = Duration::from_millis(20);

/// The list could not be read or changed. It is as it was before.
#[derive(Debug, thiserror::Error)]
pub enum InfralistError {
    /// The file is not the plain list that Occopus writes.
    #[error(
        "{path}:{line}: {reason}; the list of infrastructures was left alone: make it one '- ID' per line, or move \
         the file away",
        path = .path.display()
    )]
    Odd {
        /// The file.
        path: PathBuf,
        /// The first line that is not understood, from 1.
        line: usize,
        /// What is odd about it.
        reason: String,
    },
    /// The id cannot stand in the list.
    #[error("'{0}' cannot be listed as an infrastructure: an id is not empty and has no control characters")]
    BadId(String),
    /// Another process kept the list locked.
    #[error(
        "{path} was locked by another process for more than {seconds} s; the list of infrastructures was left \
         alone: repeat the command",
        path = .0.display(),
        seconds = LOCK_TIMEOUT.as_secs()
    )]
    Busy(PathBuf),
    /// The file or its directory could not be used.
    #[error("the list of infrastructures {path}: could not {action}: {source}", path = .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What was tried, such as `read it`.
        action: &'static str,
        /// Why it did not work.
        source: std::io::Error,
    },
}

/// The list of infrastructures in one file.
#[derive(Debug, Clone)]
pub struct Infralist {
    path: PathBuf,
}

impl Infralist {
    /// The list of the user whose home directory is `home`.
    pub fn of_home(home: &Path) -> Self {
        Self::at(home.join(".occopus").join("infralist.yaml"))
    }

    /// The list in the file `path`.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The listed ids in their order; none if there is no file.
    ///
    /// # Errors
    ///
    /// [`InfralistError::Odd`] and [`InfralistError::Io`].
    pub async fn read(&self) -> Result<Vec<String>, InfralistError> {
        self.run(|list| Ok(list.load()?.ids().map(str::to_owned).collect())).await
    }

    /// Adds `id` at the end; true if it was not listed yet. Creates the file on demand.
    ///
    /// # Errors
    ///
    /// Any [`InfralistError`]; the file is then unchanged.
    pub async fn add(&self, id: &InfraId) -> Result<bool, InfralistError> {
        let id = id.as_str().to_owned();
        if id.is_empty() || id.chars().any(char::is_control) {
            return Err(InfralistError::BadId(id));
        }
        self.run(move |list| list.change(|text| text.with(&id))).await
    }

    /// Removes all entries of `id`; true if there was one.
    ///
    /// # Errors
    ///
    /// [`InfralistError::Odd`], [`InfralistError::Busy`] and [`InfralistError::Io`]; the file is then
    /// unchanged.
    pub async fn remove(&self, id: &InfraId) -> Result<bool, InfralistError> {
        let id = id.as_str().to_owned();
        self.run(
            move |list| if list.path.exists() { list.change(|text| text.without(&id)) } else { Ok(false) },
        )
        .await
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> Result<T, InfralistError> + Send + 'static,
    ) -> Result<T, InfralistError> {
        let list = self.clone();
        let done = spawn_blocking(move || work(&list)).await;
        done.unwrap_or_else(|broken| Err(self.io("finish", std::io::Error::other(broken))))
    }

    fn load(&self) -> Result<ListText, InfralistError> {
        let bytes = match fs::read(&self.path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(self.io("read it", error)),
        };
        ListText::parse(bytes).map_err(|odd| InfralistError::Odd {
            path: self.path.clone(),
            line: odd.line,
            reason: odd.reason,
        })
    }

    /// Replaces the content by what `edit` makes of it; `None` means that there is nothing to change.
    fn change(&self, edit: impl FnOnce(&ListText) -> Option<String>) -> Result<bool, InfralistError> {
        let directory = self.path.parent().unwrap_or(Path::new("."));
        directory::create(directory).map_err(|error| self.io("create its directory", error))?;
        let _lock = self.lock()?;
        match edit(&self.load()?) {
            None => Ok(false),
            Some(content) => {
                self.replace(&content).map(|()| true).map_err(|error| self.io("write it", error))
            }
        }
    }

    /// Locks the list against other processes of Occopus until the returned file is dropped. The lock is
    /// on a file of its own, because the list itself is replaced by each change.
    fn lock(&self) -> Result<File, InfralistError> {
        let mut path = self.path.clone().into_os_string();
        path.push(".lock");
        let opened = OpenOptions::new().create(true).append(true).open(path);
        let file = opened.map_err(|error| self.io("create its lock", error))?;
        let start = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::Error(error)) => return Err(self.io("lock it", error)),
                Err(TryLockError::WouldBlock) if start.elapsed() > LOCK_TIMEOUT => {
                    return Err(InfralistError::Busy(self.path.clone()));
                }
                Err(TryLockError::WouldBlock) => std::thread::sleep(LOCK_POLL),
            }
        }
    }

    /// Puts a new file in the place of the old one, so that a reader sees one or the other. Keeps its
    /// permissions, and a symbolic link that leads to it.
    fn replace(&self, content: &str) -> std::io::Result<()> {
        let target = fs::canonicalize(&self.path).unwrap_or_else(|_| self.path.clone());
        let directory = target.parent().unwrap_or(Path::new("."));
        let draft = directory.join(format!(".infralist-{}.new", Uuid::new_v4()));
        let written = write_draft(&draft, content, &target).and_then(|()| fs::rename(&draft, &target));
        if let Err(error) = written {
            // The draft may not even exist; the first error is the one that matters.
            let _ = fs::remove_file(&draft);
            return Err(error);
        }
        directory::sync(directory)
    }

    fn io(&self, action: &'static str, source: std::io::Error) -> InfralistError {
        InfralistError::Io { path: self.path.clone(), action, source }
    }
}

fn write_draft(draft: &Path, content: &str, target: &Path) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).open(draft)?;
    if let Ok(old) = fs::metadata(target) {
        file.set_permissions(Permissions::from_mode(old.permissions().mode() & 0o777))?;
    }
    file.write_all(content.as_bytes())?;
    file.sync_all()
}
