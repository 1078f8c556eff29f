//! From text to tree: events, anchors, keys, merges, limits.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use saphyr_parser::{BufferedInput, Event, Parser, ScalarStyle, ScanError};

use super::import;
use super::meter::{Meter, Metered};
use super::node::{Node, Value};
use super::scalar::Version;
use super::source::{Source, Span, names_secret};
use super::syntax;
use super::tag::{self, Tag};
use crate::codes;
use crate::diagnostic::{Diagnostic, Diagnostics};

/// Largest file, in bytes; also the largest sum of all imported files.
pub const MAX_FILE_BYTES: u64 = 16 << 20;
/// Deepest nesting, with aliases and imports expanded. Less than what JSON readers accept.
pub const MAX_DEPTH: usize = 100;
/// Largest tree with aliases expanded, counting one for each value and one for each 64 bytes of text,
/// so that a small file cannot grow without bound when it is written out.
pub const MAX_WEIGHT: usize = 1_000_000;

/// Which tags a file may use, and whether it may be quoted in messages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Dialect {
    /// Tags that are accepted and mean nothing, without the exclamation mark.
    pub plain_tags: &'static [&'static str],
    /// Whether the text holds secrets: then messages never quote it.
    pub private: bool,
    /// Whether the text may not bring other files in: imports are refused.
    pub isolated: bool,
}

/// Loads the file at `path` with everything it imports.
///
/// # Errors
/// All problems found; nothing is loaded if there is one.
pub fn load_file(path: &Path, dialect: Dialect) -> Result<Node, Diagnostics> {
    let mut session = Session::new(dialect);
    let loaded = import::read_main(&mut session, path).and_then(|text| {
        let place = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        session.load(
            &path.display().to_string(),
            text,
            Some(place),
            path.parent().unwrap_or(Path::new("")),
            0,
        )
    });
    session.finish(loaded)
}

/// Loads `text`, called `name` in messages; its imports are relative to the folder `base`.
///
/// # Errors
/// All problems found; nothing is loaded if there is one.
pub fn load_text(name: &str, text: &str, base: &Path, dialect: Dialect) -> Result<Node, Diagnostics> {
    let mut session = Session::new(dialect);
    let loaded = match u64::try_from(text.len()) {
        Ok(length) if length <= MAX_FILE_BYTES => session.load(name, text.to_owned(), None, base, 0),
        _ => Err(session.stop(Diagnostic::error(
            codes::TOO_LARGE,
            format!("{name} is larger than {} MiB", MAX_FILE_BYTES >> 20),
        ))),
    };
    session.finish(loaded)
}

/// What the parser says about more levels of brackets than it can count.
const NESTED_TOO_DEEP: &str = "recursion limit exceeded";

/// Loading cannot go on; the reason is among the diagnostics of the session.
pub(super) struct Stop;

/// What all files of one load have in common.
pub(super) struct Session {
    pub(super) dialect: Dialect,
    pub(super) diagnostics: Diagnostics,
    /// The files being loaded, outermost first.
    pub(super) open: Vec<PathBuf>,
    pub(super) bytes: u64,
    pub(super) files: usize,
    identities: usize,
}

impl Session {
    fn new(dialect: Dialect) -> Self {
        Self { dialect, diagnostics: Diagnostics::new(), open: Vec::new(), bytes: 0, files: 0, identities: 0 }
    }

    fn finish(self, loaded: Result<Node, Stop>) -> Result<Node, Diagnostics> {
        match loaded {
            Ok(node) if self.diagnostics.is_empty() => Ok(node),
            _ => Err(self.diagnostics),
        }
    }

    /// Records the reason why loading cannot go on.
    pub(super) fn stop(&mut self, diagnostic: Diagnostic) -> Stop {
        self.diagnostics.push(diagnostic);
        Stop
    }

    pub(super) fn identity(&mut self) -> usize {
        self.identities += 1;
        self.identities
    }

