//! Values for the `variables` of an infrastructure that are given from outside its description: files of
//! variables, and assignments `NAME=VALUE`.
//!
//! From low to high precedence: the description's own variables, the files in order, the assignments in
//! order. What a node itself declares stays above all of them.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;

use serde_json::{Map, Value as Json};

use crate::codes;
use crate::diagnostic::{Diagnostic, Diagnostics, Excerpt, Location, suggestion};
use crate::infrastructure::overlay;
use crate::yaml::{self, Dialect, Node};

/// The "file" of problems in assignments; its lines are the assignments in order.
const ASSIGNMENTS: &str = "<--var>";

/// Most names in the path of an assignment.
const MAX_PATH: usize = 16;

/// Variables from outside. Showing it for debugging shows names only: values may be secrets.
#[derive(Clone, Default, PartialEq)]
pub struct Overrides {
    from_files: Map<String, Json>,
    assigned: Map<String, Json>,
    given: Vec<Given>,
    assignments: usize,
}

/// One variable as it was given.
#[derive(Clone, PartialEq)]
struct Given {
    path: Vec<String>,
    place: Option<(Location, Option<Excerpt>)>,
}

impl Overrides {
    /// Reads the files of variables and the assignments, each in order; see [`Self::add_file`] and
    /// [`Self::assign`].
    ///
    /// # Errors
    /// All problems of all of them.
    pub fn read<P: AsRef<Path>, T: AsRef<str>>(files: &[P], assignments: &[T]) -> Result<Self, Diagnostics> {
        let mut overrides = Self::default();
        let mut problems = Diagnostics::new();
        for path in files {
            overrides.add_file(path.as_ref()).unwrap_or_else(|found| problems.extend(found));
        }
        for text in assignments {
            overrides.assign(text.as_ref()).unwrap_or_else(|found| problems.extend(found));
        }
        if problems.is_empty() { Ok(overrides) } else { Err(problems) }
    }

    /// Adds the variables of a YAML file, which holds one mapping. It may import other files.
    ///
    /// # Errors
    /// All problems of the file.
    pub fn add_file(&mut self, path: &Path) -> Result<(), Diagnostics> {
        let root = yaml::load_file(path, Dialect::default())?;
        let Some(entries) = root.as_map() else {
            // An empty file gives no variables, as an empty `variables` does.
            return if root.is_null() { Ok(()) } else { Err(no_mapping(&root).into()) };
        };
        self.given.extend(entries.iter().map(|(key, _)| Given {
            path: vec![key.to_text()],
            place: Some((key.span.location(), key.span.excerpt())),
        }));
        self.from_files = overlay(std::mem::take(&mut self.from_files), root.to_object());
        Ok(())
    }

    /// Adds `NAME=VALUE`. Dots in NAME lead into mappings: `db.port=5432`. VALUE is typed as an unquoted
    /// YAML scalar and taken whole, so that `5` is a number and `a: b #c` a text; nothing after the equals
    /// sign is the empty text. Only a VALUE that begins with a quote, `[`, `{` or `!` is read as YAML:
    /// `"5"` is a text, `[80, 443]` a list.
    ///
    /// # Errors
    /// There is no equals sign, a part of NAME is empty, or VALUE is no valid YAML.
    pub fn assign(&mut self, text: &str) -> Result<(), Diagnostics> {
        self.assignments += 1;
        let Some((name, value)) = text.split_once('=') else {
            let problem = self.malformed(text, "an assignment has no '='".to_owned());
            return Err(problem.help("write NAME=VALUE, such as size=3 or db.port=5432").into());
        };
        let path: Vec<String> = name.split('.').map(|part| part.trim().to_owned()).collect();
        if path.iter().any(String::is_empty) {
            let problem = self.malformed(name, "an assignment has an empty name".to_owned());
            return Err(problem.help("write NAME=VALUE; dots in NAME lead into mappings").into());
        }
        if path.len() > MAX_PATH {
            let problem = self.malformed(name, format!("an assignment leads deeper than {MAX_PATH} levels"));
            return Err(problem.help("give nested variables in a file").into());
        }
        let value = self.typed(name, value)?;
        let nested = path
            .iter()
            .rev()
            .fold(value, |inner, part| Json::Object(Map::from_iter([(part.clone(), inner)])));
        let (location, excerpt) = self.place(name);
        self.add(path, Some((location, Some(excerpt))), nested);
        Ok(())
    }

    /// Adds a value that a program gives, with the precedence of an assignment. Dots in `name` have no
    /// meaning.
    pub fn set(&mut self, name: &str, value: Json) {
        let nested = Json::Object(Map::from_iter([(name.to_owned(), value)]));
        self.add(vec![name.to_owned()], None, nested);
    }

    fn add(&mut self, path: Vec<String>, place: Option<(Location, Option<Excerpt>)>, nested: Json) {
        if let Json::Object(above) = nested {
            self.assigned = overlay(std::mem::take(&mut self.assigned), above);
        }
        self.given.push(Given { path, place });
    }

    /// Whether nothing is given.
    pub fn is_empty(&self) -> bool {
        self.given.is_empty()
    }

