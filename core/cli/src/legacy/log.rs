//! The console log of Occopus 1.10: every record a line on stdout with its time.

use std::sync::Arc;

use jiff::Zoned;
use occopus::Error;
use occopus::descriptor::codes;
use occopus::descriptor::diagnostic::{Diagnostic, Diagnostics};
use occopus::engine::event::{Event, EventKind, EventSink};

use crate::output::Output;
use crate::{FAILED, INTERRUPTED};

/// Writes records in the console format of the original.
pub(super) struct Console {
    output: Arc<Output>,
}

impl Console {
    /// A console on `output`.
    pub(super) fn new(output: Arc<Output>) -> Self {
        Self { output }
    }

    /// The handles below.
    pub(super) fn output(&self) -> &Arc<Output> {
        &self.output
    }

    /// Logs one record.
    pub(super) fn log(&self, message: &str) {
        self.output.result(&record(&Zoned::now(), message));
    }

    /// Prints a line without time.
    pub(super) fn print(&self, text: &str) {
        self.output.result(text);
    }

    /// Logs the warnings found in files.
    pub(super) fn warnings(&self, warnings: &Diagnostics) {
        for warning in warnings.iter() {
            self.log(&legacy_text(warning, "WARNING"));
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
            error => self.log(&error.to_string()),
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

fn record(time: &Zoned, message: &str) -> String {
    format!("** {},{:03}\t{message}", time.strftime("%Y-%m-%d %H:%M:%S"), time.millisecond())
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

impl EventSink for Console {
    fn event(&self, event: &Event) {
        if let Some(message) = message(event) {
            self.log(&message);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::event::tests::event;

    #[test]
    fn a_record_has_the_time_format_of_the_original() {
        let time = jiff::civil::datetime(2026, 1, 2, 3, 4, 5, 6_000_000);
        let time = time.to_zoned(jiff::tz::TimeZone::UTC).expect("exists");
        assert_eq!(record(&time, "Starting up; PID = 7"), "** 2026-01-02 03:04:05,006\tStarting up; PID = 7");
    }

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
