//! Bounded repair: when, and with which implementation, a slot may be tried again.

use std::time::Duration;

use jiff::Timestamp;
use occopus_descriptor::model::{Implementation, Node};

use super::Situation;
use crate::engine::Policy;
use crate::ids::Slot;
use crate::record::{Attempt, Outcome, Phase};

/// The decision about one slot.
pub(super) enum Turn<'a> {
    /// Create it now with this implementation.
    Now(usize, &'a Implementation),
    /// Not now; the reason says until when.
    Later(String),
}

/// Decides whether a slot may be filled now, given its `closed` attempts. `failing` is its present attempt
/// if that is to be replaced.
pub(super) fn turn<'a>(
    situation: &'a Situation,
    policy: &Policy,
    node: &Node,
    (slot, closed): (&Slot, &[&Attempt]),
    failing: Option<&Attempt>,
) -> Turn<'a> {
    let candidates = situation.generation.candidates(node, slot.index);
    if candidates.is_empty() {
        return Turn::Later(no_candidates(situation, node));
    }
    // What is dated in the future was made before the clock was set back, nobody knows how long ago. It
    // must not hold the slot back until the clock has caught up.
    let counts =
        |attempt: &&Attempt| last_change(attempt) <= situation.now && !attempt.was_refused_together();
    let mut history: Vec<&Attempt> = closed.iter().copied().chain(failing).filter(counts).collect();
    // One that failed at once may be as old as the next: then it ended first.
    history.sort_by_key(|attempt| (attempt.created_at, last_change(attempt)));
    // A user who asks for a build wants it tried now, whatever failed before; each build has its own budget.
    let counted = match situation.eager {
        Some(since) => &history[history.partition_point(|attempt| attempt.created_at < since)..],
        None => &history[..],
    };
    let mut recent: Vec<&Attempt> =
        counted.iter().copied().filter(|attempt| creation_counts(attempt, situation.now)).collect();
    if recent.len() >= policy.creations_per_hour {
        // What failed as it was described then says nothing about what would be made now.
        let made = |(_, implementation): &(usize, &Implementation)| {
            situation.generation.instance_digest(node, implementation)
        };
        let now: Vec<String> = candidates.iter().map(made).collect();
        recent.retain(|attempt| now.contains(&attempt.digest));
    }
    if recent.len() >= policy.creations_per_hour {
        let oldest = recent[recent.len() - policy.creations_per_hour].created_at;
        let never = recent.iter().all(|attempt| attempt.ready_at.is_none());
        return Turn::Later(format!(
            "it was created {} times within an hour{}{}; next try after {:.0}",
            recent.len(),
            if never { " and never became ready" } else { "" },
            in_brackets(recent.last().and_then(|attempt| reason(attempt))),
            oldest + Duration::from_secs(3600)
        ));
    }
    // What failed under a description that was undone says nothing about the one in force again.
    let of_force = |attempt: &&&Attempt| attempt.generation <= situation.generation.number;
    let counted: Vec<&Attempt> = counted.iter().filter(of_force).copied().collect();
    let history: Vec<&Attempt> = history.iter().filter(of_force).copied().collect();
    let failures = failures_in_a_row(&counted);
    let round = failures / candidates.len();
    if round > 0 && failures.is_multiple_of(candidates.len()) {
        let last = counted.last().map_or(situation.now, |attempt| failed_at(attempt));
        let next = last + backoff(policy, round);
        if situation.eager.is_some() || situation.now < next {
            let times = if failures == 1 { "once".to_owned() } else { format!("{failures} times in a row") };
            let reason = in_brackets(counted.last().and_then(|attempt| reason(attempt)));
            return Turn::Later(format!("it failed {times}{reason}; next try after {next:.0}"));
        }
    }
    let failures = failures_in_a_row(&history);
    let (index, implementation) = candidates[failures % candidates.len()];
    Turn::Now(index, implementation)
}

/// Why no implementation can be used, naming type and filter.
fn no_candidates(situation: &Situation, node: &Node) -> String {
    match situation.generation.definitions.get(&node.definition) {
        None => format!("there is no node definition '{}'; import it with `occopus define`", node.definition),
        Some(definition) => format!(
            "none of the {} implementations of '{}' passes the filter of node '{}'",
            definition.implementations.len(),
            node.definition,
            node.name
        ),
    }
}

/// Whether it is one of the creations of the last hour that came to nothing. What was refused created nothing; the
/// pauses after failures are bound enough for it. What was replaced on purpose must not keep its slot from being
/// healed, or a change that was broken off from being completed.
fn creation_counts(attempt: &Attempt, now: Timestamp) -> bool {
    let refused = matches!(attempt.phase, Phase::Closed { outcome: Outcome::Refused { .. }, .. });
    !refused && has_failed(attempt) && now.duration_since(attempt.created_at).as_secs() < 3600
}

fn backoff(policy: &Policy, round: usize) -> Duration {
    let doublings = u32::try_from(round - 1).unwrap_or(u32::MAX).min(16);
    (policy.backoff.0 * 2u32.pow(doublings)).min(policy.backoff.1)
}

/// Failed attempts since the slot was last ready or was emptied on purpose.
fn failures_in_a_row(history: &[&Attempt]) -> usize {
    history.iter().rev().take_while(|attempt| attempt.ready_at.is_none() && has_failed(attempt)).count()
}

/// Whether it came to nothing, or to something that was lost.
pub(super) fn has_failed(attempt: &Attempt) -> bool {
    match &attempt.phase {
        Phase::Closed {
            outcome: Outcome::Destroyed { failed, .. } | Outcome::NeverAppeared { failed },
            ..
        } => *failed,
        Phase::Destroying { failed, .. } => *failed,
        Phase::Closed { outcome: Outcome::Abandoned, .. } => false,
        _ => true,
    }
}

/// When it failed; for one that is still there, when it was made: its failure is not dated.
fn failed_at(attempt: &Attempt) -> Timestamp {
    match &attempt.phase {
        Phase::Closed { at, .. } => *at,
        _ => attempt.created_at,
    }
}

/// Why an attempt failed; `None` for one that is still there, of which the plan says it anyway.
fn reason(attempt: &Attempt) -> Option<&str> {
    let reason = match &attempt.phase {
        Phase::Closed { outcome: Outcome::Refused { message, .. }, .. } => message,
        Phase::Closed { outcome: Outcome::Destroyed { cause, .. }, .. } | Phase::Destroying { cause, .. } => {
            &cause.0
        }
        Phase::Closed { outcome: Outcome::NeverAppeared { .. }, .. } => "its back-end never showed it",
        _ => return None,
    };
    Some(reason.strip_prefix(&attempt.slot.to_string()).unwrap_or(reason).trim_start())
}

fn in_brackets(text: Option<&str>) -> String {
    text.map(|text| format!(" ({text})")).unwrap_or_default()
}

fn last_change(attempt: &Attempt) -> Timestamp {
    failed_at(attempt).max(attempt.created_at)
}