    /// Loads the text of one file; `depth` is the nesting around it.
    pub(super) fn load(
        &mut self,
        name: &str,
        text: String,
        path: Option<PathBuf>,
        base: &Path,
        depth: usize,
    ) -> Result<Node, Stop> {
        let text = text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text);
        let source = Source::new(name.to_owned(), text, self.dialect.private);
        if let Some(problem) = control_character(&source) {
            return Err(self.stop(problem));
        }
        let meter = Meter::default();
        let opened = path.map(|path| self.open.push(path)).is_some();
        let loaded = Loader {
            session: self,
            version: version(source.text()),
            parser: Parser::new_from_iter(Metered::new(source.text(), meter.clone())),
            meter,
            source: &source,
            base,
            anchors: HashMap::new(),
        }
        .document(depth);
        if opened {
            self.open.pop();
        }
        loaded
    }
}

/// YAML forbids control characters; the parser takes NUL for the end of the text.
fn control_character(source: &Arc<Source>) -> Option<Diagnostic> {
    let allowed = |c: char| !c.is_control() || matches!(c, '\t' | '\n' | '\r' | '\u{85}');
    let (mut line, mut column) = (1, 1);
    for c in source.text().chars() {
        if !allowed(c) {
            let span = Span { source: source.clone(), line, column, end_line: line, end_column: column + 1 };
            let message =
                format!("special characters are not allowed: control character U+{:04X}", u32::from(c));
            let help = "remove it, or write it as an escape inside double quotes";
            return Some(Diagnostic::error(codes::SYNTAX, message).at(&span).help(help));
        }
        (line, column) = if c == '\n' { (line + 1, 1) } else { (line, column + 1) };
    }
    None
}

/// The version directive; the parser reads it but does not hand it out.
fn version(text: &str) -> Version {
    let head = text.lines().take_while(|line| line.is_empty() || line.starts_with(['%', '#']));
    let old = head.into_iter().any(|line| line.split_whitespace().take(2).eq(["%YAML", "1.1"]));
    if old { Version::V1_1 } else { Version::V1_2 }
}

/// Loads one text.
pub(super) struct Loader<'a, 'input> {
    pub(super) session: &'a mut Session,
    pub(super) version: Version,
    parser: Parser<'input, BufferedInput<Metered<'input>>>,
    meter: Meter,
    source: &'input Arc<Source>,
    pub(super) base: &'a Path,
    anchors: HashMap<usize, Node>,
}

type Spanned<'input> = (Event<'input>, Span);

