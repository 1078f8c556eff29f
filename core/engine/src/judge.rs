//! Judging: what an observation means for an instance. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::engine::Policy;
use crate::handler::{Observation, ResourceState};
use crate::health::CheckResult;
use crate::record::{Attempt, Failing};

/// State of an instance as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InstanceState {
    /// Runs and passes all checks.
    Ready,
    /// Starting; was never ready.
    Pending,
    /// Was ready, and fails its checks for less than its timeout.
    Unhealthy,
    /// Fails its checks for longer than its timeout.
    Unresponsive,
    /// The back-end says that it failed or stopped for good.
    Dead,
    /// The back-end does not know it any more.
    Gone,
    /// Its back-end cannot be asked, or used a word that is not understood.
    Unknown,
}

impl InstanceState {
    /// The state word of Occopus 1.10.
    pub fn legacy_word(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Pending => "pending",
            Self::Unhealthy => "temp_failed",
            Self::Unresponsive => "failed",
            Self::Dead | Self::Gone => "shutdown",
            Self::Unknown => "unknown",
        }
    }

    /// Whether the instance will not become ready again by itself.
    pub fn is_lost(self) -> bool {
        matches!(self, Self::Dead | Self::Gone | Self::Unresponsive)
    }
}

/// What was seen of one instance.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    /// The back-end's answer, or why there is none.
    pub resource: Result<Observation, String>,
    /// Results of the health checks; empty unless the resource runs.
    pub checks: Vec<CheckResult>,
    /// How long after its creation the back-end may not know an instance yet.
    pub visibility_delay: Duration,
}

/// The verdict on one instance.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// The state.
    pub state: InstanceState,
    /// Why, in plain words, such as `port 8080 closed for 42 s of 600 s`; empty when all is well.
    pub reason: String,
    /// The failing period as it stands after this observation.
    pub failing: Option<Failing>,
    /// Addresses to remember; the known ones if none were seen.
    pub addresses: Vec<String>,
    /// Private address to remember.
    pub private_address: Option<String>,
    /// The checks that were made.
    pub checks: Vec<CheckResult>,
    /// What the back-end says that it is; empty if it says nothing.
    pub facts: BTreeMap<String, String>,
}

/// Judges `attempt` by what was `seen` of it at `now`. Failure time between two observations counts
/// for at most [`Policy::observation_gap`].
pub fn judge(attempt: &Attempt, seen: &Seen, now: Timestamp, policy: &Policy) -> Verdict {
    let verdict = |state, reason: String| Verdict {
        state,
        reason,
        failing: attempt.failing.clone(),
        addresses: attempt.addresses.clone(),
        private_address: attempt.private_address.clone(),
        checks: seen.checks.clone(),
        facts: seen.resource.as_ref().map(|resource| resource.facts.clone()).unwrap_or_default(),
    };
    let resource = match &seen.resource {
        Ok(resource) => resource,
        Err(reason) => return verdict(InstanceState::Unknown, reason.clone()),
    };
    let starting = attempt.ready_at.is_none();
    match resource.state {
        // A clock that was set back since then must not keep it hidden for as long as it was set back.
        ResourceState::Missing if since_accepted(attempt, now).unsigned_abs() < seen.visibility_delay => {
            verdict(InstanceState::Pending, "not visible at its back-end yet".to_owned())
        }
        ResourceState::Gone | ResourceState::Missing => {
            verdict(InstanceState::Gone, described("no longer exists", &resource.detail))
        }
        ResourceState::Stopped => verdict(InstanceState::Dead, described("stopped", &resource.detail)),
        ResourceState::Failed => verdict(InstanceState::Dead, described("failed", &resource.detail)),
        ResourceState::Unknown => verdict(
            InstanceState::Unknown,
            format!("its back-end reports the unknown state '{}'", resource.detail),
        ),
        // Until it has run it starts, whether anybody looks or not: its age counts.
        ResourceState::Pending if starting && age(attempt, now) > policy.start_limit => {
            let what = described("starting", &resource.detail);
            let limit = policy.start_limit.as_secs();
            verdict(InstanceState::Unresponsive, format!("{what} for more than {limit} s"))
        }
        ResourceState::Pending if starting => {
            verdict(InstanceState::Pending, described("starting", &resource.detail))
        }
        ResourceState::Pending => {
            let known = verdict(InstanceState::Unhealthy, String::new());
            judge_failing(known, attempt, &described("starting", &resource.detail), now, policy)
        }
        ResourceState::Running => judge_health(attempt, resource, &seen.checks, now, policy),
    }
}

