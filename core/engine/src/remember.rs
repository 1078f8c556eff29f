//! Remembering: writing down what an observation changed, and nothing if it changed nothing.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::drift::TAG;
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
    let told = verdict.state == InstanceState::Ready
        && verdict.facts.keys().any(|name| is_new(&attempt.made_as, name));
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
                learn(&mut attempt.made_as, &verdict.facts);
            }
            attempt.addresses.clone_from(&verdict.addresses);
            attempt.private_address.clone_from(&verdict.private_address);
            attempt.failing.clone_from(&verdict.failing);
            attempt.checks.clone_from(&verdict.checks);
        })
        .await
}

/// Whether the fact `name` was not known when `made_as` was written down. Others may put tags on what is ours.
fn is_new(made_as: &BTreeMap<String, String>, name: &str) -> bool {
    made_as.is_empty() || !name.starts_with(TAG) && !made_as.contains_key(name)
}

/// Takes what was not known yet for what it is now.
fn learn(made_as: &mut BTreeMap<String, String>, facts: &BTreeMap<String, String>) {
    let new: Vec<_> = facts.iter().filter(|(name, _)| is_new(made_as, name)).collect();
    made_as.extend(new.into_iter().map(|(name, value)| (name.clone(), value.clone())));
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

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(of: &[(&str, &str)]) -> BTreeMap<String, String> {
        of.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn what_was_made_is_written_down_once_and_what_a_newer_version_tells_is_added() {
        let mut made_as = BTreeMap::new();
        let first = facts(&[("subnet", "a"), ("tag k", "v")]);
        learn(&mut made_as, &first);
        assert_eq!(made_as, first);
        learn(
            &mut made_as,
            &facts(&[("subnet", "b"), ("tag k", "w"), ("tag other", "x"), ("memory", "none")]),
        );
        assert_eq!(made_as, facts(&[("subnet", "a"), ("tag k", "v"), ("memory", "none")]));
    }
}
