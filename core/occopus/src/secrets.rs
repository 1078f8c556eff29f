//! Secrets from environment variables and files, and the check that a build has all it needs.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use occopus_descriptor::codes;
use occopus_descriptor::diagnostic::{Diagnostic, Diagnostics};
use occopus_descriptor::secret::{SecretRef, of_instance, places};
use occopus_descriptor::yaml::{self, Dialect};
use occopus_engine::handler::{ErrorKind, HandlerError};
use occopus_engine::record::{Attempt, Generation};
use occopus_engine::secret::{SecretError, SecretSource};

use crate::Occopus;
use crate::define::off_the_runtime;
use crate::error::Error;
use crate::request::{BuildRequest, Input};

/// Largest file of a secret, in bytes.
const MAX_BYTES: u64 = 64 << 10;

/// Environment variables of this process, and files.
#[derive(Debug, Default)]
pub(crate) struct EnvironmentAndFiles {
    /// Files that everybody may read and that were warned about.
    open_files: Mutex<BTreeSet<PathBuf>>,
}

impl SecretSource for EnvironmentAndFiles {
    fn read(&self, reference: &SecretRef) -> Result<String, SecretError> {
        match reference {
            SecretRef::Env(name) => variable(name),
            SecretRef::File(path) => self.file(path),
        }
        .map_err(|reason| SecretError::new(reference, reason))
    }
}

fn variable(name: &str) -> Result<String, String> {
    match std::env::var(name) {
        Ok(value) if value.is_empty() => Err(format!("the variable is empty; set it: export {name}=…")),
        Ok(value) => Ok(value),
        Err(std::env::VarError::NotPresent) => {
            Err(format!("the variable is not set where this runs; set it: export {name}=…"))
        }
        Err(std::env::VarError::NotUnicode(_)) => Err("its value is not UTF-8 text".to_owned()),
    }
}

impl EnvironmentAndFiles {
    fn file(&self, path: &Path) -> Result<String, String> {
        let found = fs::metadata(path).map_err(|error| error.to_string())?;
        // Reading a pipe or a device could wait without limit.
        if !found.is_file() {
            return Err("it is not a regular file".to_owned());
        }
        if found.mode() & 0o004 != 0 {
            self.warn(path);
        }
        let mut bytes = Vec::new();
        let file = File::open(path).map_err(|error| error.to_string())?;
        file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
        if bytes.len() as u64 > MAX_BYTES {
            return Err(format!("it is larger than {} KiB", MAX_BYTES >> 10));
        }
        let mut text = String::from_utf8(bytes).map_err(|_| "it is not UTF-8 text".to_owned())?;
        // Editors and `echo` end a file with a line break that is not meant.
        if text.ends_with('\n') {
            text.pop();
            if text.ends_with('\r') {
                text.pop();
            }
        }
        if text.is_empty() { Err("it is empty".to_owned()) } else { Ok(text) }
    }

    /// Warns once of a file that does not keep its secret.
    fn warn(&self, path: &Path) {
        let mut warned = self.open_files.lock().unwrap_or_else(PoisonError::into_inner);
        if warned.insert(path.to_owned()) {
            let path = path.display();
            tracing::warn!(
                "the secret in {path} may be read by every user; take that away: chmod o-r {path}"
            );
        }
    }
}

impl Occopus {
    /// The secrets that instances of `generation` would need and that cannot be read, each where `request`
    /// refers to it.
    pub(crate) async fn missing_secrets(
        &self,
        generation: &Generation,
        request: &BuildRequest,
    ) -> Result<Diagnostics, Error> {
        let missing = self.unreadable(generation).await;
        if missing.is_empty() {
            return Ok(Diagnostics::new());
        }
        let request = request.clone();
        off_the_runtime(move || Ok::<_, Error>(located(&missing, &request))).await
    }

    /// As [`Occopus::missing_secrets`], for a description that is in no file.
    pub(crate) async fn unreadable_secrets(&self, generation: &Generation) -> Diagnostics {
        let mut problems = Diagnostics::new();
        for error in self.unreadable(generation).await {
            problems.push(Diagnostic::error(codes::MISSING_SECRET, error.to_string()));
        }
        problems
    }

