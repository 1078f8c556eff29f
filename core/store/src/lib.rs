//! Stores for the Occopus engine: embedded SQLite, Redis, in-memory.
//!
//! [`SqliteStore`] is what commands use: one file, no server, safe with several processes at once.
//! [`RedisStore`] is for those whose configuration names a Redis. [`MemoryStore`] serves tests. All keep the contract of [`occopus_engine::store`], which the suite in
//! [`conformance`] states and checks. [`location`] says where the store of a user is, and [`infralist`]
//! keeps the list of infrastructures that Occopus 1.10 shares with other tools.

pub mod conformance;
mod directory;
mod filesystem;
pub mod infralist;
pub mod location;
mod memory;
pub mod redis;
pub mod sealed;
mod sqlite;

pub use memory::MemoryStore;
pub use redis::RedisStore;
pub use sealed::Sealed;
pub use sqlite::SqliteStore;

/// The identifier of the appended record with `number`: of a fixed width, so that byte order is the
/// order of appending.
fn append_id(number: u64) -> String {
    format!("{number:020}")
}
