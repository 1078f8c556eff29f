//! Several files together: each is recognised, loaded and checked, then all are linted as a whole.

mod kind;
#[cfg(test)]
mod tests;

use std::io::Read;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::codes;
use crate::configuration::{self, Configuration};
use crate::credentials::{self, CredentialsFile};
use crate::diagnostic::{Diagnostic, Diagnostics, Severity};
use crate::lint::{self, Subject, TemplateScanner};
use crate::model::NodeDefinition;
use crate::overrides::Overrides;
use crate::yaml::{self, Dialect, MAX_FILE_BYTES, Node};
use crate::{Rules, definition, infrastructure};

pub use kind::Kind;

/// What the files must be, in an error about one that is nothing of it.
const EXPECTED: &str = "an infrastructure description has infra_name and nodes; node definitions have keys \
                        'node_def:NAME'; credentials have resource or config_management; a configuration has \
                        components, plugins or logging; give a file of variables with --vars-file";

/// A file that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct File {
    /// The path as it was given.
    pub file: String,
    /// What it is; `None` if that is not known.
    pub kind: Option<Kind>,
}

/// Everything that was found out about some files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Findings {
    /// The files in the given order.
    pub files: Vec<File>,
    /// All problems, by file in the given order and by place.
    pub problems: Vec<Diagnostic>,
}

impl Findings {
    /// How many problems have `severity`.
    pub fn count(&self, severity: Severity) -> usize {
        self.problems.iter().filter(|problem| problem.severity == severity).count()
    }
}

/// What a project is compared with beyond its own files.
#[derive(Clone, Copy)]
pub struct Surroundings<'a> {
    /// The definitions that were imported before; `None` if that is not known.
    pub imported: Option<&'a [NodeDefinition]>,
    /// The credentials file that commands would use, unless the project has one of its own.
    pub credentials: Option<&'a Path>,
    /// Reads templates.
    pub scanner: &'a dyn TemplateScanner,
}

/// Loaded and checked files.
pub struct Project {
    files: Vec<Loaded>,
    overrides: Overrides,
}

/// One file.
struct Loaded {
    name: String,
    kind: Option<Kind>,
    /// The content, if it could be read as YAML.
    root: Option<Node>,
    credentials: Option<CredentialsFile>,
    problems: Vec<Diagnostic>,
}

impl Project {
    /// Loads and checks `files`, each by itself, with `rules` for node definitions and the variables
    /// `overrides`. Problems are kept for [`Self::finish`].
    pub fn load(files: &[PathBuf], rules: &Rules, overrides: Overrides) -> Self {
        let files = files.iter().map(|path| Loaded::new(path, rules, &overrides)).collect();
        Self { files, overrides }
    }

    /// Whether there are node types whose definitions are not among the files.
    pub fn needs_definitions(&self) -> bool {
        self.of(Kind::Infrastructure).next().is_some() && self.of(Kind::NodeDefinitions).next().is_none()
    }

    /// Lints the files together and puts all problems in order.
    pub fn finish(self, surroundings: Surroundings<'_>) -> Findings {
        let found = self.credentials_of(surroundings.credentials);
        let own =
            self.of(Kind::AuthData).filter_map(|file| Some((file.name.as_str(), file.credentials.as_ref()?)));
        let found = found.as_ref().map(|(name, file)| (name.as_str(), file));
        let subject = Subject {
            infrastructures: self.of(Kind::Infrastructure).filter_map(|file| file.root.as_ref()).collect(),
            definitions: self.of(Kind::NodeDefinitions).filter_map(|file| file.root.as_ref()).collect(),
            imported: surroundings.imported.filter(|_| self.needs_definitions()),
            credentials: own.chain(found).collect(),
            overrides: &self.overrides,
            scanner: surroundings.scanner,
        };
        let together = lint::lint(&subject);
        drop(subject);
        self.in_order(together)
    }

    fn of(&self, kind: Kind) -> impl Iterator<Item = &Loaded> {
        self.files.iter().filter(move |file| file.kind == Some(kind))
    }

    /// The credentials file at `path`, unless a credentials file is among the files. What is wrong with
    /// a file that nobody asked about is not reported.
    fn credentials_of(&self, path: Option<&Path>) -> Option<(String, CredentialsFile)> {
        let path = path.filter(|_| self.of(Kind::AuthData).next().is_none())?;
        let (file, _) = CredentialsFile::load(path).ok()?;
        Some((path.display().to_string(), file))
    }

