//! Resource handlers process and docker, decorators, and the conformance suite of all handlers.

pub mod docker;
