use super::*;
use crate::sample::{at, attempt};

/// An hour in which nobody looked counts for a minute.
fn policy() -> Policy {
    Policy { observation_gap: Duration::from_secs(60), ..Policy::default() }
}

fn seen(state: ResourceState, passed: Option<bool>) -> Seen {
    let mut resource = Observation::bare(state, "");
    resource.addresses = vec!["10.1.1.1".to_owned()];
    let check = |passed| CheckResult {
        kind: "port".to_owned(),
        subject: "8080".to_owned(),
        passed,
        reason: if passed { String::new() } else { "port 8080 closed".to_owned() },
    };
    Seen {
        resource: Ok(resource),
        checks: passed.map(check).into_iter().collect(),
        visibility_delay: Duration::from_secs(20),
    }
}

fn starting() -> Attempt {
    Attempt { ready_at: None, addresses: Vec::new(), ..attempt("worker/1", 1000) }
}

fn state(attempt: &Attempt, seen: &Seen, now: i64) -> InstanceState {
    judge(attempt, seen, at(now), &policy()).state
}

#[test]
fn what_runs_and_passes_its_checks_is_ready() {
    let verdict = judge(&starting(), &seen(ResourceState::Running, Some(true)), at(1001), &policy());
    assert_eq!((verdict.state, verdict.reason.as_str()), (InstanceState::Ready, ""));
    assert_eq!(verdict.addresses, ["10.1.1.1"]);
    assert_eq!(state(&starting(), &seen(ResourceState::Running, None), 1001), InstanceState::Ready);
}

#[test]
fn quirk_12_an_instance_without_an_address_is_starting_and_not_lost() {
    let mut unaddressed = seen(ResourceState::Running, Some(false));
    unaddressed.checks[0].reason = "no address yet".to_owned();
    unaddressed.resource.as_mut().unwrap().addresses.clear();
    let verdict = judge(&starting(), &unaddressed, at(1001), &policy());
    assert_eq!(verdict.state, InstanceState::Pending);
    assert_eq!(verdict.reason, "no address yet for 0 s of 100 s");
}

#[test]
fn words_of_the_back_end_become_states() {
    let ready = attempt("worker/1", 1000);
    for (word, of_starting, of_ready) in [
        (ResourceState::Pending, InstanceState::Pending, InstanceState::Unhealthy),
        (ResourceState::Stopped, InstanceState::Dead, InstanceState::Dead),
        (ResourceState::Failed, InstanceState::Dead, InstanceState::Dead),
        (ResourceState::Gone, InstanceState::Gone, InstanceState::Gone),
        (ResourceState::Missing, InstanceState::Gone, InstanceState::Gone),
        (ResourceState::Unknown, InstanceState::Unknown, InstanceState::Unknown),
    ] {
        assert_eq!(state(&starting(), &seen(word, None), 1100), of_starting, "{word:?}");
        assert_eq!(state(&ready, &seen(word, None), 1100), of_ready, "{word:?}");
    }
}

#[test]
fn a_fresh_instance_that_is_not_listed_is_not_lost_yet() {
    let gone = seen(ResourceState::Missing, None);
    assert_eq!(state(&starting(), &gone, 1019), InstanceState::Pending);
    assert_eq!(state(&starting(), &gone, 1020), InstanceState::Gone);
    // What counts is when it was accepted; the call itself may have taken long.
    let slow = Attempt { accepted_at: Some(at(1050)), ..starting() };
    assert_eq!(state(&slow, &gone, 1069), InstanceState::Pending);
}

#[test]
fn a_clock_that_was_set_back_hides_a_lost_instance_for_no_longer_than_its_back_end_may() {
    let gone = seen(ResourceState::Missing, None);
    assert_eq!(state(&starting(), &gone, 999), InstanceState::Pending);
    assert_eq!(state(&starting(), &gone, 0), InstanceState::Gone);
}

#[test]
fn a_back_end_that_cannot_be_asked_says_nothing_about_the_instance() {
    let before = Attempt {
        failing: Some(Failing { since: at(1), counted: 50.0, last: at(51), failures: 2, passes: 0 }),
        ..attempt("worker/1", 1)
    };
    let seen = Seen { resource: Err("connection refused".to_owned()), ..seen(ResourceState::Running, None) };
    let verdict = judge(&before, &seen, at(9999), &policy());
    assert_eq!((verdict.state, verdict.reason.as_str()), (InstanceState::Unknown, "connection refused"));
    assert_eq!((verdict.failing, verdict.addresses), (before.failing, before.addresses));
}