    /// The variables `below`, overlaid with these.
    pub(crate) fn over(&self, below: Map<String, Json>) -> Map<String, Json> {
        overlay(overlay(below, self.from_files.clone()), self.assigned.clone())
    }

    /// Size, counted as [`Node::weight`] does.
    pub(crate) fn weight(&self) -> usize {
        [&self.from_files, &self.assigned].into_iter().flatten().map(|(_, value)| weight(value)).sum()
    }

    /// Warns of variables that neither the infrastructure, whose variables are `declared`, nor one of its
    /// `nodes` declares: they are probably misspelt.
    pub(crate) fn check(&self, declared: Option<&Node>, nodes: &[Node], diagnostics: &mut Diagnostics) {
        let of_nodes = nodes.iter().filter_map(|node| node.get("variables"));
        let tables: Vec<&Node> = declared.into_iter().chain(of_nodes).collect();
        for given in &self.given {
            if tables.iter().any(|table| declares(table, &given.path)) {
                continue;
            }
            let mut problem = undeclared(&tables, &given.path);
            if let Some((location, excerpt)) = &given.place {
                problem.location = Some(location.clone());
                problem.source_line = excerpt.clone();
            }
            diagnostics.push(problem);
        }
    }

    /// The value of an assignment to `name`.
    fn typed(&self, name: &str, value: &str) -> Result<Json, Diagnostics> {
        if value.is_empty() {
            return Ok(Json::String(String::new()));
        }
        if !value.starts_with(['"', '\'', '[', '{', '!']) {
            return Ok(yaml::plain(value).to_json());
        }
        let dialect = Dialect { private: true, isolated: true, ..Dialect::default() };
        let loaded = yaml::load_text(ASSIGNMENTS, value, Path::new(""), dialect);
        // The whole assignment is the place of whatever is wrong in its value.
        loaded.map(|node| node.to_json()).map_err(|problems| {
            let help = "put the value in quotes if it is meant as text: NAME='\"VALUE\"'";
            let mut moved = Diagnostics::new();
            moved.extend(problems.into_iter().map(|problem| Diagnostic {
                code: problem.code,
                help: problem.help.or_else(|| Some(help.to_owned())),
                ..self.malformed(name, problem.message)
            }));
            moved
        })
    }

    /// A problem of the last assignment, of which only `shown` may be shown.
    fn malformed(&self, shown: &str, message: String) -> Diagnostic {
        let (location, excerpt) = self.place(shown);
        Diagnostic {
            location: Some(location),
            source_line: Some(excerpt),
            ..Diagnostic::error(codes::BAD_VARIABLE, message)
        }
    }

    /// The place of the last assignment: the number of the assignment is its line.
    fn place(&self, shown: &str) -> (Location, Excerpt) {
        let text: String = shown.chars().map(|c| if c.is_control() { ' ' } else { c }).take(80).collect();
        let length = text.chars().count().max(1);
        let location = Location { file: ASSIGNMENTS.to_owned(), line: self.assignments, column: 1, length };
        (location, Excerpt { text, start: 0, length })
    }
}

impl fmt::Debug for Overrides {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.given.iter().map(|given| given.path.join("."))).finish()
    }
}

fn no_mapping(root: &Node) -> Diagnostic {
    let message = format!("a file of variables must hold a mapping, but it is {}", root.value.kind());
    Diagnostic::error(codes::BAD_VARIABLE, message).at(&root.span).help("write one NAME: VALUE per line")
}

/// Whether `table` has something at `path`. What lies below a value that is no mapping, or an empty one,
/// is not for the description to list.
fn declares(table: &Node, path: &[String]) -> bool {
    let Some((first, rest)) = path.split_first() else { return true };
    match table.get(first) {
        Some(inner) if inner.as_map().is_none_or(<[_]>::is_empty) => true,
        Some(inner) => declares(inner, rest),
        None => false,
    }
}

/// The warning that none of the `tables` declares `path`, with what was probably meant.
fn undeclared(tables: &[&Node], path: &[String]) -> Diagnostic {
    let (last, outer) = path.split_last().map_or(("", path), |(last, outer)| (last.as_str(), outer));
    let inner =
        tables.iter().filter_map(|table| outer.iter().try_fold(*table, |table, step| table.get(step)));
    let keys = inner.filter_map(Node::as_map).flatten().filter_map(|(key, _)| key.as_str());
    let names: BTreeSet<&str> = keys.collect();
    let message = format!("variable '{}' is given from outside, but declared nowhere", path.join("."));
    let hint = suggestion(last, names).replace("allowed: ", "declared: ");
    let help = format!("{hint}; if a template uses it, declare it under 'variables'");
    Diagnostic::warning(codes::UNDECLARED_VARIABLE, message).help(help)
}

fn weight(value: &Json) -> usize {
    match value {
        Json::String(text) => 1 + text.len() / 64,
        Json::Array(items) => 1 + items.iter().map(weight).sum::<usize>(),
        Json::Object(entries) => {
            1 + entries.iter().map(|(key, value)| 1 + key.len() / 64 + weight(value)).sum::<usize>()
        }
        _ => 1,
    }
}

#[cfg(test)]
mod tests;
