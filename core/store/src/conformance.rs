//! The properties every store must have, as one suite of tests.
//!
//! This is test code: a broken property panics with a message. A store runs it from its own tests:
//!
//! ```
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! use std::sync::Arc;
//! let store = occopus_store::MemoryStore::new();
//! occopus_store::conformance::run(async || Arc::new(store.clone()) as Arc<_>).await;
//! # });
//! ```
#![allow(clippy::expect_used, clippy::panic, reason = "test code: a panic is how a test fails")]

use std::collections::BTreeSet;
use std::sync::Arc;

use occopus_engine::store::{Batch, Expect, Key, Record, Store, StoreError, Table, Write};
use serde_json::{Value, json};
use tokio::task::JoinSet;

/// How many committers compete in the test of concurrency.
const CONTENDERS: u64 = 8;

/// Runs the whole suite. `open` returns a new handle on always the same store, as another process would
/// open it; the store must be empty at first.
pub async fn run(open: impl AsyncFn() -> Arc<dyn Store>) {
    let store = open().await;
    every_table_keeps_its_own_records(&*store).await;
    values_come_back_as_they_were(&*store).await;
    scopes_are_apart(&*store).await;
    lists_are_in_byte_order(&*store).await;
    lists_begin_after_an_identifier(&*store).await;
    deletion_is_idempotent(&*store).await;
    writes_apply_in_order(&*store).await;
    preconditions_are_checked(&*store).await;
    preconditions_see_the_state_before_the_batch(&*store).await;
    a_refused_batch_changes_nothing(&*store).await;
    versions_are_never_reused(&*store).await;
    append_numbers_rise_and_are_never_reused(&*store).await;
    callers_that_rest_hold_nobody_up(&*store).await;
    one_of_many_contenders_wins(&open).await;
    no_increment_is_lost(&open).await;
    drop(store);
    records_survive_reopening(&open).await;
}

async fn commit(store: &dyn Store, expect: Vec<Expect>, writes: Vec<Write>) -> Result<(), StoreError> {
    store.commit(Batch { expect, writes }).await
}

async fn write(store: &dyn Store, writes: Vec<Write>) {
    commit(store, vec![], writes).await.expect("a batch without preconditions is applied");
}

async fn read(store: &dyn Store, key: &Key) -> Option<Record> {
    store.read(key).await.expect("a record can be read")
}

async fn version(store: &dyn Store, key: &Key) -> u64 {
    read(store, key).await.unwrap_or_else(|| panic!("{key} should exist")).version
}

async fn list(store: &dyn Store, table: Table, scope: &str, after: &str) -> Vec<Record> {
    store.list(table, scope, after).await.expect("records can be listed")
}

async fn ids(store: &dyn Store, table: Table, scope: &str, after: &str) -> Vec<String> {
    list(store, table, scope, after).await.into_iter().map(|record| record.id).collect()
}

fn place(scope: &str, id: &str) -> Key {
    Key::new(Table::Place, scope, id)
}

async fn every_table_keeps_its_own_records(store: &dyn Store) {
    for table in Table::ALL {
        write(store, vec![Write::Put(Key::new(table, "tables", "same"), json!(table.name()))]).await;
    }
    for table in Table::ALL {
        let record = read(store, &Key::new(table, "tables", "same")).await.expect("was just written");
        assert_eq!((record.id.as_str(), record.value), ("same", json!(table.name())));
        assert_eq!(ids(store, table, "tables", "").await, ["same"]);
    }
}

async fn values_come_back_as_they_were(store: &dyn Store) {
    let values = [
        Value::Null,
        json!(""),
        json!("árvíztűrő 🐙 \u{0} \" \\ ' \n"),
        json!(i64::MIN),
        json!(u64::MAX),
        json!(0.1),
        json!({"list": [1, [true, {}]], "": {"nested": null}}),
        json!("x".repeat(1 << 20)),
    ];
    for (number, value) in values.iter().enumerate() {
        let key = place("values", &format!("{number} ' \" % \u{e1}"));
        write(store, vec![Write::Put(key.clone(), value.clone())]).await;
        assert_eq!(read(store, &key).await.map(|record| record.value).as_ref(), Some(value));
    }
}

async fn scopes_are_apart(store: &dyn Store) {
    for scope in ["", "s", "s2"] {
        write(store, vec![Write::Put(Key::new(Table::Scaling, scope, "id"), json!(scope))]).await;
    }
    for scope in ["", "s", "s2"] {
        let records = list(store, Table::Scaling, scope, "").await;
        let values: Vec<_> = records.into_iter().map(|record| record.value).collect();
        assert_eq!(values, [json!(scope)]);
    }
    write(store, vec![Write::Delete(Key::new(Table::Scaling, "s", "id"))]).await;
    assert!(read(store, &Key::new(Table::Scaling, "s2", "id")).await.is_some(), "another scope was touched");
    assert_eq!(list(store, Table::Scaling, "never used", "").await, []);
}

