//! What the engine says about a container, in Occopus' words. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use bollard::models::{
    ContainerState, ContainerSummary, ContainerSummaryStateEnum as Word, EndpointSettings,
};
use jiff::Timestamp;
use occopus_engine::handler::{Observation, ResourceState};

use super::facts;

/// How long a container may stay created before it counts as one that nobody will start: longer than
/// the deadline of a create call, because an earlier one may still be about to start it.
const START_TIME: Duration = Duration::from_secs(60);

/// State, words and addresses of the listed container `summary`; `now` is the wall-clock time.
pub(super) fn observation(summary: &ContainerSummary, now: Timestamp) -> Observation {
    let (state, detail) = state(summary, now);
    let addresses = addresses(summary);
    let facts = if state == ResourceState::Running { facts::of_listed(summary) } else { BTreeMap::new() };
    let private_address = addresses.first().cloned();
    Observation { state, detail: detail.to_owned(), private_address, addresses, facts }
}

/// State of the listed container `summary`, in the engine's own words where they say more.
pub(super) fn state(summary: &ContainerSummary, now: Timestamp) -> (ResourceState, &'static str) {
    match summary.state {
        Some(Word::RUNNING) => (ResourceState::Running, ""),
        // Docker counts it as running, and so did Occopus 1.10: health checks decide.
        Some(Word::PAUSED) => (ResourceState::Running, "paused"),
        Some(Word::STOPPING) => (ResourceState::Running, "stopping"),
        Some(Word::RESTARTING) => (ResourceState::Pending, "restarting"),
        Some(Word::CREATED) if is_young(summary, now) => (ResourceState::Pending, "created"),
        Some(Word::CREATED) => (ResourceState::Stopped, "created but never started"),
        Some(Word::EXITED) => (ResourceState::Stopped, "exited"),
        Some(Word::REMOVING) => (ResourceState::Stopped, "being removed"),
        Some(Word::DEAD) => (ResourceState::Failed, "dead: the engine could not remove it completely"),
        Some(Word::EMPTY) | None => (ResourceState::Unknown, ""),
    }
}

/// Why a container does not run, such as `exited with code 137 (out of memory)`.
pub(super) fn stop_detail(summary: &ContainerSummary, state: &ContainerState) -> String {
    let error = state.error.as_deref().unwrap_or_default();
    let mut detail = match (summary.state, state.exit_code) {
        (Some(Word::EXITED), Some(code)) => format!("exited with code {code}"),
        _ => "created but never started".to_owned(),
    };
    if state.oom_killed == Some(true) {
        detail.push_str(" (out of memory)");
    }
    if !error.is_empty() {
        detail.push_str(": ");
        detail.push_str(error);
    }
    detail
}

fn is_young(summary: &ContainerSummary, now: Timestamp) -> bool {
    // Whole seconds, by the engine's clock; one that runs ahead makes a container young, never old.
    let created = summary.created.unwrap_or_default();
    now.as_second().saturating_sub(created) < START_TIME.as_secs().cast_signed()
}

/// The address in the network the container was created in, then those in networks it was attached to
/// later, by their names.
fn addresses(summary: &ContainerSummary) -> Vec<String> {
    let mode = summary.host_config.as_ref().and_then(|config| config.network_mode.as_deref());
    let own = match mode {
        None | Some("default") => "bridge",
        Some(name) => name,
    };
    let networks = summary.network_settings.as_ref().and_then(|settings| settings.networks.as_ref());
    let mut networks: Vec<_> = networks.into_iter().flatten().collect();
    networks.sort_by_key(|(name, _)| (name.as_str() != own, name.as_str()));
    networks.into_iter().filter_map(|(_, settings)| address(settings)).collect()
}

fn address(settings: &EndpointSettings) -> Option<String> {
    let set = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    set(&settings.ip_address).or_else(|| set(&settings.global_ipv6_address))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: i64 = 1_000_000;

    fn summary(value: serde_json::Value) -> ContainerSummary {
        serde_json::from_value(value).unwrap()
    }

    fn seen(value: serde_json::Value) -> Observation {
        observation(&summary(value), Timestamp::from_second(NOW).unwrap())
    }

    #[test]
    fn every_word_of_the_engine_has_a_meaning() {
        let cases = [
            ("running", ResourceState::Running),
            ("paused", ResourceState::Running),
            ("restarting", ResourceState::Pending),
            ("exited", ResourceState::Stopped),
            ("removing", ResourceState::Stopped),
            ("dead", ResourceState::Failed),
            ("", ResourceState::Unknown),
        ];
        for (word, state) in cases {
            assert_eq!(seen(json!({"State": word})).state, state, "{word}");
        }
    }

    #[test]
    fn a_container_that_nobody_started_is_pending_only_for_a_while() {
        assert_eq!(seen(json!({"State": "created", "Created": NOW - 5})).state, ResourceState::Pending);
        assert_eq!(seen(json!({"State": "created", "Created": NOW + 500})).state, ResourceState::Pending);
        assert_eq!(seen(json!({"State": "created", "Created": NOW - 61})).state, ResourceState::Stopped);
    }

    #[test]
    fn the_address_of_its_own_network_comes_first() {
        let networks = json!({
            "a-later-one": {"IPAddress": "10.1.0.2"},
            "bridge": {"IPAddress": "172.17.0.5"},
            "empty": {"IPAddress": ""},
            "six": {"IPAddress": "", "GlobalIPv6Address": "fd00::5"},
        });
        let seen = seen(json!({
            "State": "running",
            "HostConfig": {"NetworkMode": "default"},
            "NetworkSettings": {"Networks": networks},
        }));
        assert_eq!(seen.addresses, ["172.17.0.5", "10.1.0.2", "fd00::5"]);
        assert_eq!(seen.private_address.as_deref(), Some("172.17.0.5"));
        assert_eq!(seen.facts["networks"], "a-later-one bridge empty six");
    }

    #[test]
    fn a_stopped_container_says_why() {
        let detail = |word: &str, state: serde_json::Value| {
            stop_detail(&summary(json!({"State": word})), &serde_json::from_value(state).unwrap())
        };
        assert_eq!(detail("exited", json!({"ExitCode": 3})), "exited with code 3");
        assert_eq!(
            detail("exited", json!({"ExitCode": 137, "OOMKilled": true})),
            "exited with code 137 (out of memory)"
        );
        assert_eq!(
            detail("created", json!({"ExitCode": 127, "Error": "exec: \"x\": not found"})),
            "created but never started: exec: \"x\": not found"
        );
    }
}
