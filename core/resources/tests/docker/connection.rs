//! Engines that cannot be reached.

use occopus_engine::handler::{Access, ErrorKind, HandlerError, ResourceHandler};
use tokio::net::{TcpListener, UnixListener};

use crate::support::{Answer, Bench, Proxy, Web, place};

/// What `find` at `endpoint` fails with.
async fn failure(endpoint: &str) -> HandlerError {
    let bench = Bench::at(endpoint);
    let access = Access { place: place(endpoint), credentials: None };
    let error = bench.handler.find(&access, &bench.store).await.unwrap_err();
    assert!(error.message.contains(endpoint), "{error}");
    error
}

#[tokio::test]
async fn a_missing_socket_is_a_passing_fault_with_the_remedy() {
    let dir = tempfile::tempdir().unwrap();
    let error = failure(&format!("unix://{}/docker.sock", dir.path().display())).await;
    assert_eq!(error.kind, ErrorKind::Transient);
    assert!(error.message.contains("systemctl start docker"), "{error}");
}

#[tokio::test]
async fn a_socket_without_a_listener_is_a_passing_fault_with_the_remedy() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("docker.sock");
    drop(UnixListener::bind(&path).unwrap());
    let error = failure(&format!("unix://{}", path.display())).await;
    assert_eq!(error.kind, ErrorKind::Transient);
    assert!(error.message.contains("nobody listens there"), "{error}");
}

#[tokio::test]
async fn a_closed_port_is_a_passing_fault_with_the_remedy() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("tcp://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = failure(&endpoint).await;
    assert_eq!(error.kind, ErrorKind::Transient);
    assert!(error.message.contains("nobody listens there"), "{error}");
}

#[tokio::test]
async fn something_that_is_no_engine_is_recognised() {
    let page = Answer::new(200, "<html>welcome</html>");
    let web = Web::serve([("/version".to_owned(), page)].into()).await;
    let error = failure(&format!("tcp://127.0.0.1:{}", web.port)).await;
    assert!(error.message.contains("is it a Docker Engine?"), "{error}");
}

#[tokio::test]
async fn an_engine_that_is_too_old_is_named() {
    let version = Answer::new(200, r#"{"Version": "1.11.2", "ApiVersion": "1.23"}"#);
    let web = Web::serve([("/version".to_owned(), version)].into()).await;
    let error = failure(&format!("tcp://127.0.0.1:{}", web.port)).await;
    assert_eq!(error.kind, ErrorKind::Invalid);
    assert!(error.message.contains("1.23"), "{error}");
}

#[tokio::test]
async fn an_engine_that_stops_between_two_calls_is_a_passing_fault_for_each_of_them() {
    let Some(real) = Bench::new() else { return };
    let mut proxy = Proxy::to(real.socket());
    let bench = Bench::at(&proxy.endpoint);
    assert_eq!(bench.found().await, []);
    proxy.stop().await;
    let request = bench.idle();
    for error in [
        bench.prepare(&request).await.unwrap_err(),
        bench.create(&request).await.unwrap_err(),
        bench.handler.find(&bench.access, &bench.store).await.unwrap_err(),
    ] {
        assert_eq!(error.kind, ErrorKind::Transient, "{error}");
        assert!(
            error.message.contains(&proxy.endpoint) && error.message.contains("nobody listens there"),
            "{error}"
        );
    }
}
