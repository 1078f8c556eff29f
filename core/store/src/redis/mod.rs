//! The store in a Redis, for whoever kept the data of Occopus 1.10 there.
//!
//! A batch is one script: preconditions, changes and a marker of the batch take effect together. When an
//! answer is lost, the same script is sent again, and the marker tells whether it was applied before. A
//! batch whose outcome stays unknown is made void before anything else is done.
//!
//! Records are below a prefix of their own; node definitions are where 1.10 looks for them, in its format.

mod address;
mod batch;
mod definitions;
mod fault;
mod legacy;
mod link;
mod server;

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};

use async_trait::async_trait;
use occopus_engine::ids::StoreId;
use occopus_engine::store::{Batch, Key, Record, Store, StoreError, Table};
use redis::Script;
use uuid::Uuid;

use self::address::Placement;
use self::batch::Outstanding;
use self::fault::Fault;
use self::link::{Call, Link};

pub use self::address::{PASSWORD_VARIABLE, RedisAddress, RedisAddressError};
pub use self::legacy::LegacyInfrastructure;
pub use self::link::RedisLimits;

/// Format of the keys and records below the prefix.
const SCHEMA: &str = "1";

static ENTER: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("enter.lua")));
static READ: LazyLock<Script> =
    LazyLock::new(|| Script::new(concat!(include_str!("guard.lua"), include_str!("read.lua"))));
static DEFINITIONS: LazyLock<Script> =
    LazyLock::new(|| Script::new(concat!(include_str!("guard.lua"), include_str!("definitions.lua"))));

/// How a Redis is used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RedisOptions {
    /// Use it even if it can lose records.
    pub allow_volatile: bool,
    /// How long things may take.
    pub limits: RedisLimits,
}

/// A store in a Redis. Clones share one connection.
///
/// A call whose future is dropped before it is done, or that ends with [`StoreError::UnknownOutcome`], may
/// still take effect, until the next call begins.
#[derive(Clone)]
pub struct RedisStore {
    id: StoreId,
    shared: Arc<Shared>,
}

struct Shared {
    address: RedisAddress,
    place: String,
    prefix: String,
    definitions: Placement,
    link: Link,
    /// The highest number this handle knows to have been given out.
    seen: AtomicU64,
    outstanding: Outstanding,
}

impl RedisStore {
    /// Opens the store at `address`; the first one to do so makes it.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unusable`] for a Redis that is too old, is a replica or part of a cluster, does not
    /// let us in, holds records of another program version, or could lose records (unless `options` allow
    /// that); [`StoreError::Failed`] if it cannot be reached.
    pub async fn open(address: RedisAddress, options: RedisOptions) -> Result<Self, StoreError> {
        let place = address.to_string();
        let link = Link::new(&address, options.limits, options.allow_volatile)?;
        let prefix = address.prefix();
        let call = Call {
            script: &ENTER,
            keys: vec![format!("{prefix}meta")],
            arguments: vec![Uuid::new_v4().to_string(), SCHEMA.to_owned()],
        };
        let reply = link.first_call(&call).await.map_err(|fault| fault.explain(&place))?;
        let [id, schema, last] = reply.as_slice() else { return Err(fault::damaged("no identity", &place)) };
        if schema != SCHEMA {
            return Err(fault::refused("schema", Some(schema), &place));
        }
        let id = Uuid::parse_str(id).map_err(|_| fault::damaged("its store id is no UUID", &place))?;
        let seen = AtomicU64::new(number(last, &place)?);
        let definitions = address.placement("node_def");
        let outstanding = Outstanding::default();
        let shared = Shared { address, place, prefix, definitions, link, seen, outstanding };
        Ok(Self { id: id.into(), shared: Arc::new(shared) })
    }

