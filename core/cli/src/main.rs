//! The `occopus` command.
fn main() {}
