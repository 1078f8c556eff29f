//! `occopus-maintain`.

use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use occopus::engine::control::Pass;
use occopus::engine::ids::InfraId;
use occopus::{Error, Occopus, Watcher};
use tokio_util::sync::CancellationToken;

use super::args::Maintain;
use super::log::Console;
use super::{existing, open, report, run_of, stop_at_ctrl_c, unknown};
use crate::{DONE, FAILED, INTERRUPTED};

pub(super) async fn run(console: Arc<Console>, mut args: Maintain) -> u8 {
    let id = match (args.infra_id.take(), args.list) {
        (None, false) => {
            console.print("ERROR: No infra_id (-i) specified! ");
            return FAILED;
        }
        (id, _) => id,
    };
    match maintain(&console, id, args).await {
        Ok(code) => code,
        Err(error) => {
            console.log("Unexpected error:");
            console.fail(&error)
        }
    }
}

async fn maintain(console: &Arc<Console>, id: Option<String>, args: Maintain) -> Result<u8, Error> {
    let occopus = open(console, args.files).await?;
    let Some(id) = id else {
        list(console, &occopus).await?;
        return Ok(DONE);
    };
    let Some(infra) = existing(&occopus, &id).await? else {
        console.log(&unknown(&id));
        return Ok(FAILED);
    };
    if args.report {
        let filter = args.filter.unwrap_or_default();
        write_report(console, &occopus, &infra, &filter, args.output.as_deref()).await?;
        return Ok(DONE);
    }
    let message = if args.cyclic { "Ctrl+C - exiting." } else { "Cancelling pending instructions" };
    let stop = stop_at_ctrl_c(console, message);
    let run = run_of("maintain", args.parallelize, stop);
    console.log(&format!("Start maintaining the infrastructure {infra}"));
    if args.cyclic {
        let passes = Passes { console: console.clone(), stop: run.stop.clone(), failed: OnceLock::new() };
        occopus.watch(&[infra], Duration::from_secs_f64(args.interval), &run, &passes).await;
        return Ok(if passes.failed.get().is_some() { FAILED } else { DONE });
    }
    let pass = occopus.maintain(&infra, &run, &mut |_, _| {}).await?;
    tell(console, &infra, &pass);
    Ok(match () {
        () if pass.enacted.interrupted => INTERRUPTED,
        () if !pass.enacted.failed.is_empty() => FAILED,
        () => DONE,
    })
}

async fn list(console: &Console, occopus: &Occopus) -> Result<(), Error> {
    let records = occopus.list().await?;
    for original in occopus.originals().await? {
        console.output().say(&original.to_string());
    }
    if records.is_empty() {
        console.print("No active infrastructure!");
        return Ok(());
    }
    console.print("List of active infrastructure:");
    records.iter().for_each(|record| console.print(record.id.as_str()));
    Ok(())
}

/// The tree in the log, or, with a file, one line of addresses per instance in it.
async fn write_report(
    console: &Console,
    occopus: &Occopus,
    infra: &InfraId,
    filter: &str,
    file: Option<&Path>,
) -> Result<(), Error> {
    let status = occopus.status(infra).await?;
    let Some(file) = file else {
        console.log("Report list of nodes/instances/addresses:");
        report(&status, filter).iter().for_each(|line| console.log(line));
        return Ok(());
    };
    console.log(&format!("Saving list of node addresses to file \"{}\"...", file.display()));
    let slots = status.nodes.iter().filter(|node| node.name.contains(filter)).flat_map(|node| &node.slots);
    let text: String = slots.map(|slot| format!("{}\n", slot.addresses.join(" "))).collect();
    tokio::fs::write(file, text)
        .await
        .map_err(|error| Error::File(format!("{} cannot be written: {error}", file.display())))?;
    console.log("Done.");
    Ok(())
}

fn tell(console: &Console, infra: &InfraId, pass: &Pass) {
    for note in &pass.plan.notes {
        console.log(&occopus::note_text(note));
    }
    for failure in &pass.enacted.failed {
        console.log(&crate::words::failure(failure));
    }
    console.log(&format!("Finished maintaining the infrastructure {infra}"));
}

/// The passes of a cyclic run. As in the original, the first error ends it.
struct Passes {
    console: Arc<Console>,
    stop: CancellationToken,
    failed: OnceLock<()>,
}

impl Watcher for Passes {
    fn passed(&self, infra: &InfraId, result: &Result<Pass, Error>) {
        match result {
            Ok(pass) => tell(&self.console, infra, pass),
            Err(error) => {
                self.console.log("Unexpected error:");
                self.console.fail(error);
                self.failed.get_or_init(|| ());
                self.stop.cancel();
            }
        }
    }
}
