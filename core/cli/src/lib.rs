//! The occopus command and the legacy occopus-* commands.
