//! The `occopus` command.

mod adopt;
mod args;
mod build;
mod build_args;
mod define;
mod destroy;
mod events;
mod explain;
mod graph;
mod history;
mod hold;
mod inventory;
mod list;
mod logs;
mod maintain;
mod orphans;
mod output;
mod plan;
mod render;
mod replace;
mod rollback;
mod scale;
mod schema;
mod status;
mod validate;
mod watch;

use std::ffi::OsString;
use std::io::Write;
use std::sync::Arc;

use clap::{CommandFactory, Parser};
use occopus::engine::error::EngineError;
use occopus::engine::event::{EventSink, NoEvents};
use occopus::engine::hold::HoldKind;
use occopus::engine::ids::InfraId;
use occopus::engine::plan::Order;
use occopus::{Error, Occopus, Run, Settings};
use tokio_util::sync::CancellationToken;

use crate::output::{Format, Manner, Output, install_log};
use crate::signals::stop_on_signals;
use crate::{DONE, block_on};
use args::{Cli, Command, Global};
use build_args::Pace;

/// What every command starts from.
struct Session {
    output: Arc<Output>,
    global: Global,
}

/// Parses `arguments`, the program's name included, and runs the command.
pub(crate) fn run(arguments: Vec<OsString>) -> u8 {
    let wants_json = wants_json(&arguments);
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => return usage(&error, wants_json),
    };
    if let Command::Completions { shell } = cli.command {
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut Cli::command(), "occopus", &mut script);
        drop(std::io::stdout().write_all(&script));
        return DONE;
    }
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let output = Output::new(Manner {
        format: cli.global.format,
        quiet: cli.global.quiet,
        color: !cli.global.no_color && !no_color,
    });
    install_log(&output, cli.global.verbose);
    let session = Session { output: output.clone(), global: cli.global };
    block_on(async move {
        let code = match session.dispatch(cli.command).await {
            Ok(code) => code,
            Err(error) => output.fail(&error),
        };
        output.conclude(code)
    })
}

/// Reports what clap has to say: help and version on stdout, wrong usage on stderr.
fn usage(error: &clap::Error, json: bool) -> u8 {
    let code = u8::try_from(error.exit_code()).unwrap_or(crate::USAGE);
    if json && error.use_stderr() {
        let output = Output::new(Manner { format: Format::Json, quiet: true, color: false });
        return output.refuse(error.to_string().trim_start_matches("error: ").trim_end());
    }
    // A reader that went away has seen enough.
    drop(error.print());
    code
}

/// Whether `--format json` is asked for, in arguments that could not be parsed.
fn wants_json(arguments: &[OsString]) -> bool {
    arguments.iter().any(|argument| argument == "--format=json")
        || arguments.windows(2).any(|pair| pair[0] == "--format" && pair[1] == "json")
}

impl Session {
    async fn dispatch(&self, command: Command) -> Result<u8, Error> {
        if self.global.format == Format::Sarif && !matches!(command, Command::Validate(_)) {
            let text = "only `occopus validate` writes SARIF; use --format text or --format json";
            return Err(Error::Usage(text.to_owned()));
        }
        match command {
            Command::Build(build) => build::run(self, build).await,
            Command::Plan(plan) => plan::run(self, plan).await,
            Command::Validate(validate) => validate::run(self, validate).await,
            Command::Render(render) => render::run(self, render).await,
            Command::Status { infra } => status::run(self, infra.as_deref()).await,
            Command::Maintain { infras, pace } => maintain::run(self, &infras, &pace).await,
            Command::Watch { infras, interval, pace } => watch::run(self, &infras, interval, &pace).await,
            Command::Scale { infra, node, remove } => scale::run(self, &infra, &node, remove).await,
            Command::Pause { infra, node, duration, reason } => {
                hold::put(self, &infra, HoldKind::Pause, node, (reason, duration)).await
            }
            Command::Resume { infra, node } => hold::lift(self, &infra, HoldKind::Pause, node).await,
            Command::Protect { infra, node, reason } => {
                hold::put(self, &infra, HoldKind::Protect, node, (reason, None)).await
            }
            Command::Unprotect { infra, node } => hold::lift(self, &infra, HoldKind::Protect, node).await,
            Command::Replace { infra, instance, yes } => replace::run(self, &infra, &instance, yes).await,
            Command::Destroy { infra, yes, abandon } => destroy::run(self, &infra, yes, abandon).await,
            Command::Define { files } => define::run(self, &files).await,
            Command::List => list::run(self).await,
            Command::Events { infra, follow, since } => {
                events::run(self, infra.as_deref(), follow, since).await
            }
            Command::Orphans { remove: None, .. } => orphans::list(self).await,
            Command::Orphans { remove: Some(orphan), yes } => orphans::remove(self, &orphan, yes).await,
            Command::Adopt { orphan } => adopt::run(self, &orphan).await,
            Command::History { infra } => history::run(self, &infra).await,
            Command::Rollback(rollback) => rollback::run(self, rollback).await,
            Command::Output { infra, name, raw } => output::run(self, &infra, name.as_deref(), raw).await,
            Command::Inventory(inventory) => inventory::run(self, inventory).await,
            Command::Graph { subject, nodes, drawing } => graph::run(self, &subject, nodes, drawing).await,
            Command::Logs { infra, instance } => logs::run(self, &infra, instance.as_deref()).await,
            Command::Schema { file } => schema::run(self, file),
            Command::Explain { code } => explain::run(self, code.as_deref()),
            Command::Completions { .. } => Ok(DONE),
        }
    }

