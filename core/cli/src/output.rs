//! Where text goes: results to stdout, everything else to stderr, above the live region if there is one.
//!
//! A reader that went away (`occopus events | head`) is no error: what follows is dropped.

use std::borrow::Cow;
use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crossterm::cursor::{Hide, MoveToColumn, MoveUp, Show};
use crossterm::style::{Attribute, Color, ResetColor, SetAttribute, SetForegroundColor};
use crossterm::terminal::{Clear, ClearType};
use crossterm::{Command, QueueableCommand};
use occopus::Error;
use occopus::engine::secret::Redactor;
use serde::Serialize;
use serde_json::json;
use tracing_subscriber::EnvFilter;

/// Form of the results: for people, JSON objects one a line, or SARIF, which `validate` alone can write.
// The values have no texts of their own: they would make every help page longer by ten lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    Text,
    Json,
    Sarif,
}

/// How a command talks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Manner {
    /// Form of the results.
    pub(crate) format: Format,
    /// Nothing on stderr but errors and warnings.
    pub(crate) quiet: bool,
    /// Whether colours are allowed where there is a terminal.
    pub(crate) color: bool,
}

/// The handles of a command.
pub(crate) struct Output {
    manner: Manner,
    stdout_terminal: bool,
    stderr_terminal: bool,
    closed: AtomicBool,
    /// Results could not be written, and not because their reader went away.
    incomplete: AtomicBool,
    /// The lines of the live region that are on the screen, at its bottom.
    region: Mutex<Vec<String>>,
    /// Hides secrets in all that is written.
    redactor: Redactor,
}

impl Output {
    /// The standard handles of this process.
    pub(crate) fn new(manner: Manner) -> Arc<Self> {
        Arc::new(Self {
            manner,
            stdout_terminal: io::stdout().is_terminal(),
            stderr_terminal: io::stderr().is_terminal()
                && std::env::var_os("TERM").is_none_or(|t| t != "dumb"),
            closed: AtomicBool::new(false),
            incomplete: AtomicBool::new(false),
            region: Mutex::default(),
            redactor: Redactor::default(),
        })
    }

    /// What hides secrets here; whatever reads them has to know it.
    pub(crate) fn redactor(&self) -> &Redactor {
        &self.redactor
    }

    /// Whether results are JSON.
    pub(crate) fn is_json(&self) -> bool {
        self.manner.format == Format::Json
    }

    /// Whether stdout may be coloured.
    pub(crate) fn colors_results(&self) -> bool {
        self.manner.color && self.stdout_terminal
    }

    /// Whether stderr may be coloured.
    pub(crate) fn colors_progress(&self) -> bool {
        self.manner.color && self.stderr_terminal
    }

    /// Whether a live region can be shown.
    pub(crate) fn is_live(&self) -> bool {
        self.stderr_terminal && !self.manner.quiet && !self.is_json()
    }

    /// Whether the reader of stdout went away.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    /// The exit code to end with instead of `code`: a command whose result is lost has failed.
    pub(crate) fn conclude(&self, code: u8) -> u8 {
        let lost = self.incomplete.load(Ordering::Relaxed);
        if lost && code == crate::DONE { crate::FAILED } else { code }
    }

    /// Writes a result and a line break to stdout.
    pub(crate) fn result(&self, text: &str) {
        if self.is_closed() {
            return;
        }
        let text = self.redactor.text(text);
        let region = self.region();
        let shown = self.stdout_terminal && !region.is_empty();
        if shown {
            self.write_screen(|out| erase(out, region.len()));
        }
        let mut stdout = io::stdout().lock();
        let written = stdout
            .write_all(text.as_bytes())
            .and_then(|()| stdout.write_all(b"\n"))
            .and_then(|()| stdout.flush());
        drop(stdout);
        if let Err(error) = written {
            self.closed.store(true, Ordering::Relaxed);
            if error.kind() != io::ErrorKind::BrokenPipe {
                self.incomplete.store(true, Ordering::Relaxed);
                raw_error(&format!("the result could not be written: {error}"));
            }
        }
        if shown {
            self.write_screen(|out| draw(out, &region));
        }
    }

    /// Writes a result as one line of JSON.
    pub(crate) fn json<T: Serialize>(&self, value: &T) {
        let text = serde_json::to_string(value).and_then(|text| match self.redactor.text(&text) {
            Cow::Borrowed(_) => Ok(text),
            // Hidden before it is text: what stands for a secret may need escaping.
            Cow::Owned(_) => Ok(self.redactor.json(serde_json::to_value(value)?).to_string()),
        });
        match text {
            Ok(text) => self.result(&text),
            Err(error) => self.error(&format!("the result cannot be written as JSON: {error}")),
        }
    }

    /// Writes progress to stderr, unless only errors are wanted.
    pub(crate) fn say(&self, text: &str) {
        if !self.manner.quiet {
            self.write_line(text);
        }
    }

    /// Writes a warning to stderr.
    pub(crate) fn warn(&self, text: &str) {
        let label = paint(self.colors_progress(), Color::Yellow, "warning:");
        self.write_line(&format!("{label} {text}"));
    }

    /// Writes an error to stderr.
    pub(crate) fn error(&self, text: &str) {
        let label = paint(self.colors_progress(), Color::Red, "error:");
        self.write_line(&format!("{label} {text}"));
    }

    /// Reports `error` and returns the exit code it stands for.
    pub(crate) fn fail(&self, error: &Error) -> u8 {
        if self.is_json() {
            self.json(&error_object(error));
        } else if let Error::Descriptor(problems) = error {
            let count = problems.errors().count();
            let problem = if count == 1 { "problem" } else { "problems" };
            self.write_line(&problems.shown(self.colors_progress()).to_string());
            self.error(&format!("{count} {problem} in the files; nothing was changed"));
        } else {
            self.error(&error.to_string());
        }
        error.exit_code()
    }