async fn lists_are_in_byte_order(store: &dyn Store) {
    let mut sorted = ["b", "B", "a", "10", "9", "ä", "a/2", "a/10", "_"];
    write(store, sorted.iter().map(|id| Write::Put(place("order", id), json!(id))).collect()).await;
    sorted.sort_unstable();
    assert_eq!(ids(store, Table::Place, "order", "").await, sorted);
}

async fn lists_begin_after_an_identifier(store: &dyn Store) {
    write(store, ["a", "b", "d"].map(|id| Write::Put(place("after", id), json!(0))).to_vec()).await;
    assert_eq!(ids(store, Table::Place, "after", "a").await, ["b", "d"]);
    assert_eq!(ids(store, Table::Place, "after", "c").await, ["d"], "the identifier itself need not exist");
    assert!(ids(store, Table::Place, "after", "d").await.is_empty());
}

async fn deletion_is_idempotent(store: &dyn Store) {
    let key = place("deletion", "gone");
    write(store, vec![Write::Put(key.clone(), json!(1))]).await;
    for _ in 0..2 {
        write(store, vec![Write::Delete(key.clone())]).await;
        assert_eq!(read(store, &key).await, None);
    }
    assert!(ids(store, Table::Place, "deletion", "").await.is_empty());
}

async fn writes_apply_in_order(store: &dyn Store) {
    let (kept, dropped) = (place("sequence", "kept"), place("sequence", "dropped"));
    let writes = vec![
        Write::Put(kept.clone(), json!(1)),
        Write::Put(dropped.clone(), json!(1)),
        Write::Delete(kept.clone()),
        Write::Put(kept.clone(), json!(2)),
        Write::Delete(dropped.clone()),
    ];
    write(store, writes).await;
    assert_eq!(read(store, &kept).await.map(|record| record.value), Some(json!(2)));
    assert_eq!(read(store, &dropped).await, None);
}

async fn preconditions_are_checked(store: &dyn Store) {
    let key = place("expect", "key");
    let put = |number: u64| vec![Write::Put(key.clone(), json!(number))];
    let absent = || vec![Expect::Absent(key.clone())];
    let at = |version: u64| vec![Expect::Version(key.clone(), version)];

    assert_conflict(commit(store, at(1), put(0)).await, &key);
    commit(store, absent(), put(1)).await.expect("the record is absent");
    assert_conflict(commit(store, absent(), put(2)).await, &key);

    let first = version(store, &key).await;
    commit(store, at(first), put(3)).await.expect("the version is the current one");
    assert_conflict(commit(store, at(first), put(4)).await, &key);
    assert_eq!(read(store, &key).await.map(|record| record.value), Some(json!(3)));

    write(store, vec![Write::Delete(key.clone())]).await;
    commit(store, absent(), vec![]).await.expect("a batch may consist of preconditions alone");
    assert_conflict(commit(store, at(first), vec![]).await, &key);
}

async fn preconditions_see_the_state_before_the_batch(store: &dyn Store) {
    let key = place("before", "key");
    let writes = vec![Write::Put(key.clone(), json!(1)), Write::Put(key.clone(), json!(2))];
    commit(store, vec![Expect::Absent(key.clone())], writes)
        .await
        .expect("nothing was there before the batch");
    assert_eq!(read(store, &key).await.map(|record| record.value), Some(json!(2)));
}

async fn a_refused_batch_changes_nothing(store: &dyn Store) {
    let [old, new, wrong] = ["old", "new", "wrong"].map(|id| place("refused", id));
    write(store, vec![Write::Put(old.clone(), json!("before")), Write::Put(wrong.clone(), json!(0))]).await;
    let before = list(store, Table::Place, "refused", "").await;
    let writes = vec![
        Write::Put(old.clone(), json!("after")),
        Write::Put(new.clone(), json!("after")),
        Write::Delete(wrong.clone()),
        Write::Append(Table::Journal, "refused".to_owned(), json!("after")),
    ];
    let expect = vec![Expect::Absent(new.clone()), Expect::Absent(wrong.clone())];
    assert_conflict(commit(store, expect, writes).await, &wrong);
    assert_eq!(list(store, Table::Place, "refused", "").await, before);
    assert_eq!(list(store, Table::Journal, "refused", "").await, []);
}

async fn versions_are_never_reused(store: &dyn Store) {
    let [key, twin] = ["key", "twin"].map(|id| place("versions", id));
    let mut seen = BTreeSet::new();
    for round in 0..4 {
        // The same value again is a write as well.
        for _ in 0..2 {
            write(store, vec![Write::Put(key.clone(), json!(1)), Write::Put(twin.clone(), json!(1))]).await;
            assert!(seen.insert(version(store, &key).await), "a version came back in round {round}");
        }
        write(store, vec![Write::Delete(key.clone())]).await;
    }
    let untouched = version(store, &twin).await;
    write(store, vec![Write::Put(key.clone(), json!(2))]).await;
    assert_eq!(version(store, &twin).await, untouched, "only a write of the record changes its version");
}

