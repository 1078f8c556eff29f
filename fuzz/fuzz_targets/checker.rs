//! Any text is a description, definitions or credentials, or is refused with a reason; what is accepted
//! is read again from what is printed.

#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use occopus_descriptor::credentials::CredentialsFile;
use occopus_descriptor::{Overrides, Rules, definitions_from_text, infrastructure_from_text, print};

fuzz_target!(|text: &str| {
    // Imports would read files of this machine.
    if text.contains("_import") {
        return;
    }
    let base = Path::new("/nonexistent");
    let infrastructure = |text: &str| infrastructure_from_text("text", text, base, &Overrides::default());
    match infrastructure(text) {
        Ok((found, _)) => {
            let again = infrastructure(&print::infrastructure(&found)).map(|(again, _)| again);
            assert_eq!(again, Ok(found));
        }
        Err(problems) => assert!(problems.has_errors() && !problems.to_string().is_empty()),
    }
    let definitions = |text: &str| definitions_from_text("text", text, base, &Rules::builtin());
    if let Ok((found, _)) = definitions(text) {
        let again = definitions(&print::definitions(&found)).map(|(again, _)| again);
        assert_eq!(again, Ok(found));
    }
    let _ = CredentialsFile::from_text("text", text, base);
    let _ = Overrides::default().assign(text);
});
