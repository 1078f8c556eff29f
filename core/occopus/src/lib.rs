//! Occopus, the hybrid-cloud orchestrator: the facade that command line, bindings and Rust users call.
