//! The legacy list of infrastructures on disk.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test fails")]

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};

use occopus_engine::ids::InfraId;
use occopus_store::infralist::{Infralist, InfralistError};
use tempfile::TempDir;
use tokio::task::JoinSet;
use uuid::Uuid;

fn home() -> (TempDir, Infralist) {
    let home = tempfile::tempdir().unwrap();
    let list = Infralist::of_home(home.path());
    (home, list)
}

fn new_id() -> InfraId {
    Uuid::new_v4().into()
}

fn write(list: &Infralist, content: &str) {
    fs::create_dir_all(list.path().parent().unwrap()).unwrap();
    fs::write(list.path(), content).unwrap();
}

#[tokio::test]
async fn ids_are_listed_in_the_order_of_adding() {
    let (_home, list) = home();
    let (first, second) = (new_id(), new_id());
    assert!(list.add(&first).await.unwrap());
    assert!(list.add(&second).await.unwrap());
    assert!(!list.add(&first).await.unwrap(), "an id is listed once");
    assert_eq!(list.read().await.unwrap(), [first.as_str(), second.as_str()]);
    assert!(list.remove(&first).await.unwrap());
    assert!(!list.remove(&first).await.unwrap());
    assert!(list.remove(&second).await.unwrap());
    assert_eq!(fs::read_to_string(list.path()).unwrap(), "[]\n");
}

#[tokio::test]
async fn looking_creates_nothing() {
    let (home, list) = home();
    assert!(list.read().await.unwrap().is_empty());
    assert!(!list.remove(&new_id()).await.unwrap());
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn an_odd_file_is_left_alone() {
    let (_home, list) = home();
    let content = "- a\nowner: bob\n";
    write(&list, content);
    for result in [list.add(&new_id()).await, list.remove(&"a".into()).await] {
        let error = result.unwrap_err();
        assert!(matches!(error, InfralistError::Odd { line: 2, .. }), "{error:?}");
        assert!(error.to_string().contains("infralist.yaml:2:"), "{error}");
    }
    assert!(list.read().await.is_err());
    assert_eq!(fs::read_to_string(list.path()).unwrap(), content);
}

#[tokio::test]
async fn an_id_that_would_break_the_list_is_refused() {
    let (_home, list) = home();
    for id in ["", "a\n- b"] {
        assert!(matches!(list.add(&id.into()).await, Err(InfralistError::BadId(_))));
    }
    assert!(list.read().await.unwrap().is_empty());
}

#[tokio::test]
async fn permissions_and_links_are_kept() {
    let (home, list) = home();
    let target = home.path().join("elsewhere.yaml");
    fs::write(&target, "- a\n").unwrap();
    fs::set_permissions(&target, Permissions::from_mode(0o640)).unwrap();
    fs::create_dir_all(list.path().parent().unwrap()).unwrap();
    symlink(&target, list.path()).unwrap();
    list.remove(&"a".into()).await.unwrap();
    assert!(fs::symlink_metadata(list.path()).unwrap().is_symlink());
    assert_eq!(fs::read_to_string(&target).unwrap(), "[]\n");
    assert_eq!(fs::metadata(&target).unwrap().permissions().mode() & 0o777, 0o640);
}

#[tokio::test]
async fn no_draft_is_left_behind() {
    let (_home, list) = home();
    list.add(&new_id()).await.unwrap();
    let mut names: Vec<_> = fs::read_dir(list.path().parent().unwrap())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["infralist.yaml", "infralist.yaml.lock"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_changes_lose_nothing() {
    let (_home, list) = home();
    write(&list, "# theirs\n- theirs\n");
    let mut changes = JoinSet::new();
    for _ in 0..8 {
        let list = list.clone();
        changes.spawn(async move {
            let (kept, dropped) = (new_id(), new_id());
            list.add(&dropped).await.unwrap();
            list.add(&kept).await.unwrap();
            list.remove(&dropped).await.unwrap();
            kept.to_string()
        });
    }
    let mut expected = changes.join_all().await;
    expected.push("theirs".to_owned());
    expected.sort();
    let mut found = list.read().await.unwrap();
    found.sort();
    assert_eq!(found, expected);
    assert!(fs::read_to_string(list.path()).unwrap().starts_with("# theirs\n- theirs\n"));
}
