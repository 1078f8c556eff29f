//! Files: the main one, `!yaml_import` and `!text_import`.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::loader::{Loader, MAX_FILE_BYTES, Session, Stop};
use super::node::Node;
use super::source::{self, Source, Span};
use crate::codes;
use crate::diagnostic::Diagnostic;

/// Deepest chain of imports.
const MAX_CHAIN: usize = 16;
/// Most files in one load.
const MAX_FILES: usize = 1000;

/// The text of the file the user named. Pipes are welcome here, unlike among imports.
pub(super) fn read_main(session: &mut Session, path: &Path) -> Result<String, Stop> {
    read(session, path).map_err(|refusal| {
        let code = if refusal.is_limit { codes::TOO_LARGE } else { codes::UNREADABLE };
        let message = format!("cannot read '{}': {}", path.display(), refusal.reason);
        session.stop(Diagnostic::error(code, message))
    })
}

/// The parsed content of the file that the mapping `node` names.
pub(super) fn yaml(loader: &mut Loader<'_, '_>, node: Node, depth: usize) -> Result<Node, Stop> {
    let Some((path, text)) = fetch(loader, &node)? else { return Ok(node) };
    let place = std::fs::canonicalize(&path).unwrap_or_else(|_| path.clone());
    if loader.session.open.contains(&place) {
        let message = format!("'{}' imports itself", path.display());
        let problem = Diagnostic::error(codes::BAD_IMPORT, message).at(&node.span);
        return Err(loader.session.stop(problem.help("break the circle of imports")));
    }
    if loader.session.open.len() >= MAX_CHAIN {
        let message = format!("imports are nested deeper than {MAX_CHAIN} files");
        return Err(loader.session.stop(Diagnostic::error(codes::BAD_IMPORT, message).at(&node.span)));
    }
    let base = path.parent().unwrap_or(Path::new("")).to_owned();
    loader.session.load(&path.display().to_string(), text, Some(place), &base, depth)
}

/// The content of the file that the mapping `node` names, as one text.
pub(super) fn text(loader: &mut Loader<'_, '_>, node: Node) -> Result<Node, Stop> {
    let Some((path, text)) = fetch(loader, &node)? else { return Ok(node) };
    let imported = loader.text(&text, node.span);
    let source = Source::new(path.display().to_string(), text, loader.session.dialect.private);
    Ok(Node { origin: Some(Arc::new(Span::of(source))), ..imported })
}

/// Path and content of the file named by the `url` of `node`; a problem is reported and gives `None`.
fn fetch(loader: &mut Loader<'_, '_>, node: &Node) -> Result<Option<(PathBuf, String)>, Stop> {
    if loader.session.dialect.isolated {
        let help = "import the file where the text is written, in a descriptor file";
        report(loader.session, "nothing can be imported here".to_owned(), help, &node.span);
        return Ok(None);
    }
    let Some(url) = node.get("url") else {
        let help = "add the file to import: url: file://FILE";
        report(loader.session, "the import has no 'url'".to_owned(), help, &node.span);
        return Ok(None);
    };
    match read_import(loader, url) {
        Ok(found) => Ok(Some(found)),
        Err(Refusal { reason, is_limit }) => {
            let message = format!("the import fails: {reason}");
            if is_limit {
                let problem = Diagnostic::error(codes::TOO_LARGE, message).at(&url.span);
                return Err(loader.session.stop(problem));
            }
            let help = "url: file://FILE, relative to the importing file, or file:///ABSOLUTE/FILE";
            report(loader.session, message, help, &url.span);
            Ok(None)
        }
    }
}

/// Path and content of the file that `url` names.
fn read_import(loader: &mut Loader<'_, '_>, url: &Node) -> Result<(PathBuf, String), Refusal> {
    let url = url.as_str().ok_or_else(|| "must be a string".to_owned())?;
    let path = loader.base.join(file_of(url)?);
    // A pipe or a device among the imports could make the load wait without limit.
    if std::fs::metadata(&path).is_ok_and(|file| !file.is_file()) {
        return Err(format!("'{}' is not a regular file", path.display()).into());
    }
    let text = read(loader.session, &path).map_err(|refusal| Refusal {
        reason: format!("cannot read '{}': {}", path.display(), refusal.reason),
        ..refusal
    })?;
    Ok((path, text))
}

fn report(session: &mut Session, message: String, help: &str, span: &Span) {
    session.diagnostics.push(Diagnostic::error(codes::BAD_IMPORT, message).at(span).help(help));
}

/// The path of a `file://` address.
fn file_of(url: &str) -> Result<&str, Refusal> {
    let (scheme, rest) = url.split_once(':').unwrap_or(("", url));
    if !scheme.eq_ignore_ascii_case("file") {
        return Err(format!("The backend '{scheme}' does not exist; only file:// can be imported").into());
    }
    match rest.strip_prefix("//") {
        Some(path) if !path.is_empty() => Ok(path),
        _ => Err(format!("'{url}' names no file").into()),
    }
}

/// Why a file is not read.
struct Refusal {
    reason: String,
    /// Whether it is one of the limits of a load.
    is_limit: bool,
}

impl From<String> for Refusal {
    fn from(reason: String) -> Self {
        Self { reason, is_limit: false }
    }
}

impl Refusal {
    fn limit(reason: String) -> Self {
        Self { reason, is_limit: true }
    }
}

/// The content of a file in UTF-8, counted against the limits of the session.
fn read(session: &mut Session, path: &Path) -> Result<String, Refusal> {
    session.files += 1;
    if session.files > MAX_FILES {
        return Err(Refusal::limit(format!("more than {MAX_FILES} files are imported")));
    }
    let room = MAX_FILE_BYTES - session.bytes;
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|error| error.to_string())?;
    let length = file.take(room + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    let length = u64::try_from(length).unwrap_or(u64::MAX);
    if length > room {
        return Err(Refusal::limit(format!(
            "all files together are larger than {} MiB",
            MAX_FILE_BYTES >> 20
        )));
    }
    session.bytes += length;
    source::decode(bytes).map_err(Refusal::from)
}
