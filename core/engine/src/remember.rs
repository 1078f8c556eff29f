//! Remembering: writing down what an observation changed, and nothing if it changed nothing.

use jiff::Timestamp;

use crate::error::EngineError;
use crate::event::EventKind;
use crate::journal::Journal;
use crate::judge::{InstanceState, Verdict};
use crate::record::{Attempt, Failing};

/// A growing failing period is written again after so many seconds.
const FAILING_STEP: f64 = 10.0;

/// Records what `verdict` changes about `attempt`. A healthy instance writes nothing.
pub async fn remember(
    journal: &Journal,
    attempt: &Attempt,
    verdict: &Verdict,
    now: Timestamp,
) -> Result<(), EngineError> {
    let first_ready = verdict.state == InstanceState::Ready && attempt.ready_at.is_none();
    let moved = attempt.addresses != verdict.addresses || attempt.private_address != verdict.private_address;
    let threshold = attempt.implementation.health().failure_threshold;
    let failing = failing_changed(attempt.failing.as_ref(), verdict.failing.as_ref(), threshold);
    // One that was ready before this was written down is taken for what it is now.
    let told =
        attempt.made_as.is_empty() && !verdict.facts.is_empty() && verdict.state == InstanceState::Ready;
    if !first_ready && !moved && !failing && !told {
        return Ok(());
    }
    let is_unhealthy = verdict.failing.as_ref().is_some_and(|failing| failing.failures >= threshold);
    let event = match (attempt.ready_at.is_some(), attempt.is_unhealthy(), is_unhealthy) {
        (false, _, _) if first_ready => Some((EventKind::NodeCreated, verdict.addresses.join(" "))),
        (true, false, true) => Some((EventKind::NodeUnhealthy, verdict.reason.clone())),
        (true, true, false) => Some((EventKind::NodeHealthy, String::new())),
        _ => None,
    };
    journal
        .note(&attempt.id, event, |attempt| {
            if first_ready {
                attempt.ready_at = Some(now);
            }
            if told {
                attempt.made_as.clone_from(&verdict.facts);
            }
            attempt.addresses.clone_from(&verdict.addresses);
            attempt.private_address.clone_from(&verdict.private_address);
            attempt.failing.clone_from(&verdict.failing);
            attempt.checks.clone_from(&verdict.checks);
        })
        .await
}

fn failing_changed(before: Option<&Failing>, after: Option<&Failing>, threshold: u32) -> bool {
    match (before, after) {
        (Some(before), Some(after)) => {
            after.counted - before.counted >= FAILING_STEP
                // The clock was set back; time counts from its new hands on.
                || after.last < before.last
                || before.failures.min(threshold) != after.failures.min(threshold)
                || before.passes != after.passes
        }
        (None, None) => false,
        _ => true,
    }
}
