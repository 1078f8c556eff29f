//! Random histories: operations, faults, crashes, interruptions and accidents in any order, by one to
//! three processes at once. Once the faults have ended and a maintainer has come by, everything must be
//! as it was asked for.
//!
//! `SIM_SEEDS` asks for another number of histories, `SIM_SEED` for a single one, of which `SIM_STEPS`
//! and `SIM_FAULTS` (comma-separated) choose parts. `SOAK_MINUTES` runs as many as fit into that time.

#![allow(clippy::panic, clippy::print_stdout, reason = "helpers of tests may do what tests may")]

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use occopus_sim::{Campaign, Report, Scenario, run};

/// How many histories are run.
const HISTORIES: u64 = 5_000;
/// How often each kind of fault must take effect in that many.
const LEAST: u64 = 100;

fn variable<T: std::str::FromStr>(name: &str) -> Option<T> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text} cannot be understood")))
}

fn list<T: std::str::FromStr>(name: &str) -> Option<Vec<T>> {
    let text = std::env::var(name).ok()?;
    let parse = |part: &str| part.parse().unwrap_or_else(|_| panic!("{name}: {part} cannot be understood"));
    Some(text.split(',').filter(|part| !part.is_empty()).map(parse).collect())
}

/// The history of one seed, or what is left of it.
fn one(seed: u64) {
    let mut scenario = Scenario::of(seed);
    if let Some(steps) = list("SIM_STEPS") {
        scenario = scenario.with_steps(&steps);
    }
    if let Some(faults) = list("SIM_FAULTS") {
        scenario = scenario.with_faults(faults.into_iter().collect());
    }
    let (tally, result) = run(&scenario, None);
    println!("seed {seed}\n{scenario}{tally}");
    if let Err(found) = result {
        panic!("{found}");
    }
}

fn many(campaign: &Campaign) -> Report {
    let begun = std::time::Instant::now();
    let report = campaign.run();
    println!(
        "simulator: {} histories in {:.0} s; how often each fault took effect:\n{}",
        report.runs,
        begun.elapsed().as_secs_f64(),
        report.tally
    );
    assert!(report.failures.is_empty(), "{}", report.failures_in_words());
    report
}

#[test]
fn whatever_happens_everything_is_in_order_in_the_end() {
    if let Some(seed) = variable("SIM_SEED") {
        return one(seed);
    }
    if let Some(minutes) = variable::<u64>("SOAK_MINUTES") {
        // Every soak sees other histories.
        let first = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64;
        let until = Some(Duration::from_secs(minutes * 60));
        many(&Campaign { until, ..Campaign::new(first, u64::MAX - first) });
        return;
    }
    let count = variable("SIM_SEEDS").unwrap_or(HISTORIES);
    let report = many(&Campaign::new(0, count));
    let rare = report.tally.rarer_than(LEAST);
    assert!(count < HISTORIES || rare.is_empty(), "these faults hardly ever took effect: {rare:?}");
}

#[test]
fn the_same_seed_is_the_same_history() {
    for seed in 0..20 {
        let scenario = Scenario::of(seed);
        assert_eq!(run(&scenario, None), run(&scenario, None), "seed {seed}");
    }
}
