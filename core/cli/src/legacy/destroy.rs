//! `occopus-destroy`.

use std::sync::Arc;

use occopus::Error;
use occopus::engine::control::Demolished;

use super::args::Destroy;
use super::log::Console;
use super::{existing, open, run_of, stop_at_ctrl_c, unknown, unlist};
use crate::words::failure;
use crate::{DONE, FAILED, INTERRUPTED};

pub(super) async fn run(console: Arc<Console>, args: Destroy) -> u8 {
    match destroy(&console, args).await {
        Ok(code) => code,
        Err(error) => console.fail(&error),
    }
}

async fn destroy(console: &Arc<Console>, args: Destroy) -> Result<u8, Error> {
    let occopus = open(console, args.files).await?;
    let Some(infra) = existing(&occopus, &args.infra_id).await? else {
        console.log(&unknown(&args.infra_id));
        return Ok(FAILED);
    };
    console.log(&format!("Start dropping infrastructure {infra}"));
    let stop = stop_at_ctrl_c(console, "Cancelling pending instructions");
    let run = run_of("destroy", false, stop);
    match occopus.destroy(&infra, &run, &mut |_, _| {}).await? {
        Demolished::Gone => {
            unlist(&infra).await;
            Ok(DONE)
        }
        Demolished::Incomplete { failures } => {
            for failed in &failures {
                console.log(&format!("Error while dropping node '{}':", failed.slot));
                console.log(&failure(failed));
            }
            console.log(&format!("Nothing is forgotten; next: occopus-destroy -i {infra}"));
            Ok(FAILED)
        }
        Demolished::Interrupted => {
            console.log(&format!("Interrupted; next: occopus-destroy -i {infra}"));
            Ok(INTERRUPTED)
        }
    }
}
