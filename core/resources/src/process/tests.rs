//! What only somebody who knows the folders can bring about: crashes at chosen moments, restarts of
//! the machine, reused process identifiers.

use std::process::Command;

use occopus_engine::clock::SystemClock;

use super::*;
use crate::conformance::{MemorySteps, identity};

struct Bench {
    base: tempfile::TempDir,
    handler: ProcessHandler,
    access: Access,
    request: CreateRequest,
    folder: Folder,
    id: ProviderId,
}

impl Bench {
    fn new() -> Self {
        let base = tempfile::tempdir().unwrap();
        let clock = Arc::new(SystemClock);
        let handler = ProcessHandler::new(base.path().to_owned(), clock, Random::from_system());
        let mut request = crate::stub::request();
        request.identity = identity(&StoreId::from("a-store"), 1);
        request.attributes.insert("command".to_owned(), "sleep 300".into());
        let access = Access { place: handler.place(&Map::new()).unwrap(), credentials: None };
        let folder = handler.folder_for(&request.identity).unwrap();
        let id = provider_id(&request.identity);
        Self { base, handler, access, request, folder, id }
    }

    /// As far as a starter gets that dies before it starts anything.
    fn prepare(&self) {
        let record = Record::new(self.request.identity.clone(), Duration::ZERO);
        self.folder.prepare(&record).unwrap();
    }

    /// As if the process `birth` had been started as the instance during `boot`.
    fn claim(&self, birth: procfs::Birth, boot: &str) {
        self.prepare();
        let claim = format!("{} {} {boot}\n", birth.pid, birth.start);
        std::fs::write(self.folder.path().join("claim"), claim).unwrap();
    }

    async fn create(&self) -> Result<ProviderId, HandlerError> {
        self.handler.create(&self.access, &self.request, &MemorySteps::default()).await
    }

    async fn state(&self) -> ResourceState {
        self.handler.observe(&self.access, std::slice::from_ref(&self.id)).await.unwrap()[0].state
    }

    async fn find(&self) -> Vec<Found> {
        self.handler.find(&self.access, &StoreId::from("a-store")).await.unwrap()
    }

    async fn destroy(&self) {
        self.handler.destroy(&self.access, &self.id, &MemorySteps::default()).await.unwrap();
        assert_eq!(self.state().await, ResourceState::Gone);
        assert_eq!(std::fs::read_dir(self.base.path()).unwrap().count(), 0);
    }
}

/// A process that is none of ours.
struct Stranger(std::process::Child);

impl Stranger {
    fn new() -> Self {
        Self(Command::new("sleep").arg("300").spawn().unwrap())
    }

    fn birth(&self) -> procfs::Birth {
        procfs::stat(i32::try_from(self.0.id()).unwrap()).unwrap().unwrap().birth
    }

    fn is_alive(&self) -> bool {
        procfs::is_alive(self.birth()).unwrap()
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

#[tokio::test]
async fn a_starter_that_died_before_the_start_is_found_and_replayed() {
    let bench = Bench::new();
    bench.prepare();
    let found = bench.find().await;
    assert_eq!((&found[0].identity, found[0].state), (&bench.request.identity, ResourceState::Stopped));
    assert_eq!(bench.create().await.unwrap(), bench.id);
    assert_eq!(bench.state().await, ResourceState::Running);
    assert_eq!(bench.find().await.len(), 1);
    bench.destroy().await;
}

#[tokio::test]
async fn a_starter_that_died_before_the_start_is_removed() {
    let bench = Bench::new();
    bench.prepare();
    let address = address::pick(&Random::from_system());
    bench.folder.choose_address(address, None).unwrap();
    assert!(bench.handler.reservations.reserve(address, bench.folder.path()).unwrap());
    bench.destroy().await;
    let freed = bench.handler.reservations.reserve(address, bench.base.path()).unwrap();
    assert!(freed, "the address stayed reserved");
    bench.handler.reservations.release(address, bench.base.path()).unwrap();
}

#[tokio::test]
async fn a_launcher_that_comes_after_the_destroy_starts_nothing() {
    let bench = Bench::new();
    bench.prepare();
    bench.folder.cancel().unwrap();
    let program = Program::of(&bench.request).unwrap();
    let address = Ipv4Addr::new(127, 1, 2, 3);
    let clock = SystemClock;
    launch::launch(&clock, &bench.folder, &program, &bench.request.identity, address).await.unwrap();
    assert_eq!(bench.folder.claim().unwrap(), Some(Claim::Void));
    assert_eq!(bench.state().await, ResourceState::Stopped);
    bench.destroy().await;
}

#[tokio::test]
async fn after_a_restart_of_the_machine_nothing_runs_and_nobody_is_ended() {
    let bench = Bench::new();
    let stranger = Stranger::new();
    bench.claim(stranger.birth(), "an-earlier-boot");
    assert_eq!(bench.state().await, ResourceState::Stopped);
    assert_eq!(bench.create().await.unwrap(), bench.id, "the attempt was started a second time");
    assert_eq!(bench.state().await, ResourceState::Stopped);
    bench.destroy().await;
    assert!(stranger.is_alive());
}

#[tokio::test]
async fn a_stranger_with_a_reused_identifier_is_not_ended() {
    let bench = Bench::new();
    let stranger = Stranger::new();
    let earlier = procfs::Birth { start: stranger.birth().start - 1, ..stranger.birth() };
    bench.claim(earlier, &procfs::boot_id().unwrap());
    assert_eq!(bench.state().await, ResourceState::Stopped);
    bench.destroy().await;
    assert!(stranger.is_alive());
}

#[tokio::test]
async fn one_damaged_record_hides_no_other_from_observe_but_fails_find() {
    let bench = Bench::new();
    bench.create().await.unwrap();
    std::fs::write(bench.folder.path().join("record.json"), "{").unwrap();
    assert_eq!(bench.state().await, ResourceState::Unknown);
    let error = bench.handler.find(&bench.access, &StoreId::from("a-store")).await.unwrap_err();
    assert!(error.message.contains(bench.folder.path().to_str().unwrap()), "{error}");
    bench.destroy().await;
}
