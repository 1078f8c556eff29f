//! A strict stand-in for the EC2 API, for tests.
//!
//! Where lenient emulators say yes, this one refuses as the real service does: idempotent client tokens
//! (also for instances that are long dead), delays before `running`, listings that miss what was just
//! made, pages of 1,000, 200 filter values, one unknown id that fails the whole call, unknown images, keys,
//! subnets, groups, types and parameters. It listens on loopback only and keeps nothing.
//!
//! Besides the API, at any path, it serves
//!
//! * `GET /_stub/calls` (and `DELETE`): how often each operation was called;
//! * `GET /_stub/instances`: every instance there ever was;
//! * `POST /_stub/instances/ID/STATE`: changes a state behind the caller's back;
//! * `POST /_stub/faults` (and `GET`, `DELETE`): orders a [`Fault`], for example
//!   `{"operation": "RunInstances", "when": "after", "kind": "drop", "count": 1}`.

mod answer;
mod cloud;
mod faults;
mod http;
mod instance;
mod lag;
mod launch;
mod options;
mod params;
#[cfg(test)]
mod tests;

use std::io;
use std::net::Ipv4Addr;

use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub use faults::{Fault, Kind, When};
pub use lag::Lag;
pub use options::Options;

/// A running stub; it stops when this is dropped.
#[derive(Debug)]
pub struct Stub {
    endpoint: String,
    shared: http::Shared,
    server: JoinHandle<io::Result<()>>,
}

impl Stub {
    /// Starts a stub on 127.0.0.1.
    pub async fn start(options: Options) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, options.port)).await?;
        let endpoint = format!("http://{}", listener.local_addr()?);
        let shared = http::Shared::new(options);
        let routes = http::routes(shared.clone());
        let server = tokio::spawn(async move { axum::serve(listener, routes).await });
        Ok(Self { endpoint, shared, server })
    }

    /// URL of the API.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// How often `operation` was called since the start or [`Stub::forget_calls`].
    pub fn calls(&self, operation: &str) -> u64 {
        self.shared.world().calls.get(operation).copied().unwrap_or_default()
    }

    /// Starts counting anew.
    pub fn forget_calls(&self) {
        self.shared.world().calls.clear();
    }

    /// Every instance there ever was, as JSON objects.
    pub fn instances(&self) -> Vec<Value> {
        match self.shared.world().cloud.audit() {
            Value::Array(instances) => instances,
            _ => Vec::new(),
        }
    }

    /// Puts an instance into `state` behind the caller's back. False if there is no such instance.
    pub fn set_state(&self, id: &str, state: &str) -> bool {
        self.shared.world().cloud.set_state(id, state, std::time::Instant::now())
    }

    /// Lets the next calls go wrong.
    pub fn inject(&self, fault: Fault) {
        self.shared.world().faults.0.push(fault);
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        self.server.abort();
    }
}
