//! Many histories: which of them end badly, and how often each fault took effect in them.

use std::fmt::Write;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::fault::{FaultSet, Tally};
use crate::mutant::Mutant;
use crate::property::{Property, Violations};
use crate::run::run;
use crate::scenario::Scenario;

/// Histories that end badly are told of up to this number.
const TOLD: usize = 5;

/// What to run.
#[derive(Debug, Clone)]
pub struct Campaign {
    /// The first seed.
    pub first: u64,
    /// How many histories; [`Campaign::until`] may end it earlier.
    pub count: u64,
    /// How long it may take, in real time.
    pub until: Option<Duration>,
    /// The bug that the engine is to have.
    pub mutant: Option<Mutant>,
    /// Ends at the first history that breaks one of these promises.
    pub wanted: Vec<Property>,
}

/// A history that ended badly.
#[derive(Debug, Clone)]
pub struct Failure {
    /// Its seed.
    pub seed: u64,
    /// The promises that were broken.
    pub violations: Violations,
}

/// What came of a campaign.
#[derive(Debug, Default)]
pub struct Report {
    /// How many histories were run.
    pub runs: u64,
    /// How often each fault took effect.
    pub tally: Tally,
    /// Histories that ended badly, in the order of their seeds.
    pub failures: Vec<Failure>,
}

impl Campaign {
    /// As many histories as `count`, from seed `first` on.
    pub fn new(first: u64, count: u64) -> Self {
        Self { first, count, until: None, mutant: None, wanted: Vec::new() }
    }

    /// Runs it on all processors.
    pub fn run(&self) -> Report {
        let begun = Instant::now();
        let next = AtomicU64::new(0);
        let over = AtomicBool::new(false);
        let report = Mutex::new(Report::default());
        let work = || {
            while !over.load(Ordering::Relaxed) && self.until.is_none_or(|limit| begun.elapsed() < limit) {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= self.count {
                    break;
                }
                let seed = self.first + number;
                let (tally, result) = run(&Scenario::of(seed), self.mutant);
                let mut report = report.lock().unwrap_or_else(PoisonError::into_inner);
                report.runs += 1;
                report.tally.add(&tally);
                if let Err(violations) = result {
                    if self.wanted.iter().any(|property| violations.includes(*property)) {
                        over.store(true, Ordering::Relaxed);
                    }
                    report.failures.push(Failure { seed, violations });
                }
            }
        };
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
        let mut report = report.into_inner().unwrap_or_else(PoisonError::into_inner);
        report.failures.sort_by_key(|failure| failure.seed);
        report
    }
}

impl Report {
    /// What ended badly, each with the shortest way to see it again.
    pub fn failures_in_words(&self) -> String {
        let mut text = format!("{} of {} histories end badly:\n", self.failures.len(), self.runs);
        for failure in self.failures.iter().take(TOLD) {
            text.push_str(&failure.in_words());
        }
        text
    }
}

impl Failure {
    /// What happened and how to see it again, with everything left out that it does not need.
    pub fn in_words(&self) -> String {
        let whole = Scenario::of(self.seed);
        let scenario = self.violations.first().map_or(whole.clone(), |property| shrink(&whole, property));
        let found = run(&scenario, None).1.err().unwrap_or_else(|| self.violations.clone());
        let steps: Vec<String> = scenario.steps.iter().map(|(number, _)| number.to_string()).collect();
        let faults: Vec<&str> = scenario.faults.iter().map(|kind| kind.name()).collect();
        let mut text = format!("seed {}: {found}\n{scenario}", self.seed);
        // Writing to a text cannot fail.
        let _ = writeln!(
            text,
            "  SIM_SEED={} SIM_STEPS={} SIM_FAULTS={} cargo test -p occopus-sim --test histories",
            self.seed,
            steps.join(","),
            faults.join(",")
        );
        text
    }
}

/// Leaves steps and faults out of `scenario` as long as `property` is still violated.
fn shrink(scenario: &Scenario, property: Property) -> Scenario {
    let fails =
        |smaller: &Scenario| run(smaller, None).1.is_err_and(|violations| violations.includes(property));
    let mut smallest = scenario.clone();
    for (number, _) in scenario.steps.iter().rev() {
        let kept: Vec<usize> =
            smallest.steps.iter().map(|(other, _)| *other).filter(|other| other != number).collect();
        let smaller = smallest.clone().with_steps(&kept);
        if fails(&smaller) {
            smallest = smaller;
        }
    }
    for kind in scenario.faults.iter() {
        let faults: FaultSet = smallest.faults.clone().without(kind);
        let smaller = smallest.clone().with_faults(faults);
        if fails(&smaller) {
            smallest = smaller;
        }
    }
    smallest
}
