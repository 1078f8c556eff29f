//! What goes wrong with a store file, in words people can act on.

use std::path::Path;

use occopus_engine::store::StoreError;
use rusqlite::ErrorCode;

/// A failure inside the store, before it is known which file it is about.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    /// Already in its final form.
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    /// COMMIT itself failed.
    #[error("{0}")]
    Commit(rusqlite::Error),
    /// The file can be read, but its content is not what was written.
    #[error("{0}")]
    Damaged(String),
}

impl Fault {
    /// Whether nothing was written because it was too much: less of it may be written.
    pub(super) fn is_too_much(&self) -> bool {
        let (Self::Sqlite(error) | Self::Commit(error)) = self else { return false };
        matches!(error.sqlite_error_code(), Some(ErrorCode::DiskFull | ErrorCode::TooBig))
    }

    /// The error for people. `path` is the store file.
    pub(super) fn explain(self, path: &Path) -> StoreError {
        match self {
            Self::Store(error) => error,
            Self::Damaged(reason) => damaged(path, &reason),
            Self::Sqlite(error) => explain_sqlite(&error, path),
            Self::Commit(error) => explain_commit(&error, path),
        }
    }
}

/// The log is written by COMMIT. What was locked out has not begun, and a log without room has no room for
/// the mark that ends it; after any other failure, that mark may be on disk, and count after a crash.
fn explain_commit(error: &rusqlite::Error, path: &Path) -> StoreError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull | ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            explain_sqlite(error, path)
        }
        _ => StoreError::UnknownOutcome(format!(
            "the store {} could not be written ({error}); it is not known whether the last step was recorded: check \
             that its disk is healthy, then repeat the command, which finds out",
            path.display()
        )),
    }
}

fn explain_sqlite(error: &rusqlite::Error, path: &Path) -> StoreError {
    let place = path.display();
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt) => damaged(path, &error.to_string()),
        Some(ErrorCode::NotADatabase) => foreign(path),
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => {
            StoreError::Unusable(format!(
                "the store {place} cannot be opened for writing ({error}): check that you may write the file, its \
                 directory and its companions ending in -wal and -shm, or choose another store (--store or \
                 OCCOPUS_STORE)"
            ))
        }
        Some(ErrorCode::DiskFull) => StoreError::Failed(format!(
            "the disk of the store {place} is full; this step was not recorded: free some space and repeat the command"
        )),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreError::Failed(format!(
            "the store {place} was locked by another process for more than {} s; this step was not recorded: repeat the \
             command, or see who uses the store with 'fuser -v {place}'",
            super::BUSY_TIMEOUT.as_secs()
        )),
        Some(ErrorCode::SystemIoFailure) => StoreError::Failed(format!(
            "the store {place} could not be read or written ({error}); this step was not recorded: check that its disk is \
             healthy and not full, then repeat the command"
        )),
        _ => StoreError::Failed(format!(
            "the store {place} did not do what was asked ({error}); nothing was changed"
        )),
    }
}

/// The content of the file is broken.
fn damaged(path: &Path, reason: &str) -> StoreError {
    StoreError::Unusable(format!(
        "the store {} is damaged ({reason}); nothing was changed: put a backup in its place, or choose another \
         store (--store or OCCOPUS_STORE)",
        path.display()
    ))
}

/// The file is something else.
pub(super) fn foreign(path: &Path) -> StoreError {
    StoreError::Unusable(format!(
        "{} is not a store of Occopus; it was not touched: choose another place for the store (--store or \
         OCCOPUS_STORE)",
        path.display()
    ))
}

/// The file or its directory cannot be used; `action` completes "could not ...".
pub(super) fn unreachable(path: &Path, action: &str, reason: impl std::fmt::Display) -> StoreError {
    StoreError::Unusable(format!(
        "the store {}: could not {action}: {reason}; check the path and your permissions, or choose another store \
         (--store or OCCOPUS_STORE)",
        path.display()
    ))
}
