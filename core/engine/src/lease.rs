//! One controller per infrastructure: a lease with a fencing number and a renewal counter.
//!
//! Two records make a lease. `fence` changes hands: its number rises by one with every new holder, and
//! every write of a controller expects it unchanged. `beat` is rewritten by each renewal. A contender
//! takes over when the beat stays the same for one whole lease on the contender's *own* monotonic clock,
//! or when the holder ran on this boot of this machine and is provably dead.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::clock::{Clock, timeout};
use crate::error::EngineError;
use crate::ids::InfraId;
use crate::journal::{decode, encode};
use crate::store::{Batch, Expect, Key, Store, StoreError, Table, Write};

/// A process that holds or wants a lease, told from all others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// What it does, such as `occopus watch`.
    pub command: String,
    /// Host name.
    pub host: String,
    /// Identity of the host's current boot.
    pub boot_id: String,
    /// Process id.
    pub pid: u32,
    /// Start time of the process in clock ticks since boot; tells a reused process id.
    pub start_time: u64,
    /// The namespace its process id belongs to: containers of one machine share the boot.
    #[serde(default)]
    pub pid_namespace: String,
    /// Name of the user it runs for, or the number where there is no name.
    #[serde(default)]
    pub user: String,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { user, host, command, pid, .. } = self;
        write!(f, "{user}@{host}: {command} (process {pid})")
    }
}

impl Holder {
    /// This process.
    pub fn this_process(command: &str) -> Self {
        let pid = std::process::id();
        Self {
            command: command.to_owned(),
            host: nix::unistd::gethostname()
                .map(|name| name.to_string_lossy().into_owned())
                .unwrap_or_default(),
            boot_id: boot_id(),
            pid,
            start_time: match look_up(pid) {
                Life::Since(start_time) => start_time,
                Life::Over | Life::Hidden => 0,
            },
            pid_namespace: pid_namespace(),
            user: user(),
        }
    }

    /// Whether it ran on this boot of this machine and certainly runs no more.
    fn is_provably_dead(&self) -> bool {
        let (boot_id, pid_namespace) = (boot_id(), pid_namespace());
        if boot_id.is_empty() || boot_id != self.boot_id || pid_namespace != self.pid_namespace {
            return false;
        }
        match look_up(self.pid) {
            Life::Over => true,
            Life::Since(start_time) => start_time != self.start_time,
            Life::Hidden => false,
        }
    }
}

fn user() -> String {
    let uid = nix::unistd::geteuid();
    match nix::unistd::User::from_uid(uid) {
        Ok(Some(user)) => user.name,
        _ => uid.to_string(),
    }
}

fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .map(|text| text.trim().to_owned())
        .unwrap_or_default()
}

fn pid_namespace() -> String {
    std::fs::read_link("/proc/self/ns/pid")
        .map(|link| link.to_string_lossy().into_owned())
        .unwrap_or_default()
}

/// What can be known of a process from its id.
enum Life {
    /// There is no such process, or it is a zombie.
    Over,
    /// It lives since this time, in clock ticks since boot.
    Since(u64),
    /// It lives, but belongs to somebody else whose processes cannot be seen.
    Hidden,
}

fn look_up(pid: u32) -> Life {
    let Ok(raw) = i32::try_from(pid) else { return Life::Over };
    if nix::sys::signal::kill(nix::unistd::Pid::from_raw(raw), None) == Err(nix::errno::Errno::ESRCH) {
        return Life::Over;
    }
    let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else { return Life::Hidden };
    // The second field, the command, is in parentheses and may itself hold blanks and parentheses.
    let mut fields = stat.rsplit_once(')').map(|(_, fields)| fields.split_whitespace()).into_iter().flatten();
    match (fields.next(), fields.nth(18).and_then(|ticks| ticks.parse().ok())) {
        (Some("Z" | "X"), _) => Life::Over,
        (_, Some(start_time)) => Life::Since(start_time),
        _ => Life::Hidden,
    }
}

/// The record that changes hands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Fence {
    number: u64,
    holder: Option<Holder>,
    since: Timestamp,
    /// How long the holder's lease lasts without renewal, in milliseconds. Contenders may be set otherwise.
    #[serde(default)]
    ttl: u64,
}

/// What can be said about a lease from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseInfo {
    /// The holder; `None` if the lease is free or its holder is known to be dead.
    pub holder: Option<Holder>,
    /// Since when it is held.
    pub since: Timestamp,
    /// When the last complete observation of the infrastructure was made.
    pub observed_at: Option<Timestamp>,
}

impl LeaseInfo {
    /// The holder in words.
    pub fn describe(&self) -> String {
        match &self.holder {
            Some(holder) => format!(
                "`{}` (process {} on {}, since {:.0})",
                holder.command, holder.pid, holder.host, self.since
            ),
            None => "nobody".to_owned(),
        }
    }
}

