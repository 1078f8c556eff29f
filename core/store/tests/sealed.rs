//! What sealing promises: nothing readable in the store, nothing lost with the key, no key replaced.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test fails")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use occopus_engine::store::{Batch, Key, Store, StoreError, Table, Write};
use occopus_store::{MemoryStore, Sealed, SqliteStore, conformance};
use serde_json::{Value, json};

/// A folder with the path of a key file in it.
fn place() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("keys/store.key");
    (folder, key)
}

fn sealed(records: &MemoryStore, key: &Path) -> Sealed {
    Sealed::new(Arc::new(records.clone()), key.to_owned())
}

fn request() -> Key {
    Key::new(Table::Request, "infra", "attempt")
}

async fn put(store: &dyn Store, key: Key, value: Value) -> Result<(), StoreError> {
    let known = Write::Put(Key::new(Table::Infrastructure, "", "infra"), json!({}));
    store.commit(Batch { expect: vec![], writes: vec![known, Write::Put(key, value)] }).await
}

async fn value(store: &dyn Store, key: &Key) -> Option<Value> {
    store.read(key).await.unwrap().map(|record| record.value)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_sealed_store_conforms() {
    let (_folder, key) = place();
    let records = MemoryStore::new();
    conformance::run(async || Arc::new(sealed(&records, &key)) as Arc<_>).await;
}

#[tokio::test]
async fn requests_are_unreadable_without_the_key_and_all_else_is_as_before() {
    let (folder, key) = place();
    let path = folder.path().join("occopus.db");
    let inner = Arc::new(SqliteStore::open(&path).await.unwrap());
    let store = Sealed::new(inner.clone(), key.clone());
    put(&store, request(), json!({"user_data": "hunter2-hunter2"})).await.unwrap();
    let event = Key::new(Table::Place, "infra", "p");
    put(&store, event.clone(), json!("in clear")).await.unwrap();
    for file in fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()) {
        let content = if file.is_file() { fs::read(&file).unwrap() } else { continue };
        let text = String::from_utf8_lossy(&content);
        assert!(!text.contains("hunter2"), "{}", file.display());
    }
    assert_eq!(value(inner.as_ref(), &event).await, Some(json!("in clear")));
    assert_eq!(value(&store, &request()).await, Some(json!({"user_data": "hunter2-hunter2"})));
    let again = Sealed::new(inner, key.clone());
    assert_eq!(value(&again, &request()).await, Some(json!({"user_data": "hunter2-hunter2"})));
    assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn a_record_opens_in_its_own_place_only() {
    let (_folder, key) = place();
    let records = MemoryStore::new();
    let store = sealed(&records, &key);
    put(&store, request(), json!("x")).await.unwrap();
    let raw = value(&records, &request()).await.unwrap();
    let elsewhere =
        [Key::new(Table::Request, "infra", "other"), Key::new(Table::Request, "other", "attempt")];
    for key in elsewhere {
        put(&records, key.clone(), raw.clone()).await.unwrap();
        assert_eq!(value(&store, &key).await, None, "{key}");
    }
    let mut forged = raw;
    forged["data"] = json!("AAAAAAAAAAAAAAAAAAAAAAAAAAAA");
    put(&records, request(), forged).await.unwrap();
    assert_eq!(value(&store, &request()).await, None);
}

#[tokio::test]
async fn without_its_key_a_request_is_not_there_and_no_new_key_is_made() {
    let (_folder, key) = place();
    let records = MemoryStore::new();
    put(&sealed(&records, &key), request(), json!("x")).await.unwrap();
    let kept = key.with_extension("kept");
    fs::rename(&key, &kept).unwrap();
    let store = sealed(&records, &key);
    assert_eq!(value(&store, &request()).await, None);
    assert_eq!(store.list(Table::Request, "infra", "").await.unwrap(), []);
    let error = put(&store, Key::new(Table::Request, "infra", "next"), json!("y")).await.unwrap_err();
    assert!(matches!(&error, StoreError::Unusable(text) if text.contains(key.to_str().unwrap())), "{error}");
    assert!(!key.exists());
    // What needs no key goes on, the settling of the request included.
    store.commit(Batch { expect: vec![], writes: vec![Write::Delete(request())] }).await.unwrap();
    put(&store, Key::new(Table::Request, "infra", "next"), json!("y")).await.unwrap();
    assert!(key.exists());
}

#[tokio::test]
async fn the_key_can_come_back_while_a_process_runs() {
    let (_folder, key) = place();
    let records = MemoryStore::new();
    put(&sealed(&records, &key), request(), json!("x")).await.unwrap();
    let kept = key.with_extension("kept");
    fs::rename(&key, &kept).unwrap();
    let store = sealed(&records, &key);
    assert_eq!(value(&store, &request()).await, None);
    fs::rename(&kept, &key).unwrap();
    assert_eq!(value(&store, &request()).await, Some(json!("x")));
}

#[tokio::test]
async fn a_wrong_key_opens_nothing_and_is_not_replaced() {
    let (_folder, key) = place();
    let records = MemoryStore::new();
    put(&sealed(&records, &key), request(), json!("x")).await.unwrap();
    fs::write(&key, [7; 32]).unwrap();
    assert_eq!(value(&sealed(&records, &key), &request()).await, None);
    assert_eq!(fs::read(&key).unwrap(), [7; 32]);
    fs::write(&key, "short").unwrap();
    let error = put(&sealed(&records, &key), request(), json!("y")).await.unwrap_err();
    assert!(error.to_string().contains("5 bytes instead of 32"), "{error}");
    assert_eq!(fs::read(&key).unwrap(), b"short");
}

#[tokio::test]
async fn requests_of_an_older_version_are_still_readable() {
    let (_folder, key) = place();
    let records = MemoryStore::new();
    put(&records, request(), json!({"plain": true})).await.unwrap();
    assert_eq!(value(&sealed(&records, &key), &request()).await, Some(json!({"plain": true})));
    assert!(!key.exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_processes_that_make_the_first_key_all_use_the_same() {
    let (_folder, key) = place();
    let records = MemoryStore::new();
    let writers: Vec<_> = (0..16)
        .map(|number| {
            let store = sealed(&records, &key);
            tokio::spawn(async move {
                let key = Key::new(Table::Request, "infra", format!("a{number}"));
                put(&store, key, json!(number)).await.unwrap();
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    let store = sealed(&records, &key);
    for number in 0..16 {
        let key = Key::new(Table::Request, "infra", format!("a{number}"));
        assert_eq!(value(&store, &key).await, Some(json!(number)));
    }
}
