//! Templates that can never be rendered, found before anything is created.

use std::collections::BTreeMap;
use std::path::PathBuf;

use occopus_descriptor::codes;
use occopus_descriptor::diagnostic::{Diagnostic, Diagnostics};
use occopus_descriptor::lint::{Flaw, output_flaws, place};
use occopus_descriptor::secret::{SecretRef, fill_instance};
use occopus_descriptor::yaml::{self, Dialect};
use occopus_engine::record::Generation;
use occopus_template::Templates;

/// The flaws in the templates of everything that `generation` may use, at their places in `files`, the
/// files of node definitions that are imported along. Blocks while it works.
///
/// # Errors
/// There are some.
pub(crate) fn check(generation: &Generation, files: &[PathBuf]) -> Result<(), Diagnostics> {
    let flaws = flaws(generation);
    let mut problems = flaws_of_outputs(generation);
    if flaws.is_empty() {
        return if problems.is_empty() { Ok(()) } else { Err(problems) };
    }
    let roots: Vec<yaml::Node> =
        files.iter().rev().filter_map(|file| yaml::load_file(file, Dialect::default()).ok()).collect();
    for ((definition, index), flaws) in &flaws {
        let key = format!("node_def:{definition}");
        let list = roots.iter().find_map(|root| root.get(&key));
        let source = list.and_then(|list| list.as_seq()?.get(*index));
        for flaw in flaws {
            let message = format!("a template of node definition '{definition}' can never be rendered");
            problems.push(match source {
                Some(source) => {
                    let message = format!("{message}: {}", flaw.reason);
                    Diagnostic::error(codes::BAD_TEMPLATE, message).at(&place(source, flaw))
                }
                None => Diagnostic::error(codes::BAD_TEMPLATE, format!("{message}: {flaw}")),
            });
        }
    }
    Err(problems)
}

fn flaws_of_outputs(generation: &Generation) -> Diagnostics {
    let (templates, mut problems) = (Templates::new(), Diagnostics::new());
    for (name, text) in &generation.infrastructure.outputs {
        for flaw in output_flaws(name, text, &templates) {
            let message = format!("output '{name}' can never be rendered{flaw}");
            problems.push(Diagnostic::error(codes::BAD_TEMPLATE, message));
        }
    }
    problems
}

/// The flaws by definition and position of the implementation in it.
fn flaws(generation: &Generation) -> BTreeMap<(&str, usize), Vec<Flaw>> {
    let templates = Templates::new();
    let mut all: BTreeMap<(&str, usize), Vec<Flaw>> = BTreeMap::new();
    for node in &generation.infrastructure.nodes {
        for (index, implementation) in generation.candidates(node, 1) {
            let found =
                all.entry((&node.definition, index)).or_insert_with(|| templates.flaws(implementation));
            if found.is_empty() {
                // Which functions are called depends on the variables of the node.
                let (node, implementation) = fill_instance(node, implementation, &SecretRef::mask);
                found.extend(templates.unknown_function(&generation.infrastructure, &node, &implementation));
            }
        }
    }
    all.retain(|_, found| !found.is_empty());
    all
}