impl<'input> Loader<'_, 'input> {
    /// The single document of the text; an empty text is null.
    fn document(&mut self, depth: usize) -> Result<Node, Stop> {
        let mut root = None;
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamEnd => {
                    return Ok(root.unwrap_or_else(|| self.leaf(Value::Null, span)));
                }
                Event::DocumentStart(_) if root.is_some() => {
                    let problem =
                        Diagnostic::error(codes::SYNTAX, "expected a single document in the stream");
                    let help = "put each document into a file of its own";
                    return Err(self.session.stop(problem.at(&span).help(help)));
                }
                Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd | Event::Nothing => {}
                content => root = Some(self.node((content, span), depth)?),
            }
        }
    }

    fn next(&mut self) -> Result<Spanned<'input>, Stop> {
        if self.session.diagnostics.is_full() {
            return Err(Stop);
        }
        self.meter.reset();
        match self.parser.next_event() {
            Some(Ok((_, span))) if self.meter.is_spent() => Err(self.too_long(span)),
            Some(Err(error)) if self.meter.is_spent() => {
                Err(self.too_long(saphyr_parser::Span::empty(*error.marker())))
            }
            Some(Err(error)) if error.info() == NESTED_TOO_DEEP => {
                let span = self.span(saphyr_parser::Span::empty(*error.marker()));
                Err(self.too_large(&span, format!("nested deeper than {MAX_DEPTH} levels")))
            }
            Some(Ok((event, span))) => {
                let span = self.span(span);
                Ok((event, span))
            }
            Some(Err(error)) => Err(self.syntax_error(&error)),
            // The parser ends with StreamEnd, after which nobody asks.
            None => Err(Stop),
        }
    }

    /// The parser read on for too long before it could say what begins here.
    fn too_long(&mut self, span: saphyr_parser::Span) -> Stop {
        let message = "the description is too large: a collection in brackets is too long";
        let help = "write long lists and mappings in lines of their own: '- ITEM', 'KEY: VALUE'";
        let problem = Diagnostic::error(codes::TOO_LARGE, message).at(&self.span(span));
        self.session.stop(problem.help(help))
    }

    fn span(&self, span: saphyr_parser::Span) -> Span {
        Span {
            source: self.source.clone(),
            line: span.start.line(),
            column: span.start.col() + 1,
            end_line: span.end.line(),
            end_column: span.end.col() + 1,
        }
    }

    fn syntax_error(&mut self, error: &ScanError) -> Stop {
        let span = self.span(saphyr_parser::Span::empty(*error.marker()));
        let found = syntax::explain(self.source, span.line, span.column, error.info());
        if found.message == Some(syntax::TEMPLATE)
            && self.session.diagnostics.last_is(codes::BAD_KEY, found.line)
        {
            // The mapping that the template seems to begin has been reported.
            return Stop;
        }
        let (line, column) = (found.line, found.column);
        let span = Span { line, column, end_line: line, end_column: column, ..span };
        let problem = match found.message {
            Some(message) => Diagnostic::error(codes::SYNTAX, format!("invalid YAML: {message}")),
            None => Diagnostic::error(codes::SYNTAX, format!("invalid YAML: {}", error.info())),
        };
        self.session.stop(Diagnostic { help: found.help, ..problem.at(&span) })
    }

    /// The node that begins with `event`.
    fn node(&mut self, (event, span): Spanned<'input>, depth: usize) -> Result<Node, Stop> {
        if depth > MAX_DEPTH {
            return Err(self.too_large(&span, format!("nested deeper than {MAX_DEPTH} levels")));
        }
        match event {
            Event::Alias(anchor) => self.alias(anchor, span),
            Event::Scalar(mut text, style, anchor, tag) => {
                // The parser adds a line break where the file ends without one.
                if is_block(style) && text.ends_with('\n') && ends_with_the_file(&span) {
                    text.to_mut().pop();
                }
                let tag = Tag::new(tag.as_deref());
                let node = tag::scalar(self, &text, style == ScalarStyle::Plain, &tag, span)?;
                Ok(self.anchored(anchor, node))
            }
            Event::SequenceStart(anchor, tag) => {
                let tag = Tag::new(tag.as_deref());
                let node = self.sequence(span, depth)?;
                let node = tag::sequence(self, node, &tag)?;
                Ok(self.anchored(anchor, node))
            }
            Event::MappingStart(anchor, tag) => {
                let tag = Tag::new(tag.as_deref());
                let node = self.mapping(span, depth)?;
                let node = tag::mapping(self, node, &tag, depth)?;
                Ok(self.anchored(anchor, node))
            }
            // Other events cannot stand where a node is expected.
            _ => Err(self.session.stop(Diagnostic::error(codes::SYNTAX, "invalid YAML").at(&span))),
        }
    }

    fn anchored(&mut self, anchor: usize, node: Node) -> Node {
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        node
    }

    fn alias(&mut self, anchor: usize, span: Span) -> Result<Node, Stop> {
        match self.anchors.get(&anchor) {
            Some(node) => {
                let origin = node.origin.clone().unwrap_or_else(|| Arc::new(node.span.clone()));
                Ok(Node { span, origin: Some(origin), ..node.clone() })
            }
            None => {
                let problem = Diagnostic::error(codes::SYNTAX, "an alias stands inside its own anchor");
                Err(self.session.stop(problem.at(&span).help("a value cannot contain itself")))
            }
        }
    }

    fn sequence(&mut self, mut span: Span, depth: usize) -> Result<Node, Stop> {
        let mut items = Vec::new();
        let mut size = Size::default();
        loop {
            let next = self.next()?;
            if next.0 == Event::SequenceEnd {
                return self.collection(Value::Seq(items.into()), span, size);
            }
            let item = self.node(next, depth + 1)?;
            (span.end_line, span.end_column) = (item.span.end_line, item.span.end_column);
            self.grow(&mut size, &item)?;
            items.push(item);
        }
    }

    fn mapping(&mut self, mut span: Span, depth: usize) -> Result<Node, Stop> {
        let mut entries = Entries::default();
        let mut size = Size::default();
        loop {
            let next = self.next()?;
            if next.0 == Event::MappingEnd {
                return self.collection(Value::Map(entries.finish().into()), span, size);
            }
            let merge = matches!(&next.0, Event::Scalar(text, ScalarStyle::Plain, _, None) if text == "<<");
            let key = if merge { self.text("<<", next.1) } else { self.node(next, depth + 1)? };
            let next = self.next()?;
            let value = self.node(next, depth + 1)?;
            (span.end_line, span.end_column) = (value.span.end_line, value.span.end_column);
            self.grow(&mut size, &key)?;
            self.grow(&mut size, &value)?;
            if let Err(problem) = entries.add(key, value, merge) {
                self.session.diagnostics.push(*problem);
            }
        }
    }

    fn grow(&mut self, size: &mut Size, child: &Node) -> Result<(), Stop> {
        size.weight = size.weight.saturating_add(child.weight);
        size.height = size.height.max(child.height);
        if size.weight > MAX_WEIGHT {
            return Err(self.too_large(&child.span, format!("more than {MAX_WEIGHT} values")));
        }
        if size.height >= MAX_DEPTH {
            return Err(self.too_large(&child.span, format!("nested deeper than {MAX_DEPTH} levels")));
        }
        Ok(())
    }

    fn too_large(&mut self, span: &Span, what: String) -> Stop {
        let message = format!("the description is too large: {what}, with aliases expanded");
        self.session.stop(Diagnostic::error(codes::TOO_LARGE, message).at(span))
    }

    fn collection(&mut self, value: Value, span: Span, size: Size) -> Result<Node, Stop> {
        let identity = self.session.identity();
        let (weight, height) = (size.weight + 1, size.height + 1);
        Ok(Node { value, span, origin: None, identity, weight, height })
    }

    /// A value without parts.
    pub(super) fn leaf(&mut self, value: Value, span: Span) -> Node {
        let bytes = match &value {
            Value::Str(text) | Value::BigInt(text) | Value::Date(text) => text.len(),
            _ => 0,
        };
        let identity = self.session.identity();
        Node { value, span, origin: None, identity, weight: 1 + bytes / 64, height: 0 }
    }

    /// A text.
    pub(super) fn text(&mut self, text: &str, span: Span) -> Node {
        self.leaf(Value::Str(text.into()), span)
    }
}

