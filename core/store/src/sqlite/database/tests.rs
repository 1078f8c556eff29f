//! What happens to a store file that is not as it should be, and what is left of deleted secrets.

use std::fs;
use std::os::unix::fs::FileExt;
use std::time::Duration;

use rusqlite::Transaction;
use serde_json::json;
use tempfile::TempDir;

use super::*;

/// A directory with the path of a store in it.
fn place() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("occopus.db");
    (directory, path)
}

fn key(id: &str) -> Key {
    Key::new(Table::Place, "scope", id)
}

/// Commits one batch.
fn commit(database: &mut Database, batch: Batch) -> Result<(), StoreError> {
    database.commit(&[batch]).remove(0)
}

fn put(database: &mut Database, id: &str, value: &str) -> Result<(), StoreError> {
    commit(database, Batch { expect: vec![], writes: vec![Write::Put(key(id), json!(value))] })
}

/// Why the store at `path` cannot be used. Checks that the file was not touched.
fn refusal(path: &Path) -> String {
    let before = fs::read(path).unwrap();
    let error = Database::open(path).err().expect("the file should be refused");
    assert!(matches!(error, StoreError::Unusable(_)), "{error:?}");
    assert_eq!(fs::read(path).unwrap(), before, "a refused file must not be touched");
    error.to_string()
}

/// A store whose records fill `bytes` bytes or more.
fn filled(path: &Path, bytes: usize) {
    let mut database = Database::open(path).unwrap();
    for number in 0..bytes / 1000 {
        put(&mut database, &format!("{number:06}"), &"x".repeat(1000)).unwrap();
    }
}

/// Overwrites a page of the file with something else.
fn damage_page(path: &Path, page: u64) {
    let file = OpenOptions::new().write(true).open(path).unwrap();
    file.write_all_at(&[0xa5; 4096], page * 4096).unwrap();
}

fn create_tower(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    transaction.execute_batch("CREATE TABLE tower (level INTEGER) STRICT; DROP TABLE scaling;")
}

fn fail(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    transaction.execute_batch("CREATE TABLE ruin (level INTEGER) STRICT; INSERT INTO nowhere VALUES (1);")
}

#[test]
fn an_older_schema_is_brought_up_to_date() {
    let (_directory, path) = place();
    let mut old = Database::open(&path).unwrap();
    put(&mut old, "kept", "value").unwrap();
    let id = old.id().clone();
    drop(old);

    let newer = [MIGRATIONS, &[create_tower]].concat();
    let database = Database::open_file(&path, &newer).unwrap();
    assert_eq!(database.id(), &id);
    assert_eq!(database.read(&key("kept")).unwrap().unwrap().value, json!("value"));
    assert_eq!(schema::version(&database.connection).unwrap(), newer.len());
    assert!(database.connection.table_exists(None, "tower").unwrap());
}

#[test]
fn a_failing_migration_leaves_the_old_schema() {
    let (_directory, path) = place();
    put(&mut Database::open(&path).unwrap(), "kept", "value").unwrap();
    assert!(Database::open_file(&path, &[MIGRATIONS, &[create_tower, fail]].concat()).is_err());

    let database = Database::open(&path).unwrap();
    assert_eq!(schema::version(&database.connection).unwrap(), MIGRATIONS.len());
    assert_eq!(database.read(&key("kept")).unwrap().unwrap().value, json!("value"));
    for (table, exists) in [("scaling", true), ("tower", false), ("ruin", false)] {
        assert_eq!(database.connection.table_exists(None, table).unwrap(), exists, "{table}");
    }
}

#[test]
fn a_newer_schema_is_refused() {
    let (_directory, path) = place();
    drop(Database::open(&path).unwrap());
    drop(Database::open_file(&path, &[MIGRATIONS, &[create_tower]].concat()).unwrap());
    let message = refusal(&path);
    let known = MIGRATIONS.len();
    let words = format!("schema {}; this program knows schemas up to {known}", known + 1);
    assert!(message.contains(&words), "{message}");
}

#[test]
fn a_store_that_is_migrated_while_in_use_takes_no_more_batches() {
    let (_directory, path) = place();
    let mut old = Database::open(&path).unwrap();
    drop(Database::open_file(&path, &[MIGRATIONS, &[create_tower]].concat()).unwrap());
    let error = put(&mut old, "late", "value").unwrap_err();
    assert!(error.to_string().contains("upgrade this program"), "{error}");
    assert_eq!(old.read(&key("late")).unwrap(), None);
}

#[test]
fn foreign_files_are_refused() {
    let (_directory, path) = place();
    for content in ["", "hello\n", &"not a database ".repeat(1000)] {
        fs::write(&path, content).unwrap();
        assert!(refusal(&path).contains("is not a store of Occopus"));
    }
    fs::remove_file(&path).unwrap();
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE t (a); INSERT INTO t VALUES (1);").unwrap();
    assert!(refusal(&path).contains("is not a store of Occopus"));
}

