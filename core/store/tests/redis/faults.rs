//! Lost answers, late requests, killed and silent servers.

use occopus_engine::store::{Expect, Store, StoreError, Table, Write};
use occopus_store::redis::RedisStore;
use serde_json::json;

use crate::proxy::{Fault, Proxy};
use crate::server::{DURABLE, Server, address, options};
use crate::{commit, place, put, read, value};

fn append(number: u64) -> Write {
    Write::Append(Table::Journal, "scope".to_owned(), json!(number))
}

async fn appended(store: &dyn Store) -> Vec<u64> {
    let records = store.list(Table::Journal, "scope", "").await.unwrap();
    records.into_iter().map(|record| record.value.as_u64().unwrap()).collect()
}

/// A store behind a proxy, whose scripts the server knows already.
async fn store_behind(proxy: &Proxy) -> RedisStore {
    let store = RedisStore::open(address(proxy.port, "alice"), options()).await.unwrap();
    commit(&store, vec![], vec![put("first", 1)]).await.unwrap();
    store
}

#[tokio::test]
async fn a_batch_whose_request_or_answer_is_lost_is_applied_exactly_once() {
    let Some(server) = Server::start(&DURABLE).await else { return };
    let proxy = Proxy::before(server.port).await;
    let store = store_behind(&proxy).await;
    for (number, fault) in [Fault::LoseAnswer, Fault::LoseRequest].into_iter().enumerate() {
        proxy.set(Some(fault)).await;
        // Applied blindly a second time, it would be refused.
        let key = place(&format!("{fault:?}"));
        let writes = vec![Write::Put(key.clone(), json!(1)), append(number as u64)];
        commit(&store, vec![Expect::Absent(key)], writes).await.unwrap();
        assert_eq!(proxy.struck(), number + 1);
    }
    assert_eq!(appended(&store).await, [0, 1]);
}

#[tokio::test]
async fn a_refusal_whose_answer_is_lost_is_still_a_refusal() {
    let Some(server) = Server::start(&DURABLE).await else { return };
    let proxy = Proxy::before(server.port).await;
    let store = store_behind(&proxy).await;
    proxy.set(Some(Fault::LoseAnswer)).await;
    let result = commit(&store, vec![Expect::Absent(place("first"))], vec![append(1)]).await;
    assert!(matches!(result, Err(StoreError::Conflict(key)) if key == place("first")));
    assert!(appended(&store).await.is_empty());
}

#[tokio::test]
async fn a_batch_that_was_given_up_does_not_arrive_late() {
    let Some(server) = Server::start(&DURABLE).await else { return };
    let proxy = Proxy::before(server.port).await;
    let store = store_behind(&proxy).await;
    proxy.set(Some(Fault::HoldBack)).await;
    let error = commit(&store, vec![], vec![put("x", "old")]).await.unwrap_err();
    assert!(matches!(&error, StoreError::UnknownOutcome(text) if text.contains("not known")), "{error:?}");
    proxy.set(None).await;
    commit(&store, vec![], vec![put("x", "new")]).await.unwrap();
    proxy.release().await;
    assert_eq!(value(&store, "x").await, Some(json!("new")));
    assert_eq!(value(&server.store("alice").await, "x").await, Some(json!("new")));
}

#[tokio::test]
async fn a_batch_whose_caller_went_away_does_not_arrive_late() {
    let Some(server) = Server::start(&DURABLE).await else { return };
    let proxy = Proxy::before(server.port).await;
    let store = store_behind(&proxy).await;
    proxy.set(Some(Fault::HoldBack)).await;
    let given_up = tokio::spawn({
        let store = store.clone();
        async move { commit(&store, vec![], vec![put("x", "old")]).await }
    });
    while proxy.struck() == 0 {
        tokio::task::yield_now().await;
    }
    given_up.abort();
    assert!(given_up.await.unwrap_err().is_cancelled());
    proxy.set(None).await;
    // The connection is still held up by the request; a call gives it up and makes another.
    commit(&store, vec![], vec![put("x", "new")]).await.unwrap();
    proxy.release().await;
    assert_eq!(value(&store, "x").await, Some(json!("new")));
}

#[tokio::test]
async fn a_server_that_stops_answering_is_given_up_and_used_again_later() {
    let Some(server) = Server::start(&DURABLE).await else { return };
    let store = server.store("alice").await;
    commit(&store, vec![], vec![put("x", 1)]).await.unwrap();
    server.signal("STOP");
    let reading = store.read(&place("x")).await;
    let writing = commit(&store, vec![], vec![put("x", 2)]).await;
    let opening = RedisStore::open(server.address("alice"), options()).await.map(drop);
    server.signal("CONT");
    for result in [reading.map(drop), opening] {
        assert!(matches!(result, Err(StoreError::Failed(_))), "{result:?}");
    }
    assert!(matches!(writing, Err(StoreError::UnknownOutcome(_))), "{writing:?}");
    let record = read(&store, &place("x")).await.unwrap();
    commit(&store, vec![Expect::Version(place("x"), record.version)], vec![put("x", 3)]).await.unwrap();
    assert_eq!(value(&store, "x").await, Some(json!(3)));
}

#[tokio::test]
async fn a_killed_server_loses_nothing_confirmed_and_keeps_no_half_batch() {
    let Some(mut server) = Server::start(&DURABLE).await else { return };
    let store = server.store("alice").await;
    let (confirmed, mut confirmations) = tokio::sync::watch::channel(0);
    let writer = tokio::spawn({
        let store = store.clone();
        async move {
            for number in 1_u64.. {
                let pair = vec![put(&format!("{number:06}a"), number), put(&format!("{number:06}b"), number)];
                match commit(&store, vec![], pair).await {
                    Ok(()) => drop(confirmed.send(number)),
                    Err(error) => panic!("the server comes back in time: {error}"),
                }
                if number == 300 {
                    break;
                }
            }
        }
    });
    for at_least in [50, 120, 200] {
        confirmations.wait_for(|number| *number >= at_least).await.unwrap();
        server.kill();
        let known = *confirmations.borrow();
        server.restart().await;
        let records = server.store("alice").await.list(Table::Place, "scope", "").await.unwrap();
        assert!(
            records.len() as u64 >= 2 * known,
            "{known} were confirmed, {} records are there",
            records.len()
        );
        assert_eq!(records.len() % 2, 0, "half a batch");
    }
    writer.await.unwrap();
    assert_eq!(store.list(Table::Place, "scope", "").await.unwrap().len(), 600);
}
