//! Database checks against a real MariaDB, started by `tests/peers/mariadb.sh`: database `shop`, user
//! `app`, password `s3cret`, at `OCCOPUS_TEST_MARIADB`.

#![allow(clippy::print_stdout, reason = "a skipped test says why")]

use std::time::Duration;

use occopus_engine::health::{CheckResult, CheckTarget, HealthChecker};
use occopus_health::Checks;

const PASSWORD: &str = "s3cret";
const WRONG_PASSWORD: &str = "hunter2";

/// The address of the test server; `None`, with a printed reason, where there is none.
fn mariadb() -> Option<String> {
    let address = std::env::var("OCCOPUS_TEST_MARIADB").ok();
    if address.is_none() {
        println!("skipped: OCCOPUS_TEST_MARIADB is not set; start one with tests/peers/mariadb.sh");
        assert!(std::env::var("CI").as_deref() != Ok("true"), "CI=true needs a MariaDB");
    }
    address
}

async fn login(address: String, name: &str, user: &str, password: &str) -> CheckResult {
    let target = CheckTarget {
        address,
        mysqldbs: vec![(name.to_owned(), user.to_owned(), password.to_owned())],
        deadline: Duration::from_secs(30),
        ..CheckTarget::default()
    };
    Checks::new().check(&target).await.remove(0)
}

#[tokio::test]
async fn a_login_that_works_passes() {
    let Some(address) = mariadb() else { return };
    let result = login(address, "shop", "app", PASSWORD).await;
    assert!(result.passed, "{}", result.reason);
    assert_eq!((result.kind.as_str(), result.subject.as_str()), ("mysql", "shop/app"));
}

#[tokio::test]
async fn a_refused_login_says_why_without_the_password() {
    let Some(address) = mariadb() else { return };
    let wrong = login(address.clone(), "shop", "app", WRONG_PASSWORD).await;
    assert_eq!(wrong.reason, "access denied for user 'app' to database 'shop'");
    let foreign = login(address.clone(), "mysql", "app", PASSWORD).await;
    assert_eq!(foreign.reason, "access denied for user 'app' to database 'mysql'");
    let unknown = login(address, "shop", "nobody", WRONG_PASSWORD).await;
    assert_eq!(unknown.reason, "access denied for user 'nobody' to database 'shop'");
    for result in [wrong, foreign, unknown] {
        let text = format!("{result:?}");
        assert!(!result.passed && !text.contains(PASSWORD) && !text.contains(WRONG_PASSWORD), "{text}");
    }
}

#[tokio::test]
async fn a_listener_that_is_no_database_fails() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        use tokio::io::AsyncWriteExt;
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        }
    });
    let result = login(address, "shop", "app", PASSWORD).await;
    assert!(!result.passed && result.reason.starts_with("port "), "{result:?}");
    assert!(!format!("{result:?}").contains(PASSWORD));
}
