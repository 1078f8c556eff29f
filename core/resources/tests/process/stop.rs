//! Who ends, and who does not.

use std::process::Command;

use occopus_engine::handler::{ErrorKind, ResourceHandler, ResourceState};
use occopus_resources::conformance::MemorySteps;
use serde_json::json;

use crate::support::{Bench, letter, marked};

#[tokio::test]
async fn an_instance_may_end_in_its_own_way() {
    let bench = Bench::new();
    let note = bench.base.path().with_extension("note");
    let script =
        format!("trap 'echo bye > {}; exit' TERM; echo ready; while :; do sleep 0.05; done", note.display());
    let id = bench.create(&bench.script(&script)).await;
    bench.await_log(&id, "ready").await;
    bench.destroy(&id).await;
    assert_eq!(std::fs::read_to_string(&note).unwrap(), "bye\n");
    std::fs::remove_file(note).unwrap();
}

#[tokio::test]
async fn one_that_ignores_term_is_killed() {
    let bench = Bench::new();
    let mut request = bench.script("trap '' TERM; echo ready; while :; do sleep 0.05; done");
    request.resource.insert("stop_timeout".to_owned(), json!(0.3));
    let id = bench.create(&request).await;
    bench.await_log(&id, "ready").await;
    bench.destroy(&id).await;
    assert_eq!(marked(&request.identity), [0; 0]);
}

#[tokio::test]
async fn children_end_with_it() {
    let bench = Bench::new();
    let script = "sleep 301 & setsid sleep 302 & (trap '' TERM; sleep 303) & env -i sleep 304 & \
                  sh -c 'sleep 305 & sleep 306' & echo ready; wait";
    let mut request = bench.script(script);
    request.resource.insert("stop_timeout".to_owned(), json!(0.5));
    let id = bench.create(&request).await;
    bench.await_log(&id, "ready").await;
    let leader = crate::support::main_process(&bench.observe(&id).await);
    bench.destroy(&id).await;
    assert_eq!(marked(&request.identity), [0; 0]);
    assert_eq!(in_session(leader), [0; 0]);
}

#[tokio::test]
async fn children_of_a_dead_main_process_end_too() {
    let bench = Bench::new();
    let request = bench.script("sleep 301 & env -i sleep 302 & echo ready");
    let id = bench.create(&request).await;
    bench.await_state(&id, ResourceState::Stopped).await;
    let session = session_of(marked(&request.identity)[0]);
    bench.destroy(&id).await;
    assert_eq!(marked(&request.identity), [0; 0]);
    assert_eq!(in_session(session), [0; 0]);
}

#[tokio::test]
async fn a_stranger_that_inherited_the_environment_is_left_alone() {
    let bench = Bench::new();
    let request = bench.script("exec sleep 300");
    let id = bench.create(&request).await;
    let address = bench.await_state(&id, ResourceState::Running).await.addresses.remove(0);
    let mut stranger = Command::new("sleep")
        .arg("300")
        .env("OCCOPUS_INFRA_ID", request.identity.infra.as_str())
        .env("OCCOPUS_NODE_ID", request.identity.node_id.as_str())
        .env("OCCOPUS_ADDRESS", address)
        .spawn()
        .unwrap();
    let pid = i32::try_from(stranger.id()).unwrap();
    bench.destroy(&id).await;
    assert_eq!(marked(&request.identity), [pid]);
    assert_ne!(letter(pid), Some('Z'));
    stranger.kill().unwrap();
    stranger.wait().unwrap();
}

#[tokio::test]
async fn a_long_patience_is_told_and_does_not_block_the_call() {
    let bench = Bench::new();
    let mut request = bench.script("trap '' TERM; echo ready; while :; do sleep 0.05; done");
    request.resource.insert("stop_timeout".to_owned(), json!(86400));
    let id = bench.create(&request).await;
    bench.await_log(&id, "ready").await;
    let clock = std::sync::Arc::new(Hurried::default());
    let hurried = occopus_resources::process::ProcessHandler::new(
        bench.base.path().to_owned(),
        clock,
        occopus_engine::clock::Random::from_system(),
    );
    let error = hurried.destroy(&bench.access, &id, &MemorySteps::default()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::UnknownOutcome);
    assert!(error.message.contains("s more"), "{error}");
    assert_eq!(bench.observe(&id).await.state, ResourceState::Running);
    kill(crate::support::main_process(&bench.observe(&id).await));
    bench.destroy(&id).await;
}

/// A clock on which half a minute passes with every pause.
#[derive(Default)]
struct Hurried(std::sync::atomic::AtomicU64);

#[async_trait::async_trait]
impl occopus_engine::clock::Clock for Hurried {
    fn wall(&self) -> jiff::Timestamp {
        jiff::Timestamp::UNIX_EPOCH
    }

    fn monotonic(&self) -> std::time::Duration {
        std::time::Duration::from_secs(self.0.load(std::sync::atomic::Ordering::SeqCst))
    }

    async fn sleep(&self, _duration: std::time::Duration) {
        self.0.fetch_add(30, std::sync::atomic::Ordering::SeqCst);
    }
}

fn kill(pid: i32) {
    let status = Command::new("kill").args(["-KILL", &pid.to_string()]).status().unwrap();
    assert!(status.success());
}

fn session_of(pid: i32) -> i32 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    stat.rsplit_once(") ").unwrap().1.split(' ').nth(3).unwrap().parse().unwrap()
}

/// The living processes of a session.
fn in_session(session: i32) -> Vec<i32> {
    std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|pid| {
            letter(*pid).is_some_and(|letter| letter != 'Z')
                && std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| {
                    stat.rsplit_once(") ").unwrap().1.split(' ').nth(3) == Some(&session.to_string())
                })
        })
        .collect()
}
