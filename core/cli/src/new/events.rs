//! `occopus events`.

use std::time::Duration;

use occopus::engine::event::{Event, EventKind};
use occopus::engine::ids::InfraId;
use occopus::{Error, Occopus};

use super::{Session, is_unknown};
use crate::DONE;
use crate::live::event::line;
use crate::output::Output;
use crate::signals::stop_on_signals;

/// Pause between two looks for new events.
const PAUSE: Duration = Duration::from_millis(500);

pub(super) async fn run(session: &Session, infra: &str, follow: bool) -> Result<u8, Error> {
    let output = &session.output;
    let occopus = session.open().await?;
    let infra = resolve(&occopus, infra).await?;
    let mut last = show(&occopus, output, &infra, Position::default()).await?;
    if !follow {
        return Ok(DONE);
    }
    let stop = stop_on_signals(output, || {});
    while !last.ended && !stop.is_cancelled() && !output.is_closed() {
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            () = tokio::time::sleep(PAUSE) => last = show(&occopus, output, &infra, last).await?,
        }
    }
    Ok(DONE)
}

/// The infrastructure, also one that is gone but whose events are still kept.
async fn resolve(occopus: &Occopus, text: &str) -> Result<InfraId, Error> {
    match occopus.resolve(text).await {
        Err(error) if is_unknown(&error) => {
            let infra = InfraId::from(text);
            if occopus.events(&infra, "").await?.is_empty() { Err(error) } else { Ok(infra) }
        }
        found => found,
    }
}

/// How far the events have been shown.
#[derive(Debug, Default)]
struct Position {
    /// Number of the last event shown.
    after: String,
    /// Whether nothing can follow, because the infrastructure is gone.
    ended: bool,
}

async fn show(
    occopus: &Occopus,
    output: &Output,
    infra: &InfraId,
    mut at: Position,
) -> Result<Position, Error> {
    for (number, event) in occopus.events(infra, &at.after).await? {
        at.ended = event.event == EventKind::InfraDrop;
        at.after = number;
        print(output, &event);
    }
    Ok(at)
}

/// Shows one event as a result.
pub(super) fn print(output: &Output, event: &Event) {
    if output.is_json() {
        output.json(event);
    } else {
        output.result(&line(event));
    }
}
