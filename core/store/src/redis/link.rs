//! The connection to a Redis: made anew when it breaks, every call bounded in time.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use occopus_engine::store::StoreError;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, RedisError, Script};
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::address::RedisAddress;
use super::fault::Fault;
use super::server::{Durability, Refusal, judge};

/// Pauses between two tries of a call.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// How long things may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RedisLimits {
    /// Connecting and logging in; 5 s by default.
    pub connect: Duration,
    /// One answer; 10 s by default.
    pub reply: Duration,
    /// A call with all its repetitions and reconnections; 20 s by default.
    pub call: Duration,
}

impl Default for RedisLimits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            reply: Duration::from_secs(10),
            call: Duration::from_secs(20),
        }
    }
}

/// A script with everything it is run with.
pub(super) struct Call<'a> {
    pub(super) script: &'a Script,
    pub(super) keys: Vec<String>,
    pub(super) arguments: Vec<String>,
}

/// A Redis, connected to when needed.
pub(super) struct Link {
    client: Client,
    place: String,
    limits: RedisLimits,
    allow_volatile: bool,
    current: Mutex<Option<Connection>>,
    connections: AtomicU64,
    warned: AtomicBool,
    /// Written in order to wait for the disk.
    sync_key: String,
    /// Writes that were answered so far.
    written: AtomicU64,
    syncer: Mutex<Syncer>,
}

#[derive(Clone)]
struct Connection {
    number: u64,
    raw: MultiplexedConnection,
    durability: Durability,
}

/// What waits for the disk. It has a connection of its own, because waiting blocks a connection.
#[derive(Default)]
struct Syncer {
    connection: Option<MultiplexedConnection>,
    /// How many of the answered writes are known to be on disk.
    synced: u64,
}

impl Link {
    pub(super) fn new(
        address: &RedisAddress,
        limits: RedisLimits,
        allow_volatile: bool,
    ) -> Result<Self, StoreError> {
        let place = address.to_string();
        let client = Client::open(address.connection()?)
            .map_err(|_| StoreError::Unusable(format!("the address of the Redis {place} cannot be used")))?;
        Ok(Self {
            client,
            place,
            limits,
            allow_volatile,
            current: Mutex::default(),
            connections: AtomicU64::new(0),
            warned: AtomicBool::new(false),
            sync_key: format!("{}synced", address.prefix()),
            written: AtomicU64::new(0),
            syncer: Mutex::default(),
        })
    }

