//! The contract of health checks.

use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

/// What to check on one instance, with all templates rendered.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct CheckTarget {
    /// The primary address.
    pub address: String,
    /// Whether the address must answer a ping.
    pub ping: bool,
    /// TCP ports that must accept a connection.
    pub ports: Vec<u16>,
    /// URLs that must answer a HEAD request with 2xx, redirects followed.
    pub urls: Vec<String>,
    /// MySQL databases that must accept a login: name, user, password.
    pub mysqldbs: Vec<(String, String, String)>,
    /// Limit for each single check.
    pub deadline: Duration,
}

/// Result of one single check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckResult {
    /// `ping`, `port`, `url` or `mysql`.
    pub kind: String,
    /// What was checked: an address, a port, a URL, `database/user`. No secrets.
    pub subject: String,
    /// Whether it passed.
    pub passed: bool,
    /// Why not, in plain words, such as `port 8080 closed`; empty if it passed.
    pub reason: String,
}

/// Runs health checks.
#[async_trait]
pub trait HealthChecker: Send + Sync {
    /// Runs all checks of `target` concurrently, each with its deadline, and returns their results in
    /// the order ping, ports, URLs, databases. A check never fails as such: what cannot be tried is a
    /// check that did not pass.
    async fn check(&self, target: &CheckTarget) -> Vec<CheckResult>;
}
