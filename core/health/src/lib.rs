//! Health checks: ping, ports, URLs, MySQL.
//!
//! [`Checks`] asks an instance from outside whether it works. Each kind of check is a module with one
//! function that returns `Ok(())` or the reason, in plain words, why the check did not pass.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use futures::FutureExt;
use futures::future::{BoxFuture, join_all};
use occopus_engine::health::{CheckResult, CheckTarget, HealthChecker};
use tokio::sync::Semaphore;

mod mysql;
mod ping;
mod port;
mod resolve;
mod url;

/// How many checks of all targets run at once. Bounds open sockets and `ping` processes, while a
/// thousand dead instances still do not take minutes.
const MAX_AT_ONCE: usize = 256;

/// `Ok` if the check passed, else the reason why not, without secrets.
type Verdict = Result<(), String>;

/// Runs health checks against real instances. Share one value between all targets: it holds the bound
/// on concurrent checks and the HTTP clients.
pub struct Checks {
    permits: Semaphore,
    urls: url::Clients,
}

/// One check that is ready to run.
struct Check<'a> {
    kind: &'static str,
    subject: String,
    /// The reason given when the deadline passes first.
    late: String,
    verdict: BoxFuture<'a, Verdict>,
}

impl Checks {
    /// A checker without open connections; HTTP clients are made when the first URL is checked.
    pub fn new() -> Self {
        Self { permits: Semaphore::new(MAX_AT_ONCE), urls: url::Clients::default() }
    }

    /// The checks of `target` in the order ping, ports, URLs, databases.
    fn of<'a>(&'a self, target: &'a CheckTarget) -> Vec<Check<'a>> {
        let address = target.address.as_str();
        let late = format!("no answer within {} s", target.deadline.as_secs_f64());
        let ping = target.ping.then(|| Check {
            kind: "ping",
            subject: address.to_owned(),
            late: ping::NO_ANSWER.to_owned(),
            verdict: ping::check(address).boxed(),
        });
        let ports = target.ports.iter().map(|&port| Check {
            kind: "port",
            subject: port.to_string(),
            late: format!("port {port}: {late}"),
            verdict: port::check(address, port).boxed(),
        });
        let urls = target.urls.iter().map(|url| Check {
            kind: "url",
            subject: url::without_secrets(url),
            late: late.clone(),
            verdict: self.urls.check(url).boxed(),
        });
        let databases = target.mysqldbs.iter().map(|(name, user, password)| Check {
            kind: "mysql",
            subject: format!("{name}/{user}"),
            late: late.clone(),
            verdict: mysql::check(address, name, user, password).boxed(),
        });
        ping.into_iter().chain(ports).chain(urls).chain(databases).collect()
    }

    /// Runs one check as soon as there is room; its deadline starts then, not while it queues.
    async fn run(&self, check: Check<'_>, deadline: Duration) -> CheckResult {
        let Check { kind, subject, late, verdict } = check;
        // The semaphore is never closed, so this cannot fail.
        let _permit = self.permits.acquire().await;
        let verdict = tokio::time::timeout(deadline, verdict).await.unwrap_or(Err(late));
        let reason = verdict.err().unwrap_or_default();
        let passed = reason.is_empty();
        tracing::debug!(kind, subject, passed, reason, "health check");
        CheckResult { kind: kind.to_owned(), subject, passed, reason }
    }
}

impl Default for Checks {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Checks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checks").finish_non_exhaustive()
    }
}

#[async_trait]
impl HealthChecker for Checks {
    async fn check(&self, target: &CheckTarget) -> Vec<CheckResult> {
        join_all(self.of(target).into_iter().map(|check| self.run(check, target.deadline))).await
    }
}
