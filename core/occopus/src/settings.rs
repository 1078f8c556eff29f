//! Settings: where files are and how the engine behaves, all with defaults that just work.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use occopus_engine::event::{Events, NoEvents};
use occopus_engine::secret::Redactor;

/// What a caller may want to be different from the defaults.
#[derive(Clone)]
pub struct Settings {
    /// The store: a file, or a Redis as `redis://HOST:PORT/DATABASE`. By default `$OCCOPUS_STORE`, the
    /// configuration file's `store` or Redis, `/var/lib/occopus/occopus.db` where that folder exists and
    /// is writable, else `~/.occopus/occopus.db`.
    pub store: Option<PathBuf>,
    /// Use a Redis even if it can lose records; also allowed by `$OCCOPUS_ALLOW_VOLATILE_STORE`.
    pub allow_volatile_store: bool,
    /// The configuration file; by default searched for where Occopus 1.10 does. None is needed.
    pub config: Option<PathBuf>,
    /// The credentials file; by default searched for where Occopus 1.10 does.
    pub credentials: Option<PathBuf>,
    /// Calls under way at the same time per endpoint; 10 by default.
    pub max_parallel: Option<usize>,
    /// A lease that was not renewed for this long can be taken over; by default `$OCCOPUS_LEASE` seconds,
    /// else 90. Longer than any call of a resource handler may take.
    pub lease: Option<Duration>,
    /// How long events and journal records are kept; by default `$OCCOPUS_HISTORY` days, else 30.
    pub history: Option<Duration>,
    /// Receives events while they happen, one after the other, in a thread of its own. One that blocks holds
    /// nothing up: 4096 events wait for it, and then it is told how many it missed. When an operation
    /// returns, its events have been received, unless that takes more than five seconds.
    pub events: Events,
    /// Learns every secret that is read, for callers that show texts from elsewhere.
    pub redactor: Redactor,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            store: None,
            allow_volatile_store: false,
            config: None,
            credentials: None,
            max_parallel: None,
            lease: None,
            history: None,
            events: Arc::new(NoEvents),
            redactor: Redactor::default(),
        }
    }
}
