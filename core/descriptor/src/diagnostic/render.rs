//! Diagnostics as text for people, in the manner of compilers: what, where, the marked line, what to do.

use std::fmt;

use unicode_width::UnicodeWidthChar;

use super::{Diagnostic, Diagnostics, Excerpt, Location, Related, Severity};

const BOLD: &str = "\u{1b}[1m";
const RED: &str = "\u{1b}[1;91m";
const YELLOW: &str = "\u{1b}[1;93m";
const BLUE: &str = "\u{1b}[1;94m";
const CYAN: &str = "\u{1b}[1;96m";
const RESET: &str = "\u{1b}[0m";

/// One or several diagnostics on their way to people.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a> {
    problems: &'a [Diagnostic],
    colors: bool,
}

impl Diagnostic {
    /// The problem as text of several lines without a line break at the end, with terminal colours if
    /// `colors`.
    pub fn shown(&self, colors: bool) -> Shown<'_> {
        Shown { problems: std::slice::from_ref(self), colors }
    }

    /// The text of Occopus 1.10, unless it says no more than the message does.
    fn legacy_note(&self) -> Option<&str> {
        let text = self.legacy.as_deref()?.trim_end();
        let body = text.strip_prefix("[SchemaCheck] ").and_then(|text| Some(text.split_once(": ")?.1));
        (!self.message.contains(body.unwrap_or(text))).then_some(text)
    }
}

impl Diagnostics {
    /// All problems as text, with an empty line between two of them and terminal colours if `colors`.
    pub fn shown(&self, colors: bool) -> Shown<'_> {
        Shown { problems: &self.0, colors }
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shown(false).fmt(f)
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shown(false).fmt(f)
    }
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str("\n\n")?;
            }
            Writer { colors: self.colors, margin: margin(problem) }.problem(problem, f)?;
        }
        Ok(())
    }
}

/// Width of the column of line numbers.
fn margin(problem: &Diagnostic) -> usize {
    let lines = problem.location.iter().chain(problem.related.iter().map(|related| &related.location));
    lines.map(|location| location.line.to_string().len()).max().unwrap_or(0)
}

/// A place to be shown: the excerpt may be missing, the label empty.
struct Mark<'a> {
    arrow: &'a str,
    location: &'a Location,
    excerpt: Option<&'a Excerpt>,
    sign: &'a str,
    color: &'a str,
    label: &'a str,
}

struct Writer {
    colors: bool,
    margin: usize,
}

impl Writer {
    fn paint(&self, color: &str, text: &str) -> String {
        if self.colors { format!("{color}{text}{RESET}") } else { text.to_owned() }
    }

    /// A line that begins with the number or nothing, and the border.
    fn border(&self, number: &str) -> String {
        self.paint(BLUE, &format!("{number:>width$} |", width = self.margin))
    }

    fn problem(&self, problem: &Diagnostic, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (word, color) = match problem.severity {
            Severity::Error => ("error", RED),
            Severity::Warning => ("warning", YELLOW),
        };
        let head = self.paint(color, &format!("{word}[{}]", problem.code));
        write!(f, "{head}{}", self.paint(BOLD, &format!(": {}", problem.message)))?;
        if let Some(location) = &problem.location {
            let excerpt = problem.source_line.as_ref();
            self.mark(&Mark { arrow: "-->", location, excerpt, sign: "^", color, label: "" }, f)?;
        }
        for Related { location, source_line, label } in &problem.related {
            let excerpt = source_line.as_ref();
            self.mark(&Mark { arrow: ":::", location, excerpt, sign: "-", color: BLUE, label }, f)?;
        }
        self.notes(problem, f)
    }

    fn mark(&self, mark: &Mark<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Location { file, line, column, .. } = mark.location;
        let arrow = self.paint(BLUE, mark.arrow);
        write!(f, "\n{:width$}{arrow} {file}:{line}:{column}", "", width = self.margin)?;
        let Some(Excerpt { text, start, length }) = mark.excerpt else {
            if !mark.label.is_empty() {
                write!(f, " ({})", mark.label)?;
            }
            return Ok(());
        };
        write!(f, "\n{}\n{} {text}", self.border(""), self.border(&line.to_string()))?;
        let signs = mark.sign.repeat(columns(text, *start, *length).max(1));
        let signs = self.paint(mark.color, format!("{signs} {}", mark.label).trim_end());
        write!(f, "\n{} {:start$}{signs}", self.border(""), "", start = columns(text, 0, *start))
    }

