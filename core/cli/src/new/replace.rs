//! `occopus replace`.

use occopus::Error;
use occopus::engine::record::ScaleChange;

use super::Session;
use super::args::ScaleTo;
use super::scale::carry_out;
use crate::USAGE;
use crate::confirm::{Answer, ask};
use crate::words::span;

pub(super) async fn run(session: &Session, infra: &str, instance: &str, yes: bool) -> Result<u8, Error> {
    let output = &session.output;
    let occopus = session.open().await?;
    let infra = occopus.resolve(infra).await?;
    let status = occopus.status(&infra).await?;
    let slot = status.instance(instance)?;
    output.say(&format!(
        "{} ({} {}, {} old, {}) will be destroyed with its local disks, and created again",
        slot.slot,
        slot.resource,
        slot.provider_id,
        span(slot.age),
        slot.state
    ));
    if !yes {
        match ask(output, &format!("replace {} of '{}' ({infra})?", slot.slot, status.name)).await {
            Answer::Yes => {}
            Answer::No => {
                output.say("nothing was changed");
                return Ok(USAGE);
            }
            Answer::Unasked => {
                return Err(Error::Usage(format!(
                    "replacing {} of '{}' needs a confirmation: add --yes (nothing was changed)",
                    slot.slot, status.name
                )));
            }
        }
    }
    // The node id: should another pass replace it meanwhile, the new one stays.
    let change = ScaleChange::ReplaceInstance(slot.node_id.to_string());
    carry_out(session, &occopus, &infra, ScaleTo { node: slot.slot.node.clone(), change }).await
}
