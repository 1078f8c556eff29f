//! What is no store, or must not be one.

use occopus_engine::store::{Store, StoreError, Table};
use occopus_store::redis::{RedisAddress, RedisOptions, RedisStore};

use crate::server::{DURABLE, Server, address, options};
use crate::{commit, put, value};

/// The words of the error that opening `address` ends with; it must be one that says what to do.
async fn unusable(address: RedisAddress) -> String {
    match RedisStore::open(address, options()).await {
        Err(StoreError::Unusable(text)) => text,
        other => panic!("should be unusable: {other:?}"),
    }
}

#[tokio::test]
async fn a_redis_without_append_only_file_needs_permission() {
    let Some(server) = Server::start(&["--appendonly", "no"]).await else { return };
    let text = unusable(server.address("alice")).await;
    for words in ["appendonly yes", "appendfsync always", "--allow-volatile-store"] {
        assert!(text.contains(words), "{text}");
    }
    let mut plain = server.plain(0).await;
    let keys: u64 = redis::cmd("DBSIZE").query_async(&mut plain).await.unwrap();
    assert_eq!(keys, 0, "what is refused is not touched");

    let options = RedisOptions { allow_volatile: true, ..options() };
    let store = RedisStore::open(server.address("alice"), options).await.unwrap();
    commit(&store, vec![], vec![put("x", 1)]).await.unwrap();
    assert!(value(&store, "x").await.is_some());
}

#[tokio::test]
async fn a_redis_that_flushes_every_second_is_accepted() {
    let Some(server) = Server::start(&["--appendonly", "yes", "--appendfsync", "everysec"]).await else {
        return;
    };
    let store = server.store("alice").await;
    let mut writing = tokio::task::JoinSet::new();
    for number in 0..20 {
        let store = store.clone();
        writing.spawn(async move { commit(&store, vec![], vec![put(&number.to_string(), number)]).await });
    }
    for result in writing.join_all().await {
        result.unwrap();
    }
    assert_eq!(store.list(Table::Place, "scope", "").await.unwrap().len(), 20);
}

#[tokio::test]
async fn a_replica_is_refused_and_named() {
    let Some(master) = Server::start(&DURABLE).await else { return };
    let port = master.port.to_string();
    let replica = ["--appendonly", "yes", "--replicaof", "127.0.0.1", &port];
    let Some(replica) = Server::start(&replica).await else { return };
    let text = unusable(replica.address("alice")).await;
    assert!(text.contains(&format!("127.0.0.1:{port}")), "{text}");
}

#[tokio::test]
async fn a_master_that_becomes_a_replica_is_noticed() {
    let Some(server) = Server::start(&DURABLE).await else { return };
    let store = server.store("alice").await;
    commit(&store, vec![], vec![put("x", 1)]).await.unwrap();
    let mut plain = server.plain(0).await;
    redis::cmd("REPLICAOF").arg("127.0.0.1").arg(1).exec_async(&mut plain).await.unwrap();
    let error = commit(&store, vec![], vec![put("x", 2)]).await.unwrap_err();
    assert!(matches!(&error, StoreError::Unusable(text) if text.contains("replica")), "{error:?}");
}

#[tokio::test]
async fn a_password_is_needed_and_never_told() {
    let mut settings = DURABLE.to_vec();
    settings.extend(["--requirepass", "s3cret"]);
    let Some(server) = Server::start(&settings).await else { return };
    for password in [None, Some("wr0ng".to_owned())] {
        let text = unusable(server.address("alice").or_password(password)).await;
        assert!(text.contains("OCCOPUS_REDIS_PASSWORD") && !text.contains("wr0ng"), "{text}");
    }
    let address = server.address("alice").or_password(Some("s3cret".to_owned()));
    let store = RedisStore::open(address, options()).await.unwrap();
    commit(&store, vec![], vec![put("x", 1)]).await.unwrap();
    assert!(!format!("{store:?} {}", store.location()).contains("s3cret"));
}

#[tokio::test]
async fn nobody_at_home_is_told_at_once() {
    let port = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    let error = RedisStore::open(address(port, "alice"), options()).await.unwrap_err();
    let StoreError::Failed(text) = error else { panic!("{error:?}") };
    assert!(text.contains(&format!("127.0.0.1:{port}")) && text.contains("check that it runs"), "{text}");
}

#[tokio::test]
async fn records_of_a_newer_program_are_not_touched() {
    let Some(server) = Server::start(&DURABLE).await else { return };
    let store = server.store("alice").await;
    let mut plain = server.plain(0).await;
    redis::cmd("HSET")
        .arg("occopus:2:alice@meta")
        .arg("schema")
        .arg(99)
        .exec_async(&mut plain)
        .await
        .unwrap();
    assert!(unusable(server.address("alice")).await.contains("schema 99"));
    let error = commit(&store, vec![], vec![put("x", 1)]).await.unwrap_err();
    assert!(error.to_string().contains("schema 99"), "one that is open is refused, too: {error}");
}

#[tokio::test]
async fn a_store_that_is_emptied_or_set_back_while_in_use_is_noticed() {
    let Some(server) = Server::start(&DURABLE).await else { return };
    let store = server.store("alice").await;
    commit(&store, vec![], vec![put("x", 1)]).await.unwrap();
    let mut plain = server.plain(0).await;
    let set_back = redis::cmd("HINCRBY").arg("occopus:2:alice@meta").arg("last_number").arg(-1).to_owned();
    set_back.exec_async(&mut plain).await.unwrap();
    for result in
        [commit(&store, vec![], vec![put("x", 2)]).await, store.read(&crate::place("x")).await.map(drop)]
    {
        let error = result.unwrap_err();
        assert!(matches!(&error, StoreError::Unusable(text) if text.contains("lost records")), "{error:?}");
    }
    redis::cmd("FLUSHALL").exec_async(&mut plain).await.unwrap();
    let error = store.list(Table::Place, "scope", "").await.unwrap_err();
    assert!(
        matches!(&error, StoreError::Unusable(text) if text.contains("gone or were replaced")),
        "{error:?}"
    );
}