    fn notes(&self, problem: &Diagnostic, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if problem.source_line.is_some() && (problem.help.is_some() || problem.legacy_note().is_some()) {
            write!(f, "\n{}", self.border(""))?;
        }
        let note = problem.legacy_note().map(|text| format!("Occopus 1.10 says: {text}"));
        for (label, color, text) in [("help", CYAN, problem.help.as_ref()), ("note", BOLD, note.as_ref())] {
            if let Some(text) = text {
                let (sign, label) = (self.paint(BLUE, "="), self.paint(color, label));
                write!(f, "\n{:width$} {sign} {label}: {}", "", text.trim_end(), width = self.margin)?;
            }
        }
        Ok(())
    }
}

/// How many columns of a terminal `count` characters of `text` take, counted from character `from`. A
/// character beyond the end of the text takes one.
fn columns(text: &str, from: usize, count: usize) -> usize {
    let widths = text.chars().map(|character| character.width().unwrap_or(0));
    widths.chain(std::iter::repeat(1)).skip(from).take(count).sum()
}

#[cfg(test)]
mod tests {
    use crate::yaml::{self, Dialect};
    use crate::{Diagnostic, codes};

    fn problem() -> Diagnostic {
        let text = "infra_name: x\nnodes:\n- nam: a\n- name: b\n";
        let root = yaml::load_text("infra.yaml", text, "".as_ref(), Dialect::default()).unwrap();
        let nodes = root.get("nodes").and_then(yaml::Node::as_seq).unwrap();
        Diagnostic::error(codes::UNKNOWN_KEY, "unknown key 'nam' in node ''")
            .at(&nodes[0].entry("nam").unwrap().0.span)
            .also(&nodes[1].entry("name").unwrap().0.span, "right here")
            .help("did you mean 'name'?")
    }

    #[test]
    fn a_problem_reads_like_that_of_a_compiler() {
        let expected = "error[OCC0104]: unknown key 'nam' in node ''\n \
                        --> infra.yaml:3:3\n  |\n3 | - nam: a\n  |   ^^^\n \
                        ::: infra.yaml:4:3\n  |\n4 | - name: b\n  |   ---- right here\n  |\n  \
                        = help: did you mean 'name'?";
        assert_eq!(problem().to_string(), expected);
    }

    #[test]
    fn wide_and_combining_characters_are_marked_over_all_their_columns() {
        let text = "infra_name: x\nnodes:\n- {日本: e\u{301}, 語: b}\n";
        let root = yaml::load_text("infra.yaml", text, "".as_ref(), Dialect::default()).unwrap();
        let node = &root.get("nodes").and_then(yaml::Node::as_seq).unwrap()[0];
        let shown =
            Diagnostic::error(codes::UNKNOWN_KEY, "").at(&node.entry("語").unwrap().0.span).to_string();
        assert!(shown.contains("infra.yaml:3:12"), "columns of the place are characters: {shown}");
        assert!(shown.ends_with("| - {日本: e\u{301}, 語: b}\n  |             ^^"), "{shown}");
    }

    #[test]
    fn colours_change_nothing_but_the_colour() {
        let mut colored = problem().shown(true).to_string();
        assert!(colored.contains("\u{1b}["), "{colored}");
        while let Some(start) = colored.find("\u{1b}[") {
            let end = colored[start..].find('m').unwrap() + start;
            colored.replace_range(start..=end, "");
        }
        assert_eq!(colored, problem().to_string());
    }

    #[test]
    fn the_legacy_text_is_a_note_only_where_it_says_something_else() {
        let note = |message: &str, legacy: &str| {
            let problem = Diagnostic::error(codes::BAD_NAME, message).legacy(legacy);
            problem.to_string().contains("= note: Occopus 1.10 says:")
        };
        assert!(!note("no name", "[SchemaCheck] ERROR: no name"));
        assert!(!note("Missing key(s): a (here)", "[SchemaCheck] ERROR in 'here': Missing key(s): a"));
        assert!(note("unknown key 'a'", "[SchemaCheck] ERROR: unknown key \"'a'\""));
        assert!(note("nodes depend on each other", "Cycle detected."));
    }
}