#[test]
fn failing_time_adds_up_only_while_it_is_watched() {
    let failing = seen(ResourceState::Running, Some(false));
    let mut instance = attempt("worker/1", 0);
    let mut looks = |now: &[i64]| -> Vec<(InstanceState, String)> {
        let look = |now: &i64| {
            let verdict = judge(&instance, &failing, at(*now), &policy());
            instance.failing.clone_from(&verdict.failing);
            (verdict.state, verdict.reason)
        };
        now.iter().map(look).collect()
    };
    let seen = looks(&[1000, 1030, 5000, 5010, 5011]);
    let words: Vec<&str> = seen.iter().map(|(_, reason)| reason.as_str()).collect();
    assert_eq!(
        words,
        [
            "port 8080 closed for 0 s of 100 s",
            "port 8080 closed for 30 s of 100 s",
            // An hour in which nobody looked counts as one gap.
            "port 8080 closed for 90 s of 100 s",
            "port 8080 closed for 100 s of 100 s",
            "port 8080 closed for 101 s of 100 s",
        ]
    );
    let states: Vec<InstanceState> = seen.into_iter().map(|(state, _)| state).collect();
    let unhealthy = InstanceState::Unhealthy;
    assert_eq!(states, [unhealthy, unhealthy, unhealthy, unhealthy, InstanceState::Unresponsive]);
}

#[test]
fn what_never_gets_beyond_starting_has_failed_in_the_end() {
    let pending = seen(ResourceState::Pending, None);
    let limit = policy().start_limit.as_secs() as i64;
    assert_eq!(state(&starting(), &pending, 1000 + limit), InstanceState::Pending);
    assert_eq!(state(&starting(), &pending, 1000 + limit + 1), InstanceState::Unresponsive);
}

#[test]
fn what_starts_again_after_it_was_ready_has_the_time_of_its_health_checks() {
    let pending = seen(ResourceState::Pending, None);
    let mut instance = attempt("worker/1", 0);
    let mut states = Vec::new();
    for now in [5000, 5050, 5100, 5101] {
        let verdict = judge(&instance, &pending, at(now), &policy());
        instance.failing.clone_from(&verdict.failing);
        states.push((verdict.state, verdict.reason));
    }
    let reasons: Vec<&str> = states.iter().map(|(_, reason)| reason.as_str()).collect();
    assert_eq!(reasons[1], "starting for 50 s of 100 s");
    assert!(states[..3].iter().all(|(state, _)| *state == InstanceState::Unhealthy), "{states:?}");
    assert_eq!(states[3].0, InstanceState::Unresponsive);
}

#[test]
fn a_check_that_passes_ends_the_failing_period() {
    let failing = Some(Failing { since: at(1), counted: 99.0, last: at(100), failures: 2, passes: 0 });
    let instance = Attempt { failing, ..attempt("worker/1", 0) };
    let verdict = judge(&instance, &seen(ResourceState::Running, Some(true)), at(101), &policy());
    assert_eq!((verdict.state, verdict.failing), (InstanceState::Ready, None));
}

#[test]
fn known_addresses_stay_when_none_are_seen() {
    let mut without = seen(ResourceState::Running, Some(true));
    without.resource = Ok(Observation::bare(ResourceState::Running, ""));
    let instance = attempt("worker/1", 0);
    assert_eq!(judge(&instance, &without, at(50), &policy()).addresses, instance.addresses);
}

/// What `instance` is taken for, look by look, ten seconds apart, and whether a look is worth a write.
fn history(mut instance: Attempt, passes: &[bool]) -> Vec<InstanceState> {
    let look = |(number, passed): (usize, &bool)| {
        let now = at(2000 + 10 * number as i64);
        let verdict = judge(&instance, &seen(ResourceState::Running, Some(*passed)), now, &policy());
        instance.failing.clone_from(&verdict.failing);
        if verdict.state == InstanceState::Ready && instance.ready_at.is_none() {
            instance.ready_at = Some(now);
        }
        verdict.state
    };
    passes.iter().enumerate().map(look).collect()
}

fn with_health(mut instance: Attempt, key: &str, value: i64) -> Attempt {
    let section = instance.implementation.health_check.get_or_insert_default();
    section.insert(key.to_owned(), value.into());
    instance
}

#[test]
fn a_ready_instance_is_unhealthy_only_after_as_many_failures_in_a_row_as_its_threshold() {
    use InstanceState::{Ready, Unhealthy};
    let instance = with_health(attempt("worker/1", 0), "failure_threshold", 3);
    assert_eq!(
        history(instance, &[false, false, true, false, false, false, true]),
        [Ready, Ready, Ready, Ready, Ready, Unhealthy, Ready]
    );
}

#[test]
fn an_instance_is_ready_only_after_as_many_passes_in_a_row_as_its_threshold() {
    use InstanceState::{Pending, Ready, Unhealthy};
    let starting = with_health(starting(), "success_threshold", 2);
    assert_eq!(history(starting, &[true, false, true, true]), [Pending, Pending, Pending, Ready]);
    let unhealthy = with_health(attempt("worker/1", 0), "success_threshold", 2);
    assert_eq!(
        history(unhealthy, &[true, false, true, false, true, true]),
        [Ready, Unhealthy, Unhealthy, Unhealthy, Unhealthy, Ready]
    );
}

#[test]
fn what_was_never_ready_has_its_own_time() {
    let failing = |instance: Attempt| *history(instance, &[false; 8]).last().unwrap();
    let starting = with_health(starting(), "startup_timeout", 65);
    assert_eq!(failing(starting), InstanceState::Unresponsive);
    let ready = with_health(attempt("worker/1", 0), "startup_timeout", 65);
    assert_eq!(failing(ready), InstanceState::Unhealthy);
}