    /// Opens the store for a command that only looks.
    async fn open(&self) -> Result<Occopus, Error> {
        self.open_with(Arc::new(NoEvents), None).await
    }

    /// Opens the store for a command that changes something, with `events` to be told what happens.
    async fn open_with(
        &self,
        events: Arc<dyn EventSink>,
        max_parallel: Option<usize>,
    ) -> Result<Occopus, Error> {
        let settings = Settings {
            store: self.global.store.clone(),
            allow_volatile_store: self.global.allow_volatile_store,
            config: self.global.config.clone(),
            credentials: self.global.auth.clone(),
            max_parallel,
            events,
            redactor: self.output.redactor().clone(),
            ..Settings::default()
        };
        let occopus = Occopus::open(settings).await?;
        if self.global.verbose > 0 {
            self.output.say(&format!("store: {}", occopus.store_location()));
            for (what, path) in
                [("configuration", occopus.configuration_path()), ("credentials", occopus.credentials_path())]
            {
                let path = path.map_or_else(|| "none".to_owned(), |path| path.display().to_string());
                self.output.say(&format!("{what}: {path}"));
            }
        }
        Ok(occopus)
    }
}

/// From now on the first Ctrl-C cancels the returned token, the second ends the process.
fn stop_at_ctrl_c(output: &Arc<Output>) -> CancellationToken {
    let teller = output.clone();
    stop_on_signals(output, move || teller.write_line("stopping; press Ctrl-C again to stop at once"))
}

/// A run of `command` that `stop` ends.
fn run_of(command: &str, sequential: bool, stop: CancellationToken) -> Run {
    let order = if sequential { Order::Sequential } else { Order::Parallel };
    Run { order, stop, ..Run::new(format!("occopus {command}")) }
}

impl Pace {
    fn order(&self) -> Order {
        if self.sequential { Order::Sequential } else { Order::Parallel }
    }

    fn run_of(&self, command: &str, stop: CancellationToken) -> Run {
        run_of(command, self.sequential, stop)
    }
}

/// Says how to go on with an infrastructure that is not as described, and how to get rid of it.
fn say_ways_out(output: &Output, infra: &InfraId) {
    output.write_line(&format!(
        "to resume: occopus maintain {infra}\n\
         to resume with other files: occopus build -i {infra} FILE --nodes FILE\n\
         to remove: occopus destroy {infra}"
    ));
}

/// Whether `error` says that there is no such infrastructure.
fn is_unknown(error: &Error) -> bool {
    matches!(error, Error::Engine(EngineError::UnknownInfrastructure { .. }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_recognised_in_arguments_that_cannot_be_parsed() {
        let arguments = |list: &[&str]| list.iter().map(OsString::from).collect::<Vec<_>>();
        assert!(wants_json(&arguments(&["occopus", "buidl", "--format", "json"])));
        assert!(wants_json(&arguments(&["occopus", "--format=json", "buidl"])));
        assert!(!wants_json(&arguments(&["occopus", "--format", "text", "json"])));
    }
}
