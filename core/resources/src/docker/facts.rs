//! What can be changed by hand about a container that exists: its name, its networks, its limits and what
//! happens when it ends. Image, command, environment and labels are those that it was created with; one
//! that is made anew under its name is another container.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bollard::models::{ContainerSummary, HostConfig, RestartPolicyNameEnum as Restart};

/// Facts by their names.
pub(super) type Facts = BTreeMap<String, String>;

/// How long limits that were looked up count as known. No listing shows them, and to ask for each
/// container in each pass would cost as many calls.
const KNOWN_FOR: Duration = Duration::from_secs(600);

/// What a listing tells of a container: its name and its networks.
pub(super) fn of_listed(summary: &ContainerSummary) -> Facts {
    let networks = summary.network_settings.as_ref().and_then(|settings| settings.networks.as_ref());
    let mut networks: Vec<&str> = networks.into_iter().flatten().map(|(name, _)| name.as_str()).collect();
    networks.sort_unstable();
    let shown = if networks.is_empty() { "none".to_owned() } else { networks.join(" ") };
    // Links add names with the name of another container before them.
    let names = summary.names.iter().flatten().map(|name| name.trim_start_matches('/'));
    let name = names.filter(|name| !name.contains('/')).min().unwrap_or_default();
    named([("name", name.to_owned()), ("networks", shown)])
}

/// What `docker update` changes of what `config` says.
pub(super) fn of_limits(config: &HostConfig) -> Facts {
    let limit = |value: Option<i64>, shown: &dyn Fn(i64) -> String| match value {
        Some(value) if value > 0 => shown(value),
        _ => "no limit".to_owned(),
    };
    let cpus = match (config.nano_cpus, config.cpu_quota, config.cpu_period) {
        (Some(nano), _, _) if nano > 0 => format!("{}", nano as f64 / 1e9),
        (_, Some(quota), period) if quota > 0 => {
            format!("{}", quota as f64 / period.filter(|period| *period > 0).unwrap_or(100_000) as f64)
        }
        _ => "no limit".to_owned(),
    };
    let cpuset = config.cpuset_cpus.as_deref().filter(|set| !set.is_empty()).unwrap_or("all");
    let policy = config.restart_policy.as_ref();
    let restart = match policy.and_then(|policy| policy.name) {
        None | Some(Restart::EMPTY | Restart::NO) => "no".to_owned(),
        Some(Restart::ON_FAILURE) => {
            let times = policy.and_then(|policy| policy.maximum_retry_count).filter(|times| *times > 0);
            times.map_or_else(|| "on-failure".to_owned(), |times| format!("on-failure:{times}"))
        }
        Some(other) => other.to_string(),
    };
    named([
        ("cpus", cpus),
        ("cpuset", cpuset.to_owned()),
        ("memory", limit(config.memory, &bytes)),
        ("processes", limit(config.pids_limit, &|count| count.to_string())),
        ("restart", restart),
    ])
}

fn bytes(count: i64) -> String {
    const MIB: i64 = 1 << 20;
    if count % MIB == 0 { format!("{} MiB", count / MIB) } else { format!("{count} bytes") }
}

fn named<const N: usize>(facts: [(&str, String); N]) -> Facts {
    facts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// The limits of containers as they were looked up last.
#[derive(Debug, Default)]
pub(super) struct KnownLimits(Mutex<HashMap<String, (Duration, Facts)>>);

impl KnownLimits {
    /// Those of container `id`, if they are known at the monotonic time `now`.
    pub(super) fn of(&self, id: &str, now: Duration) -> Option<Facts> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(id).filter(|(since, _)| is_known(*since, now)).map(|(_, facts)| facts.clone())
    }

    /// Keeps those of container `id`, and forgets what is out of date.
    pub(super) fn keep(&self, id: &str, now: Duration, facts: Facts) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(id.to_owned(), (now, facts));
        // Rarely, so that a listing of many does not look at all of them for each.
        if known.len().is_power_of_two() {
            known.retain(|_, (since, _)| is_known(*since, now));
        }
    }
}

fn is_known(since: Duration, now: Duration) -> bool {
    now.saturating_sub(since) < KNOWN_FOR
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn limits(config: serde_json::Value) -> Vec<String> {
        let facts = of_limits(&serde_json::from_value(config).unwrap());
        facts.into_iter().map(|(name, value)| format!("{name}={value}")).collect()
    }

    #[test]
    fn limits_are_told_in_words() {
        let none = ["cpus=no limit", "cpuset=all", "memory=no limit", "processes=no limit", "restart=no"];
        assert_eq!(limits(json!({})), none);
        let zero = json!({"NanoCpus": 0, "CpuQuota": -1, "CpusetCpus": "", "Memory": 0, "PidsLimit": -1,
            "RestartPolicy": {"Name": "", "MaximumRetryCount": 0}});
        assert_eq!(limits(zero), none, "what the engine writes for none");
        let set = json!({"NanoCpus": 1_500_000_000, "CpusetCpus": "0-1", "Memory": 64 << 20, "PidsLimit": 9,
            "RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 3}});
        assert_eq!(
            limits(set),
            ["cpus=1.5", "cpuset=0-1", "memory=64 MiB", "processes=9", "restart=on-failure:3"]
        );
        let other =
            json!({"CpuQuota": 50_000, "Memory": 1_000_000, "RestartPolicy": {"Name": "unless-stopped"}});
        let told = limits(other);
        assert_eq!((told[0].as_str(), told[2].as_str()), ("cpus=0.5", "memory=1000000 bytes"));
        assert_eq!(told[4], "restart=unless-stopped");
    }

    #[test]
    fn the_name_is_its_own_and_not_that_of_a_link() {
        let listed = |value| of_listed(&serde_json::from_value(value).unwrap());
        let facts =
            listed(json!({"Names": ["/web/alias", "/occopus-1"], "NetworkSettings": {"Networks": {}}}));
        assert_eq!((facts["name"].as_str(), facts["networks"].as_str()), ("occopus-1", "none"));
    }

    #[test]
    fn limits_are_known_for_a_while() {
        let known = KnownLimits::default();
        let facts = of_limits(&HostConfig::default());
        known.keep("a", Duration::ZERO, facts.clone());
        assert_eq!(known.of("a", KNOWN_FOR - Duration::from_secs(1)), Some(facts));
        assert_eq!(known.of("a", KNOWN_FOR), None);
        assert_eq!(known.of("b", Duration::ZERO), None);
    }
}
