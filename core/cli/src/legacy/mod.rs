//! The commands of Occopus 1.10 (`occopus-build` and the others): the same options, output lines, files
//! and exit codes, with the defects of the original mended.

mod args;
mod build;
mod destroy;
mod import;
mod log;
mod maintain;
mod scale;

use std::ffi::OsString;
use std::sync::Arc;

use clap::Parser;
use occopus::engine::error::EngineError;
use occopus::engine::ids::InfraId;
use occopus::engine::plan::Order;
use occopus::{Error, Occopus, Run, Settings, Status};
use occopus_store::infralist::Infralist;
use tokio_util::sync::CancellationToken;

use crate::output::{Format, Manner, Output};
use crate::signals::stop_on_signals;
use crate::{FAILED, USAGE, block_on};
use args::Files;
use log::Console;

/// The names behind `occopus-`.
pub(crate) const NAMES: [&str; 6] = ["build", "maintain", "destroy", "scale", "import", "rest-service"];

/// Runs the legacy command `occopus-NAME` with `arguments`, the program's name included.
pub(crate) fn run(name: &str, arguments: Vec<OsString>) -> u8 {
    let output = Output::new(Manner { format: Format::Text, quiet: false, color: false });
    let console = Console::install(output);
    match name {
        "build" => with(arguments, |args| block_on(build::run(console, args))),
        "maintain" => with(arguments, |args| block_on(maintain::run(console, args))),
        "destroy" => with(arguments, |args| block_on(destroy::run(console, args))),
        "scale" => with(arguments, |args| block_on(scale::run(console, args))),
        "import" => with(arguments, |args| block_on(import::run(console, args))),
        _ => with(arguments, |_: args::RestService| {
            console.output().error("the REST service is not part of this version; it comes in a later one");
            FAILED
        }),
    }
}

/// Parses `arguments` and does `work`; help goes to stdout, wrong usage to stderr with exit code 2.
fn with<A: Parser>(arguments: Vec<OsString>, work: impl FnOnce(A) -> u8) -> u8 {
    match A::try_parse_from(arguments) {
        Ok(args) => work(args),
        Err(error) => {
            // A reader that went away has seen enough.
            drop(error.print());
            u8::try_from(error.exit_code()).unwrap_or(USAGE)
        }
    }
}

/// Opens the store and logs the start, as every legacy command does.
async fn open(console: &Arc<Console>, files: Files) -> Result<Occopus, Error> {
    let given = (files.cfg.is_some(), files.auth_data_path.is_some());
    let settings = Settings {
        config: files.cfg,
        credentials: files.auth_data_path,
        events: console.clone(),
        redactor: console.output().redactor().clone(),
        ..Settings::default()
    };
    let occopus = Occopus::open(settings).await?;
    if let Some(logging) = occopus.configuration().and_then(|configuration| configuration.logging.clone()) {
        console.configure(logging);
    }
    if !occopus.configuration_warnings().is_empty() {
        console.output().write_line(&occopus.configuration_warnings().to_string());
    }
    if let (false, Some(path)) = (given.0, occopus.configuration_path()) {
        console.output().say(&format!("Using default configuration file: '{}'", path.display()));
    }
    if let (false, Some(path)) = (given.1, occopus.credentials_path()) {
        console.output().say(&format!("Using default authentication file: '{}'", path.display()));
    }
    console.log(&format!("Starting up; PID = {}", std::process::id()));
    Ok(occopus)
}

fn order(parallelize: bool) -> Order {
    if parallelize { Order::Parallel } else { Order::Sequential }
}

fn run_of(command: &str, parallelize: bool, stop: CancellationToken) -> Run {
    Run { order: order(parallelize), stop, ..Run::new(format!("occopus-{command}")) }
}

/// From now on the first Ctrl-C logs `message` and cancels the returned token.
fn stop_at_ctrl_c(console: &Arc<Console>, message: &'static str) -> CancellationToken {
    let teller = console.clone();
    stop_on_signals(console.output(), move || teller.log(message))
}

