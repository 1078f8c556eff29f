//! When, and how often, what failed is tried again.

use super::*;

/// An attempt for `slot` that was refused `ago` seconds before now.
pub(super) fn failed(slot: &str, ago: i64) -> Attempt {
    let outcome = Outcome::Refused { kind: ErrorKind::Quota, message: "full".to_owned() };
    let phase = Phase::Closed { outcome, at: at(NOW - ago) };
    Attempt { phase, ready_at: None, ..attempt(slot, NOW - ago) }
}

/// An attempt for `slot` that died before it was ready, `ago` seconds before now.
pub(super) fn died(slot: &str, ago: i64) -> Attempt {
    let outcome = Outcome::Destroyed { cause: Cause("it died".to_owned()), failed: true };
    Attempt { phase: Phase::Closed { outcome, at: at(NOW - ago) }, ..failed(slot, ago) }
}

#[test]
fn a_slot_that_failed_waits_longer_each_time_unless_a_user_asks() {
    let missing = || situation(&[("db/1", Ready), ("worker/1", Ready), ("front/1", Ready)]);
    let mut situation = missing();
    situation.closed = vec![failed("worker/2", 9)];
    assert_eq!(
        lines(&situation),
        ["later worker/2: it failed once (full); next try after 1970-01-02T03:46:41Z"]
    );
    situation.closed = vec![failed("worker/2", 11)];
    assert_eq!(lines(&situation), ["0 create worker/2 on sim: 'worker' has 1 of 2 instances"]);
    situation.closed = vec![failed("worker/2", 40), failed("worker/2", 19)];
    assert!(lines(&situation)[0].starts_with("later worker/2: it failed 2 times in a row"));
    situation.eager = Some(at(NOW));
    assert_eq!(lines(&situation), ["0 create worker/2 on sim: 'worker' has 1 of 2 instances"]);
    situation.eager = Some(at(NOW - 19));
    assert!(lines(&situation)[0].starts_with("later worker/2"), "it was tried in this build already");
    let mut situation = missing();
    situation.closed = (1..=6).map(|number| died("worker/2", number * 500)).collect();
    let create = "0 create worker/2 on sim: 'worker' has 1 of 2 instances";
    assert_eq!(lines(&situation), [create], "they were described otherwise");
    let node = situation.generation.infrastructure.node("worker").unwrap();
    let implementation = &situation.generation.definitions["worker"].implementations[0];
    let digest = situation.generation.instance_digest(node, implementation);
    situation.closed.iter_mut().for_each(|attempt| attempt.digest.clone_from(&digest));
    let text = "later worker/2: it was created 6 times within an hour and never became ready (it died)";
    assert!(lines(&situation)[0].starts_with(text), "{:?}", lines(&situation));
    for attempt in &mut situation.closed {
        let outcome = Outcome::Destroyed { cause: Cause("it was outdated".to_owned()), failed: false };
        attempt.phase = Phase::Closed { outcome, at: at(NOW - 10) };
    }
    assert_eq!(lines(&situation), [create], "what was replaced on purpose did not fail");
}

#[test]
fn failures_before_the_clock_was_set_back_do_not_hold_a_slot_until_it_has_caught_up() {
    let mut situation = situation(&[("db/1", Ready), ("worker/1", Ready), ("front/1", Ready)]);
    let create = "0 create worker/2 on sim: 'worker' has 1 of 2 instances";
    situation.closed = (1..=6).map(|number| died("worker/2", number * -500)).collect();
    assert_eq!(lines(&situation), [create]);
    situation.closed.push(failed("worker/2", 5));
    assert!(lines(&situation)[0].starts_with("later worker/2: it failed once"));
}

#[test]
fn a_creation_that_was_refused_is_none_of_those_allowed_per_hour() {
    let mut situation = situation(&[("db/1", Ready), ("worker/1", Ready), ("front/1", Ready)]);
    situation.closed = (2..=7).map(|number| failed("worker/2", number * 500)).collect();
    assert_eq!(lines(&situation), ["0 create worker/2 on sim: 'worker' has 1 of 2 instances"]);
}

#[test]
fn when_most_fail_their_checks_nothing_is_replaced() {
    let situation = situation(&[
        ("db/1", Unresponsive),
        ("worker/1", Unresponsive),
        ("worker/2", Unhealthy),
        ("front/1", Ready),
    ]);
    let lines = lines(&situation);
    assert!(
        lines.iter().any(|line| line.starts_with("warning: 3 of 4 instances fail their checks")),
        "{lines:?}"
    );
    assert!(lines.iter().all(|line| line.starts_with("warning") || line.starts_with("later")), "{lines:?}");
}

#[test]
fn what_is_only_to_be_reported_is_not_replaced() {
    let care = Care { heal: Heal::Report, ..Care::default() };
    let plan = lines(&cared_for(with_state("worker/1", Dead), care));
    assert_eq!(plan.len(), 1);
    assert!(plan[0].starts_with("later worker/1: is Dead; 'worker' is described with `heal: report`"));
}

#[test]
fn existing_instances_are_not_replaced_while_more_are_unhealthy_than_allowed() {
    let limited = |limit| {
        let care = Care { max_unhealthy: Some(limit), ..Care::default() };
        lines(&cared_for(with_state("worker/1", Unresponsive), care))
    };
    for limit in [Share::Count(1), Share::Percent(50)] {
        assert_eq!(limited(limit).len(), 2, "{limit:?}");
    }
    for limit in [Share::Count(0), Share::Percent(49)] {
        let plan = limited(limit);
        assert!(plan.len() == 1 && plan[0].contains("too many fail at once"), "{plan:?}");
    }
}

#[test]
fn what_failed_under_an_undone_description_holds_the_old_one_up_no_longer() {
    let mut situation = situation(&[("db/1", Ready), ("worker/1", Ready), ("front/1", Ready)]);
    situation.closed = vec![Attempt { generation: 2, ..died("worker/2", 1) }];
    assert_eq!(lines(&situation), ["0 create worker/2 on sim: 'worker' has 1 of 2 instances"]);
    situation.closed[0].generation = 1;
    assert!(lines(&situation)[0].starts_with("later worker/2"));
}
