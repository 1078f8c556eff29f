//! The starter of an instance ends or is killed: the instance does not care, and is not lost.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use occopus_engine::handler::{CreateRequest, ResourceHandler, ResourceState};
use occopus_resources::conformance::MemorySteps;

use crate::support::{Bench, handler, letter, main_process, marked, until};

const BASE: &str = "OCCOPUS_TEST_BASE";
const REQUEST: &str = "OCCOPUS_TEST_REQUEST";

/// This test program as the starter of an instance.
fn starter(base: &Path, request: &CreateRequest) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::start_and_wait", "--ignored", "--nocapture"])
        .env(BASE, base)
        .env(REQUEST, serde_json::to_string(request).unwrap())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Starts what the environment says, then does nothing, not even wait for its children, until its
/// standard input ends.
#[test]
#[ignore = "other tests run it as a starter that they let end or kill"]
fn start_and_wait() {
    let Ok(base) = std::env::var(BASE) else {
        eprintln!("skipped: only other tests run this one");
        return;
    };
    let request: CreateRequest = serde_json::from_str(&std::env::var(REQUEST).unwrap()).unwrap();
    let handler = handler(Path::new(&base));
    let access = occopus_engine::handler::Access {
        place: handler.place(&request.resource).unwrap(),
        credentials: None,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(handler.create(&access, &request, &MemorySteps::default())).unwrap();
    std::io::read_to_string(std::io::stdin()).unwrap();
}

#[tokio::test]
async fn an_instance_survives_its_starter() {
    let bench = Bench::new();
    let request = bench.script("exec sleep 300");
    let mut starter = starter(bench.base.path(), &request);
    let found =
        until(async || bench.find().await.pop().filter(|found| found.state == ResourceState::Running));
    let found = found.await.expect("the starter started nothing");
    drop(starter.stdin.take());
    assert!(starter.wait().unwrap().success());
    assert_eq!(bench.observe(&found.provider_id).await.state, ResourceState::Running);
    bench.destroy(&found.provider_id).await;
}

#[tokio::test]
async fn a_zombie_counts_as_dead() {
    let bench = Bench::new();
    let request = bench.script("exec sleep 300");
    let mut starter = starter(bench.base.path(), &request);
    let running = until(async || {
        let found = bench.find().await.pop()?;
        let seen = bench.observe(&found.provider_id).await;
        (seen.state == ResourceState::Running).then(|| (found.provider_id, main_process(&seen)))
    });
    let (id, pid) = running.await.expect("the starter started nothing");
    assert!(Command::new("kill").args(["-KILL", &pid.to_string()]).status().unwrap().success());
    assert!(until(async || (letter(pid) == Some('Z')).then_some(())).await.is_some());
    assert_eq!(bench.observe(&id).await.state, ResourceState::Stopped);
    bench.destroy(&id).await;
    drop(starter.stdin.take());
    starter.wait().unwrap();
}

#[tokio::test]
async fn a_starter_killed_at_any_moment_leaves_one_instance_after_the_replay() {
    const KILLS: u32 = 24;
    let usual = time_to_start().await;
    for kill in 0..KILLS {
        let bench = Bench::new();
        let request = bench.script("exec sleep 300");
        let mut starter = starter(bench.base.path(), &request);
        // Not to wait for anything: each kill meets another moment of the start.
        std::thread::sleep(usual * kill / KILLS);
        starter.kill().unwrap();
        starter.wait().unwrap();
        let id = bench.create(&request).await;
        let found = bench.find().await;
        assert_eq!(found.len(), 1, "kill {kill}: {found:?}");
        assert_eq!(found[0].identity, request.identity);
        bench.await_state(&id, ResourceState::Running).await;
        // A launcher that came too late sees the claim and ends.
        let alone = until(async || (marked(&request.identity).len() == 1).then_some(())).await;
        assert!(alone.is_some(), "kill {kill}: {:?}", marked(&request.identity));
        bench.destroy(&id).await;
        assert_eq!(marked(&request.identity), [0; 0]);
        assert_eq!(std::fs::read_dir(bench.base.path()).unwrap().count(), 0);
    }
}

/// How long a starter takes here and now from its own start to a running instance.
async fn time_to_start() -> Duration {
    let bench = Bench::new();
    let began = Instant::now();
    let mut starter = starter(bench.base.path(), &bench.script("exec sleep 300"));
    let found = loop {
        match bench.find().await.pop() {
            Some(found) if found.state == ResourceState::Running => break found,
            _ => assert!(starter.try_wait().unwrap().is_none(), "the starter started nothing"),
        }
    };
    let usual = began.elapsed();
    drop(starter.stdin.take());
    starter.wait().unwrap();
    bench.destroy(&found.provider_id).await;
    usual
}
