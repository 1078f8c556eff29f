//! Random histories as data: the same seed is the same history, and parts of it can be left out.

use std::fmt;
use std::time::Duration;

use jiff::SignedDuration;
use occopus_engine::hold::HoldKind;
use occopus_engine::plan::Order;
use occopus_engine::record::{Rollout, ScaleChange};

use crate::cloud::{Rate, Settings};
use crate::fault::{FaultKind, FaultSet};
use crate::process::{Crash, Deed, Sleep, StoreFault, When};
use crate::shape::{ENDPOINTS, Shape};
use crate::world::Op;

/// A history: what users ask for, and what goes wrong meanwhile.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// What decides everything.
    pub seed: u64,
    /// What is built.
    pub shape: Shape,
    /// How the cloud behaves.
    pub settings: Settings,
    /// What may go wrong.
    pub faults: FaultSet,
    /// Whether all processes run on one machine.
    pub same_machine: bool,
    /// The order of creation.
    pub order: Order,
    /// What happens, one after the other, with their numbers.
    pub steps: Vec<(usize, Step)>,
}

/// What happens at the same time, and how long it is quiet afterwards.
#[derive(Debug, Clone)]
pub struct Step {
    /// Processes.
    pub actors: Vec<Actor>,
    /// What nobody asked for, and when.
    pub accidents: Vec<(Duration, Accident)>,
    /// The quiet time.
    pub rest: Duration,
}

/// One process.
#[derive(Debug, Clone)]
pub struct Actor {
    /// When it starts.
    pub after: Duration,
    /// What it does.
    pub task: Task,
    /// What happens to it.
    pub mishap: Option<Mishap>,
}

/// What a process does.
#[derive(Debug, Clone)]
pub enum Task {
    /// One operation.
    Once(Box<Op>),
    /// Looking after the infrastructure again and again, for so long.
    Watch(Duration),
}

/// What happens to a process. Durations tell when, and for how long.
#[derive(Debug, Clone, Copy)]
pub enum Mishap {
    /// It dies at a write or a call.
    Crash(Crash),
    /// It is killed.
    Kill(Duration),
    /// Its user interrupts it.
    Interrupt(Duration),
    /// It or its machine sleeps.
    Sleep(Sleep, Duration, Duration),
    /// It reaches neither APIs nor machines.
    CutOff(Duration, Duration),
    /// It reaches no machines.
    Blind(Duration, Duration),
    /// The store fails at one of its writes.
    StoreFails(usize, StoreFault),
}

impl Mishap {
    /// The fault that it is.
    pub fn kind(self) -> FaultKind {
        match self {
            Self::Crash(crash) => crash.kind(),
            Self::Kill(_) => FaultKind::Killed,
            Self::Interrupt(_) => FaultKind::Interrupted,
            Self::Sleep(Sleep::Process, ..) => FaultKind::Paused,
            Self::Sleep(Sleep::Machine, ..) => FaultKind::Suspended,
            Self::CutOff(..) => FaultKind::ObserverCutOff,
            Self::Blind(..) => FaultKind::ChecksCutOff,
            Self::StoreFails(_, fault) => fault.kind(),
        }
    }
}

