//! The tables of a store file and how they came to be.
//!
//! SQLite's header holds two numbers for this purpose: `application_id` says that the file is ours,
//! `user_version` counts the migrations it has been through.

use std::path::Path;

use occopus_engine::ids::StoreId;
use occopus_engine::store::{StoreError, Table};
use rusqlite::{Connection, Transaction, TransactionBehavior};
use uuid::Uuid;

use super::fault::{Fault, foreign};

/// "Occo", in the header of every store file.
const APPLICATION_ID: i64 = 0x4f63_636f;

/// One step from a schema to the next. Runs in a transaction with all other missing steps.
pub(super) type Migration = fn(&Transaction<'_>) -> rusqlite::Result<()>;

/// All steps, oldest first: the number of those done is the schema version of a file. Never change or
/// remove one that was released. A new kind of record needs `create_record_tables` once more.
pub(super) const MIGRATIONS: &[Migration] = &[create_first_tables, create_record_tables];

fn create_first_tables(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    transaction.execute_batch(
        "CREATE TABLE meta (name TEXT PRIMARY KEY, value ANY NOT NULL) STRICT, WITHOUT ROWID;
         INSERT INTO meta VALUES ('last_number', 0);",
    )?;
    let id = Uuid::new_v4().to_string();
    transaction.execute("INSERT INTO meta VALUES ('store_id', ?1)", [id])?;
    create_record_tables(transaction)
}

/// One table for each kind of record; those that exist stay as they are.
fn create_record_tables(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    Table::ALL.iter().try_for_each(|table| {
        transaction.execute_batch(&format!(
            "CREATE TABLE IF NOT EXISTS {} (
                scope TEXT NOT NULL,
                id TEXT NOT NULL,
                version INTEGER NOT NULL,
                value TEXT NOT NULL,
                PRIMARY KEY (scope, id)
             ) STRICT, WITHOUT ROWID;",
            table.name()
        ))
    })
}

/// Makes the tables in an empty file.
pub(super) fn initialise(connection: &mut Connection) -> Result<(), Fault> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    run_missing(&transaction, 0, MIGRATIONS)?;
    Ok(transaction.commit()?)
}

/// Refuses a file that is not a store, or one of a newer program. Reads only.
pub(super) fn require_known(
    connection: &Connection,
    path: &Path,
    migrations: &[Migration],
) -> Result<(), Fault> {
    if pragma(connection, "application_id")? != APPLICATION_ID {
        return Err(foreign(path).into());
    }
    let (found, known) = (version(connection)?, migrations.len());
    if found > known {
        return Err(StoreError::Unusable(format!(
            "the store {} was written by a newer Occopus (schema {found}; this program knows schemas up to {known}); \
             it was not touched: upgrade this program, or choose another store (--store or OCCOPUS_STORE)",
            path.display()
        ))
        .into());
    }
    Ok(())
}

/// Brings an older file up to date: all missing steps, or none.
pub(super) fn migrate(connection: &mut Connection, migrations: &[Migration]) -> Result<(), Fault> {
    if version(connection)? == migrations.len() {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Read again under the lock: another process may have just done it.
    let done = version(&transaction)?;
    run_missing(&transaction, done, migrations)?;
    Ok(transaction.commit()?)
}

fn run_missing(transaction: &Transaction<'_>, done: usize, migrations: &[Migration]) -> rusqlite::Result<()> {
    migrations.iter().skip(done).try_for_each(|step| step(transaction))?;
    transaction.pragma_update(None, "user_version", migrations.len().max(done) as i64)
}

/// How many migrations the file has been through.
pub(super) fn version(connection: &Connection) -> Result<usize, Fault> {
    let version = pragma(connection, "user_version")?;
    usize::try_from(version).map_err(|_| Fault::Damaged(format!("its schema version is {version}")))
}

/// The identity of the store.
pub(super) fn store_id(connection: &Connection) -> Result<StoreId, Fault> {
    let text: String =
        connection.query_one("SELECT value FROM meta WHERE name = 'store_id'", [], |row| row.get(0))?;
    match Uuid::parse_str(&text) {
        Ok(uuid) => Ok(uuid.into()),
        Err(_) => Err(Fault::Damaged("its store id is no UUID".to_owned())),
    }
}

/// Takes `count` numbers from the counter of the store and returns the last one before them.
pub(super) fn reserve_numbers(connection: &Connection, count: usize) -> Result<u64, Fault> {
    let count = count as i64;
    let last: i64 = connection
        .prepare_cached("UPDATE meta SET value = value + ?1 WHERE name = 'last_number' RETURNING value")?
        .query_one([count], |row| row.get(0))?;
    Ok((last - count).cast_unsigned())
}

fn pragma(connection: &Connection, name: &str) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, name, |row| row.get(0))
}
