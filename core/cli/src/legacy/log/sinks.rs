//! Where records go: the handlers of the configuration's logging section.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use jiff::Zoned;
use occopus::descriptor::configuration::{Format, Handler, Level, Logger, Logging, Record, Target};

use crate::output::Output;

/// By the name of the handler.
type Files = BTreeMap<String, File>;

/// Loggers, handlers and open files.
pub(super) struct Sinks {
    logging: Logging,
    /// The open file of each file handler. Whoever writes a record holds them all, so that all handlers have
    /// the records in the same order.
    files: Mutex<Files>,
}

impl Sinks {
    /// What the configuration that came with Occopus 1.10 says, but without files: records from INFO on
    /// to stdout.
    pub(super) fn builtin() -> Self {
        let formats = [("short".to_owned(), Format::new(Some("** %(asctime)s\t%(message)s"), None))];
        let console =
            Handler { level: Level::INFO, formatter: Some("short".to_owned()), target: Target::Stdout };
        let quiet = Logger { level: None, handlers: Vec::new(), propagate: false };
        let logging = Logging {
            formatters: formats.into_iter().filter_map(|(name, format)| Some((name, format.ok()?))).collect(),
            handlers: [("console".to_owned(), console)].into(),
            loggers: [("occo.eventlog".to_owned(), quiet)].into(),
            root: Logger {
                level: Some(Level::DEBUG),
                handlers: vec!["console".to_owned()],
                propagate: false,
            },
        };
        Self { logging, files: Mutex::default() }
    }

    /// Opens the files of `logging`, and tells for each that cannot be opened why not: its records are
    /// dropped, since a log is no reason to leave machines running.
    pub(super) fn open(logging: Logging) -> (Self, Vec<String>) {
        let mut files = Files::new();
        let mut problems = Vec::new();
        for (name, handler) in &logging.handlers {
            let Target::File { path, append } = &handler.target else { continue };
            match open_file(path, *append) {
                Ok(file) => {
                    files.insert(name.clone(), file);
                }
                Err(error) => problems.push(format!(
                    "the log file '{}' cannot be written: {error}; its records are dropped",
                    path.display()
                )),
            }
        }
        (Self { logging, files: Mutex::new(files) }, problems)
    }

    /// Sends a record to the handlers that want it.
    pub(super) fn record(&self, output: &Output, logger: &str, level: Level, message: &str) {
        let route = self.logging.route(logger, level);
        if route.is_empty() {
            return;
        }
        let message = &output.redactor().text(message);
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        let time = Zoned::now();
        let record = Record { time: &time, level, logger, message, process_name: "MainProcess" };
        let plain = Format::default();
        for name in route {
            let Some(handler) = self.logging.handlers.get(name) else { continue };
            let format = handler.formatter.as_ref().and_then(|name| self.logging.formatters.get(name));
            let line = format.unwrap_or(&plain).render(&record);
            match handler.target {
                Target::Stdout => output.result(&line),
                Target::Stderr => output.write_line(&line),
                Target::File { .. } => write(&mut files, name, &line),
                Target::Nowhere => {}
            }
        }
    }
}

fn write(files: &mut Files, handler: &str, line: &str) {
    let Some(file) = files.get_mut(handler) else { return };
    // A full disk must not end what the log is about; one write per record keeps lines whole.
    drop(file.write_all(format!("{line}\n").as_bytes()));
}

/// Only the owner may read it: records tell names and addresses. Writing at the end always lets two
/// handlers, or two commands, share a file.
fn open_file(path: &Path, append: bool) -> io::Result<File> {
    let file = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
    if !append {
        file.set_len(0)?;
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;
    use crate::output::{Format as OutputFormat, Manner};

    #[test]
    fn handlers_get_the_records_of_several_threads_in_the_same_order() {
        let folder = tempfile::tempdir().unwrap();
        let paths = ["one.log", "two.log"].map(|name| folder.path().join(name));
        let handler = |path: &Path| Handler {
            level: Level::DEBUG,
            formatter: None,
            target: Target::File { path: path.to_owned(), append: true },
        };
        let (sinks, problems) = Sinks::open(Logging {
            formatters: BTreeMap::new(),
            handlers: [("one".to_owned(), handler(&paths[0])), ("two".to_owned(), handler(&paths[1]))].into(),
            loggers: BTreeMap::new(),
            root: Logger {
                level: Some(Level::DEBUG),
                handlers: vec!["one".to_owned(), "two".to_owned()],
                propagate: false,
            },
        });
        assert!(problems.is_empty());
        let output = Output::new(Manner { format: OutputFormat::Text, quiet: true, color: false });
        thread::scope(|scope| {
            for thread in 0..4 {
                let (sinks, output) = (&sinks, &output);
                scope.spawn(move || {
                    for number in 0..200 {
                        sinks.record(output, "occo", Level::INFO, &format!("{thread} {number}"));
                    }
                });
            }
        });
        let [one, two] = paths.map(|path| std::fs::read_to_string(path).unwrap());
        assert_eq!(one.lines().count(), 800);
        assert!(one == two, "two handlers have different orders");
    }
}
