//! Ping, port and URL checks against real listeners on the loopback interface.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests may do what tests may")]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use occopus_engine::health::{CheckResult, CheckTarget, HealthChecker};
use occopus_health::Checks;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Barrier;

/// Long enough never to pass on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

fn target() -> CheckTarget {
    CheckTarget { address: "127.0.0.1".to_owned(), deadline: PATIENCE, ..CheckTarget::default() }
}

async fn check(target: CheckTarget) -> Vec<CheckResult> {
    Checks::new().check(&target).await
}

/// The reason of the only check of `target`; empty if it passed.
async fn reason(target: CheckTarget) -> String {
    let results = check(target).await;
    assert_eq!(results.len(), 1);
    assert_eq!(results[0].passed, results[0].reason.is_empty());
    results[0].reason.clone()
}

async fn listen(address: &str) -> (TcpListener, u16) {
    let listener = TcpListener::bind((address, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

/// A port that is closed for the rest of the test: bound, so nobody else gets it, but not listening.
fn closed_port() -> (tokio::net::TcpSocket, u16) {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let port = socket.local_addr().unwrap().port();
    (socket, port)
}

/// Serves a fixed set of paths; returns the base URL.
async fn serve() -> String {
    let (listener, port) = listen("127.0.0.1").await;
    let meeting = Arc::new(Barrier::new(2));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream, meeting.clone()));
        }
    });
    format!("http://127.0.0.1:{port}")
}

async fn answer(stream: TcpStream, meeting: Arc<Barrier>) {
    let mut stream = BufReader::new(stream);
    let mut request = String::new();
    while stream.read_line(&mut request).await.is_ok_and(|length| length > 2) {}
    let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
    let head = match path.as_str() {
        "/never" => std::future::pending().await,
        "/meet" => {
            meeting.wait().await;
            "HTTP/1.1 200 OK\r\n".to_owned()
        }
        "/garbage" => "I am no web server".to_owned(),
        _ if !request.starts_with("HEAD ") => "HTTP/1.1 405 No\r\n".to_owned(),
        "/loop" => "HTTP/1.1 302 Found\r\nLocation: /loop\r\n".to_owned(),
        _ if path.starts_with("/hops/") => match path[6..].parse::<u32>().unwrap() {
            0 => "HTTP/1.1 200 OK\r\n".to_owned(),
            left => format!("HTTP/1.1 301 Moved\r\nLocation: /hops/{}\r\n", left - 1),
        },
        _ => format!("HTTP/1.1 {} Word\r\n", &path[1..]),
    };
    let _ =
        stream.write_all(format!("{head}Content-Length: 0\r\nConnection: close\r\n\r\n").as_bytes()).await;
}

async fn url_reason(url: String) -> String {
    reason(CheckTarget { urls: vec![url], ..target() }).await
}

#[tokio::test]
async fn an_open_port_passes_and_a_closed_one_is_named() {
    let (_listener, open) = listen("127.0.0.1").await;
    let (_socket, closed) = closed_port();
    let results = check(CheckTarget { ports: vec![open, closed], ..target() }).await;
    assert_eq!((results[0].passed, results[0].reason.as_str()), (true, ""));
    assert_eq!(results[1].reason, format!("port {closed} closed"));
    assert_eq!(results[1].subject, closed.to_string());
}

#[tokio::test]
async fn ports_are_found_over_ipv6_and_over_every_address_of_a_name() {
    let (_listener, port) = listen("::1").await;
    let ipv6 = CheckTarget { address: "::1".to_owned(), ports: vec![port], ..target() };
    assert_eq!(reason(ipv6).await, "");
    let (_listener, port) = listen("127.0.0.1").await;
    let name = CheckTarget { address: "localhost".to_owned(), ports: vec![port], ..target() };
    assert_eq!(reason(name).await, "");
}

/// Whether this machine has no way to ping; fails where the test set-up should have provided one.
fn cannot_ping(reason: &str) -> bool {
    let cannot = reason.starts_with("cannot ping");
    if cannot {
        println!("skipped: {reason}");
        assert!(std::env::var("CI").as_deref() != Ok("true"), "CI=true needs a way to ping");
    }
    cannot
}

#[tokio::test]
async fn loopback_answers_a_ping_by_address_and_by_name() {
    for address in ["127.0.0.1", "127.3.2.1", "::1", "localhost"] {
        let target = CheckTarget { address: address.to_owned(), ping: true, ..target() };
        let reason = reason(target).await;
        if cannot_ping(&reason) {
            return;
        }
        assert_eq!(reason, "", "{address}");
    }
}

