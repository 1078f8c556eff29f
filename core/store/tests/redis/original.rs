//! Living beside Occopus 1.10 in one Redis.

use occopus_engine::store::{Expect, Key, Store, StoreError, Table, Write};
use occopus_store::redis::LegacyInfrastructure;
use serde_json::{Value, json};

use crate::server::{DURABLE, Server};
use crate::{commit, read};

fn definition(name: &str) -> Key {
    Key::new(Table::Definition, "", name)
}

fn described(name: &str, port: u16) -> Value {
    let check = json!({"type": "basic", "ports": [port]});
    json!({"name": name, "implementations": [{"resource": {"type": "process"}, "health_check": check}]})
}

/// As the original's dumper writes it.
fn original_text(port: u16) -> String {
    format!("- health_check:\n    ports: [{port}]\n  resource: {{type: process}}\n")
}

#[tokio::test]
async fn definitions_are_where_the_original_looks_for_them() {
    let Some(server) = Server::start(&DURABLE).await else { return };
    let store = server.store("alice").await;
    let put = |name: &str| Write::Put(definition(name), described(name, 80));
    commit(&store, vec![], vec![put("web"), put("db")]).await.unwrap();
    let mut plain = server.plain(1).await;
    let mut keys: Vec<String> = redis::cmd("KEYS").arg("*").query_async(&mut plain).await.unwrap();
    keys.sort_unstable();
    assert_eq!(keys, ["alice@db", "alice@web"]);
    let text: String = redis::cmd("GET").arg("alice@web").query_async(&mut plain).await.unwrap();
    assert!(text.trim_start().starts_with('[') && text.contains("\"type\": \"process\""), "{text}");

    commit(&store, vec![], vec![Write::Delete(definition("db"))]).await.unwrap();
    let left: Vec<String> = redis::cmd("KEYS").arg("*").query_async(&mut plain).await.unwrap();
    assert_eq!(left, ["alice@web"]);
}

#[tokio::test]
async fn definitions_of_the_original_are_seen_and_changes_of_both_sides_noticed() {
    let Some(server) = Server::start(&DURABLE).await else { return };
    let store = server.store("alice").await;
    let mut plain = server.plain(1).await;
    let import = async |plain: &mut _, port: u16| {
        redis::cmd("SET").arg("alice@web").arg(original_text(port)).exec_async(plain).await.unwrap();
    };
    import(&mut plain, 1).await;
    redis::cmd("SET").arg("bob@web").arg(original_text(3)).exec_async(&mut plain).await.unwrap();
    let first = read(&store, &definition("web")).await.unwrap();
    assert_eq!(first.value, described("web", 1), "with what the original leaves out");
    let listed = store.list(Table::Definition, "", "").await.unwrap();
    assert_eq!(listed.as_slice(), std::slice::from_ref(&first), "bob's are bob's");
    assert!(store.list(Table::Definition, "", "web").await.unwrap().is_empty());

    let ours = |version| {
        let expect = vec![Expect::Version(definition("web"), version)];
        (expect, vec![Write::Put(definition("web"), described("web", 8080))])
    };
    import(&mut plain, 2).await;
    let (expect, writes) = ours(first.version);
    let refused = commit(&store, expect, writes).await;
    assert!(matches!(refused, Err(StoreError::Conflict(_))), "the original was faster: {refused:?}");
    let second = read(&store, &definition("web")).await.unwrap();
    assert!(second.version > first.version);
    let (expect, writes) = ours(second.version);
    commit(&store, expect, writes).await.unwrap();
    let third = read(&store, &definition("web")).await.unwrap();
    assert_eq!(third.value, described("web", 8080));
    let gone = commit(&store, vec![Expect::Absent(definition("web"))], vec![]).await;
    assert!(matches!(gone, Err(StoreError::Conflict(_))), "{gone:?}");
}

#[tokio::test]
async fn a_definition_that_cannot_be_read_does_not_hide_the_others() {
    let Some(server) = Server::start(&DURABLE).await else { return };
    let store = server.store("alice").await;
    let mut plain = server.plain(1).await;
    for (key, text) in [("alice@bad", "a: ["), ("alice@good", "- resource: {type: process}\n")] {
        redis::cmd("SET").arg(key).arg(text).exec_async(&mut plain).await.unwrap();
    }
    redis::cmd("LPUSH").arg("alice@list").arg("x").exec_async(&mut plain).await.unwrap();
    let records = store.list(Table::Definition, "", "").await.unwrap();
    let names: Vec<&str> = records.iter().map(|record| record.id.as_str()).collect();
    assert_eq!(names, ["bad", "good"]);
    assert!(records[0].value.is_string() && records[1].value.is_object());
}

#[tokio::test]
async fn infrastructures_of_the_original_are_named_and_left_alone() {
    let Some(server) = Server::start(&DURABLE).await else { return };
    let store = server.store("alice").await;
    assert_eq!(store.legacy_infrastructures().await.unwrap(), []);
    let mut plain = server.plain(10).await;
    let text = "!!python/object:occo.compiler.StaticDescription\ninfra_id: i2\nname: shop\n";
    for key in ["alice@i2:description", "alice@i1:description", "bob@i3:description"] {
        redis::cmd("SET").arg(key).arg(text).exec_async(&mut plain).await.unwrap();
    }
    redis::cmd("HSET").arg("alice@i1:state:n").arg("id").arg("x").exec_async(&mut plain).await.unwrap();
    let named = |id: &str| LegacyInfrastructure { id: id.to_owned(), name: "shop".to_owned() };
    assert_eq!(store.legacy_infrastructures().await.unwrap(), [named("i1"), named("i2")]);
}