fn judge_health(
    attempt: &Attempt,
    resource: &Observation,
    checks: &[CheckResult],
    now: Timestamp,
    policy: &Policy,
) -> Verdict {
    let mut verdict = Verdict {
        state: InstanceState::Ready,
        reason: String::new(),
        failing: None,
        addresses: resource.addresses.clone(),
        private_address: resource.private_address.clone(),
        checks: checks.to_vec(),
        facts: resource.facts.clone(),
    };
    if verdict.addresses.is_empty() {
        verdict.addresses.clone_from(&attempt.addresses);
        verdict.private_address.clone_from(&attempt.private_address);
    }
    let reasons: Vec<&str> =
        checks.iter().filter(|check| !check.passed).map(|check| check.reason.as_str()).collect();
    if reasons.is_empty() {
        return judge_passing(verdict, attempt, now);
    }
    judge_failing(verdict, attempt, &reasons.join(", "), now, policy)
}

/// The verdict on an instance that passes its checks: one that was not ready has to do so often enough.
fn judge_passing(verdict: Verdict, attempt: &Attempt, now: Timestamp) -> Verdict {
    let wanted = attempt.implementation.health().success_threshold;
    let before = attempt.failing.as_ref();
    let passes = before.map_or(0, |failing| failing.passes) + 1;
    if passes >= wanted || !(attempt.ready_at.is_none() || attempt.is_unhealthy()) {
        return verdict;
    }
    let failing = Failing {
        since: before.map_or(now, |failing| failing.since),
        counted: before.map_or(0.0, |failing| failing.counted),
        last: now,
        failures: before.map_or(0, |failing| failing.failures),
        passes,
    };
    let state = if attempt.ready_at.is_none() { InstanceState::Pending } else { InstanceState::Unhealthy };
    let reason = format!("passed {passes} of {wanted} checks in a row");
    Verdict { state, reason, failing: Some(failing), ..verdict }
}

/// The verdict on an instance that fails as `what` says: it depends on how long that has been so.
fn judge_failing(
    verdict: Verdict,
    attempt: &Attempt,
    what: &str,
    now: Timestamp,
    policy: &Policy,
) -> Verdict {
    let health = attempt.implementation.health();
    let failing = prolong(attempt.failing.as_ref(), now, policy.observation_gap);
    let starting = attempt.ready_at.is_none();
    let timeout = if starting { health.startup_timeout } else { health.timeout };
    let threshold = health.failure_threshold;
    if !starting && failing.failures < threshold {
        let reason = format!("{what} ({} of {threshold} failed checks in a row)", failing.failures);
        return Verdict { reason, failing: Some(failing), ..verdict };
    }
    let state = if failing.counted > timeout as f64 {
        InstanceState::Unresponsive
    } else if starting {
        InstanceState::Pending
    } else {
        InstanceState::Unhealthy
    };
    let reason = format!("{what} for {:.0} s of {timeout} s", failing.counted.floor());
    Verdict { state, reason, failing: Some(failing), ..verdict }
}

/// The failing period after one more failed observation at `now`.
fn prolong(failing: Option<&Failing>, now: Timestamp, gap: Duration) -> Failing {
    match failing {
        None => Failing { since: now, counted: 0.0, last: now, failures: 1, passes: 0 },
        Some(failing) => {
            let passed = now.duration_since(failing.last).as_secs_f64().clamp(0.0, gap.as_secs_f64());
            Failing {
                since: failing.since,
                counted: failing.counted + passed,
                last: now,
                failures: failing.failures.saturating_add(1),
                passes: 0,
            }
        }
    }
}

/// Time since the back-end accepted it; negative if the clock was set back.
fn since_accepted(attempt: &Attempt, now: Timestamp) -> SignedDuration {
    now.duration_since(attempt.accepted_at.unwrap_or(attempt.created_at))
}

fn age(attempt: &Attempt, now: Timestamp) -> Duration {
    Duration::try_from(since_accepted(attempt, now)).unwrap_or_default()
}

fn described(what: &str, detail: &str) -> String {
    if detail.is_empty() { what.to_owned() } else { format!("{what}: {detail}") }
}

#[cfg(test)]
mod tests;