/// What nobody asked for. Numbers choose a machine.
#[derive(Debug, Clone, Copy)]
pub enum Accident {
    /// A machine vanishes.
    Dies(usize),
    /// A machine stops.
    Stops(usize),
    /// A machine fails its checks from now on.
    Sickens(usize),
    /// An endpoint cannot be reached.
    EndpointDown(&'static str, Duration),
    /// An endpoint has no room.
    Full(&'static str, Duration),
    /// The wall clock jumps.
    Jump(SignedDuration),
}

impl Accident {
    /// The fault that it is.
    pub fn kind(self) -> FaultKind {
        match self {
            Self::Dies(_) => FaultKind::Died,
            Self::Stops(_) => FaultKind::Stopped,
            Self::Sickens(_) => FaultKind::Sick,
            Self::EndpointDown(..) => FaultKind::EndpointDown,
            Self::Full(..) => FaultKind::Capacity,
            Self::Jump(by) if by.is_negative() => FaultKind::ClockBack,
            Self::Jump(_) => FaultKind::ClockForward,
        }
    }
}

impl Scenario {
    /// The history of `seed`.
    pub fn of(seed: u64) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        // Each history leaves some kinds of faults out, so that the others show what they do alone.
        let faults = FaultKind::ALL.iter().copied().filter(|_| rng.u32(..3) > 0);
        let faults: FaultSet = faults.collect();
        let shape = Shape::random(&mut rng);
        let settings = Settings { batch: batch(seed), ..settings(&mut rng, &faults) };
        let steps: Vec<Step> = (0..rng.usize(2..=7)).map(|_| step(&mut rng.fork(), &shape)).collect();
        let order = if rng.u32(..4) == 0 { Order::Sequential } else { Order::Parallel };
        let scenario = Self {
            seed,
            shape,
            settings,
            faults: faults.clone(),
            same_machine: rng.bool() && steps.iter().all(|step| step.actors.len() == 1),
            order,
            steps: steps.into_iter().enumerate().collect(),
        };
        scenario.with_faults(faults)
    }

    /// The same history with only these steps, by their numbers.
    #[must_use]
    pub fn with_steps(mut self, numbers: &[usize]) -> Self {
        self.steps.retain(|(number, _)| numbers.contains(number));
        self
    }

    /// The same history in which only these faults happen.
    #[must_use]
    pub fn with_faults(mut self, faults: FaultSet) -> Self {
        for (_, step) in &mut self.steps {
            for actor in &mut step.actors {
                actor.mishap = actor.mishap.filter(|mishap| faults.allows(mishap.kind()));
            }
            step.accidents.retain(|(_, accident)| faults.allows(accident.kind()));
        }
        if !faults.allows(FaultKind::Throttled) {
            self.settings.rate = None;
        }
        if !faults.allows(FaultKind::Quota) {
            self.settings.quota = usize::MAX;
        }
        self.settings.faults = faults.clone();
        self.faults = faults;
        self
    }
}

/// How many machines one call makes. Drawn apart, so that the history is the same with any number.
fn batch(seed: u64) -> usize {
    *fastrand::Rng::with_seed(!seed).choice(&[1, 2, 3, 100, 100]).unwrap_or(&1)
}

fn settings(rng: &mut fastrand::Rng, faults: &FaultSet) -> Settings {
    let visibility = Duration::from_secs(rng.u64(0..20));
    Settings {
        latency: *rng
            .choice(
                &[(20, 200), (50, 500), (200, 4000)]
                    .map(|(low, high)| (Duration::from_millis(low), Duration::from_millis(high))),
            )
            .unwrap_or(&Settings::default().latency),
        idempotent: rng.bool(),
        visibility: if faults.allows(FaultKind::NotVisibleYet) { visibility } else { Duration::ZERO },
        chaos: *rng.choice(&[0, 5, 15, 40]).unwrap_or(&0),
        quota: if rng.u32(..4) == 0 { rng.usize(1..6) } else { usize::MAX },
        rate: (rng.u32(..3) == 0).then(|| Rate { burst: rng.u32(1..6), per_second: 0.1 + rng.f64() * 3.0 }),
        ..Settings::default()
    }
}

fn seconds(rng: &mut fastrand::Rng, low: u64, high: u64) -> Duration {
    Duration::from_millis(rng.u64(low * 1000..high * 1000))
}

fn step(rng: &mut fastrand::Rng, shape: &Shape) -> Step {
    // Most of the time one works; two or three get into each other's way.
    let actors = *rng.choice(&[1, 1, 1, 2, 2, 3]).unwrap_or(&1);
    let actor = |index| Actor {
        after: if index == 0 { Duration::ZERO } else { seconds(rng, 0, 120) },
        task: task(rng, shape),
        mishap: if rng.u32(..2) == 0 { Some(mishap(rng)) } else { None },
    };
    let actors = (0..actors).map(actor).collect();
    let accidents = rng.usize(0..4);
    let accidents = (0..accidents).map(|_| (seconds(rng, 0, 300), accident(rng))).collect();
    Step { actors, accidents, rest: if rng.bool() { seconds(rng, 0, 900) } else { Duration::ZERO } }
}

/// A hold on a node or on all, or its end.
fn hold(rng: &mut fastrand::Rng, shape: &Shape) -> Op {
    let kind = if rng.bool() { HoldKind::Pause } else { HoldKind::Protect };
    let node = shape.random_node(rng).filter(|_| rng.bool());
    if rng.u32(..3) == 0 { Op::Lift(kind, node) } else { Op::Hold(kind, node) }
}

/// A change of what is described, or of names.
fn changed(rng: &mut fastrand::Rng, shape: &Shape) -> Shape {
    if rng.bool() { shape.changed(rng).called_as_before() } else { shape.called_otherwise(rng) }
}

fn renewal(rng: &mut fastrand::Rng, shape: &Shape) -> Op {
    let shape = if rng.u32(..3) == 0 { changed(rng, shape) } else { shape.clone().called_as_before() };
    let node = shape.random_node(rng).filter(|_| rng.u32(..4) == 0);
    let nodes = node.map(|node| [node].into());
    Op::Renew(shape.renewed(rng), Rollout { nodes, cascade: rng.bool(), made_after: None })
}

fn task(rng: &mut fastrand::Rng, shape: &Shape) -> Task {
    let op = match rng.u32(..20) {
        0..4 => Op::Build,
        4..7 => Op::Maintain,
        7..11 => return Task::Watch(seconds(rng, 60, 1200)),
        11 => Op::Change(changed(rng, shape)),
        12 => Op::Destroy,
        13..15 => renewal(rng, shape),
        15 => hold(rng, shape),
        _ => {
            let node = shape.random_node(rng).unwrap_or_default();
            let change = match rng.u32(..5) {
                0 => ScaleChange::Add(rng.u32(1..4)),
                1 => ScaleChange::Remove(rng.u32(1..4)),
                2 => ScaleChange::Set(rng.u32(1..6)),
                3 => ScaleChange::ReplaceInstance(format!("{node}/{}", rng.u32(1..4))),
                _ => ScaleChange::RemoveInstance(format!("{node}/{}", rng.u32(1..4))),
            };
            Op::Scale(node, vec![change])
        }
    };
    Task::Once(Box::new(op))
}

fn mishap(rng: &mut fastrand::Rng) -> Mishap {
    match rng.u32(..12) {
        0..4 => {
            let when = if rng.bool() { When::Before } else { When::After };
            let deed = if rng.bool() { Deed::Write } else { Deed::Call };
            Mishap::Crash(Crash { deed, at: rng.usize(1..40), when })
        }
        4 => Mishap::Kill(seconds(rng, 0, 60)),
        5 => Mishap::Interrupt(seconds(rng, 0, 60)),
        6 | 10 => {
            let how = if rng.bool() { Sleep::Process } else { Sleep::Machine };
            Mishap::Sleep(how, seconds(rng, 0, 60), seconds(rng, 91, 1200))
        }
        7 => Mishap::CutOff(seconds(rng, 0, 60), seconds(rng, 10, 600)),
        8 => Mishap::Blind(seconds(rng, 0, 60), seconds(rng, 10, 1200)),
        _ => {
            Mishap::StoreFails(rng.usize(1..40), *rng.choice(&StoreFault::ALL).unwrap_or(&StoreFault::ALL[0]))
        }
    }
}

fn accident(rng: &mut fastrand::Rng) -> Accident {
    let endpoint = *rng.choice(&ENDPOINTS).unwrap_or(&ENDPOINTS[0]);
    match rng.u32(..8) {
        0..2 => Accident::Dies(rng.usize(..)),
        2 => Accident::Stops(rng.usize(..)),
        3 => Accident::Sickens(rng.usize(..)),
        4 => Accident::EndpointDown(endpoint, seconds(rng, 10, 600)),
        5 => Accident::Full(endpoint, seconds(rng, 10, 600)),
        _ => {
            let by = SignedDuration::from_secs(rng.i64(60..6 * 3600));
            Accident::Jump(if rng.bool() { by } else { -by })
        }
    }
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Once(op) => match &**op {
                Op::Change(shape) => write!(f, "change to [{shape}]"),
                Op::Renew(shape, rollout) => write!(f, "renew as [{shape}], {rollout:?}"),
                Op::Scale(node, changes) => write!(f, "scale {node} {changes:?}"),
                op => write!(f, "{}", format!("{op:?}").to_lowercase()),
            },
            Self::Watch(lasting) => write!(f, "watch for {lasting:?}"),
        }
    }
}

/// In words, as a failing test prints it.
impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Settings { idempotent, visibility, chaos, quota, rate, batch, .. } = &self.settings;
        writeln!(f, "  built is [{}], {:?}", self.shape, self.order)?;
        write!(f, "  tokens: {idempotent}, visible after {visibility:?}, {chaos} % of calls go wrong")?;
        if *batch > 1 {
            write!(f, ", {batch} by one call")?;
        }
        if *quota < usize::MAX {
            write!(f, ", quota {quota}")?;
        }
        if let Some(rate) = rate {
            write!(f, ", {rate:?}")?;
        }
        writeln!(f, ", {}", if self.same_machine { "one machine" } else { "several machines" })?;
        for (number, step) in &self.steps {
            for actor in &step.actors {
                write!(f, "  {number}. after {:?} {}", actor.after, actor.task)?;
                if let Some(mishap) = actor.mishap {
                    write!(f, ", but {mishap:?}")?;
                }
                writeln!(f)?;
            }
            for (after, accident) in &step.accidents {
                writeln!(f, "     after {after:?} {accident:?}")?;
            }
        }
        Ok(())
    }
}
