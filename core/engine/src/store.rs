//! The contract of a store: durable records, changed in atomic batches with preconditions.
//!
//! A store knows nothing of infrastructures. Records are JSON values under a [`Key`]; the typed layer
//! above (`journal`) gives them meaning. Everything the engine promises rests on three properties,
//! which the conformance suite in `occopus-store` checks: a batch is applied wholly or not at all; it
//! is durable when `commit` returns; and it is refused when a precondition does not hold.

use std::fmt;

use async_trait::async_trait;
use serde_json::Value;

use crate::ids::StoreId;

/// The kinds of records. One table each, so that secrets can be kept (and erased) apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Table {
    /// Node definitions, as `define` imported them. Scope: empty.
    Definition,
    /// Goal, generation and scaling targets of an infrastructure. Scope: empty.
    Infrastructure,
    /// Pinned descriptions with their node definitions, one record per generation.
    Generation,
    /// Places used by an infrastructure.
    Place,
    /// Attempts, open and closed.
    Attempt,
    /// Rendered requests of attempts that are not settled. The only table with secrets.
    Request,
    /// Intents, steps and outcomes, in order.
    Journal,
    /// Events for people and programs, in order.
    Event,
    /// Scaling requests that no pass has consumed yet.
    Scaling,
    /// Who controls the infrastructure.
    Lease,
    /// What operators keep the engine from doing.
    Hold,
}

impl Table {
    /// All tables.
    pub const ALL: [Self; 11] = [
        Self::Definition,
        Self::Infrastructure,
        Self::Generation,
        Self::Place,
        Self::Attempt,
        Self::Request,
        Self::Journal,
        Self::Event,
        Self::Scaling,
        Self::Lease,
        Self::Hold,
    ];

    /// The name of the table in a store.
    pub fn name(self) -> &'static str {
        match self {
            Self::Definition => "definition",
            Self::Infrastructure => "infrastructure",
            Self::Generation => "generation",
            Self::Place => "place",
            Self::Attempt => "attempt",
            Self::Request => "request",
            Self::Journal => "journal",
            Self::Event => "event",
            Self::Scaling => "scaling",
            Self::Lease => "lease",
            Self::Hold => "hold",
        }
    }
}

/// Where a record is kept.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The kind of record.
    pub table: Table,
    /// The infrastructure it belongs to; empty for records of the whole store.
    pub scope: String,
    /// Its identifier inside table and scope.
    pub id: String,
}

impl Key {
    /// The key of record `id` in `table` and `scope`.
    pub fn new(table: Table, scope: impl Into<String>, id: impl Into<String>) -> Self {
        Self { table, scope: scope.into(), id: id.into() }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.table.name(), self.scope, self.id)
    }
}

/// A record as it was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// Its identifier inside table and scope. Appended records have a fixed-width decimal number that
    /// sorts in the order of appending.
    pub id: String,
    /// Changes with every write of the record, and never returns to an earlier value.
    pub version: u64,
    /// The content.
    pub value: Value,
}

/// A precondition of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expect {
    /// The record does not exist.
    Absent(Key),
    /// The record exists with this version.
    Version(Key, u64),
}

impl Expect {
    /// The record the precondition is about.
    pub fn key(&self) -> &Key {
        match self {
            Self::Absent(key) | Self::Version(key, _) => key,
        }
    }
}

/// One change of a batch.
#[derive(Debug, Clone, PartialEq)]
pub enum Write {
    /// Creates or replaces a record.
    Put(Key, Value),
    /// Adds a record at the end of a table and scope; the store gives it the next number. Numbers
    /// rise over the whole life of the store and are never used again.
    Append(Table, String, Value),
    /// Deletes a record; one that does not exist is deleted. Content of [`Table::Request`] is
    /// overwritten soon after, not only unlinked.
    Delete(Key),
}

/// Preconditions and changes that take effect together or not at all.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Batch {
    /// All must hold, else nothing is written.
    pub expect: Vec<Expect>,
    /// Applied in order.
    pub writes: Vec<Write>,
}

/// A store could not do what was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// A precondition did not hold; nothing was written. Usually another controller was faster.
    #[error("the record {0} was changed by another process")]
    Conflict(Key),
    /// The store cannot be used as it is; the message says why and what to do.
    #[error("{0}")]
    Unusable(String),
    /// The store could not be reached or written (disk full, locked for too long). Whether a batch
    /// was applied is known: it was not.
    #[error("{0}")]
    Failed(String),
    /// A batch was sent and its answer did not come: it was applied as a whole, or not at all, and only
    /// the store can tell. Reads never end so.
    #[error("{0}")]
    UnknownOutcome(String),
}

/// Durable storage for the engine. Several processes may use one store at the same time.
#[async_trait]
pub trait Store: Send + Sync {
    /// The identity of this store; made with it and written on every resource created from it.
    fn id(&self) -> &StoreId;

    /// Where the store is, for people (`/home/me/.occopus/occopus.db`).
    fn location(&self) -> String;

    /// One record, or `None`.
    async fn read(&self, key: &Key) -> Result<Option<Record>, StoreError>;

    /// All records of a table and scope with an identifier greater than `after`, in ascending byte
    /// order of their identifiers. An empty `after` lists all.
    async fn list(&self, table: Table, scope: &str, after: &str) -> Result<Vec<Record>, StoreError>;

    /// Applies `batch`. Durable when it returns.
    ///
    /// # Errors
    /// After [`StoreError::UnknownOutcome`], the first later call on this handle that succeeds has settled
    /// it: from then on the batch is there, or it never will be. After all other errors nothing was written.
    async fn commit(&self, batch: Batch) -> Result<(), StoreError>;
}