async fn append_numbers_rise_and_are_never_reused(store: &dyn Store) {
    let append = |number: u64| Write::Append(Table::Journal, "appended".to_owned(), json!(number));
    let mut seen: Vec<String> = Vec::new();
    for round in 0..3 {
        write(store, vec![append(2 * round), append(2 * round + 1)]).await;
        let records = list(store, Table::Journal, "appended", "").await;
        let values: Vec<_> = records.iter().map(|record| record.value.clone()).collect();
        assert_eq!(values, [json!(2 * round), json!(2 * round + 1)], "records are in the order of appending");
        // The last one goes too: its number must not come back.
        write(store, records.iter().map(delete_appended).collect()).await;
        seen.extend(records.into_iter().map(|record| record.id));
    }
    assert!(seen.is_sorted_by(|left, right| left < right), "numbers must rise: {seen:?}");
    assert!(seen.iter().all(|id| id.len() == seen[0].len()), "numbers must have one width: {seen:?}");
    assert!(seen.iter().all(|id| id.parse::<u64>().is_ok()), "numbers must be decimal: {seen:?}");
}

fn delete_appended(record: &Record) -> Write {
    Write::Delete(Key::new(Table::Journal, "appended", record.id.clone()))
}

/// A caller may wait for something else between two steps of a call: the others must not wait for that.
async fn callers_that_rest_hold_nobody_up(store: &dyn Store) {
    let key = place("resting", "one");
    let mut resting = Vec::new();
    for _ in 0..6 {
        let mut call = store.read(&key);
        tokio::select! {
            biased;
            _ = &mut call => {}
            // Begun, and then left alone.
            () = std::future::ready(()) => resting.push(call),
        }
    }
    write(store, vec![Write::Put(place("resting", "two"), json!(2))]).await;
    assert!(read(store, &place("resting", "two")).await.is_some());
}

async fn one_of_many_contenders_wins(open: &impl AsyncFn() -> Arc<dyn Store>) {
    let store = open().await;
    let key = Key::new(Table::Lease, "contended", "lease");
    write(&*store, vec![Write::Put(key.clone(), json!("free"))]).await;
    let expect = Expect::Version(key.clone(), version(&*store, &key).await);
    let mut contenders = JoinSet::new();
    for number in 0..CONTENDERS {
        let (store, key, expect) = (open().await, key.clone(), expect.clone());
        contenders.spawn(async move {
            let claim = Write::Put(key.clone(), json!(number));
            match commit(&*store, vec![expect], vec![claim]).await {
                Ok(()) => Some(number),
                lost => {
                    assert_conflict(lost, &key);
                    None
                }
            }
        });
    }
    let winners: Vec<u64> = contenders.join_all().await.into_iter().flatten().collect();
    assert_eq!(winners.len(), 1, "exactly one may win: {winners:?}");
    assert_eq!(read(&*store, &key).await.map(|record| record.value), Some(json!(winners[0])));
}

async fn no_increment_is_lost(open: &impl AsyncFn() -> Arc<dyn Store>) {
    const EACH: u64 = 5;
    let key = place("increments", "counter");
    write(&*open().await, vec![Write::Put(key.clone(), json!(0))]).await;
    let mut contenders = JoinSet::new();
    for _ in 0..CONTENDERS {
        let (store, key) = (open().await, key.clone());
        contenders.spawn(async move {
            for _ in 0..EACH {
                increment(&*store, &key).await;
            }
        });
    }
    contenders.join_all().await;
    let counter = read(&*open().await, &key).await.map(|record| record.value);
    assert_eq!(counter, Some(json!(CONTENDERS * EACH)));
}

/// Adds one to the number in `key`, however often others are faster.
async fn increment(store: &dyn Store, key: &Key) {
    loop {
        let record = read(store, key).await.expect("the counter exists");
        let next = json!(record.value.as_u64().expect("the counter is a number") + 1);
        let expect = Expect::Version(key.clone(), record.version);
        match commit(store, vec![expect], vec![Write::Put(key.clone(), next)]).await {
            Ok(()) => return,
            lost => assert_conflict(lost, key),
        }
    }
}

async fn records_survive_reopening(open: &impl AsyncFn() -> Arc<dyn Store>) {
    let key = place("reopened", "key");
    let store = open().await;
    let id = store.id().clone();
    let append = Write::Append(Table::Event, "reopened".to_owned(), json!("first"));
    write(&*store, vec![Write::Put(key.clone(), json!("kept")), append]).await;
    let (record, events) = (read(&*store, &key).await, list(&*store, Table::Event, "reopened", "").await);
    drop(store);

    let store = open().await;
    assert_eq!(store.id(), &id, "the identity belongs to the store, not to the handle");
    assert_eq!(read(&*store, &key).await, record);
    assert_eq!(list(&*store, Table::Event, "reopened", "").await, events);
    write(&*store, vec![Write::Append(Table::Event, "reopened".to_owned(), json!("second"))]).await;
    let later = ids(&*store, Table::Event, "reopened", &events[0].id).await;
    assert_eq!(later.len(), 1, "the counter goes on after reopening");
}

fn assert_conflict(result: Result<(), StoreError>, key: &Key) {
    match result {
        Err(StoreError::Conflict(found)) => assert_eq!(&found, key, "the conflict names the wrong record"),
        other => panic!("expected a conflict about {key}, got {other:?}"),
    }
}