fn fence_key(infra: &InfraId) -> Key {
    Key::new(Table::Lease, infra.as_str(), "fence")
}

fn beat_key(infra: &InfraId) -> Key {
    Key::new(Table::Lease, infra.as_str(), "beat")
}

fn waiting_key(infra: &InfraId) -> Key {
    Key::new(Table::Lease, infra.as_str(), "waiting")
}

/// Reads who holds the lease of `infra`, without touching it.
pub async fn inspect(store: &dyn Store, infra: &InfraId) -> Result<LeaseInfo, EngineError> {
    let fence = match store.read(&fence_key(infra)).await? {
        Some(record) => decode::<Fence>(&fence_key(infra), record.value)?,
        None => Fence { number: 0, holder: None, since: Timestamp::UNIX_EPOCH, ttl: 0 },
    };
    let observed_at = match store.read(&beat_key(infra)).await? {
        Some(record) => record.value.get("observed_at").and_then(|at| at.as_str()?.parse().ok()),
        None => None,
    };
    let holder = fence.holder.filter(|holder| !holder.is_provably_dead());
    Ok(LeaseInfo { holder, since: fence.since, observed_at })
}

/// A command that waits for a lease, and when it last said so.
#[derive(Debug, Serialize, Deserialize)]
struct Wish {
    holder: Holder,
    at: Timestamp,
}

/// A wish is repeated after this long.
const WISH_REPEATED: SignedDuration = SignedDuration::from_secs(5);
/// A wish that was not repeated for this long is forgotten: who made it has gone.
const WISH_VALID: SignedDuration = SignedDuration::from_secs(30);

/// Whether a command waits for the lease of `infra` at the time `now`; a cyclic holder then lets go
/// between passes.
pub async fn is_wanted(store: &dyn Store, infra: &InfraId, now: Timestamp) -> Result<bool, EngineError> {
    let Some(record) = store.read(&waiting_key(infra)).await? else { return Ok(false) };
    let wish: Wish = decode(&waiting_key(infra), record.value)?;
    Ok(now.duration_since(wish.at).abs() < WISH_VALID && !wish.holder.is_provably_dead())
}

/// A held lease. Renewed in the background until dropped; call [`Lease::release`] to let go at once.
pub struct Lease {
    inner: Arc<Inner>,
    stop_renewal: CancellationToken,
}

struct Inner {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    infra: InfraId,
    ttl: Duration,
    number: u64,
    version: u64,
    holder: Holder,
    /// Monotonic milliseconds at which the last successful renewal was *begun*.
    renewed_at: AtomicU64,
    counter: AtomicU64,
    observed_at: AtomicU64,
    lost: AtomicBool,
}

/// Versions of the fence and of the beat: as long as neither changes, the holder shows no sign of life.
type Signs = (Option<u64>, Option<u64>);

/// What a contender saw of a holder, kept between tries that do not wait.
#[derive(Debug, Default)]
pub struct Sighting(Option<(Signs, Duration)>);

impl Sighting {
    /// Takes `signs` down and tells since when they are the same.
    fn unchanged_since(&mut self, signs: Signs, now: Duration) -> Duration {
        let since = match self.0 {
            Some((last, since)) if last == signs => since,
            _ => now,
        };
        self.0 = Some((signs, since));
        since
    }
}

/// How to get a lease.
pub struct Request<'a> {
    /// The store.
    pub store: &'a Arc<dyn Store>,
    /// The clock.
    pub clock: &'a Arc<dyn Clock>,
    /// The infrastructure.
    pub infra: &'a InfraId,
    /// Who asks.
    pub holder: Holder,
    /// How long a lease lasts without renewal. That of a holder who wants it longer is heeded.
    pub ttl: Duration,
    /// How long to wait for a holder that lives; zero to give up at once.
    pub patience: Duration,
    /// Ends the waiting.
    pub stop: &'a CancellationToken,
}

