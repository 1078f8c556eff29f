//! Stores for the Occopus engine: embedded SQLite, in-memory.
