//! One connection to a store file; blocking.

#[cfg(test)]
mod tests;

use std::fs::{self, OpenOptions, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use occopus_engine::ids::StoreId;
use occopus_engine::store::{Batch, Expect, Key, Record, StoreError, Table, Write};
use rusqlite::{Connection, OpenFlags, OptionalExtension, TransactionBehavior};
use uuid::Uuid;

use super::fault::{Fault, unreachable};
use super::place::{self, Inode};
use super::schema::{self, MIGRATIONS, Migration};
use super::{BUSY_TIMEOUT, ERASE_TIMEOUT};
use crate::{append_id, directory};

/// Files up to this many bytes are checked wholly when they are opened, which takes some milliseconds.
/// In larger ones, damage is reported when it is met.
const CHECKED_AT_OPENING: u64 = 4 << 20;

/// An open store file.
pub(super) struct Database {
    connection: Connection,
    path: PathBuf,
    inode: Inode,
    id: StoreId,
    /// The write-ahead log still holds requests that were deleted.
    log_holds_erased: bool,
}

impl Database {
    /// Opens the store at `path`, which is created if there is none.
    pub(super) fn open(path: &Path) -> Result<Self, StoreError> {
        let path = absolute(path)?;
        if !place::exists(&path)? {
            place::require_local(&path)?;
            create(&path)?;
        }
        Self::open_file(&path, MIGRATIONS)
    }

    /// Opens the store at `path`; `None` if there is none.
    pub(super) fn open_existing(path: &Path) -> Result<Option<Self>, StoreError> {
        let path = absolute(path)?;
        if place::exists(&path)? { Self::open_file(&path, MIGRATIONS).map(Some) } else { Ok(None) }
    }

    /// Opens the file at `path`, whose schema may be older than `migrations`.
    pub(super) fn open_file(path: &Path, migrations: &[Migration]) -> Result<Self, StoreError> {
        let path = fs::canonicalize(path).map_err(|error| unreachable(path, "find it", error))?;
        place::require_local(&path)?;
        place::require_writable(&path)?;
        let inode = Inode::of(&path)?;
        let (connection, id) = connect(&path, migrations).map_err(|fault| fault.explain(&path))?;
        place::restrict(&path);
        place::share(&path)?;
        let mut database = Self { connection, path, inode, id, log_holds_erased: true };
        // A killed process may have left deleted requests in the log.
        database.erase_log();
        Ok(database)
    }

    /// The identity of the store.
    pub(super) fn id(&self) -> &StoreId {
        &self.id
    }

    /// The store file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// One record.
    pub(super) fn read(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        self.require_in_place()?;
        self.explained(|| {
            let sql =
                format!("SELECT id, version, value FROM {} WHERE scope = ?1 AND id = ?2", key.table.name());
            let mut statement = self.connection.prepare_cached(&sql)?;
            let row = statement.query_one([&key.scope, &key.id], RawRecord::from_row).optional()?;
            row.map(|raw| raw.parse(key.table)).transpose()
        })
    }

    /// The records of a table and scope after `after`.
    pub(super) fn list(&self, table: Table, scope: &str, after: &str) -> Result<Vec<Record>, StoreError> {
        self.require_in_place()?;
        self.explained(|| {
            let sql = format!(
                "SELECT id, version, value FROM {} WHERE scope = ?1 AND id > ?2 ORDER BY id",
                table.name()
            );
            let mut statement = self.connection.prepare_cached(&sql)?;
            let rows = statement.query_map([scope, after], RawRecord::from_row)?;
            rows.map(|raw| raw?.parse(table)).collect()
        })
    }

    /// Applies batches in one transaction, in their order: each wholly or, if it is refused, not at all. If
    /// they are too much together, each is written by itself.
    pub(super) fn commit(&mut self, batches: &[Batch]) -> Vec<Result<(), StoreError>> {
        match self.commit_together(batches) {
            Ok(results) => results,
            // One of them may not fit on the disk. The others must not suffer for it.
            Err(fault) if batches.len() > 1 && fault.is_too_much() => {
                batches.iter().flat_map(|batch| self.commit(std::slice::from_ref(batch))).collect()
            }
            Err(fault) => vec![Err(fault.explain(&self.path)); batches.len()],
        }
    }

    fn commit_together(&mut self, batches: &[Batch]) -> Result<Vec<Result<(), StoreError>>, Fault> {
        self.require_in_place()?;
        let results = apply(&mut self.connection, batches)?;
        let erases = |write: &Write| matches!(write, Write::Delete(key) if key.table == Table::Request);
        let written = batches.iter().zip(&results).filter(|(_, result)| result.is_ok());
        self.log_holds_erased |= written.flat_map(|(batch, _)| &batch.writes).any(erases);
        Ok(results)
    }

    /// Whether the write-ahead log still holds copies of requests that were deleted.
    pub(super) fn log_holds_erased(&self) -> bool {
        self.log_holds_erased
    }

    /// Empties the write-ahead log if it holds copies of what was deleted. A log that others use right now is
    /// no error: it can be tried again.
    pub(super) fn erase_log(&mut self) {
        if !self.log_holds_erased {
            return;
        }
        match truncate_log(&self.connection) {
            Ok(emptied) => self.log_holds_erased = !emptied,
            Err(error) => tracing::debug!("the log of {} is not emptied yet: {error}", self.path.display()),
        }
    }

    /// Refuses to go on when the file was deleted or replaced: what is written would be lost.
    fn require_in_place(&self) -> Result<(), StoreError> {
        if Inode::of(&self.path)? == self.inode {
            return Ok(());
        }
        Err(StoreError::Unusable(format!(
            "the store {} was replaced by another file while it was in use; nothing was changed: repeat the command \
             to use the new one",
            self.path.display()
        )))
    }

    fn explained<T>(&self, work: impl FnOnce() -> Result<T, Fault>) -> Result<T, StoreError> {
        work().map_err(|fault| fault.explain(&self.path))
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        self.erase_log();
    }
}

fn absolute(path: &Path) -> Result<PathBuf, StoreError> {
    std::path::absolute(path).map_err(|error| unreachable(path, "use it", error))
}

/// Creates a store at `path`. It appears there complete or not at all: it is made under another name,
/// and linked to its own only if no other process was faster.
fn create(path: &Path) -> Result<(), StoreError> {
    let parent = place::directory_of(path)?;
    directory::create(parent).map_err(|error| unreachable(path, "create its directory", error))?;
    let draft = parent.join(format!(".occopus-{}.new", Uuid::new_v4()));
    let made = write_draft(&draft, path, parent).and_then(|()| match fs::hard_link(&draft, path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(unreachable(path, "create it", error)),
        _ => Ok(()),
    });
    for leftover in [draft.clone(), place::companion(&draft, "-journal")] {
        match fs::remove_file(&leftover) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                tracing::warn!("{} could not be removed: {error}", leftover.display());
            }
            _ => {}
        }
    }
    made?;
    directory::sync(parent).map_err(|error| unreachable(path, "make it durable", error))
}