/// Size of a collection while it grows.
#[derive(Default)]
struct Size {
    weight: usize,
    height: usize,
}

/// The entries of a mapping while it is read: no key twice, merges below what is written out.
#[derive(Default)]
struct Entries {
    explicit: Vec<(Node, Node)>,
    merged: Vec<(Node, Node)>,
    /// Explicit keys with the position of their entry.
    keys: HashMap<String, usize>,
    has_merge: bool,
}

impl Entries {
    fn add(&mut self, key: Node, value: Node, merge: bool) -> Result<(), Box<Diagnostic>> {
        if merge {
            return self.merge(&key, &value);
        }
        let text = hash_key(&key).ok_or_else(|| Box::new(unusable(&key)))?;
        if let Some(first) = self.keys.get(&text) {
            return Err(Box::new(duplicate(&self.explicit[*first], (&key, &value))));
        }
        self.keys.insert(text, self.explicit.len());
        self.explicit.push((key, value));
        Ok(())
    }

    fn merge(&mut self, key: &Node, value: &Node) -> Result<(), Box<Diagnostic>> {
        if std::mem::replace(&mut self.has_merge, true) {
            let problem = Diagnostic::error(codes::DUPLICATE_KEY, "found duplicate key \"<<\"").at(&key.span);
            return Err(Box::new(problem.help("merge several mappings with a list: <<: [*A, *B]")));
        }
        let sources = match &value.value {
            Value::Seq(items) => items.iter().collect(),
            _ => vec![value],
        };
        for source in sources {
            let Some(entries) = source.as_map() else {
                let kind = source.value.kind();
                let message = format!("expected a mapping or list of mappings for merging, but found {kind}");
                return Err(Box::new(Diagnostic::error(codes::BAD_MERGE, message).at(&source.span)));
            };
            self.merged.extend(entries.iter().cloned());
        }
        Ok(())
    }

