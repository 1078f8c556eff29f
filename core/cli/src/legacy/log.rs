//! The records of Occopus 1.10: each goes to the handlers of the configuration's logging section; without
//! one, it is a line on stdout with its time.

mod eventlog;
mod sinks;
mod trace;

use std::sync::{Arc, OnceLock};

use occopus::Error;
use occopus::descriptor::codes;
use occopus::descriptor::configuration::{Level, Logging};
use occopus::descriptor::diagnostic::{Diagnostic, Diagnostics};
use occopus::engine::event::{Event, EventKind, EventSink};

use self::sinks::Sinks;
use crate::output::{Output, install_log};
use crate::{FAILED, INTERRUPTED};

/// The logger of all records that belong to no part of the program.
const OCCO: &str = "occo";
/// The logger of the event log.
const EVENT_LOG: &str = "occo.eventlog";

/// Sends records where the user wants them.
pub(super) struct Console {
    output: Arc<Output>,
    builtin: Sinks,
    /// Set once the configuration is known and has a logging section.
    configured: OnceLock<Sinks>,
}

impl Console {
    /// A console on `output` that gets the records of this process, too.
    pub(super) fn install(output: Arc<Output>) -> Arc<Self> {
        let console = Arc::new(Self { output, builtin: Sinks::builtin(), configured: OnceLock::new() });
        if std::env::var_os("OCCOPUS_LOG").is_some() {
            install_log(&console.output, 0);
        } else {
            trace::install(console.clone());
        }
        console
    }

    /// From now on records go where `logging` says.
    pub(super) fn configure(&self, logging: Logging) {
        let (sinks, problems) = Sinks::open(logging);
        problems.iter().for_each(|problem| self.output.warn(problem));
        // A command configures its console once.
        drop(self.configured.set(sinks));
    }

    /// The handles below.
    pub(super) fn output(&self) -> &Arc<Output> {
        &self.output
    }

    /// Logs what happens.
    pub(super) fn log(&self, message: &str) {
        self.record(OCCO, Level::INFO, message);
    }

    fn record(&self, logger: &str, level: Level, message: &str) {
        self.configured.get().unwrap_or(&self.builtin).record(&self.output, logger, level, message);
    }

    /// Logs a record of a part of the program. As long as no logging section says otherwise, these are
    /// warnings on stderr.
    fn trace(&self, logger: &str, level: Level, message: &str) {
        match self.configured.get() {
            Some(sinks) => sinks.record(&self.output, logger, level, message),
            None if level >= Level::WARNING => self.output.warn(message),
            None => {}
        }
    }

    /// Prints a line without time.
    pub(super) fn print(&self, text: &str) {
        self.output.result(text);
    }

    /// Logs the warnings found in files.
    pub(super) fn warnings(&self, warnings: &Diagnostics) {
        for warning in warnings.iter() {
            self.record(OCCO, Level::WARNING, &legacy_text(warning, "WARNING"));
        }
    }

    /// Reports what is wrong with files: the original's message on stdout, all problems with their places
    /// on stderr. Problems that made the original break off with a traceback have no message.
    pub(super) fn problems(&self, problems: &Diagnostics) {
        if let Some(first) = problems.errors().next()
            && !is_unreadable(first)
        {
            self.print(&legacy_text(first, "ERROR"));
        }
        self.output.write_line(&problems.to_string());
    }

    /// Reports an error of any kind and returns the exit code, which is 1 for all but an interruption.
    pub(super) fn fail(&self, error: &Error) -> u8 {
        match error {
            Error::Descriptor(problems) => self.problems(problems),
            error => self.record(OCCO, Level::ERROR, &error.to_string()),
        }
        if error.exit_code() == INTERRUPTED { INTERRUPTED } else { FAILED }
    }
}

/// Whether the file could not even be read as YAML.
fn is_unreadable(problem: &Diagnostic) -> bool {
    [codes::UNREADABLE, codes::SYNTAX].contains(&problem.code)
}

/// What Occopus 1.10 said, or what it would have said where it said nothing sensible.
fn legacy_text(problem: &Diagnostic, severity: &str) -> String {
    match &problem.legacy {
        Some(text) if text.starts_with('[') => text.trim_end().to_owned(),
        Some(text) => format!("[SchemaCheck] {severity}: {}", text.trim_end()),
        None => format!("[SchemaCheck] {severity}: {}", problem.message),
    }
}

