//! Redis servers of a test's own: with settings of their own, killed and started again.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use occopus_store::redis::{RedisAddress, RedisLimits, RedisOptions, RedisStore};
use redis::aio::MultiplexedConnection;
use tempfile::TempDir;

/// What makes a server durable.
pub(crate) const DURABLE: [&str; 4] = ["--appendonly", "yes", "--appendfsync", "always"];

/// A running server; ends with this value.
pub(crate) struct Server {
    child: Child,
    pub(crate) port: u16,
    folder: TempDir,
    settings: Vec<String>,
}

/// The program; `None` (with a printed reason) where there is none, which is a failure in CI.
fn program() -> Option<PathBuf> {
    let named = std::env::var_os("OCCOPUS_TEST_REDIS_SERVER").map(PathBuf::from);
    let found = named.or_else(|| {
        let folders = std::env::var_os("PATH")?;
        std::env::split_paths(&folders).map(|folder| folder.join("redis-server")).find(|path| path.exists())
    });
    if found.is_none() {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "CI needs the program redis-server");
        println!("skipped: there is no program redis-server (package redis-server)");
    }
    found
}

fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

impl Server {
    /// Starts a server with `settings`; `None` where there is no program.
    pub(crate) async fn start(settings: &[&str]) -> Option<Self> {
        program()?;
        let settings: Vec<String> = settings.iter().map(|setting| (*setting).to_owned()).collect();
        let folder = TempDir::new().unwrap();
        let port = free_port();
        let mut server = Self { child: spawn(port, &folder, &settings), port, folder, settings };
        server.await_answer().await;
        Some(server)
    }

    /// Starts the server anew on what it left on disk.
    pub(crate) async fn restart(&mut self) {
        self.child = spawn(self.port, &self.folder, &self.settings);
        self.await_answer().await;
    }

    /// Ends the server without any warning.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Stops or continues the server.
    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status().unwrap();
        assert!(status.success());
    }

    async fn await_answer(&mut self) {
        while !self.answers().await {
            assert!(self.child.try_wait().unwrap().is_none(), "the server ended; is its port taken?");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn answers(&self) -> bool {
        let Ok(mut connection) = connect(self.port, 0).await else { return false };
        match redis::cmd("PING").query_async::<String>(&mut connection).await {
            Ok(_) => true,
            // It answers, although not us; while it loads its data it is not ready.
            Err(error) => error.code() == Some("NOAUTH"),
        }
    }

    /// The address of the data of the user `user`.
    pub(crate) fn address(&self, user: &str) -> RedisAddress {
        address(self.port, user)
    }

    /// A connection that knows nothing of stores.
    pub(crate) async fn plain(&self, database: u32) -> MultiplexedConnection {
        connect(self.port, database).await.unwrap()
    }

    /// The store of the user `user`.
    pub(crate) async fn store(&self, user: &str) -> RedisStore {
        RedisStore::open(self.address(user), options()).await.unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn spawn(port: u16, folder: &TempDir, settings: &[String]) -> Child {
    let log = std::fs::File::create(folder.path().join("log")).unwrap();
    Command::new(program().unwrap())
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--dir"])
        .arg(folder.path())
        .args(settings)
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

async fn connect(port: u16, database: u32) -> redis::RedisResult<MultiplexedConnection> {
    let client = redis::Client::open(format!("redis://127.0.0.1:{port}/{database}"))?;
    client.get_multiplexed_async_connection().await
}

/// The address of the data of the user `user` in the server at `port`.
pub(crate) fn address(port: u16, user: &str) -> RedisAddress {
    format!("redis://127.0.0.1:{port}/0").parse::<RedisAddress>().unwrap().of_user(user)
}

/// Limits that a test can wait for.
pub(crate) fn options() -> RedisOptions {
    let limits = RedisLimits {
        connect: Duration::from_secs(2),
        reply: Duration::from_secs(2),
        call: Duration::from_secs(5),
    };
    RedisOptions { limits, ..RedisOptions::default() }
}
