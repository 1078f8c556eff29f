//! Any text loads or is refused with a reason.

#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use occopus_descriptor::yaml::{Dialect, MAX_WEIGHT, load_text};

// Isolated: what is tried must not read files of this machine.
fuzz_target!(|text: &str| {
    let dialect = Dialect { isolated: true, ..Dialect::default() };
    match load_text("text", text, Path::new(""), dialect) {
        Ok(node) => {
            assert!(node.weight() <= MAX_WEIGHT + 1);
            node.to_json();
        }
        Err(problems) => assert!(problems.has_errors() && !problems.to_string().is_empty()),
    }
});
