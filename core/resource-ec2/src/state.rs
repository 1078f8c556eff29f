//! Reading instances as the service lists them.

use std::collections::BTreeMap;

use aws_sdk_ec2::types::{Instance, Tag};
use jiff::Timestamp;
use occopus_engine::batch::CreateBatch;
use occopus_engine::drift::TAG;
use occopus_engine::handler::{Found, Identity, Listed, Observation, ProviderId, ResourceState};

/// The states of instances that exist: what `find` lists.
pub(crate) const LIVING: [&str; 4] = ["pending", "running", "stopping", "stopped"];

/// What the service says about `instance`.
pub(crate) fn observation(instance: &Instance) -> Observation {
    let word = state_word(instance);
    let reason = instance.state_reason().and_then(|reason| reason.message());
    let detail = reason.map_or_else(|| word.to_owned(), |reason| format!("{word} ({reason})"));
    let private_address = text(instance.private_ip_address());
    let mut addresses: Vec<String> = Vec::new();
    let candidates =
        [text(instance.public_dns_name()), text(instance.public_ip_address()), private_address.clone()];
    for address in candidates.into_iter().flatten() {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    let state = state(word);
    let facts = if state == ResourceState::Gone { BTreeMap::new() } else { facts(instance) };
    Observation { state, detail, addresses, private_address, facts }
}

/// What can be changed about an instance by hand. Tags of the service itself come and go.
fn facts(instance: &Instance) -> BTreeMap<String, String> {
    let mut groups: Vec<&str> =
        instance.security_groups().iter().filter_map(|group| group.group_id()).collect();
    groups.sort_unstable();
    let profile = instance.iam_instance_profile().and_then(|profile| profile.arn());
    // Each is always told, so that one that is taken away, or given for the first time, is a change.
    let parts = [
        ("image", text(instance.image_id())),
        ("instance_profile", text(profile)),
        ("instance_type", text(instance.instance_type().map(|kind| kind.as_str()))),
        ("security_groups", text(Some(&groups.join(" ")))),
        ("subnet", text(instance.subnet_id())),
    ];
    let tag = |tag: &Tag| {
        let key = tag.key().filter(|key| !key.starts_with("aws:"))?;
        Some((format!("{TAG}{key}"), tag.value().unwrap_or_default().to_owned()))
    };
    let shown = |value: Option<String>| value.unwrap_or_else(|| "none".to_owned());
    let parts = parts.into_iter().map(|(name, value)| (name.to_owned(), shown(value)));
    let mut facts: BTreeMap<String, String> = parts.chain(instance.tags().iter().filter_map(tag)).collect();
    hide_label(instance, &mut facts);
    facts
}

/// One that was launched with others gets the end of its name later: nobody changed that by hand.
fn hide_label(instance: &Instance, facts: &mut BTreeMap<String, String>) {
    let Some(identity) = Identity::of_launched(&tags(instance), launch_index(instance)) else { return };
    let end: String = ['-'].into_iter().chain(identity.node_id.as_str().chars().take(8)).collect();
    if facts.contains_key(&format!("{TAG}{}", CreateBatch::TAG))
        && let Some(name) = facts.get_mut(&format!("{TAG}Name"))
        && let Some(shared) = name.strip_suffix(&end)
    {
        *name = shared.to_owned();
    }
}

fn tags(instance: &Instance) -> BTreeMap<String, String> {
    let tag = |tag: &Tag| Some((tag.key()?.to_owned(), tag.value()?.to_owned()));
    instance.tags().iter().filter_map(tag).collect()
}

/// The number of `instance` in the call that launched it, from 0.
pub(crate) fn launch_index(instance: &Instance) -> Option<usize> {
    instance.ami_launch_index().and_then(|index| usize::try_from(index).ok())
}

/// Whether `instance` shows who it is by its launch index only.
pub(crate) fn is_told_by_index(instance: &Instance) -> bool {
    Identity::from_tags(&tags(instance)).is_none()
}

/// `instance` as one of Occopus; `None` if its tags do not say whose it is. One that is `ambiguous` has the
/// same launch index as another of its call: it is ours, and nobody can say which one.
pub(crate) fn listed(instance: &Instance, ambiguous: bool) -> Option<Listed> {
    let mut identity = Identity::of_launched(&tags(instance), launch_index(instance))?;
    if ambiguous {
        identity.attempt = format!("ambiguous-{}", instance.instance_id()?).as_str().into();
    }
    let found = Found {
        identity,
        provider_id: ProviderId::plain(instance.instance_id()?),
        state: state(state_word(instance)),
    };
    let launched = instance.launch_time().map(|time| Timestamp::from_second(time.secs()));
    Some(Listed { found, created_at: launched.and_then(Result::ok) })
}

fn state_word(instance: &Instance) -> &str {
    instance.state().and_then(|state| state.name()).map_or("", |name| name.as_str())
}

fn state(word: &str) -> ResourceState {
    match word {
        "pending" => ResourceState::Pending,
        "running" => ResourceState::Running,
        "stopping" | "stopped" => ResourceState::Stopped,
        // There is no way back from shutting down.
        "shutting-down" | "terminated" => ResourceState::Gone,
        _ => ResourceState::Unknown,
    }
}

/// The service writes an empty text for "none".
fn text(value: Option<&str>) -> Option<String> {
    value.map(str::trim).filter(|value| !value.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use aws_sdk_ec2::types::{InstanceState, InstanceStateName, StateReason};

    use super::*;

    fn in_state(word: &str) -> aws_sdk_ec2::types::builders::InstanceBuilder {
        Instance::builder().state(InstanceState::builder().name(InstanceStateName::from(word)).build())
    }

    #[test]
    fn words_of_the_service_become_states() {
        for (word, state) in [
            ("pending", ResourceState::Pending),
            ("running", ResourceState::Running),
            ("stopping", ResourceState::Stopped),
            ("stopped", ResourceState::Stopped),
            ("shutting-down", ResourceState::Gone),
            ("terminated", ResourceState::Gone),
            ("hibernating", ResourceState::Unknown),
        ] {
            let Observation { state: seen, detail, .. } = observation(&in_state(word).build());
            assert_eq!((seen, detail.as_str()), (state, word));
        }
        assert_eq!(observation(&Instance::builder().build()).state, ResourceState::Unknown);
    }

    #[test]
    fn the_reason_of_a_state_is_told() {
        let reason = StateReason::builder().message("Server.SpotInstanceTermination").build();
        let observation = observation(&in_state("terminated").state_reason(reason).build());
        assert_eq!(observation.detail, "terminated (Server.SpotInstanceTermination)");
    }

    #[test]
    fn the_public_name_comes_first_and_nothing_twice() {
        let all = in_state("running")
            .public_dns_name("vm.example")
            .public_ip_address("198.18.0.1")
            .private_ip_address("10.0.0.1");
        let observation_all = observation(&all.clone().build());
        assert_eq!(observation_all.addresses, ["vm.example", "198.18.0.1", "10.0.0.1"]);
        assert_eq!(observation_all.private_address.as_deref(), Some("10.0.0.1"));
        let twice = all.public_dns_name("").public_ip_address("10.0.0.1").build();
        assert_eq!(observation(&twice).addresses, ["10.0.0.1"]);
    }

    #[test]
    fn what_can_be_changed_by_hand_is_told_of_what_exists() {
        use aws_sdk_ec2::types::GroupIdentifier;
        let group = |id: &str| GroupIdentifier::builder().group_id(id).build();
        let tag = |key: &str, value: &str| Tag::builder().key(key).value(value).build();
        let all = |word: &str| {
            in_state(word)
                .instance_type("t2.micro".into())
                .image_id("ami-1")
                .subnet_id("subnet-1")
                .security_groups(group("sg-2"))
                .security_groups(group("sg-1"))
                .tags(tag("team", "x"))
                .tags(tag("aws:autoscaling", "y"))
                .build()
        };
        let told: Vec<String> = observation(&all("running"))
            .facts
            .into_iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        assert_eq!(
            told,
            [
                "image=ami-1",
                "instance_profile=none",
                "instance_type=t2.micro",
                "security_groups=sg-1 sg-2",
                "subnet=subnet-1",
                "tag team=x"
            ]
        );
        assert!(observation(&all("terminated")).facts.is_empty());
    }
}