    fn in_order(self, together: Diagnostics) -> Findings {
        let names: Vec<String> = self.files.iter().map(|file| file.name.clone()).collect();
        let files = self.files.iter().map(|file| File { file: file.name.clone(), kind: file.kind }).collect();
        let mut problems: Vec<Diagnostic> = Vec::new();
        // A file that is imported twice has each of its problems once.
        for problem in self.files.into_iter().flat_map(|file| file.problems).chain(together) {
            if !problems.contains(&problem) {
                problems.push(problem);
            }
        }
        problems.sort_by_cached_key(|problem| place(problem, &names));
        Findings { files, problems }
    }
}

/// Problems of imported files follow those of the given ones.
fn place(problem: &Diagnostic, names: &[String]) -> (usize, String, usize, usize) {
    let Some(location) = &problem.location else { return (0, String::new(), 0, 0) };
    let position = names.iter().position(|name| *name == location.file).unwrap_or(names.len());
    (position, location.file.clone(), location.line, location.column)
}

impl Loaded {
    fn new(path: &Path, rules: &Rules, overrides: &Overrides) -> Self {
        let name = path.display().to_string();
        let mut loaded = Self { name, kind: None, root: None, credentials: None, problems: Vec::new() };
        match read(path) {
            Ok(text) => loaded.check(path, &text, rules, overrides),
            Err(problem) => loaded.problems.push(*problem),
        }
        loaded
    }

    fn check(&mut self, path: &Path, text: &str, rules: &Rules, overrides: &Overrides) {
        self.kind = Kind::of_text(text);
        // User data is a template, and no YAML before it is rendered.
        if self.kind == Some(Kind::CloudInit) {
            return;
        }
        let load = |kind| {
            let base = path.parent().unwrap_or(Path::new(""));
            yaml::load_text(&self.name, text, base, dialect(kind, text))
        };
        let root = match load(self.kind) {
            Ok(root) => root,
            Err(problems) => return self.problems.extend(problems),
        };
        if self.kind.is_none() {
            self.kind = Kind::of_tree(&root);
        }
        let checked = match self.kind {
            Some(Kind::Infrastructure) => infrastructure::check(&root, overrides).1,
            Some(Kind::NodeDefinitions) => definition::check(&root, rules).1,
            Some(Kind::Config) => problems_of(configuration::check(&root, path)),
            Some(Kind::AuthData) => match CredentialsFile::check(&root) {
                Ok((file, warnings)) => {
                    self.credentials = Some(file);
                    warnings
                }
                Err(problems) => problems,
            },
            Some(Kind::CloudInit) => Diagnostics::new(),
            None => unknown(&self.name, &root).into(),
        };
        self.problems.extend(checked);
        self.root = Some(root);
    }
}

fn problems_of(checked: Result<(Configuration, Diagnostics), Diagnostics>) -> Diagnostics {
    checked.map_or_else(|problems| problems, |(_, warnings)| warnings)
}

fn unknown(name: &str, root: &Node) -> Diagnostic {
    let what = if root.is_null() { "is empty" } else { "is of no kind that Occopus reads" };
    Diagnostic::error(codes::UNKNOWN_FILE, format!("'{name}' {what}")).at(&root.span).help(EXPECTED)
}

/// How a file of `kind` is read. What might hold credentials is never quoted.
fn dialect(kind: Option<Kind>, text: &str) -> Dialect {
    match kind {
        Some(Kind::AuthData) => credentials::DIALECT,
        Some(Kind::Config) => configuration::DIALECT,
        _ if text.contains("auth_data") => credentials::DIALECT,
        _ => Dialect::default(),
    }
}

/// The text of a file that the user named; a pipe is welcome.
fn read(path: &Path) -> Result<String, Box<Diagnostic>> {
    let unreadable = |reason: String| {
        let message = format!("cannot read '{}': {reason}", path.display());
        Box::new(Diagnostic::error(codes::UNREADABLE, message))
    };
    if path.is_dir() {
        let problem = unreadable("it is a folder".to_owned());
        return Err(Box::new(problem.help("name the files in it")));
    }
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(|error| unreadable(error.to_string()))?;
    // One byte more than is allowed tells a file that is too large.
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(|error| unreadable(error.to_string()))?;
    yaml::decode(bytes).map_err(unreadable)
}