    /// Merged entries first; of equal ones the explicit, else the first.
    fn finish(self) -> Vec<(Node, Node)> {
        let keys = self.keys;
        let mut seen: HashSet<String> = HashSet::new();
        let mut result: Vec<(Node, Node)> = self
            .merged
            .into_iter()
            .filter(|(key, _)| {
                hash_key(key).is_some_and(|text| !keys.contains_key(&text) && seen.insert(text))
            })
            .collect();
        result.extend(self.explicit);
        result
    }
}

fn is_block(style: ScalarStyle) -> bool {
    matches!(style, ScalarStyle::Literal | ScalarStyle::Folded)
}

/// Whether `span` ends where its file does, in the middle of a line.
fn ends_with_the_file(span: &Span) -> bool {
    let line = span.source.line(span.end_line).map_or(0, |line| line.chars().count());
    span.end_column > 1 && span.end_column == line + 1 && span.source.line(span.end_line + 1).is_none()
}

/// A text that is equal for keys that are equal in Python (`1`, `1.0` and `true`); `None` for values
/// that cannot be keys there.
fn hash_key(key: &Node) -> Option<String> {
    Some(match &key.value {
        Value::Null => "n".to_owned(),
        Value::Bool(flag) => format!("i{}", i128::from(*flag)),
        Value::Int(number) => format!("i{number}"),
        Value::Float(number) if number.fract() == 0.0 => format!("i{number:.0}"),
        Value::Float(number) => format!("f{number:?}"),
        Value::BigInt(text) => format!("i{text}"),
        Value::Str(text) => format!("s{text}"),
        Value::Date(text) => format!("d{text}"),
        Value::Seq(items) => {
            // Lengths keep the parts apart; quoting them would double the text at every level.
            let parts = items.iter().map(|item| hash_key(item).map(|key| format!("{}:{key}", key.len())));
            format!("l{}", parts.collect::<Option<String>>()?)
        }
        Value::Map(_) | Value::Secret(_) => return None,
    })
}

/// The problem of a mapping as a key; most often it is a template that lacks its quotes.
fn unusable(key: &Node) -> Diagnostic {
    let line = key.span.source.line(key.span.line).unwrap_or_default();
    let problem = if syntax::begins_template(line, key.span.column) {
        Diagnostic::error(codes::BAD_KEY, syntax::TEMPLATE).help(syntax::QUOTE)
    } else {
        Diagnostic::error(codes::BAD_KEY, "a mapping cannot be used as a key")
            .help("use a text, a number or a list of these as the key")
    };
    problem.at(&key.span).legacy("found unhashable key")
}

fn duplicate(first: &(Node, Node), second: (&Node, &Node)) -> Diagnostic {
    let ((_, old), (key, new)) = (first, second);
    let line = first.0.span.line;
    let problem = if key.span.source.is_private() {
        Diagnostic::error(codes::DUPLICATE_KEY, "found a duplicate key")
    } else {
        let name = key.to_text();
        let problem = Diagnostic::error(codes::DUPLICATE_KEY, format!("found duplicate key \"{name}\""));
        let scalar = |node: &Node| node.as_map().is_none() && node.as_seq().is_none();
        if scalar(old) && scalar(new) && !names_secret(&name) {
            let (old, new) = (old.to_text(), new.to_text());
            problem.legacy(format!(
                "found duplicate key \"{name}\" with value \"{new}\" (original value: \"{old}\")"
            ))
        } else {
            problem
        }
    };
    problem.at(&key.span).help(format!("the key is already in line {line}; keep one of them"))
}