/// The infrastructure with exactly this id; `None` if there is none. One of Occopus 1.10 is an error.
async fn existing(occopus: &Occopus, id: &str) -> Result<Option<InfraId>, Error> {
    let found = occopus.list().await?.into_iter().find(|record| record.id.as_str() == id);
    if let Some(record) = found {
        return Ok(Some(record.id));
    }
    match occopus.unknown(id).await {
        Error::Engine(EngineError::UnknownInfrastructure { .. }) => Ok(None),
        error => Err(error),
    }
}

/// What Occopus 1.10 says about an unknown infrastructure.
fn unknown(id: &str) -> String {
    format!("Unknown infrastructure: \"{id}\"")
}

/// The lines of a report: nodes, their instances, the addresses of these; without nodes that have none.
fn report(status: &Status, filter: &str) -> Vec<String> {
    let mut lines = Vec::new();
    for node in status.nodes.iter().filter(|node| node.name.contains(filter) && !node.slots.is_empty()) {
        lines.push(format!("{}:", node.name));
        for slot in &node.slots {
            lines.push(format!("  {}:", slot.node_id));
            lines.extend(slot.addresses.iter().map(|address| format!("    {address}")));
        }
    }
    lines
}

/// The list of infrastructures in the user's home; `None` without a home.
fn infralist() -> Option<Infralist> {
    std::env::home_dir().map(|home| Infralist::of_home(&home))
}

/// Removes a destroyed infrastructure from the list that other programs read. The store alone decides
/// what exists, so a list that cannot be changed is only worth a warning.
pub(crate) async fn unlist(infra: &InfraId) {
    if let Some(list) = infralist()
        && let Err(error) = list.remove(infra).await
    {
        tracing::warn!("{error}");
    }
}

/// Adds an infrastructure to the list that other programs read.
async fn enlist(infra: &InfraId) {
    if let Some(list) = infralist()
        && let Err(error) = list.add(infra).await
    {
        tracing::warn!("{error}");
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use occopus::engine::control::Health;
    use occopus::engine::record::Goal;
    use occopus::{NodeStatus, SlotStatus};

    use super::*;

    fn node(name: &str, slots: &[(&str, &[&str])]) -> NodeStatus {
        let slot = |(number, (id, addresses)): (usize, &(&str, &[&str]))| SlotStatus {
            slot: occopus::engine::ids::Slot::new(name, number as u32 + 1),
            node_id: (*id).into(),
            state: "ready".to_owned(),
            legacy_state: "ready",
            age: 0,
            addresses: addresses.iter().map(|address| (*address).to_owned()).collect(),
            resource: String::new(),
            endpoint: String::new(),
            provider_id: String::new(),
            detail: String::new(),
            outdated: false,
            differs: Vec::new(),
            stale: None,
        };
        NodeStatus {
            name: name.to_owned(),
            definition: "d".to_owned(),
            min: 1,
            max: 1,
            target: 1,
            waits_for: Vec::new(),
            slots: slots.iter().enumerate().map(slot).collect(),
        }
    }

    #[test]
    fn a_report_has_the_layout_of_the_original_and_filters_by_part_of_the_name() {
        let status = Status {
            schema: 1,
            infra_id: "i".into(),
            name: "demo".to_owned(),
            health: Health::Ready,
            goal: Goal::Present,
            generation: 1,
            created_at: Timestamp::UNIX_EPOCH,
            store: String::new(),
            controller: None,
            maintained_at: None,
            observed_at: Timestamp::UNIX_EPOCH,
            nodes: vec![node("db", &[("n1", &["10.0.0.1", "192.0.2.1"])]), node("web-front", &[("n2", &[])])],
            holds: Vec::new(),
            requests: Vec::new(),
            notes: Vec::new(),
            next: String::new(),
        };
        assert_eq!(
            report(&status, ""),
            ["db:", "  n1:", "    10.0.0.1", "    192.0.2.1", "web-front:", "  n2:"]
        );
        assert_eq!(report(&status, "front"), ["web-front:", "  n2:"]);
    }
}
