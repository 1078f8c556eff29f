//! Lints: what is probably a mistake although every file by itself is in order. They are warnings, since
//! Occopus 1.10 runs what they are about; only a template that can never be rendered is an error.

mod access;
mod flaws;
mod lookups;
mod names;
mod outputs;
mod selection;
mod templates;
mod uses;
mod variables;
mod view;

use std::collections::{BTreeMap, HashMap};

use crate::codes::Code;
use crate::credentials::CredentialsFile;
use crate::diagnostic::{Diagnostic, Diagnostics, MOST};
use crate::model::NodeDefinition;
use crate::overrides::Overrides;
use crate::yaml::{Node, Span};

pub use flaws::place;
pub use outputs::output_flaws;
pub use uses::{Flaw, LookUp, NodeArgument, Step, TemplateScanner, Use, Uses};
use view::{Definition, Described, Infrastructure};

/// What is linted together.
pub struct Subject<'a> {
    /// Loaded infrastructure descriptions.
    pub infrastructures: Vec<&'a Node>,
    /// Loaded files of node definitions.
    pub definitions: Vec<&'a Node>,
    /// Definitions that were imported before and count where no file of this lint defines the same
    /// name; `None` if it is unknown which there are.
    pub imported: Option<&'a [NodeDefinition]>,
    /// Credentials files with their names; empty if there are none to compare with.
    pub credentials: Vec<(&'a str, &'a CredentialsFile)>,
    /// Variables from outside.
    pub overrides: &'a Overrides,
    /// Reads the templates.
    pub scanner: &'a dyn TemplateScanner,
}

/// The problems of `subject`, at most a hundred of each severity. What is malformed is left out: checking the files
/// tells of it.
pub fn lint(subject: &Subject<'_>) -> Diagnostics {
    let mut problems = Diagnostics::new();
    let known = Known::new(subject);
    let roots = subject.infrastructures.iter();
    let all: Vec<Infrastructure<'_>> =
        roots.map(|root| Infrastructure::new(root, subject.overrides)).collect();
    for infrastructure in &all {
        selection::check(infrastructure, &known, &mut problems);
        lookups::check(infrastructure, &known, &mut problems);
        let outputs = outputs::uses(infrastructure, subject.scanner);
        variables::check(infrastructure, &known, &outputs, &mut problems);
        outputs::check(infrastructure, subject.scanner, &mut problems);
    }
    names::check(&known, &mut problems);
    flaws::check(&known, subject.scanner, &mut problems);
    access::check(&all, &known, &subject.credentials, &mut problems);
    problems
}

/// The definitions by name. Several files may define one name: all are looked at, since any may be used.
struct Known<'a> {
    by_name: HashMap<&'a str, Vec<Definition<'a>>>,
    /// Whether a name that is not here is defined nowhere.
    complete: bool,
}

impl<'a> Known<'a> {
    fn new(subject: &Subject<'a>) -> Self {
        let mut by_name: HashMap<&str, Vec<Definition<'_>>> = HashMap::new();
        for root in &subject.definitions {
            for definition in view::definitions(root, subject.scanner) {
                by_name.entry(definition.name).or_default().push(definition);
            }
        }
        for definition in subject.imported.unwrap_or_default() {
            let entry = by_name.entry(&definition.name);
            entry.or_insert_with(|| vec![view::imported(definition)]);
        }
        let complete = !subject.definitions.is_empty() || subject.imported.is_some();
        Self { by_name, complete }
    }

    /// The definitions of a node's type; none if there is none.
    fn of(&self, node: &Described<'_>) -> &[Definition<'a>] {
        let kind = node.kind.and_then(Node::as_str);
        kind.and_then(|kind| self.by_name.get(kind)).map(Vec::as_slice).unwrap_or_default()
    }

    fn all(&self) -> impl Iterator<Item = &Definition<'a>> {
        self.by_name.values().flatten()
    }
}

/// Findings at places in definitions, which several nodes may share: each is reported once, with the
/// names of the nodes.
#[derive(Default)]
struct Findings(BTreeMap<(String, usize, usize, String), Finding>);

struct Finding {
    code: Code,
    span: Span,
    help: String,
    nodes: Vec<String>,
}

impl Findings {
    /// Whether further findings would not be shown: places are costly to find in large texts.
    fn is_full(&self) -> bool {
        self.0.len() >= MOST
    }

    /// Adds a finding about `node`. `message` is completed by the names of the nodes.
    fn add(&mut self, code: Code, span: Span, message: String, node: &str, help: String) {
        let place = (span.source.name.clone(), span.line, span.column, message);
        let finding = self.0.entry(place).or_insert(Finding { code, span, help, nodes: Vec::new() });
        if finding.nodes.last().is_none_or(|last| last != node) {
            finding.nodes.push(node.to_owned());
        }
    }

    fn report(self, warnings: &mut Diagnostics) {
        for ((.., message), finding) in self.0 {
            let nodes = enumerated(&finding.nodes);
            let problem = Diagnostic::warning(finding.code, format!("{message} {nodes}"));
            warnings.push(problem.at(&finding.span).help(finding.help));
        }
    }
}

/// "node 'a'", "nodes 'a' and 'b'", "nodes 'a', 'b' and 7 others".
fn enumerated(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => format!("node '{one}'"),
        [one, other] => format!("nodes '{one}' and '{other}'"),
        [one, other, rest @ ..] => format!("nodes '{one}', '{other}' and {} more", rest.len()),
    }
}
