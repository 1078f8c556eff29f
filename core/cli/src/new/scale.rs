//! `occopus scale`.

use occopus::engine::ids::InfraId;
use occopus::engine::record::ScaleChange;
use occopus::{Error, Occopus, Scaling};
use serde_json::json;

use super::args::ScaleTo;
use super::{Session, run_of};
use crate::output::Output;
use crate::signals::stop_on_signals;
use crate::words::count;
use crate::{DONE, FAILED, INTERRUPTED};

pub(super) async fn run(
    session: &Session,
    infra: &str,
    node: &str,
    remove: Option<String>,
) -> Result<u8, Error> {
    let to = match remove {
        Some(text) => ScaleTo { node: node.to_owned(), change: ScaleChange::RemoveInstance(text) },
        None => node.parse().map_err(|error| Error::Usage(format!("{error}")))?,
    };
    let occopus = session.open().await?;
    let infra = occopus.resolve(infra).await?;
    carry_out(session, &occopus, &infra, to).await
}

/// Registers a request, and waits for it to be carried out if there is somebody to do it.
pub(super) async fn carry_out(
    session: &Session,
    occopus: &Occopus,
    infra: &InfraId,
    to: ScaleTo,
) -> Result<u8, Error> {
    let output = &session.output;
    let wanted = match &to.change {
        ScaleChange::ReplaceInstance(_) => Some(format!("an instance of '{}' is to be replaced", to.node)),
        _ => None,
    };
    let scaling = occopus.scale(infra, &to.node, &[to.change]).await?;
    for note in &scaling.notes {
        output.warn(note);
    }
    let wanted = wanted.unwrap_or_else(|| {
        format!("'{}' is to have {}", to.node, count(scaling.target as usize, "instance"))
    });
    let Some(maintainer) = &scaling.maintainer else {
        answer(output, infra.as_str(), &to.node, &scaling, false);
        output.say(&format!(
            "{wanted}; no maintainer is running, so carry it out with: occopus maintain {infra}"
        ));
        return Ok(DONE);
    };
    output.say(&format!("{wanted}; waiting for {maintainer}"));
    let teller = output.clone();
    let stop = stop_on_signals(output, move || {
        teller.write_line("no longer waiting; the request stays registered");
    });
    let run = run_of("scale", false, stop);
    let done = occopus.await_scaled(infra, &to.node, &run).await?;
    answer(output, infra.as_str(), &to.node, &scaling, done);
    if done {
        return Ok(DONE);
    }
    if run.stop.is_cancelled() {
        return Ok(INTERRUPTED);
    }
    output.error(&format!("the maintainer is gone; carry the request out with: occopus maintain {infra}"));
    Ok(FAILED)
}

fn answer(output: &Output, infra: &str, node: &str, scaling: &Scaling, done: bool) {
    if output.is_json() {
        output.json(&json!({
            "schema": 1,
            "infra_id": infra,
            "node": node,
            "target": scaling.target,
            "notes": scaling.notes,
            "maintainer": scaling.maintainer,
            "done": done,
        }));
    } else if done {
        output.result(&format!("'{node}' has {}", count(scaling.target as usize, "instance")));
    }
}