/// The record of an event in the original's words; `None` for events it did not log.
fn message(event: &Event) -> Option<String> {
    let text = &event.message;
    let (Some(slot), Some(node_id)) = (&event.slot, &event.node_id) else {
        return match event.event {
            EventKind::InfraReady | EventKind::Scaled | EventKind::Notice | EventKind::Progress
                if !text.is_empty() =>
            {
                Some(text.clone())
            }
            EventKind::InfraDrop => Some(format!("Finished dropping infrastructure {}", event.infra_id)),
            _ => None,
        };
    };
    let node = format!("'{}'/'{node_id}'", slot.node);
    Some(match event.event {
        EventKind::NodeCreating => format!("Creating node {node}"),
        EventKind::NodeStarted => format!("Waiting for node {node} to become ready. No timeout."),
        EventKind::NodeCreated => format!("Node {node} is ready."),
        EventKind::NodeFailed => format!("Error while creating node '{node_id}':'{text}'"),
        EventKind::NodeDropping => format!("Dropping node {node}"),
        EventKind::NodeUnhealthy => format!("Service on node {node} is down: {text}"),
        EventKind::NodeHealthy => format!("Service on node {node} is up again"),
        EventKind::NodeAdopted => format!("Taking over node {node}"),
        EventKind::Notice => format!("Node {node}: {text}"),
        _ => return None,
    })
}

/// Logger and level of the record of an event.
fn place(kind: EventKind) -> (&'static str, Level) {
    match kind {
        EventKind::NodeCreating
        | EventKind::NodeStarted
        | EventKind::NodeCreated
        | EventKind::NodeDropping
        | EventKind::NodeAdopted => ("occo.infraprocessor.basic", Level::INFO),
        EventKind::NodeFailed => ("occo.infraprocessor.basic", Level::ERROR),
        EventKind::NodeHealthy => ("occo.infraprocessor.synchronization", Level::INFO),
        EventKind::NodeUnhealthy => ("occo.infraprocessor.synchronization", Level::WARNING),
        EventKind::Scaled => ("occo.scaling", Level::INFO),
        _ => (OCCO, Level::INFO),
    }
}

impl EventSink for Console {
    fn event(&self, event: &Event) {
        if let Some(record) = eventlog::record(event) {
            self.record(EVENT_LOG, Level::INFO, &record);
        }
        if let Some(message) = message(event) {
            let (logger, level) = place(event.event);
            self.record(logger, level, &message);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::event::tests::event;

    #[test]
    fn events_of_instances_read_as_in_the_original() {
        let said = |kind, text: &str| message(&event(kind, Some("worker/1"), text)).expect("is logged");
        assert_eq!(said(EventKind::NodeCreating, "why"), "Creating node 'worker'/'n1'");
        assert_eq!(
            said(EventKind::NodeStarted, "p"),
            "Waiting for node 'worker'/'n1' to become ready. No timeout."
        );
        assert_eq!(said(EventKind::NodeCreated, "127.0.0.9"), "Node 'worker'/'n1' is ready.");
        assert_eq!(said(EventKind::NodeFailed, "no image"), "Error while creating node 'n1':'no image'");
        assert_eq!(said(EventKind::NodeDropping, "why"), "Dropping node 'worker'/'n1'");
    }

    #[test]
    fn what_the_original_did_not_log_is_not_logged() {
        assert_eq!(message(&event(EventKind::NodeDropped, Some("worker/1"), "")), None);
        assert_eq!(message(&event(EventKind::Progress, Some("worker/1"), "pulling")), None);
        assert_eq!(message(&event(EventKind::InfraStart, None, "x")), None);
    }

    #[test]
    fn a_problem_without_a_prefix_of_the_original_gets_it() {
        let cycle = Diagnostic::error(codes::CYCLE, "a needs b needs a").legacy("Cycle detected.");
        assert_eq!(legacy_text(&cycle, "ERROR"), "[SchemaCheck] ERROR: Cycle detected.");
        let name = Diagnostic::error(codes::BAD_NAME, "x").legacy("[SchemaCheck] ERROR: infra_name");
        assert_eq!(legacy_text(&name, "ERROR"), "[SchemaCheck] ERROR: infra_name");
    }
}
