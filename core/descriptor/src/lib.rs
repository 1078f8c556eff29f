//! Descriptor files of Occopus: YAML with positions, schema rules, diagnostics, typed model.
//!
//! The functions here load and check in one go and give either the typed model together with
//! warnings, or all problems at once. They read files: call them where blocking is allowed.

use std::path::Path;

pub mod codes;
pub mod configuration;
pub mod credentials;
pub mod definition;
pub mod diagnostic;
pub mod explain;
pub mod fields;
pub mod infrastructure;
pub mod lint;
pub mod model;
pub mod overrides;
pub mod print;
pub mod project;
pub mod schema;
pub mod search;
pub mod secret;
pub mod yaml;

pub use definition::Rules;
pub use diagnostic::{Diagnostic, Diagnostics, Severity};
pub use infrastructure::levels;
pub use overrides::Overrides;

use model::{Infrastructure, NodeDefinition};
use yaml::Dialect;

/// Loads and checks the infrastructure description in the file `path`, with the variables `overrides`
/// from outside.
///
/// # Errors
/// All problems found, errors and warnings, if there is an error.
pub fn load_infrastructure(
    path: &Path,
    overrides: &Overrides,
) -> Result<(Infrastructure, Diagnostics), Diagnostics> {
    checked_infrastructure(&yaml::load_file(path, Dialect::default())?, overrides)
}

/// Loads and checks an infrastructure description from `text`, called `name` in messages; imports are
/// relative to the folder `base`. The variables `overrides` come from outside.
///
/// # Errors
/// All problems found, errors and warnings, if there is an error.
pub fn infrastructure_from_text(
    name: &str,
    text: &str,
    base: &Path,
    overrides: &Overrides,
) -> Result<(Infrastructure, Diagnostics), Diagnostics> {
    checked_infrastructure(&yaml::load_text(name, text, base, Dialect::default())?, overrides)
}

fn checked_infrastructure(
    root: &yaml::Node,
    overrides: &Overrides,
) -> Result<(Infrastructure, Diagnostics), Diagnostics> {
    let (infrastructure, diagnostics) = infrastructure::check(root, overrides);
    diagnostics.finish(infrastructure)
}

/// Loads and checks the node definitions in the file `path`, in file order.
///
/// # Errors
/// All problems found, errors and warnings, if there is an error.
pub fn load_definitions(
    path: &Path,
    rules: &Rules,
) -> Result<(Vec<NodeDefinition>, Diagnostics), Diagnostics> {
    checked_definitions(&yaml::load_file(path, Dialect::default())?, rules)
}

/// Loads and checks node definitions from `text`, called `name` in messages; imports are relative to
/// the folder `base`.
///
/// # Errors
/// All problems found, errors and warnings, if there is an error.
pub fn definitions_from_text(
    name: &str,
    text: &str,
    base: &Path,
    rules: &Rules,
) -> Result<(Vec<NodeDefinition>, Diagnostics), Diagnostics> {
    checked_definitions(&yaml::load_text(name, text, base, Dialect::default())?, rules)
}

fn checked_definitions(
    root: &yaml::Node,
    rules: &Rules,
) -> Result<(Vec<NodeDefinition>, Diagnostics), Diagnostics> {
    let (definitions, diagnostics) = definition::check(root, rules);
    diagnostics.finish(definitions)
}