    async fn unreadable(&self, generation: &Generation) -> Vec<SecretError> {
        let mut wanted = BTreeSet::new();
        for node in &generation.infrastructure.nodes {
            for (_, implementation) in generation.candidates(node, 1) {
                wanted.extend(of_instance(node, implementation));
            }
        }
        let (_, missing) = self.engine.secrets.read_all(self.engine.clock.as_ref(), wanted).await;
        missing
    }

    /// `log` of the instance of `attempt` with every secret hidden that it was given.
    ///
    /// # Errors
    /// One of them cannot be read here: then it could not be hidden.
    pub(crate) async fn hide_secrets(&self, attempt: &Attempt, log: String) -> Result<String, HandlerError> {
        let made_of = (&attempt.node, &attempt.implementation);
        self.engine.secrets.hide(self.engine.clock.as_ref(), made_of, log).await.map_err(|error| {
            let message = format!("it is not shown, because it may hold what cannot be hidden here: {error}");
            HandlerError::new(ErrorKind::Auth, message)
        })
    }
}

/// One problem for each place that refers to a missing secret. The files are read once more for that: the
/// model remembers no places, and a file that changed meanwhile only costs the place.
fn located(missing: &[SecretError], request: &BuildRequest) -> Diagnostics {
    let files = request.definitions.iter().chain(&request.variables.files);
    let mut roots: Vec<yaml::Node> =
        files.filter_map(|path| yaml::load_file(path, Dialect::default()).ok()).collect();
    roots.extend(match &request.description {
        Input::File(path) => yaml::load_file(path, Dialect::default()).ok(),
        Input::Text { text, base } => yaml::load_text("<text>", text, base, Dialect::default()).ok(),
    });
    let found: Vec<_> = roots.iter().flat_map(places).collect();
    let mut problems = Diagnostics::new();
    for error in missing {
        let problem = || Diagnostic::error(codes::MISSING_SECRET, error.to_string());
        let mut at = found.iter().filter(|(reference, _)| *reference == error.reference).peekable();
        if at.peek().is_none() {
            problems.push(problem());
        }
        let mut lines = BTreeSet::new();
        for (_, node) in at {
            // An alias refers to a secret as often as it is used; once is enough.
            if lines.insert((node.span.source.name.clone(), node.span.line, node.span.column)) {
                problems.push(problem().at(&node.span));
            }
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn read(content: &[u8]) -> Result<String, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        EnvironmentAndFiles::default().read(&SecretRef::File(path)).map_err(|error| error.reason)
    }

    #[test]
    fn the_last_line_break_of_a_file_is_not_part_of_its_secret() {
        for content in ["s3cret", "s3cret\n", "s3cret\r\n"] {
            assert_eq!(read(content.as_bytes()).unwrap(), "s3cret");
        }
        assert_eq!(read(b" a\n\nb \n\n").unwrap(), " a\n\nb \n");
    }

    #[test]
    fn files_that_cannot_be_meant_are_refused() {
        assert_eq!(read(b"").unwrap_err(), "it is empty");
        assert_eq!(read(&[0xff]).unwrap_err(), "it is not UTF-8 text");
        assert_eq!(read(&[b'x'; (64 << 10) + 1]).unwrap_err(), "it is larger than 64 KiB");
        let source = EnvironmentAndFiles::default();
        let at = |path: &str| source.read(&SecretRef::File(path.into())).unwrap_err().to_string();
        assert!(at("/dev/zero").contains("not a regular file"));
        assert!(at("/no/such/file").contains("file:/no/such/file"));
    }

    #[test]
    fn a_variable_that_is_not_set_is_named_with_what_to_do() {
        let reference = SecretRef::Env("OCCOPUS_NO_SUCH_VARIABLE".to_owned());
        let error = EnvironmentAndFiles::default().read(&reference).unwrap_err().to_string();
        assert!(error.contains("export OCCOPUS_NO_SUCH_VARIABLE="), "{error}");
    }
}
