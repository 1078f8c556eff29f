//! `occopus rollback`.

use occopus::Error;

use super::Session;
use super::build::{How, carry_out, look_ahead};
use super::build_args::RollbackArgs;
use crate::live::Progress;

pub(super) async fn run(session: &Session, args: RollbackArgs) -> Result<u8, Error> {
    let progress = Progress::new(&session.output);
    let occopus = session.open_with(progress.clone(), args.pace.max_parallel).await?;
    let infra = occopus.resolve(&args.infra).await?;
    let replacing: Option<occopus::Replacing> = args.replacing.into();
    let prepared = occopus.prepare_rollback(&infra, args.generation, replacing.as_ref()).await?;
    let ready = look_ahead(&occopus, prepared, &args.pace).await?;
    let how = How { command: "rollback", pace: args.pace, rollback: false, leave: args.leave };
    carry_out(session, &occopus, &progress, ready, how).await
}
