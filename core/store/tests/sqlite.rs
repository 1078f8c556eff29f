//! The store file and its surroundings, as users meet them.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test fails")]

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use occopus_engine::store::{Batch, Key, Store, StoreError, Table, Write};
use occopus_store::SqliteStore;
use serde_json::json;
use tokio::task::JoinSet;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o777
}

async fn put(store: &SqliteStore, value: &str) -> Result<(), StoreError> {
    let writes = vec![Write::Put(Key::new(Table::Place, "scope", "id"), json!(value))];
    store.commit(Batch { expect: vec![], writes }).await
}

#[tokio::test]
async fn a_new_store_belongs_to_its_user_alone() {
    let home = tempfile::tempdir().unwrap();
    let directory = home.path().join("a/.occopus");
    let store = SqliteStore::open(directory.join("occopus.db")).await.unwrap();
    put(&store, "value").await.unwrap();
    for made in [home.path().join("a"), directory.clone()] {
        assert_eq!(mode(&made), 0o700, "{}", made.display());
    }
    let files: Vec<_> = fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files.len(), 3, "the store, its log and its index: {files:?}");
    for file in files {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
}

#[tokio::test]
async fn a_store_in_a_shared_directory_belongs_to_its_group() {
    let directory = tempfile::tempdir().unwrap();
    fs::set_permissions(directory.path(), Permissions::from_mode(0o2770)).unwrap();
    let store = SqliteStore::open(directory.path().join("occopus.db")).await.unwrap();
    put(&store, "value").await.unwrap();
    let group = fs::metadata(directory.path()).unwrap().gid();
    for entry in fs::read_dir(directory.path()).unwrap() {
        let file = entry.unwrap().path();
        assert_eq!((mode(&file), fs::metadata(&file).unwrap().gid()), (0o660, group), "{}", file.display());
    }
}

#[tokio::test]
async fn looking_for_a_store_creates_nothing() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join(".occopus/occopus.db");
    assert!(SqliteStore::open_existing(&path).await.unwrap().is_none());
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);

    let made = SqliteStore::open(&path).await.unwrap();
    let found = SqliteStore::open_existing(&path).await.unwrap().unwrap();
    assert_eq!(found.id(), made.id());
}

#[tokio::test]
async fn every_store_has_an_identity_of_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let one = SqliteStore::open(directory.path().join("one.db")).await.unwrap();
    let two = SqliteStore::open(directory.path().join("two.db")).await.unwrap();
    assert_ne!(one.id(), two.id());
    assert_eq!(uuid::Uuid::parse_str(one.id().as_str()).unwrap().get_version_num(), 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn simultaneous_first_openings_make_one_store() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(".occopus/occopus.db");
    let mut openings = JoinSet::new();
    for _ in 0..8 {
        let path = path.clone();
        openings.spawn(async move { SqliteStore::open(path).await.unwrap() });
    }
    let stores = openings.join_all().await;
    assert!(stores.iter().all(|store| store.id() == stores[0].id()));
    drop(stores);
    let left: Vec<_> =
        fs::read_dir(path.parent().unwrap()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(left, [path], "no draft is left behind");
}

#[tokio::test]
async fn a_path_that_cannot_be_a_store_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, "").unwrap();
    for (path, reason) in [
        (directory.path().to_owned(), "not a regular file"),
        (file.join("occopus.db"), "Not a directory"),
        ("/proc/occopus/occopus.db".into(), "could not create its directory"),
    ] {
        let message = SqliteStore::open(&path).await.unwrap_err().to_string();
        assert!(message.contains(reason), "{message}");
        assert!(message.contains(path.to_str().unwrap()) && message.contains("--store"), "{message}");
    }
}

#[tokio::test]
async fn the_location_is_absolute_and_without_links() {
    let directory = tempfile::tempdir().unwrap();
    let (path, link) = (directory.path().join("occopus.db"), directory.path().join("link.db"));
    let store = SqliteStore::open(&path).await.unwrap();
    std::os::unix::fs::symlink(&path, &link).unwrap();
    let linked = SqliteStore::open(&link).await.unwrap();
    assert_eq!(linked.id(), store.id());
    assert_eq!(linked.location(), fs::canonicalize(&path).unwrap().display().to_string());
}

/// Not a test of its own: tries to open the store named by the environment, as another user.
#[tokio::test]
#[ignore = "helper process of another test"]
async fn helper_that_opens_a_store() {
    let path = std::env::var_os("OCCOPUS_TEST_STORE").expect("started by another test");
    match SqliteStore::open(std::path::PathBuf::from(path)).await {
        Ok(_) => println!("opened"),
        Err(error) => println!("refused: {error}"),
    }
}

#[tokio::test]
async fn a_store_that_may_not_be_written_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("occopus.db");
    drop(SqliteStore::open(&path).await.unwrap());
    fs::set_permissions(&path, Permissions::from_mode(0o444)).unwrap();
    fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).unwrap();

    // The superuser may write everything, so the test is run by nobody; who may not enter the directory
    // of the test program either.
    let program = directory.path().join("program");
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    let mut command = Command::new(program);
    command.args(["--exact", "helper_that_opens_a_store", "--ignored", "--nocapture"]);
    command.env("OCCOPUS_TEST_STORE", &path).current_dir("/");
    if nix::unistd::geteuid().is_root() {
        command.uid(65_534).gid(65_534);
    }
    let output = String::from_utf8(command.output().unwrap().stdout).unwrap();
    assert!(output.contains("refused: ") && output.contains("could not open it for writing"), "{output}");
}