/// Makes a new store at `draft`, which is to become `path` in `parent`.
fn write_draft(draft: &Path, path: &Path, parent: &Path) -> Result<(), StoreError> {
    let failed = |error| unreachable(path, "create it", error);
    let group = place::sharing_group(parent, &fs::metadata(parent).map_err(failed)?);
    let mode = place::file_mode(group.is_some());
    let file = OpenOptions::new().write(true).create_new(true).mode(mode).open(draft).map_err(failed)?;
    // The mode given above is narrowed by the umask.
    file.set_permissions(Permissions::from_mode(mode)).map_err(failed)?;
    drop(file);
    if let Some(group) = group {
        directory::hand_to_group(draft, group).map_err(failed)?;
    }
    let mut connection = connect_raw(draft).map_err(|error| Fault::from(error).explain(path))?;
    connection
        .execute_batch("PRAGMA synchronous = FULL")
        .map_err(Fault::from)
        .and_then(|()| schema::initialise(&mut connection))
        .and_then(|()| use_log(&connection))
        .map_err(|fault| fault.explain(path))
}

/// Opens the file for reading and writing and does nothing else to it.
fn connect_raw(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    Ok(connection)
}

/// Opens a store that passed the checks on its surroundings, and brings its schema up to date. Nothing
/// is written before it is known that the file is a store of ours.
fn connect(path: &Path, migrations: &[Migration]) -> Result<(Connection, StoreId), Fault> {
    let mut connection = connect_raw(path)?;
    schema::require_known(&connection, path, migrations)?;
    if fs::metadata(path).is_ok_and(|file| file.len() <= CHECKED_AT_OPENING) {
        quick_check(&connection)?;
    }
    use_log(&connection)?;
    connection.execute_batch(
        "PRAGMA synchronous = FULL;
         PRAGMA secure_delete = ON;
         PRAGMA temp_store = MEMORY;
         PRAGMA cell_size_check = ON;
         PRAGMA trusted_schema = OFF;",
    )?;
    schema::migrate(&mut connection, migrations)?;
    let id = schema::store_id(&connection)?;
    Ok((connection, id))
}

