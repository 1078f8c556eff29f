//! What an instance is given, and what is seen of it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};

use occopus_engine::handler::{ErrorKind, ProviderId, ResourceHandler, ResourceState};
use serde_json::{Map, json};

use crate::support::{Bench, marked, until};

fn reservation(address: &str) -> PathBuf {
    Path::new("/var/tmp/occopus-addresses").join(address)
}

#[tokio::test]
async fn ten_instances_listen_on_the_same_port() {
    if std::process::Command::new("python3").arg("--version").output().is_err() {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "python3 is absent");
        eprintln!("skipped: python3 is absent");
        return;
    }
    let bench = Bench::new();
    let script = "exec python3 -m http.server --bind $OCCOPUS_ADDRESS 8080";
    let requests: Vec<_> = (0..10).map(|_| bench.script(script)).collect();
    let ids = futures::future::join_all(requests.iter().map(|request| bench.create(request))).await;
    let mut addresses = BTreeSet::new();
    for id in &ids {
        let seen = bench.await_state(id, ResourceState::Running).await;
        let address: Ipv4Addr = seen.addresses[0].parse().unwrap();
        assert!(address.octets()[0] == 127 && address.octets()[1] != 0, "{address}");
        let open = until(async || TcpStream::connect((address, 8080)).ok()).await;
        assert!(open.is_some(), "{address} does not answer: {}", bench.console(id).await);
        addresses.insert(address);
    }
    assert_eq!(addresses.len(), 10);
    for id in &ids {
        bench.destroy(id).await;
    }
    for address in addresses {
        assert!(TcpStream::connect((address, 8080)).is_err());
        assert!(!reservation(&address.to_string()).exists(), "{address} is still reserved");
    }
}

#[tokio::test]
async fn the_environment_is_clean() {
    let bench = Bench::new();
    let mut request = bench.script("env; pwd; umask > /dev/null; echo done >&2; exec sleep 300");
    request.attributes.insert("env".to_owned(), json!(["GREETING=hello world", "EMPTY="]));
    let id = bench.create(&request).await;
    let seen = bench.await_state(&id, ResourceState::Running).await;
    let log = bench.await_log(&id, "done\n").await;
    let mut variables: BTreeMap<&str, &str> = log.lines().filter_map(|line| line.split_once('=')).collect();
    // Set by the instance's own shell.
    variables.remove("PWD");
    let home = variables["HOME"];
    assert!(home.starts_with(bench.base.path().to_str().unwrap()));
    assert!(log.lines().any(|line| line == home), "the working folder is not HOME: {log}");
    let expected = [
        ("EMPTY", ""),
        ("GREETING", "hello world"),
        ("HOME", home),
        ("LANG", "C.UTF-8"),
        ("OCCOPUS_ADDRESS", seen.addresses[0].as_str()),
        ("OCCOPUS_INFRA_ID", request.identity.infra.as_str()),
        ("OCCOPUS_NODE_ID", request.identity.node_id.as_str()),
        ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
    ];
    assert_eq!(variables, expected.into());
    bench.destroy(&id).await;
}

#[tokio::test]
async fn an_instance_that_ended_is_stopped_and_keeps_its_log_until_it_is_destroyed() {
    let bench = Bench::new();
    let id = bench.create(&bench.script("echo first; echo the disk is full; exit 3")).await;
    let seen = bench.await_state(&id, ResourceState::Stopped).await;
    assert!(seen.detail.contains("the disk is full"), "{}", seen.detail);
    assert_eq!(bench.console(&id).await, "first\nthe disk is full\n");
    assert_eq!(bench.find().await[0].state, ResourceState::Stopped);
    bench.destroy(&id).await;
    assert_eq!(bench.console(&id).await, "");
}

#[tokio::test]
async fn a_replay_after_the_end_starts_nothing() {
    let bench = Bench::new();
    let request = bench.script("echo started");
    let id = bench.create(&request).await;
    bench.await_state(&id, ResourceState::Stopped).await;
    assert_eq!(bench.create(&request).await, id);
    assert_eq!(bench.observe(&id).await.state, ResourceState::Stopped);
    assert_eq!(bench.console(&id).await, "started\n");
    bench.destroy(&id).await;
}

#[tokio::test]
async fn one_request_made_many_times_at_once_starts_one_process() {
    let bench = Bench::new();
    let request = bench.script("echo started; exec sleep 300");
    let ids = futures::future::join_all((0..8).map(|_| bench.create(&request))).await;
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), 1);
    bench.await_log(&ids[0], "started").await;
    let alone = until(async || (marked(&request.identity).len() == 1).then_some(())).await;
    assert!(alone.is_some(), "{:?}", marked(&request.identity));
    assert_eq!(bench.console(&ids[0]).await, "started\n");
    bench.destroy(&ids[0]).await;
}

#[tokio::test]
async fn the_console_is_bounded() {
    let bench = Bench::new();
    let id = bench.create(&bench.script("seq 1 100000; exec sleep 300")).await;
    let log = bench.await_log(&id, "100000\n").await;
    assert!(log.len() <= 64 * 1024 && log.len() > 32 * 1024, "{}", log.len());
    bench.destroy(&id).await;
}

#[tokio::test]
async fn a_wrong_request_leaves_no_folder() {
    let bench = Bench::new();
    let mut request = bench.script("true");
    request.attributes.remove("command");
    for request in [request, bench.request(json!("no-such-program-here")), bench.request(json!("./x"))] {
        assert_eq!(bench.try_create(&request).await.unwrap_err().kind, ErrorKind::Invalid);
    }
    assert_eq!(std::fs::read_dir(bench.base.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn another_machine_is_refused_and_never_called_gone() {
    let bench = Bench::new();
    let mut access = bench.access.clone();
    access.place.endpoint = "local:another-machine".to_owned();
    let id = ProviderId::plain("anything");
    assert_eq!(bench.handler.observe(&access, &[id]).await.unwrap_err().kind, ErrorKind::Invalid);
    assert_eq!(bench.handler.find(&access, &bench.store).await.unwrap_err().kind, ErrorKind::Invalid);
}

#[tokio::test]
async fn the_place_is_this_machine() {
    let bench = Bench::new();
    for endpoint in [json!(null), json!("local"), json!(bench.access.place.endpoint)] {
        let resource = Map::from_iter([("endpoint".to_owned(), endpoint)]);
        assert_eq!(bench.handler.place(&resource).unwrap(), bench.access.place);
    }
    let resource = Map::from_iter([("endpoint".to_owned(), json!("unix:///run/docker.sock"))]);
    assert_eq!(bench.handler.place(&resource).unwrap_err().kind, ErrorKind::Invalid);
}
