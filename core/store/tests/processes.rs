//! Several processes on one store, and processes that are killed while they write.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test fails")]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use occopus_engine::store::{Batch, Expect, Key, Record, Store, StoreError, Table, Write};
use occopus_store::SqliteStore;
use serde_json::json;

const VARIABLE: &str = "OCCOPUS_TEST_STORE";
const EACH: u64 = 20;

fn counter() -> Key {
    Key::new(Table::Infrastructure, "", "counter")
}

/// Starts this program again as the helper `name` on the store at `path`.
fn start(name: &str, path: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--ignored", "--nocapture"])
        .env(VARIABLE, path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

fn path_of_helper() -> PathBuf {
    std::env::var_os(VARIABLE).expect("started by another test").into()
}

async fn read(store: &SqliteStore, key: &Key) -> Record {
    store.read(key).await.unwrap().expect("the record exists")
}

/// One more in the counter, in a second record, and in the journal: together or not at all.
async fn increment(store: &SqliteStore) -> Result<u64, StoreError> {
    let record = read(store, &counter()).await;
    let next = record.value.as_u64().unwrap() + 1;
    let writes = vec![
        Write::Put(counter(), json!(next)),
        Write::Append(Table::Journal, "work".to_owned(), json!(next)),
        Write::Put(
            Key::new(Table::Request, "work", "twin"),
            json!({"count": next, "pad": "x".repeat(20_000)}),
        ),
    ];
    let expect = vec![Expect::Version(counter(), record.version)];
    store.commit(Batch { expect, writes }).await.map(|()| next)
}

async fn new_counter(path: &Path) -> SqliteStore {
    let store = SqliteStore::open(path).await.unwrap();
    let writes = vec![Write::Put(counter(), json!(0))];
    store.commit(Batch { expect: vec![], writes }).await.unwrap();
    store
}

/// Checks that counter, second record and journal agree, and returns the counter.
async fn agreed_count(store: &SqliteStore) -> u64 {
    let count = read(store, &counter()).await.value.as_u64().unwrap();
    let journal: Vec<_> = store.list(Table::Journal, "work", "").await.unwrap();
    let numbers: Vec<u64> = journal.iter().map(|record| record.value.as_u64().unwrap()).collect();
    assert_eq!(numbers, (1..=count).collect::<Vec<_>>(), "the journal has each increment once and in order");
    if count > 0 {
        assert_eq!(read(store, &Key::new(Table::Request, "work", "twin")).await.value["count"], json!(count));
    }
    count
}

/// Not a test of its own: increments the counter some times, repeating what others were faster at.
#[tokio::test]
#[ignore = "helper process of another test"]
async fn helper_that_increments() {
    let store = SqliteStore::open(path_of_helper()).await.unwrap();
    let mut done = 0;
    while done < EACH {
        match increment(&store).await {
            Ok(_) => done += 1,
            Err(StoreError::Conflict(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

/// Not a test of its own: increments until it is killed, and says so after each commit.
#[tokio::test]
#[ignore = "helper process of another test"]
async fn helper_that_increments_for_ever() {
    let store = SqliteStore::open(path_of_helper()).await.unwrap();
    loop {
        let count = increment(&store).await.unwrap();
        println!("\ncommitted {count}");
    }
}

#[tokio::test]
async fn no_increment_of_several_processes_is_lost() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("occopus.db");
    let store = new_counter(&path).await;
    let helpers: Vec<Child> = (0..4).map(|_| start("helper_that_increments", &path)).collect();
    for helper in helpers {
        let output = helper.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }
    assert_eq!(agreed_count(&store).await, 4 * EACH);
}

#[tokio::test]
async fn a_killed_writer_leaves_a_whole_store() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("occopus.db");
    drop(new_counter(&path).await);
    let mut reached = 0;
    for round in 0..10 {
        let mut helper = start("helper_that_increments_for_ever", &path);
        let target = reached + 1 + round * 3;
        let acknowledged = BufReader::new(helper.stdout.take().unwrap())
            .lines()
            .filter_map(|line| {
                line.unwrap().strip_prefix("committed ").map(|count| count.parse::<u64>().unwrap())
            })
            .find(|count| *count >= target);
        // The helper is somewhere in its next increments now.
        helper.kill().unwrap();
        helper.wait().unwrap();

        let store = SqliteStore::open(&path).await.unwrap();
        let count = agreed_count(&store).await;
        assert!(
            acknowledged.is_some_and(|seen| seen <= count),
            "{acknowledged:?} was acknowledged, {count} is stored"
        );
        reached = increment(&store).await.expect("the store can be written again");
    }
}

const WRITERS: usize = 8;

fn notes_of(writer: usize) -> String {
    format!("writer {writer}")
}

/// Not a test of its own: some write at the same time until they are killed, and say so after each commit.
#[tokio::test]
#[ignore = "helper process of another test"]
async fn helper_that_writes_side_by_side() {
    let store = &SqliteStore::open(path_of_helper()).await.unwrap();
    let write = async |writer: usize| loop {
        let note = Write::Append(Table::Journal, notes_of(writer), json!(writer));
        let refused = Expect::Version(counter(), u64::MAX);
        let (written, conflict) = tokio::join!(
            store.commit(Batch { expect: vec![], writes: vec![note.clone()] }),
            store.commit(Batch { expect: vec![refused], writes: vec![note] }),
        );
        written.unwrap();
        assert!(matches!(conflict, Err(StoreError::Conflict(_))), "{conflict:?}");
        println!("\nwritten by {writer}");
    };
    let [a, b, c, d, e, f, g, h] = std::array::from_fn::<_, WRITERS, _>(write);
    tokio::join!(a, b, c, d, e, f, g, h);
}

#[tokio::test]
async fn what_was_written_side_by_side_outlives_a_kill() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("occopus.db");
    drop(new_counter(&path).await);
    let mut acknowledged = [0; WRITERS];
    for round in 1..=5 {
        let mut helper = start("helper_that_writes_side_by_side", &path);
        let lines = BufReader::new(helper.stdout.take().unwrap()).lines().map(Result::unwrap);
        for line in lines.filter(|line| line.starts_with("written by ")).take(round * 37) {
            acknowledged[line["written by ".len()..].parse::<usize>().unwrap()] += 1;
        }
        helper.kill().unwrap();
        helper.wait().unwrap();
        let store = SqliteStore::open(&path).await.unwrap();
        for (writer, acknowledged) in acknowledged.iter_mut().enumerate() {
            let stored = store.list(Table::Journal, &notes_of(writer), "").await.unwrap().len();
            assert!(*acknowledged <= stored, "{acknowledged} were acknowledged, {stored} are stored");
            *acknowledged = stored;
        }
    }
}