    /// Runs a script, again and again while that may help. All scripts can be repeated.
    ///
    /// A call that was sent at least once without an answer ends as [`Fault::Unanswered`], whatever
    /// comes after.
    pub(super) async fn call(&self, call: &Call<'_>) -> Result<Vec<String>, Fault> {
        let end = Instant::now() + self.limits.call;
        let mut pause = FIRST_PAUSE;
        let mut unanswered = None;
        loop {
            let fault = match timeout_at(end, self.attempt(call)).await {
                Ok(Ok(reply)) => return Ok(reply),
                Ok(Err(fault)) => fault,
                Err(_) => Fault::Unanswered("no answer in time".to_owned()),
            };
            tracing::debug!(?fault, "a call of the Redis {} failed", self.place);
            if let Fault::Unanswered(_) = &fault {
                unanswered = Some(fault.clone());
            }
            if matches!(fault, Fault::Final(_)) || Instant::now() + pause >= end {
                return Err(unanswered.unwrap_or(fault));
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// As [`Link::call`], but gives up at once if the Redis cannot be reached: for the first call of a
    /// command, where a wrong address is likelier than an outage.
    pub(super) async fn first_call(&self, call: &Call<'_>) -> Result<Vec<String>, Fault> {
        match self.attempt(call).await {
            Err(Fault::Later(_)) => self.call(call).await,
            other => other,
        }
    }

    /// Makes sure that everything answered so far survives a loss of power, as far as this Redis can.
    pub(super) async fn await_disk(&self) -> Result<(), Fault> {
        let mine = self.written.fetch_add(1, Ordering::SeqCst) + 1;
        let end = Instant::now() + self.limits.call;
        loop {
            let fault = match timeout_at(end, self.sync(mine)).await {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(fault)) => fault,
                Err(_) => Fault::Unanswered("no answer in time".to_owned()),
            };
            if matches!(fault, Fault::Final(_)) || Instant::now() + FIRST_PAUSE >= end {
                return Err(fault);
            }
            sleep(FIRST_PAUSE).await;
        }
    }

    /// One wait serves all writes that were answered before it began.
    async fn sync(&self, wanted: u64) -> Result<(), Fault> {
        if self.connection().await?.durability != Durability::Awaited {
            return Ok(());
        }
        let mut syncer = self.syncer.lock().await;
        if syncer.synced >= wanted {
            return Ok(());
        }
        let mut connection = match syncer.connection.take() {
            Some(connection) => connection,
            None => self.open_connection().await?,
        };
        let covered = self.written.load(Ordering::SeqCst);
        let patience = u64::try_from(self.limits.reply.as_millis() / 2).unwrap_or(u64::MAX);
        let mut pipeline = redis::pipe();
        // It waits for what its own connection wrote, hence for all before.
        pipeline.cmd("SET").arg(&self.sync_key).arg(covered).ignore();
        pipeline.cmd("WAITAOF").arg(1).arg(0).arg(patience);
        let reply: Result<((u64, u64),), RedisError> = pipeline.query_async(&mut connection).await;
        let ((on_disk, _),) = reply.map_err(|error| Fault::of(&error, &self.place))?;
        syncer.connection = Some(connection);
        if on_disk == 0 {
            return Err(Fault::Later("its disk takes too long".to_owned()));
        }
        syncer.synced = covered;
        Ok(())
    }

    async fn attempt(&self, call: &Call<'_>) -> Result<Vec<String>, Fault> {
        let mut connection = self.connection().await?;
        let mut invocation = call.script.prepare_invoke();
        invocation.key(&call.keys).arg(&call.arguments);
        match invocation.invoke_async(&mut connection.raw).await {
            Ok(reply) => Ok(reply),
            Err(error) => {
                let fault = Fault::of(&error, &self.place);
                if !matches!(fault, Fault::Later(_)) {
                    self.give_up(connection.number).await;
                }
                Err(fault)
            }
        }
    }

    /// The connection in use, or a new one to a Redis that can be trusted.
    async fn connection(&self) -> Result<Connection, Fault> {
        let mut current = self.current.lock().await;
        if let Some(connection) = current.as_ref() {
            return Ok(connection.clone());
        }
        let mut raw = self.open_connection().await?;
        let judging = timeout(self.limits.connect, self.judge(&mut raw));
        let durability =
            judging.await.map_err(|_| Fault::Unreachable("no answer in time".to_owned())).flatten()?;
        self.warn(durability);
        let number = self.connections.fetch_add(1, Ordering::Relaxed) + 1;
        Ok(current.insert(Connection { number, raw, durability }).clone())
    }

    async fn open_connection(&self) -> Result<MultiplexedConnection, Fault> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.limits.connect))
            .set_response_timeout(Some(self.limits.reply));
        let connecting = self.client.get_multiplexed_async_connection_with_config(&config);
        // The time limit of the client does not cover logging in.
        match timeout(self.limits.connect, connecting).await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(error)) => Err(self.before_sending(&error)),
            Err(_) => Err(Fault::Unreachable("no answer in time".to_owned())),
        }
    }

    /// The fault behind an error from before the call itself was sent.
    fn before_sending(&self, error: &RedisError) -> Fault {
        match Fault::of(error, &self.place) {
            Fault::Unanswered(text) => Fault::Unreachable(text),
            fault => fault,
        }
    }

    async fn judge(&self, connection: &mut MultiplexedConnection) -> Result<Durability, Fault> {
        let info: String =
            redis::cmd("INFO").query_async(connection).await.map_err(|error| self.before_sending(&error))?;
        // Often forbidden, which only means that the worse has to be assumed.
        let setting: Result<Vec<String>, _> =
            redis::cmd("CONFIG").arg("GET").arg("appendfsync").query_async(connection).await;
        let appendfsync = setting.ok().and_then(|pair| pair.into_iter().nth(1));
        judge(&info, appendfsync.as_deref(), self.allow_volatile).map_err(|refusal| match refusal {
            Refusal::Later(text) => Fault::Later(text),
            Refusal::Unusable(text) => Fault::Final(StoreError::Unusable(format!(
                "the Redis {} cannot be the store: {text}",
                self.place
            ))),
        })
    }

    /// Once for each command.
    fn warn(&self, durability: Durability) {
        let text = match durability {
            Durability::Always => return,
            Durability::Awaited => {
                tracing::debug!("every change waits up to a second for the disk of the Redis {}", self.place);
                return;
            }
            Durability::Soon => {
                "writes its changes to disk once a second only: if its machine loses power, the last two seconds of \
                 records are lost. Set 'appendfsync always' in its redis.conf"
            }
            Durability::Unknown => {
                "does not tell us when its changes are on disk: make sure that its redis.conf has 'appendfsync \
                 always', and allow its user 'config|get'"
            }
            Durability::Volatile => {
                "can lose records of what exists in your clouds, which --allow-volatile-store, the environment or the \
                 configuration allows"
            }
        };
        if !self.warned.swap(true, Ordering::Relaxed) {
            tracing::warn!("the Redis {} {text}", self.place);
        }
    }

    async fn give_up(&self, number: u64) {
        let mut current = self.current.lock().await;
        if current.as_ref().is_some_and(|connection| connection.number == number) {
            *current = None;
        }
    }
}
