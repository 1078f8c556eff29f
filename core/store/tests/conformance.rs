//! Every store passes the one suite.

use std::sync::Arc;

use occopus_store::{MemoryStore, SqliteStore, conformance};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_memory_store_conforms() {
    let store = MemoryStore::new();
    conformance::run(async || Arc::new(store.clone()) as Arc<_>).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_sqlite_store_conforms() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("occopus.db");
    conformance::run(async || Arc::new(SqliteStore::open(&path).await.unwrap()) as Arc<_>).await;
}
