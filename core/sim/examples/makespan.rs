//! How good the engine is at building: a thousand instances on a simulated cloud.
//!
//! *Efficiency* is the time that a scheduler without any delay of its own needs, divided by the time that
//! the engine needed, both in virtual time: a clairvoyant one that begins what boots longest first, and
//! one that begins in the engine's order. *Cost* is real time per instance, which is the engine's own
//! work, because the simulated cloud needs next to none.

#![allow(clippy::print_stdout, clippy::expect_used, reason = "a measurement that fails has to say so")]

use std::time::{Duration, Instant};

use occopus_engine::control::Built;
use occopus_sim::{Done, Machine, Op, Settings, Shape, World, simulate};

const WORKERS: u32 = 999;
/// All calls take the same time, so that what the engine did can be told from what it was dealt.
const CALL: Duration = Duration::from_millis(200);

fn main() {
    for parallel in [10, 100] {
        let begun = Instant::now();
        let (took, machines) = simulate(build(parallel));
        let cost = begun.elapsed().as_secs_f64() * 1000.0 / machines.len() as f64;
        let efficiency = |longest_first| {
            let (db, workers): (Vec<_>, Vec<_>) =
                machines.iter().partition(|machine| machine.identity.slot.node == "db");
            let ideal = ideal(&db, parallel, longest_first) + ideal(&workers, parallel, longest_first);
            ideal.as_secs_f64() / took.as_secs_f64()
        };
        println!(
            "{} instances, {parallel} calls at once: {:.1} s; efficiency {:.2} (clairvoyant), {:.2} (in the \
             same order); cost {cost:.1} ms per instance",
            machines.len(),
            took.as_secs_f64(),
            efficiency(true),
            efficiency(false),
        );
    }
}

/// Builds a database and the workers that wait for it, and returns how long that took and what was made.
async fn build(parallel: usize) -> (Duration, Vec<Machine>) {
    let settings = Settings { latency: (CALL, CALL), ..Settings::default() };
    let shape = Shape::new("many").node("db", 1, 1).node("worker", WORKERS, WORKERS).needs("worker", "db");
    let mut world = World::new(1, settings, shape);
    world.policy.max_parallel = parallel;
    let done = world.perform(Op::Build).await.expect("the engine works");
    assert_eq!(done, Done::Built(Built::Ready));
    (world.clock.monotonic(), world.cloud.audit())
}

/// The time after which `machines` that need not wait for each other are ready, if nobody loses any.
fn ideal(machines: &[&Machine], parallel: usize, longest_first: bool) -> Duration {
    let ready_after =
        |machine: &&Machine| machine.boots_at.max(machine.visible_from).saturating_sub(machine.requested_at);
    let mut tails: Vec<Duration> = machines.iter().map(ready_after).collect();
    if longest_first {
        tails.sort_unstable_by(|one, other| other.cmp(one));
    }
    let rounds = tails.chunks(parallel).zip(0u32..);
    rounds.filter_map(|(round, number)| Some(CALL * number + *round.iter().max()?)).max().unwrap_or_default()
}