impl Request<'_> {
    /// Acquires the lease, waiting for a living holder for at most `patience`. `on_wait` is called
    /// once with the holder in words when there is something to wait for. A contender that tries again
    /// and again without patience keeps its `sighting`, so that it notices a holder that is gone.
    pub async fn acquire(
        self,
        sighting: &mut Sighting,
        mut on_wait: impl FnMut(&str),
    ) -> Result<Lease, EngineError> {
        let start = self.clock.monotonic();
        let mut announced = false;
        loop {
            let fence = self.store.read(&fence_key(self.infra)).await?;
            let beat = self.store.read(&beat_key(self.infra)).await?.map(|record| record.version);
            // A new holder that has not renewed yet is a sign of life as much as a renewal.
            let signs = (fence.as_ref().map(|record| record.version), beat);
            let current: Option<(u64, Fence)> = match fence {
                Some(record) => Some((record.version, decode(&fence_key(self.infra), record.value)?)),
                None => None,
            };
            let holder = current.as_ref().and_then(|(_, fence)| fence.holder.clone());
            let now = self.clock.monotonic();
            let unchanged_since = sighting.unchanged_since(signs, now);
            let free = holder.as_ref().is_none_or(Holder::is_provably_dead);
            let ttl = current.as_ref().map_or(0, |(_, fence)| fence.ttl);
            if free || now.saturating_sub(unchanged_since) >= self.ttl.max(Duration::from_millis(ttl)) {
                match self.take(current.as_ref()).await {
                    Err(EngineError::Store(StoreError::Conflict(_))) => continue,
                    other => return other,
                }
            }
            let words = inspect(self.store.as_ref(), self.infra).await?.describe();
            if now.saturating_sub(start) >= self.patience {
                if announced {
                    self.stop_waiting().await;
                }
                return Err(EngineError::Busy { infra: self.infra.clone(), holder: words });
            }
            if !announced {
                announced = true;
                on_wait(&words);
            }
            self.wish().await?;
            let pause = Duration::from_millis(500).min(self.ttl / 4);
            if timeout(self.clock.as_ref(), pause, self.stop.cancelled()).await.is_ok() {
                self.stop_waiting().await;
                return Err(EngineError::Stopped { infra: self.infra.clone(), holder: words });
            }
        }
    }

    /// Tells a cyclic holder that somebody waits, and goes on telling: a wish that is not repeated is
    /// forgotten. Another contender that was served first has taken the wish away with it.
    async fn wish(&self) -> Result<(), EngineError> {
        let key = waiting_key(self.infra);
        let now = self.clock.wall();
        let expect = match self.store.read(&key).await? {
            None => Expect::Absent(key.clone()),
            Some(record) => {
                let wish: Wish = decode(&key, record.value)?;
                if now.duration_since(wish.at).abs() < WISH_REPEATED {
                    return Ok(());
                }
                Expect::Version(key.clone(), record.version)
            }
        };
        let wish = Wish { holder: self.holder.clone(), at: now };
        let writes = vec![Write::Put(key, encode(&wish))];
        match self.store.commit(Batch { expect: vec![expect], writes }).await {
            Ok(()) | Err(StoreError::Conflict(_)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    async fn stop_waiting(&self) {
        let writes = vec![Write::Delete(waiting_key(self.infra))];
        if let Err(error) = self.store.commit(Batch { expect: Vec::new(), writes }).await {
            tracing::warn!(%error, "could not withdraw the wish for the lease");
        }
    }

    async fn take(&self, current: Option<&(u64, Fence)>) -> Result<Lease, EngineError> {
        let key = fence_key(self.infra);
        let (expect, number) = match current {
            Some((version, fence)) => (Expect::Version(key.clone(), *version), fence.number + 1),
            None => (Expect::Absent(key.clone()), 1),
        };
        let begun = self.clock.monotonic();
        let (holder, since) = (Some(self.holder.clone()), self.clock.wall());
        let fence = Fence { number, holder, since, ttl: millis(self.ttl) };
        let writes = vec![Write::Put(key.clone(), encode(&fence)), Write::Delete(waiting_key(self.infra))];
        let unclear = match self.store.commit(Batch { expect: vec![expect], writes }).await {
            Ok(()) => None,
            // A lease that was taken without its holder knowing would keep everybody out.
            Err(error @ StoreError::UnknownOutcome(_)) => Some(error),
            Err(error) => return Err(error.into()),
        };
        let record = self.store.read(&key).await?;
        let version = match record {
            Some(record) if decode::<Fence>(&key, record.value.clone())? == fence => record.version,
            _ => return Err(unclear.map_or(EngineError::LeaseLost(self.infra.clone()), EngineError::from)),
        };
        let previous = self.store.read(&beat_key(self.infra)).await?;
        let observed_at = previous
            .and_then(|record| record.value.get("observed_at")?.as_str()?.parse::<Timestamp>().ok())
            .map_or(0, |at| u64::try_from(at.as_millisecond()).unwrap_or(0));
        let inner = Arc::new(Inner {
            store: self.store.clone(),
            clock: self.clock.clone(),
            infra: self.infra.clone(),
            ttl: self.ttl,
            number,
            version,
            holder: self.holder.clone(),
            renewed_at: AtomicU64::new(millis(begun)),
            counter: AtomicU64::new(0),
            observed_at: AtomicU64::new(observed_at),
            lost: AtomicBool::new(false),
        });
        let stop_renewal = CancellationToken::new();
        tokio::spawn(renew_until(inner.clone(), stop_renewal.clone()));
        Ok(Lease { inner, stop_renewal })
    }
}

async fn renew_until(inner: Arc<Inner>, stop: CancellationToken) {
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = inner.clock.sleep(inner.ttl / 4) => {}
        }
        match inner.renew().await {
            Ok(()) => {}
            Err(EngineError::LeaseLost(_)) => return,
            Err(error) => tracing::warn!(infra = %inner.infra, %error, "could not renew the lease"),
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl Inner {
    async fn renew(&self) -> Result<(), EngineError> {
        let begun = self.clock.monotonic();
        let counter = self.counter.fetch_add(1, Ordering::Relaxed) + 1;
        let observed = self.observed_at.load(Ordering::Relaxed);
        let observed_at = i64::try_from(observed).ok().filter(|at| *at > 0);
        let value = json!({
            "counter": counter,
            "fence": self.number,
            "observed_at": observed_at.and_then(|at| Timestamp::from_millisecond(at).ok()),
        });
        let batch =
            Batch { expect: vec![self.expect()], writes: vec![Write::Put(beat_key(&self.infra), value)] };
        match self.store.commit(batch).await {
            Ok(()) => {
                self.renewed_at.store(millis(begun), Ordering::Relaxed);
                Ok(())
            }
            Err(StoreError::Conflict(_)) => {
                self.lost.store(true, Ordering::Relaxed);
                Err(EngineError::LeaseLost(self.infra.clone()))
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn release(&self) -> Result<(), EngineError> {
        let fence = Fence { number: self.number, holder: None, since: self.clock.wall(), ttl: 0 };
        let writes = vec![Write::Put(fence_key(&self.infra), encode(&fence))];
        match self.store.commit(Batch { expect: vec![self.expect()], writes }).await {
            Ok(()) => Ok(()),
            Err(StoreError::Conflict(_)) => Err(EngineError::LeaseLost(self.infra.clone())),
            Err(error) => Err(error.into()),
        }
    }

    fn expect(&self) -> Expect {
        Expect::Version(fence_key(&self.infra), self.version)
    }

    fn remaining(&self) -> Duration {
        let age = millis(self.clock.monotonic()).saturating_sub(self.renewed_at.load(Ordering::Relaxed));
        self.ttl.saturating_sub(Duration::from_millis(age))
    }
}

impl Lease {
    /// The infrastructure.
    pub fn infra(&self) -> &InfraId {
        &self.inner.infra
    }

    /// Who holds it.
    pub fn holder(&self) -> &Holder {
        &self.inner.holder
    }

    /// The fencing number.
    pub fn number(&self) -> u64 {
        self.inner.number
    }

    /// The precondition that every write of this controller carries.
    pub fn expect(&self) -> Expect {
        self.inner.expect()
    }

    /// Counts as lost from now on: nothing more is begun or written under it. For a controller that does
    /// not know what became of a write.
    pub(crate) fn give_up(&self) {
        self.inner.lost.store(true, Ordering::Relaxed);
    }

    /// An error if it is known to be lost.
    pub(crate) fn require(&self) -> Result<(), EngineError> {
        if self.inner.lost.load(Ordering::Relaxed) {
            return Err(EngineError::LeaseLost(self.inner.infra.clone()));
        }
        Ok(())
    }

    /// Makes sure that the lease outlasts a call of `deadline`, renewing it if need be. To be asked
    /// right before every call that changes the outside world.
    pub async fn outlasts(&self, deadline: Duration) -> Result<(), EngineError> {
        self.require()?;
        if self.inner.remaining() <= deadline {
            self.inner.renew().await?;
            if self.inner.remaining() <= deadline {
                return Err(EngineError::LeaseLost(self.inner.infra.clone()));
            }
        }
        Ok(())
    }

    /// Notes that a complete observation was made at `at`; written with the next renewal.
    pub async fn observed(&self, at: Timestamp) -> Result<(), EngineError> {
        self.inner.observed_at.store(u64::try_from(at.as_millisecond()).unwrap_or(0), Ordering::Relaxed);
        self.inner.renew().await
    }

    /// Lets go, so that the next controller need not wait.
    pub async fn release(self) -> Result<(), EngineError> {
        self.stop_renewal.cancel();
        self.inner.release().await
    }
}

impl Drop for Lease {
    /// Whoever stopped on an error, and lives on, must not keep others out.
    fn drop(&mut self) {
        if self.stop_renewal.is_cancelled() {
            return;
        }
        self.stop_renewal.cancel();
        let inner = self.inner.clone();
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                if let Err(error) = inner.release().await {
                    tracing::debug!(infra = %inner.infra, %error, "the lease was not released");
                }
            });
        }
    }
}

#[cfg(test)]
mod tests;