#[tokio::test]
async fn pings_of_one_host_at_the_same_time_do_not_disturb_each_other() {
    let checks = Checks::new();
    let target = CheckTarget { ping: true, ..target() };
    let results = futures::future::join_all((0..100).map(|_| checks.check(&target))).await;
    let reasons: BTreeSet<_> = results.concat().into_iter().map(|result| result.reason).collect();
    if reasons.iter().any(|reason| cannot_ping(reason)) {
        return;
    }
    assert_eq!(reasons, BTreeSet::from([String::new()]));
}

#[tokio::test]
async fn what_cannot_be_tried_is_a_failed_check_with_a_reason() {
    for (address, expected) in [
        ("", "the instance has no address"),
        ("no such host.invalid", "cannot resolve 'no such host.invalid'"),
        ("-f", "cannot resolve '-f'"),
    ] {
        let target = CheckTarget { address: address.to_owned(), ping: true, ports: vec![1], ..target() };
        for result in check(target).await {
            assert!(!result.passed && result.reason.starts_with(expected), "{result:?}");
        }
    }
}

#[tokio::test]
async fn a_url_passes_if_and_only_if_the_final_status_is_2xx() {
    let base = serve().await;
    for (path, expected) in [
        ("/200", ""),
        ("/204", ""),
        ("/299", ""),
        ("/304", "http 304"),
        ("/404", "http 404"),
        ("/503", "http 503"),
        ("/hops/3", ""),
        ("/hops/10", ""),
        ("/hops/11", "redirected more than 10 times; probably a loop"),
        ("/loop", "redirected more than 10 times; probably a loop"),
    ] {
        assert_eq!(url_reason(format!("{base}{path}")).await, expected, "{path}");
    }
}

#[tokio::test]
async fn a_url_nobody_serves_says_why() {
    let (_socket, closed) = closed_port();
    let refused = url_reason(format!("http://127.0.0.1:{closed}/")).await;
    assert!(refused.starts_with("cannot connect: Connection refused"), "{refused}");
    let garbage = url_reason(format!("{}/garbage", serve().await)).await;
    assert!(garbage.starts_with("no valid HTTP answer: "), "{garbage}");
}

#[tokio::test]
async fn a_malformed_url_is_not_ready_instead_of_an_error() {
    for url in ["127.0.0.1:80", "", "http://", "http://[::1", "/ready", "http://h:port/"] {
        let reason = url_reason(url.to_owned()).await;
        assert!(reason.contains("http"), "{url}: {reason}");
    }
    assert_eq!(
        url_reason("ftp://127.0.0.1/".to_owned()).await,
        "'ftp' URLs cannot be checked; use http or https"
    );
}

#[tokio::test]
async fn a_silent_server_fails_at_the_deadline() {
    let url = format!("{}/never", serve().await);
    let target = CheckTarget { urls: vec![url], deadline: Duration::from_millis(200), ..target() };
    assert_eq!(reason(target).await, "no answer within 0.2 s");
}

#[tokio::test]
async fn checks_of_one_target_run_at_the_same_time() {
    // Each of the two requests is answered only once the other one has arrived.
    let url = format!("{}/meet", serve().await);
    let results = check(CheckTarget { urls: vec![url.clone(), url], ..target() }).await;
    assert!(results.iter().all(|result| result.passed), "{results:?}");
}

#[tokio::test]
async fn results_keep_the_order_ping_ports_urls_databases() {
    let (_socket, closed) = closed_port();
    let base = format!("http://127.0.0.1:{closed}");
    let login = |name: &str| (name.to_owned(), "app".to_owned(), "s3cret".to_owned());
    let results = check(CheckTarget {
        address: format!("127.0.0.1:{closed}"),
        ping: true,
        ports: vec![2, 1],
        urls: vec![format!("{base}/b"), format!("{base}/a")],
        mysqldbs: vec![login("shop"), login("blog")],
        deadline: PATIENCE,
    })
    .await;
    let order: Vec<_> = results.iter().map(|r| (r.kind.as_str(), r.subject.as_str())).collect();
    assert_eq!(
        order[1..],
        [
            ("port", "2"),
            ("port", "1"),
            ("url", &format!("{base}/b")),
            ("url", &format!("{base}/a")),
            ("mysql", "shop/app"),
            ("mysql", "blog/app")
        ]
    );
    assert_eq!(order[0].0, "ping");
    assert_eq!(results[5].reason, format!("port {closed} closed"));
}

#[tokio::test]
async fn secrets_of_a_url_appear_nowhere_in_the_result() {
    let (_socket, closed) = closed_port();
    for url in [
        format!("http://user:s3cret@127.0.0.1:{closed}/?token=s3cret"),
        "http://user:s3cret@127.0.0.1:port/".to_owned(),
        "ftp://user:s3cret@127.0.0.1/".to_owned(),
    ] {
        let results = check(CheckTarget { urls: vec![url], ..target() }).await;
        assert!(!format!("{results:?}").contains("s3cret"), "{results:?}");
    }
}