/// Turns the write-ahead log on, which the file remembers.
fn use_log(connection: &Connection) -> Result<(), Fault> {
    let mode: String = connection.query_one("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    if mode == "wal" {
        return Ok(());
    }
    Err(StoreError::Unusable(format!(
        "the filesystem of the store does not support a write-ahead log (journal mode is {mode}): choose a store on \
         another one (--store or OCCOPUS_STORE)"
    ))
    .into())
}

fn quick_check(connection: &Connection) -> Result<(), Fault> {
    let found: String = connection.query_one("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if found == "ok" { Ok(()) } else { Err(Fault::Damaged(found.replace('\n', " "))) }
}

/// Moves the write-ahead log into the store file and empties it; false if others use it right now.
fn truncate_log(connection: &Connection) -> rusqlite::Result<bool> {
    connection.busy_timeout(ERASE_TIMEOUT)?;
    let busy = connection.query_one("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, bool>(0));
    connection.busy_timeout(BUSY_TIMEOUT)?;
    Ok(!busy?)
}

fn apply(connection: &mut Connection, batches: &[Batch]) -> Result<Vec<Result<(), StoreError>>, Fault> {
    let mut transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    if schema::version(&transaction)? != MIGRATIONS.len() {
        return Err(StoreError::Unusable(
            "a newer Occopus changed the store while it was in use; nothing was changed: upgrade this program"
                .to_owned(),
        )
        .into());
    }
    let mut results = Vec::with_capacity(batches.len());
    for batch in batches {
        let savepoint = transaction.savepoint()?;
        results.push(match apply_one(&savepoint, batch) {
            Ok(()) => Ok(savepoint.commit()?),
            // Dropped, the savepoint takes nothing of this batch back: nothing was written.
            Err(Fault::Store(conflict @ StoreError::Conflict(_))) => Err(conflict),
            Err(fault) => return Err(fault),
        });
    }
    transaction.commit().map_err(Fault::Commit)?;
    Ok(results)
}

fn apply_one(connection: &Connection, batch: &Batch) -> Result<(), Fault> {
    for expect in &batch.expect {
        if !holds(connection, expect)? {
            return Err(StoreError::Conflict(expect.key().clone()).into());
        }
    }
    if !batch.writes.is_empty() {
        let last = schema::reserve_numbers(connection, batch.writes.len())?;
        for (number, write) in (last + 1..).zip(&batch.writes) {
            execute(connection, write, number)?;
        }
    }
    Ok(())
}

fn holds(connection: &Connection, expect: &Expect) -> Result<bool, Fault> {
    let key = expect.key();
    let sql = format!("SELECT version FROM {} WHERE scope = ?1 AND id = ?2", key.table.name());
    let mut statement = connection.prepare_cached(&sql)?;
    let found = statement.query_one([&key.scope, &key.id], |row| row.get::<_, i64>(0)).optional()?;
    Ok(match expect {
        Expect::Absent(_) => found.is_none(),
        Expect::Version(_, version) => found == Some(version.cast_signed()),
    })
}

fn execute(connection: &Connection, write: &Write, number: u64) -> Result<(), Fault> {
    match write {
        Write::Put(key, value) => {
            let sql = format!(
                "INSERT INTO {} (scope, id, version, value) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT DO UPDATE SET version = excluded.version, value = excluded.value",
                key.table.name()
            );
            let mut statement = connection.prepare_cached(&sql)?;
            statement.execute((&key.scope, &key.id, number.cast_signed(), value.to_string()))?;
        }
        Write::Append(table, scope, value) => {
            let sql =
                format!("INSERT INTO {} (scope, id, version, value) VALUES (?1, ?2, ?3, ?4)", table.name());
            let mut statement = connection.prepare_cached(&sql)?;
            statement.execute((scope, append_id(number), number.cast_signed(), value.to_string()))?;
        }
        Write::Delete(key) => {
            let sql = format!("DELETE FROM {} WHERE scope = ?1 AND id = ?2", key.table.name());
            connection.prepare_cached(&sql)?.execute([&key.scope, &key.id])?;
        }
    }
    Ok(())
}

/// A row before its value is parsed.
struct RawRecord {
    id: String,
    version: i64,
    value: String,
}

impl RawRecord {
    fn from_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self { id: row.get(0)?, version: row.get(1)?, value: row.get(2)? })
    }

    fn parse(self, table: Table) -> Result<Record, Fault> {
        // The parser's own message is left out: it might quote a secret.
        let value = serde_json::from_str(&self.value).map_err(|_| {
            Fault::Damaged(format!("record {} of table {} is no JSON", self.id, table.name()))
        })?;
        Ok(Record { id: self.id, version: self.version.cast_unsigned(), value })
    }
}
