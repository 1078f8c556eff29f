//! Tests of the tests: an engine with one of these bugs must break a promise within some thousand
//! histories.

#![allow(clippy::panic, clippy::print_stdout, reason = "helpers of tests may do what tests may")]

use occopus_sim::{Campaign, Mutant, Property, Violation};

/// Histories that are tried before the bug counts as not found.
const ENOUGH: u64 = 5_000;

/// Runs histories with `mutant` until one of the promises is broken that this bug should break: one that
/// only breaks others is not understood.
fn caught(mutant: Mutant, breaks: &[Property]) {
    let campaign = Campaign { mutant: Some(mutant), wanted: breaks.to_vec(), ..Campaign::new(0, ENOUGH) };
    let report = campaign.run();
    let fits = |violation: &&Violation| breaks.contains(&violation.property);
    let Some(found) = report.failures.iter().flat_map(|failure| &failure.violations.0).find(fits) else {
        panic!("{mutant:?} was not found in {} histories", report.runs);
    };
    println!("mutant {mutant:?} found after {} histories: {found}", report.runs);
}

#[test]
fn an_intent_that_is_written_after_the_call_is_found() {
    caught(Mutant::IntentAfterCall, &[Property::IntentFirst, Property::NothingLost]);
}

#[test]
fn a_change_without_a_look_at_the_lease_is_found() {
    caught(Mutant::LeaseNotChecked, &[Property::LostLeaseChangesNothing]);
}

#[test]
fn a_destroy_that_forgets_on_an_error_is_found() {
    let breaks = [Property::DestroyConfirmed, Property::NothingLeft, Property::GoneMeansGone];
    caught(Mutant::DestroyForgets, &breaks);
}

#[test]
fn a_retry_of_an_unknown_outcome_without_settling_is_found() {
    caught(Mutant::RetryWithoutSettling, &[Property::RefusalCertain, Property::NothingLost]);
}

#[test]
fn a_partial_listing_that_counts_as_empty_is_found() {
    caught(Mutant::PartialListingBelieved, &[Property::AbsenceProven, Property::GoneMeansGone]);
}

#[test]
fn a_token_that_is_used_for_a_new_attempt_is_found() {
    // The machine of the one attempt is destroyed in the name of the other.
    caught(Mutant::TokenReused, &[Property::Converges, Property::IntentFirst]);
}

#[test]
fn a_replay_without_an_answer_that_counts_as_without_effect_is_found() {
    caught(Mutant::UnclearReplayIgnored, &[Property::AbsenceProven]);
}

#[test]
fn a_refused_replay_that_counts_as_the_answer_to_the_first_call_is_found() {
    caught(Mutant::RefusedReplayBelieved, &[Property::RefusalCertain]);
}

#[test]
fn a_write_without_an_answer_that_counts_as_made_is_found() {
    caught(Mutant::UnclearWriteBelieved, &[Property::IntentFirst, Property::NothingLost]);
}

#[test]
fn a_batch_in_which_nobody_looks_who_is_who_is_found() {
    caught(Mutant::LaunchIndexIgnored, &[Property::NothingLost, Property::Converges]);
}
