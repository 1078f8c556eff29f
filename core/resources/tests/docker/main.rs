//! The docker handler on a real Docker Engine, named by OCCOPUS_TEST_DOCKER (`unix:///path`).
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

mod conformance;
mod connection;
mod images;
mod lifecycle;
mod support;