    /// Reports wrong usage and returns the exit code it stands for.
    pub(crate) fn refuse(&self, text: &str) -> u8 {
        self.fail(&Error::Usage(text.to_owned()))
    }

    /// Writes a line to stderr, above the live region.
    pub(crate) fn write_line(&self, text: &str) {
        let text = self.redactor.text(text);
        let region = self.region();
        self.write_screen(|out| {
            erase(out, region.len())?;
            writeln!(out, "{text}")?;
            draw(out, &region)
        });
    }

    /// Replaces the live region. Its lines must fit the width of the terminal.
    pub(crate) fn show(&self, lines: Vec<String>) {
        let lines: Vec<String> = lines.into_iter().map(|line| self.redactor.string(line)).collect();
        let mut region = self.region();
        self.write_screen(|out| {
            if region.is_empty() {
                out.queue(Hide)?;
            }
            erase(out, region.len())?;
            draw(out, &lines)
        });
        *region = lines;
    }

    /// Leaves the live region as it stands; what follows is written below it.
    pub(crate) fn release(&self) {
        let mut region = self.region();
        if !region.is_empty() {
            self.write_screen(|out| out.queue(Show).map(drop));
            region.clear();
        }
    }

    fn region(&self) -> MutexGuard<'_, Vec<String>> {
        // Lines on a screen are valid after any panic.
        self.region.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One write per change, so that the screen does not flicker. A terminal that went away is ignored.
    fn write_screen(&self, fill: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) {
        let mut buffer = Vec::new();
        if fill(&mut buffer).is_ok() {
            let mut stderr = io::stderr().lock();
            drop(stderr.write_all(&buffer).and_then(|()| stderr.flush()));
        }
    }
}

fn erase(out: &mut Vec<u8>, lines: usize) -> io::Result<()> {
    if let Ok(lines) = u16::try_from(lines)
        && lines > 0
    {
        out.queue(MoveUp(lines))?.queue(MoveToColumn(0))?.queue(Clear(ClearType::FromCursorDown))?;
    }
    Ok(())
}

fn draw(out: &mut Vec<u8>, lines: &[String]) -> io::Result<()> {
    lines.iter().try_for_each(|line| writeln!(out, "{line}"))
}

/// The error as the object that JSON output has for it.
fn error_object(error: &Error) -> serde_json::Value {
    let mut object = json!({"kind": error.kind(), "message": error.to_string()});
    if let Error::Descriptor(problems) = error {
        object["problems"] = json!(problems);
    }
    json!({"schema": 1, "error": object})
}

/// `text` in `color`, if colours are `enabled`.
pub(crate) fn paint(enabled: bool, color: Color, text: &str) -> String {
    if enabled {
        format!("{}{text}{}", code(&SetForegroundColor(color)), code(&ResetColor))
    } else {
        text.to_owned()
    }
}

/// `text` in bold, if that is `enabled`.
pub(crate) fn bold(enabled: bool, text: &str) -> String {
    let style = |attribute| code(&SetAttribute(attribute));
    if enabled {
        format!("{}{text}{}", style(Attribute::Bold), style(Attribute::Reset))
    } else {
        text.to_owned()
    }
}

fn code(command: &impl Command) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = command.write_ansi(&mut text);
    text
}

/// Reports an error where no [`Output`] can be made.
pub(crate) fn raw_error(text: &str) {
    drop(writeln!(io::stderr(), "error: {text}"));
}

/// Sends log records to stderr, above the live region: warnings, and more with each `-v`.
/// `OCCOPUS_LOG` (such as `occopus=debug`) decides alone where it is set.
pub(crate) fn install_log(output: &Arc<Output>, verbosity: u8) {
    let default = match verbosity {
        0 => "warn",
        1 => "warn,occopus=info",
        2 => "info,occopus=debug",
        _ => "debug,occopus=trace",
    };
    let filter = std::env::var("OCCOPUS_LOG").ok().and_then(|text| EnvFilter::try_new(text).ok());
    let output_of_log = output.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter.unwrap_or_else(|| EnvFilter::new(default)))
        .with_ansi(output.colors_progress())
        .without_time()
        .with_writer(move || LogLine { output: output_of_log.clone(), line: Vec::new() })
        .finish();
    // A program that calls several commands in one process keeps the first subscriber.
    drop(tracing::subscriber::set_global_default(subscriber));
}

/// One log record on its way.
struct LogLine {
    output: Arc<Output>,
    line: Vec<u8>,
}

impl Write for LogLine {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.line.extend_from_slice(buffer);
        Ok(buffer.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for LogLine {
    fn drop(&mut self) {
        if !self.line.is_empty() {
            self.output.write_line(String::from_utf8_lossy(&self.line).trim_end());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_colours_text_stays_as_it_is() {
        assert_eq!(paint(false, Color::Red, "failed"), "failed");
        assert_eq!(bold(false, "demo"), "demo");
    }

    #[test]
    fn colours_are_switched_off_again_behind_the_text() {
        assert_eq!(paint(true, Color::Red, "failed"), "\u{1b}[38;5;9mfailed\u{1b}[0m");
    }

    #[test]
    fn an_error_object_has_schema_kind_and_message() {
        let object = error_object(&Error::Usage("no such node".to_owned()));
        assert_eq!(object, json!({"schema": 1, "error": {"kind": "usage", "message": "no such node"}}));
    }
}
