//! Descriptor files of Occopus: YAML with positions, schema rules, diagnostics, typed model.

pub mod model;
