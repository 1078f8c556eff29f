//! YAML as Occopus reads it: scalar typing, imports and limits of its own over an event parser, and a
//! tree that remembers where every value stands and which values are the same through an alias.

mod import;
mod loader;
mod meter;
mod node;
mod scalar;
mod source;
mod syntax;
mod tag;

pub use loader::{Dialect, MAX_DEPTH, MAX_FILE_BYTES, MAX_WEIGHT, load_file, load_text};
pub use node::{Node, Value};
pub(crate) use source::decode;
pub use source::{Source, Span};

/// The meaning of a plain scalar, whatever characters it has.
pub(crate) fn plain(text: &str) -> Value {
    scalar::plain(text, scalar::Version::V1_2)
}
