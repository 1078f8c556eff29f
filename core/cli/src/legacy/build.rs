//! `occopus-build`.

use std::sync::Arc;

use occopus::engine::control::Built;
use occopus::engine::enact::Failed;
use occopus::engine::ids::InfraId;
use occopus::{BuildReport, BuildRequest, Choice, Error, Input, Occopus, Target};

use super::args::Build;
use super::log::Console;
use super::{enlist, open, report, run_of, stop_at_ctrl_c};
use crate::{DONE, FAILED, INTERRUPTED};

pub(super) async fn run(console: Arc<Console>, args: Build) -> u8 {
    match build(&console, args).await {
        Ok(code) => code,
        Err(error) => console.fail(&error),
    }
}

async fn build(console: &Arc<Console>, args: Build) -> Result<u8, Error> {
    let occopus = open(console, args.files).await?;
    let target = args.infra_id.map_or(Target::New, Target::Chosen);
    let request = BuildRequest {
        choice: Choice::Random(seed()?),
        ..BuildRequest::new(Input::File(args.infra_def), target)
    };
    let prepared = occopus.prepare(&request).await?;
    console.warnings(&prepared.warnings);
    let (infra, exists) = (prepared.infra_id.clone(), prepared.exists);
    let verb = if exists { "Updating" } else { "Submitted" };
    console.log(&format!("{verb} infrastructure: '{infra}'"));
    console.log(&format!("Start maintaining the infrastructure {infra}"));
    let stop = stop_at_ctrl_c(console, "Ctrl+C - Destroying infrastructure and exiting.");
    let run = run_of("build", args.parallelize, stop);
    let built = occopus.build(prepared, &run, true, &mut |_, _| {}).await?;
    console.log(&format!("Finished maintaining the infrastructure {infra}"));
    match &built.built {
        Built::Ready => {
            succeed(console, &occopus, &infra).await?;
            Ok(DONE)
        }
        Built::Failed { failures } => {
            explain(console, exists, &built, failures).await;
            Ok(FAILED)
        }
        Built::Interrupted => {
            explain_interruption(console, exists, &built).await;
            Ok(INTERRUPTED)
        }
    }
}

/// The seed of random choices, for tests that must be reproducible.
fn seed() -> Result<Option<u64>, Error> {
    let Some(text) = std::env::var_os("OCCOPUS_RANDOM_SEED") else { return Ok(None) };
    match text.to_str().and_then(|text| text.parse().ok()) {
        Some(seed) => Ok(Some(seed)),
        None => Err(Error::Usage(format!(
            "OCCOPUS_RANDOM_SEED must be a number from 0 to {}, not '{}'",
            u64::MAX,
            text.to_string_lossy()
        ))),
    }
}

async fn succeed(console: &Console, occopus: &Occopus, infra: &InfraId) -> Result<(), Error> {
    console.log(&format!("Query infrastructure details: '{infra}'"));
    let status = occopus.status(infra).await?;
    console.log(&format!("Submitted infrastructure: '{infra}'"));
    console.log("List of nodes/instances/addresses:");
    report(&status, "").iter().for_each(|line| console.log(line));
    enlist(infra).await;
    console.print(infra.as_str());
    Ok(())
}

async fn explain(console: &Console, exists: bool, built: &BuildReport, failures: &[Failed]) {
    let infra = &built.infra_id;
    let undone = tell_leftovers(console, built).await;
    console.log(match (exists, undone, built.restored) {
        (false, true, _) => {
            "An unrecoverable error occured; the partially built infrastructure has been torn down, because \
             of the following error:"
        }
        (true, true, true) => {
            "An unrecoverable error occured; the change has been undone and the description before it is in \
             force again, because of the following error:"
        }
        _ => "An unrecoverable error occured; the infrastructure is incomplete, because of the following error:",
    });
    tell(console, failures);
    if exists || !undone {
        console.log(&format!("Next: occopus-maintain -i {infra}, or occopus-destroy -i {infra}"));
    }
}

async fn explain_interruption(console: &Console, exists: bool, built: &BuildReport) {
    let infra = &built.infra_id;
    let undone = tell_leftovers(console, built).await;
    if exists || !undone {
        console.log(&format!(
            "Cancelled (Ctrl+C); next: occopus-maintain -i {infra}, or occopus-destroy -i {infra}"
        ));
    } else {
        console.log("Cancelled starting infrastructure (Ctrl+C); everything has been torn down.");
    }
}

/// Tells what could not be undone; whether there is nothing. An infrastructure of which something may
/// be left is listed, so that it can be found and destroyed.
async fn tell_leftovers(console: &Console, built: &BuildReport) -> bool {
    if built.leftovers.is_empty() {
        return true;
    }
    console.log("IGNORING exception while tearing down infrastructure:");
    tell(console, &built.leftovers);
    enlist(&built.infra_id).await;
    false
}

fn tell(console: &Console, failures: &[Failed]) {
    failures.iter().for_each(|failure| console.log(&crate::words::failure(failure)));
}
