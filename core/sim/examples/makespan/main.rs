//! How good the engine is at building, in virtual time: the time that a clairvoyant scheduler needs for an
//! infrastructure, divided by the time that the engine needs, on the same simulated cloud.
//!
//! Prints a table for `docs/performance.md`. Fails when an efficiency is below the bar, and when the engine
//! made more calls than the cloud allows.

#![allow(clippy::print_stdout, clippy::expect_used, reason = "a measurement that fails has to say so")]

mod graph;
mod reference;
mod run;

use std::process::ExitCode;
use std::time::Duration;

use reference::Cloud;

/// Of a median shape, at least.
const MEDIAN: f64 = 0.95;
/// Of any shape, at least.
const WORST: f64 = 0.90;

const CLOUD: Cloud = Cloud {
    call: Duration::from_millis(200),
    check: Duration::from_millis(50),
    parallel: 10,
    burst: 10,
    interval: Duration::from_millis(100),
};

fn main() -> ExitCode {
    println!("| shape | instances | clairvoyant | Occopus | efficiency | looks | refused |");
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    let mut efficiencies = Vec::new();
    let mut refused = 0;
    let only = std::env::args().nth(1).unwrap_or_default();
    for graph in graph::shapes().iter().filter(|graph| graph.name.contains(&only)) {
        let (ideal, outcome) = (CLOUD.makespan(graph), run::build(graph, &CLOUD));
        let efficiency = ideal.as_secs_f64() / outcome.took.as_secs_f64();
        println!(
            "| {} | {} | {:.1} s | {:.1} s | {efficiency:.3} | {} | {} |",
            graph.name,
            graph.instances(),
            ideal.as_secs_f64(),
            outcome.took.as_secs_f64(),
            outcome.looks,
            outcome.refused,
        );
        efficiencies.push(efficiency);
        refused += outcome.refused;
    }
    efficiencies.sort_by(f64::total_cmp);
    let worst = efficiencies.first().copied().unwrap_or_default();
    let median = efficiencies.get(efficiencies.len() / 2).copied().unwrap_or_default();
    println!("\nEfficiency: {median:.3} median, {worst:.3} worst.");
    if median < MEDIAN || worst < WORST || refused > 0 {
        println!(
            "FAILED: at least {MEDIAN} median and {WORST} worst, and no call beyond what the cloud allows"
        );
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
