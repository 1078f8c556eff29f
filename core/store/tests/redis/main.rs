//! The store in a real Redis.
//!
//! Most tests start a server of their own: `redis-server`, or the program that `OCCOPUS_TEST_REDIS_SERVER`
//! names. The conformance suite uses the one at `OCCOPUS_TEST_REDIS` (start one with
//! `tests/peers/redis.sh`).
#![allow(clippy::unwrap_used, clippy::panic, reason = "a panic is how a test fails")]
#![allow(clippy::print_stdout, reason = "a skipped test says why")]

mod faults;
mod original;
mod proxy;
mod refusals;
mod server;

use std::sync::Arc;

use occopus_engine::store::{Batch, Expect, Key, Record, Store, StoreError, Table, Write};
use occopus_store::conformance;
use occopus_store::redis::RedisStore;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use uuid::Uuid;

use server::{DURABLE, Server, address, options};

fn place(id: &str) -> Key {
    Key::new(Table::Place, "scope", id)
}

fn put(id: &str, value: impl Into<Value>) -> Write {
    Write::Put(place(id), value.into())
}

async fn commit(store: &dyn Store, expect: Vec<Expect>, writes: Vec<Write>) -> Result<(), StoreError> {
    store.commit(Batch { expect, writes }).await
}

async fn read(store: &dyn Store, key: &Key) -> Option<Record> {
    store.read(key).await.unwrap()
}

async fn value(store: &dyn Store, id: &str) -> Option<Value> {
    read(store, &place(id)).await.map(|record| record.value)
}

#[tokio::test]
async fn conforms() {
    let Ok(named) = std::env::var("OCCOPUS_TEST_REDIS") else {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "OCCOPUS_TEST_REDIS must be set in CI");
        println!("skipped: OCCOPUS_TEST_REDIS is not set; start one with tests/peers/redis.sh");
        return;
    };
    let port = named.rsplit_once(':').unwrap().1.parse().unwrap();
    let user = Uuid::new_v4().to_string();
    let open = async || {
        let store = RedisStore::open(address(port, &user), options()).await.unwrap();
        Arc::new(store) as Arc<dyn Store>
    };
    conformance::run(open).await;
}

#[tokio::test]
async fn users_have_stores_of_their_own() {
    let Some(server) = Server::start(&DURABLE).await else { return };
    let (alice, bob) = (server.store("alice").await, server.store("bob").await);
    assert_ne!(alice.id(), bob.id());
    commit(&alice, vec![], vec![put("x", 1)]).await.unwrap();
    assert_eq!(value(&bob, "x").await, None);
    assert_eq!(value(&server.store("alice").await, "x").await, Some(json!(1)));
}

#[tokio::test]
async fn several_that_open_a_new_store_at_once_open_the_same() {
    let Some(server) = Server::start(&DURABLE).await else { return };
    let mut opening = JoinSet::new();
    for _ in 0..8 {
        opening.spawn(RedisStore::open(server.address("alice"), options()));
    }
    let opened: Vec<RedisStore> = opening.join_all().await.into_iter().map(Result::unwrap).collect();
    assert!(opened.windows(2).all(|pair| pair[0].id() == pair[1].id()));
}

#[tokio::test]
async fn keys_of_others_are_not_touched() {
    let Some(server) = Server::start(&DURABLE).await else { return };
    let mut main = server.plain(0).await;
    let mut definitions = server.plain(1).await;
    let foreign = ["x", "occopus:2:bob@meta", "occopus:2:alice2@records:place:scope", "alice", "alice:x"];
    for connection in [&mut main, &mut definitions] {
        for key in foreign {
            redis::cmd("SET").arg(key).arg("theirs").exec_async(connection).await.unwrap();
        }
    }
    let store = server.store("alice").await;
    let definition = Key::new(Table::Definition, "", "x");
    let definition = |value: Value| Write::Put(definition.clone(), value);
    let writes = vec![put("x", 1), definition(json!({"name": "x", "implementations": []}))];
    commit(&store, vec![], writes).await.unwrap();
    commit(&store, vec![], vec![Write::Delete(place("x"))]).await.unwrap();
    for connection in [&mut main, &mut definitions] {
        let values: Vec<String> = redis::cmd("MGET").arg(&foreign[..]).query_async(connection).await.unwrap();
        assert!(values.iter().all(|value| value == "theirs"), "{values:?}");
    }
}