    /// A call of a script that begins with the guard.
    fn guarded<'a>(&self, script: &'a Script, arguments: impl IntoIterator<Item = String>) -> Call<'a> {
        let Shared { address, prefix, definitions, seen, .. } = self.shared.as_ref();
        let mut all = vec![
            prefix.clone(),
            self.id.to_string(),
            SCHEMA.to_owned(),
            seen.load(Ordering::SeqCst).to_string(),
            address.database().to_string(),
            definitions.database.to_string(),
            definitions.prefix.clone(),
        ];
        all.extend(arguments);
        Call { script, keys: vec![format!("{prefix}meta")], arguments: all }
    }

    /// The records that a reading script returns: identifiers, and versions with contents.
    async fn records(&self, call: &Call<'_>) -> Result<Vec<(String, u64, String)>, StoreError> {
        let place = &self.shared.place;
        self.settle().await?;
        let reply = self.shared.link.call(call).await.map_err(|fault| fault.explain(place))?;
        let records = match reply.as_slice() {
            [status, last, records @ ..] if status == "found" => {
                self.saw(last)?;
                records
            }
            other => return Err(self.refused(other)),
        };
        let (pairs, _) = records.as_chunks::<2>();
        let split = |[id, content]: &[String; 2]| {
            let (version, value) = content.split_once(' ').unwrap_or_default();
            Ok((id.clone(), number(version, place)?, value.to_owned()))
        };
        pairs.iter().map(split).collect()
    }

    async fn plain_records(
        &self,
        (table, scope): (Table, &str),
        how: &str,
        which: &str,
    ) -> Result<Vec<Record>, StoreError> {
        let call = self.guarded(&READ, [table.name(), scope, how, which].map(str::to_owned));
        let records = self.records(&call).await?.into_iter();
        // The parser's own message is left out: it might quote a secret.
        let parse = |(id, version, text): (String, u64, String)| match serde_json::from_str(&text) {
            Ok(value) => Ok(Record { id, version, value }),
            Err(_) => {
                let what = format!("record {id} of table {} is no JSON", table.name());
                Err(fault::damaged(&what, &self.shared.place))
            }
        };
        records.map(parse).collect()
    }

    /// Node definitions in the order of their names: the one called `which`, or all if that is empty.
    async fn definitions(&self, which: &str) -> Result<Vec<Record>, StoreError> {
        let pattern = format!("{}*", literally(&self.shared.definitions.prefix));
        let call = self.guarded(&DEFINITIONS, [pattern, which.to_owned()]);
        let records = self.records(&call).await?.into_iter();
        let mut records: Vec<Record> = records
            .map(|(id, version, text)| Record { value: definitions::from_text(&id, &text), id, version })
            .collect();
        records.sort_unstable_by(|left, right| left.id.cmp(&right.id));
        Ok(records)
    }

    fn saw(&self, last: &str) -> Result<(), StoreError> {
        self.shared.seen.fetch_max(number(last, &self.shared.place)?, Ordering::SeqCst);
        Ok(())
    }

    fn refused(&self, reply: &[String]) -> StoreError {
        let status = reply.first().map_or("nothing", String::as_str);
        fault::refused(status, reply.get(1).map(String::as_str), &self.shared.place)
    }
}

/// Whether a record is kept as Occopus 1.10 keeps node definitions.
fn is_definition(table: Table, scope: &str) -> bool {
    table == Table::Definition && scope.is_empty()
}

/// `text` as a pattern that matches nothing else.
fn literally(text: &str) -> String {
    let escape = |c: char| if "*?[]\\^-".contains(c) { vec!['\\', c] } else { vec![c] };
    text.chars().flat_map(escape).collect()
}

fn number(text: &str, place: &str) -> Result<u64, StoreError> {
    text.parse().map_err(|_| fault::damaged(&format!("'{text}' is no number"), place))
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore")
            .field("id", &self.id)
            .field("place", &self.shared.place)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Store for RedisStore {
    fn id(&self) -> &StoreId {
        &self.id
    }

    fn location(&self) -> String {
        self.shared.place.clone()
    }

    async fn read(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        let records = if is_definition(key.table, &key.scope) {
            // An empty name would mean all of them, and is nobody's.
            if key.id.is_empty() { Vec::new() } else { self.definitions(&key.id).await? }
        } else {
            self.plain_records((key.table, &key.scope), "one", &key.id).await?
        };
        Ok(records.into_iter().next())
    }

    async fn list(&self, table: Table, scope: &str, after: &str) -> Result<Vec<Record>, StoreError> {
        if !is_definition(table, scope) {
            return self.plain_records((table, scope), "after", after).await;
        }
        let mut records = self.definitions("").await?;
        records.retain(|record| after.is_empty() || record.id.as_str() > after);
        Ok(records)
    }

    async fn commit(&self, batch: Batch) -> Result<(), StoreError> {
        self.apply(batch).await
    }
}

/// What a call that must have an answer ended with.
impl Shared {
    async fn answer(&self, call: &Call<'_>) -> Result<Vec<String>, StoreError> {
        self.link.call(call).await.map_err(|fault: Fault| fault.explain(&self.place))
    }
}