#[test]
fn a_damaged_page_is_found_at_opening() {
    let (_directory, path) = place();
    filled(&path, 200_000);
    damage_page(&path, 20);
    let message = refusal(&path);
    assert!(message.contains("is damaged") && message.contains("backup"), "{message}");
}

#[test]
fn a_truncated_store_is_refused() {
    let (_directory, path) = place();
    filled(&path, 200_000);
    OpenOptions::new().write(true).open(&path).unwrap().set_len(100_000).unwrap();
    assert!(refusal(&path).contains("is damaged"));
}

#[test]
fn damage_in_a_large_store_is_reported_when_it_is_met() {
    let (_directory, path) = place();
    {
        let mut database = Database::open(&path).unwrap();
        let value = "x".repeat(1 << 20);
        for number in 0..6 {
            put(&mut database, &number.to_string(), &value).unwrap();
        }
    }
    assert!(fs::metadata(&path).unwrap().len() > CHECKED_AT_OPENING);
    damage_page(&path, 1000);
    let database = Database::open(&path).unwrap();
    let error = database.list(Table::Place, "scope", "").unwrap_err();
    assert!(matches!(&error, StoreError::Unusable(message) if message.contains("is damaged")), "{error:?}");
}

#[test]
fn a_record_that_is_no_json_is_reported_without_its_content() {
    let (_directory, path) = place();
    let mut database = Database::open(&path).unwrap();
    put(&mut database, "record", "value").unwrap();
    database.connection.execute("UPDATE place SET value = 'hunter2'", []).unwrap();
    let message = database.read(&key("record")).unwrap_err().to_string();
    assert!(message.contains("record of table place") || message.contains("record record"), "{message}");
    assert!(!message.contains("hunter2"), "{message}");
}

#[test]
fn a_full_disk_changes_nothing() {
    let (_directory, path) = place();
    let mut database = Database::open(&path).unwrap();
    put(&mut database, "before", "value").unwrap();
    let version = database.read(&key("before")).unwrap().unwrap().version;

    let pages: i64 = database.connection.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
    let set_limit = |database: &Database, limit: i64| {
        database.connection.pragma_update_and_check(None, "max_page_count", limit, |_| Ok(())).unwrap();
    };
    set_limit(&database, pages);
    let writes =
        vec![Write::Put(key("before"), json!("changed")), Write::Put(key("big"), json!("x".repeat(100_000)))];
    let batch = Batch { expect: vec![], writes };
    let error = commit(&mut database, batch.clone()).unwrap_err();
    assert!(matches!(&error, StoreError::Failed(message) if message.contains("is full")), "{error:?}");
    assert_eq!(database.read(&key("before")).unwrap().unwrap().version, version);
    assert_eq!(database.read(&key("big")).unwrap(), None);

    set_limit(&database, i64::from(u32::MAX >> 1));
    commit(&mut database, batch.clone()).expect("goes on as soon as there is space");
}

#[test]
fn a_store_locked_for_too_long_is_reported() {
    let (_directory, path) = place();
    let mut database = Database::open(&path).unwrap();
    let mut other = Database::open(&path).unwrap();
    let held = other.connection.transaction_with_behavior(TransactionBehavior::Immediate).unwrap();
    database.connection.busy_timeout(Duration::ZERO).unwrap();
    let error = put(&mut database, "blocked", "value").unwrap_err();
    assert!(
        matches!(&error, StoreError::Failed(message) if message.contains("locked by another process")),
        "{error:?}"
    );
    assert_eq!(database.read(&key("blocked")).unwrap(), None, "reading goes on");
    drop(held);
    put(&mut database, "blocked", "value").expect("goes on when the lock is gone");
}

#[test]
fn a_replaced_or_deleted_file_is_noticed() {
    let (_directory, path) = place();
    let mut database = Database::open(&path).unwrap();
    fs::remove_file(&path).unwrap();
    assert!(put(&mut database, "lost", "value").unwrap_err().to_string().contains("could not find it"));
    let _other = Database::open(&path).unwrap();
    assert!(put(&mut database, "lost", "value").unwrap_err().to_string().contains("was replaced"));
    assert!(database.read(&key("lost")).unwrap_err().to_string().contains("was replaced"));
}

/// The files of the store that contain `text`.
fn files_with(directory: &TempDir, text: &str) -> Vec<PathBuf> {
    let contains =
        |path: &PathBuf| fs::read(path).unwrap().windows(text.len()).any(|part| part == text.as_bytes());
    fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().path()).filter(contains).collect()
}

fn request(number: usize) -> Key {
    Key::new(
        Table::Request,
        format!("scope {}", number % 3),
        format!("{:08x}", number * 2_654_435_761 % 0xffff_ffff),
    )
}

#[test]
fn deleted_requests_leave_no_trace_in_the_files() {
    const SECRET: &str = "hunter2-correct-horse";
    let (directory, path) = place();
    let mut database = Database::open(&path).unwrap();
    let mut open = std::collections::VecDeque::new();
    for number in 0..300 {
        let value = json!(SECRET.repeat(1 + number * number % 977));
        let writes = vec![Write::Put(request(number), value)];
        commit(&mut database, Batch { expect: vec![], writes }).unwrap();
        open.push_back(request(number));
        // A window of open requests that grows and shrinks makes the tree split and merge its pages.
        while open.len() > number % 40 {
            let gone = open.pop_front().unwrap();
            commit(&mut database, Batch { expect: vec![], writes: vec![Write::Delete(gone)] }).unwrap();
        }
    }
    assert!(!open.is_empty() && !files_with(&directory, SECRET).is_empty(), "open requests are kept");
    let writes = open.into_iter().map(Write::Delete).collect();
    commit(&mut database, Batch { expect: vec![], writes }).unwrap();
    database.erase_log();
    assert_eq!(files_with(&directory, SECRET), Vec::<PathBuf>::new());
}

#[test]
fn a_busy_log_is_emptied_later() {
    const SECRET: &str = "hunter2-correct-horse";
    let (directory, path) = place();
    let mut database = Database::open(&path).unwrap();
    let writes = vec![Write::Put(request(1), json!(SECRET))];
    commit(&mut database, Batch { expect: vec![], writes }).unwrap();

    let mut reader = Database::open(&path).unwrap();
    let reading = reader.connection.transaction().unwrap();
    reading.query_one("SELECT count(*) FROM request", [], |row| row.get::<_, i64>(0)).unwrap();
    commit(&mut database, Batch { expect: vec![], writes: vec![Write::Delete(request(1))] }).unwrap();
    database.erase_log();
    assert!(!files_with(&directory, SECRET).is_empty(), "the reader still needs the log");

    drop(reading);
    assert!(database.log_holds_erased());
    database.erase_log();
    assert_eq!(files_with(&directory, SECRET), Vec::<PathBuf>::new());
}

#[test]
fn a_refused_batch_leaves_the_others_of_its_group_alone() {
    let (_directory, path) = place();
    let mut database = Database::open(&path).unwrap();
    let put = |id: &str| Write::Put(key(id), json!(id));
    let free = |writes| Batch { expect: vec![], writes };
    let once = |id: &str, writes| Batch { expect: vec![Expect::Absent(key(id))], writes };
    let group = [
        free(vec![put("first")]),
        // What came before in the same group counts.
        once("first", vec![put("refused"), put("first")]),
        once("second", vec![put("second")]),
        free(vec![put("third")]),
    ];
    let outcomes = database.commit(&group);
    assert!(matches!(&outcomes[1], Err(StoreError::Conflict(found)) if *found == key("first")));
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 3);
    let kept = database.list(Table::Place, "scope", "").unwrap();
    let kept: Vec<&str> = kept.iter().map(|record| record.id.as_str()).collect();
    assert_eq!(kept, ["first", "second", "third"]);
}

#[test]
fn after_a_commit_that_failed_on_the_disk_nobody_claims_to_know_the_outcome() {
    let explain = |code| {
        let error = rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), None);
        Fault::Commit(error).explain(Path::new("occopus.db"))
    };
    for code in [rusqlite::ffi::SQLITE_IOERR_FSYNC, rusqlite::ffi::SQLITE_IOERR_WRITE] {
        let error = explain(code);
        assert!(
            matches!(&error, StoreError::UnknownOutcome(text) if text.contains("not known")),
            "{error:?}"
        );
    }
    for code in [rusqlite::ffi::SQLITE_FULL, rusqlite::ffi::SQLITE_BUSY] {
        let error = explain(code);
        assert!(matches!(&error, StoreError::Failed(text) if text.contains("not recorded")), "{error:?}");
    }
}

#[test]
fn a_batch_that_does_not_fit_on_the_disk_leaves_the_others_of_its_group_alone() {
    let (_directory, path) = place();
    let mut database = Database::open(&path).unwrap();
    put(&mut database, "before", "value").unwrap();
    let pages: i64 = database.connection.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
    database.connection.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(())).unwrap();
    let batch = |id: &str, size: usize| Batch {
        expect: vec![],
        writes: vec![Write::Put(key(id), json!("x".repeat(size)))],
    };
    let outcomes = database.commit(&[batch("first", 10), batch("big", 100_000), batch("last", 10)]);
    assert!(outcomes[0].is_ok() && outcomes[2].is_ok(), "{outcomes:?}");
    assert!(matches!(&outcomes[1], Err(StoreError::Failed(message)) if message.contains("is full")));
    let kept = database.list(Table::Place, "scope", "").unwrap();
    let kept: Vec<&str> = kept.iter().map(|record| record.id.as_str()).collect();
    assert_eq!(kept, ["before", "first", "last"]);
}
