//! What must hold whatever happened: one function for each promise.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use occopus_engine::error::EngineError;
use occopus_engine::ids::Slot;
use occopus_engine::journal::read_all;
use occopus_engine::record::{Attempt, Generation, Goal, InfraRecord};
use occopus_engine::store::{Store, Table};

use crate::cloud::Machine;
use crate::fakes::MARKER;
use crate::property::{Property, Violation, Violations};
use crate::world::{Op, World};

const HOUR: Duration = Duration::from_secs(3600);

/// Collects what does not hold.
#[derive(Default)]
struct Findings(Vec<Violation>);

impl Findings {
    fn check(&mut self, property: Property, holds: bool, text: impl FnOnce() -> String) {
        if !holds {
            self.0.push(Violation { property, text: text() });
        }
    }

    fn result(self) -> Result<(), Violations> {
        Violations::none_of(self.0)
    }
}

impl World {
    /// Checks what must hold at any time, even in the middle of an operation that was stopped.
    pub async fn check_always(&self) -> Result<(), Violations> {
        let mut findings = Findings(self.cloud.ledger.violations());
        let attempts = self.attempts().await?;
        self.nothing_lost(&attempts, &mut findings);
        self.dependencies_first(&attempts, &mut findings).await?;
        self.creations_capped(&attempts, &mut findings);
        self.secrets_hidden(&mut findings);
        findings.result()
    }

    /// Checks what must hold once everything has settled: what is described is exactly what lives, it is
    /// recorded, and looking after it once more changes nothing.
    pub async fn check_settled(&self) -> Result<(), Violations> {
        self.check_always().await?;
        self.check_converged().await?;
        let mut findings = Findings::default();
        self.requests_erased(&mut findings).await?;
        findings.result()?;
        self.fixed_point().await
    }

    /// Checks that what lives is exactly what is described, and recorded; of a destroyed infrastructure
    /// nothing.
    pub async fn check_converged(&self) -> Result<(), Violations> {
        let mut findings = Findings::default();
        let alive = self.ours(self.cloud.alive());
        let attempts = self.attempts().await?;
        match self.record().await.map_err(broken)? {
            Some(record) if record.goal == Goal::Present => {
                nothing_twice(&alive, &attempts, &mut findings);
                recorded(&alive, &attempts, &mut findings);
                self.as_described(&record, (&alive, &attempts), &mut findings).await?;
            }
            record => nothing_left(record.as_ref(), &alive, &mut findings),
        }
        findings.result()
    }

    /// Whatever lives is in the records.
    fn nothing_lost(&self, attempts: &[Attempt], findings: &mut Findings) {
        let known: BTreeSet<&str> = attempts.iter().map(|attempt| attempt.id.as_str()).collect();
        for machine in self.ours(self.cloud.alive()) {
            let recorded = known.contains(machine.identity.attempt.as_str());
            findings.check(Property::NothingLost, recorded, || format!("{} is in no record", machine.id));
        }
    }

    /// An instance is asked for only when every node it depends on has been ready, with as many
    /// instances as it must have at least.
    async fn dependencies_first(
        &self,
        attempts: &[Attempt],
        findings: &mut Findings,
    ) -> Result<(), Violations> {
        let machines = self.ours(self.cloud.audit());
        let mut generations: BTreeMap<u64, Generation> = BTreeMap::new();
        let names = self.record().await.map_err(broken)?.map(|record| record.names).unwrap_or_default();
        for machine in &machines {
            let attempt = attempts.iter().find(|attempt| attempt.id == machine.identity.attempt);
            let Some(number) = attempt.map(|attempt| attempt.generation).filter(|number| *number > 0) else {
                continue;
            };
            let generation = match generations.entry(number) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(vacant) => vacant.insert(self.generation(number).await.map_err(broken)?),
            };
            let infrastructure = &generation.infrastructure;
            // Slots as they were called when it was made.
            let then = names.between(names.epoch(), generation.epoch.unwrap_or_default());
            let slot = then.slot(slot_of(machine, attempts));
            let is_of = |other: &Machine, node: &str| then.name(&slot_of(other, attempts).node) == node;
            for edge in infrastructure.dependencies.iter().filter(|edge| edge.dependent == slot.node) {
                let least = infrastructure.node(&edge.dependee).map_or(0, |node| node.scaling.min as usize);
                let ready = machines.iter().filter(|other| {
                    is_of(other, &edge.dependee) && other.was_ready_before(machine.requested_at)
                });
                let ready: BTreeSet<&Slot> = ready.map(|other| slot_of(other, attempts)).collect();
                findings.check(Property::DependenciesFirst, ready.len() >= least, || {
                    format!(
                        "{slot} was made when {} of at least {least} '{}' had been ready",
                        ready.len(),
                        edge.dependee
                    )
                });
            }
        }
        Ok(())
    }

    /// A slot is created at most so often within an hour. Every build or change that a user asks for may
    /// try again, and a clock that is set forward makes an hour seem over.
    fn creations_capped(&self, attempts: &[Attempt], findings: &mut Findings) {
        let ledger = &self.cloud.ledger;
        let renewals: Vec<Duration> = ledger.requests().into_iter().chain(ledger.jumps()).collect();
        let mut slots: BTreeMap<Slot, Vec<Duration>> = BTreeMap::new();
        for machine in self.ours(self.cloud.audit()) {
            slots.entry(slot_of(&machine, attempts).clone()).or_default().push(machine.requested_at);
        }
        for (slot, times) in slots {
            for (index, begin) in times.iter().enumerate() {
                let within = |at: &&Duration| **at >= *begin && **at < *begin + HOUR;
                let made = times[index..].iter().filter(within).count();
                let cap = self.policy.creations_per_hour * (1 + renewals.iter().filter(within).count());
                findings.check(Property::CreationsCapped, made <= cap, || {
                    format!("{slot} was created {made} times within an hour, {cap} are allowed")
                });
            }
        }
    }

    /// No event mentions a secret; what is written to the store is looked at when it is written.
    fn secrets_hidden(&self, findings: &mut Findings) {
        let leaks = self.events().iter().any(|event| event.message.contains(MARKER));
        findings.check(Property::SecretsHidden, !leaks, || "a secret is in an event".to_owned());
    }

    /// No request outlives the settling of its attempt.
    async fn requests_erased(&self, findings: &mut Findings) -> Result<(), Violations> {
        let requests = self.records.list(Table::Request, self.infra.as_str(), "").await;
        let left = requests.map_err(|error| broken(error.into()))?.len();
        findings.check(Property::SecretsHidden, left == 0, || format!("{left} requests are left"));
        Ok(())
    }

    /// What lives is what the description and the scaling targets ask for, and the record says so.
    async fn as_described(
        &self,
        record: &InfraRecord,
        (alive, attempts): (&[Machine], &[Attempt]),
        findings: &mut Findings,
    ) -> Result<(), Violations> {
        let generation = self.generation(record.generation).await.map_err(broken)?;
        let mut wanted: BTreeMap<String, usize> = BTreeMap::new();
        for node in &generation.infrastructure.nodes {
            let target = record.targets.get(&node.name).copied().unwrap_or(node.scaling.min);
            let target = target.clamp(node.scaling.min, node.scaling.max) as usize;
            if target > 0 {
                wanted.insert(node.name.clone(), target);
            }
        }
        let mut living: BTreeMap<String, usize> = BTreeMap::new();
        for machine in alive {
            *living.entry(slot_of(machine, attempts).node.clone()).or_default() += 1;
        }
        let now = self.cloud.now();
        let idle: Vec<String> = alive
            .iter()
            .filter(|machine| !machine.serves(now))
            .map(|machine| format!("{} ({})", machine.id, machine.identity.slot))
            .collect();
        findings.check(Property::Converges, living == wanted, || {
            format!("{living:?} live, {wanted:?} are wanted")
        });
        findings.check(Property::Converges, idle.is_empty(), || format!("{} do not serve", idle.join(", ")));
        findings.check(Property::Converges, record.rollout.is_none(), || {
            "outdated instances are still being replaced".to_owned()
        });
        findings.check(Property::Converges, record.completed, || {
            "the infrastructure is not marked complete".to_owned()
        });
        Ok(())
    }

    /// A pass over what is in order makes no changing call and no write but those of its lease.
    async fn fixed_point(&self) -> Result<(), Violations> {
        if self.record().await.map_err(broken)?.is_none() {
            return Ok(());
        }
        let calls = self.cloud.changing_calls();
        let process = self.process(None);
        self.perform_in(&process, Op::Maintain).await.map_err(broken)?;
        let mut findings = Findings::default();
        findings.check(Property::FixedPoint, self.cloud.changing_calls() == calls, || {
            "a pass over what is in order changed something".to_owned()
        });
        let mut writes = process.life.writes();
        writes.remove(&Table::Lease);
        findings.check(Property::FixedPoint, writes.is_empty(), || {
            format!("a pass over what is in order wrote {writes:?}")
        });
        findings.result()
    }

    /// All attempts in the records.
    pub async fn attempts(&self) -> Result<Vec<Attempt>, Violations> {
        let attempts = read_all(&self.records, Table::Attempt, self.infra.as_str()).await.map_err(broken)?;
        Ok(attempts.into_iter().map(|(_, attempt)| attempt).collect())
    }

    /// Those of `machines` that belong to the infrastructure.
    pub fn ours(&self, machines: Vec<Machine>) -> Vec<Machine> {
        machines
            .into_iter()
            .filter(|machine| {
                machine.identity.store == *self.records.id() && machine.identity.infra == self.infra
            })
            .collect()
    }
}

/// The slot of `machine` as it is called now; its tags have the name of the time when it was made.
pub(crate) fn slot_of<'a>(machine: &'a Machine, attempts: &'a [Attempt]) -> &'a Slot {
    let known = attempts.iter().find(|attempt| attempt.id == machine.identity.attempt);
    known.map_or(&machine.identity.slot, |attempt| &attempt.slot)
}

/// No slot has two machines.
fn nothing_twice(alive: &[Machine], attempts: &[Attempt], findings: &mut Findings) {
    let mut slots: BTreeSet<&Slot> = BTreeSet::new();
    for machine in alive {
        let slot = slot_of(machine, attempts);
        findings.check(Property::NothingTwice, slots.insert(slot), || format!("{slot} has two machines"));
    }
}

/// Every machine is that of a live attempt, and every attempt is closed or has its machine.
fn recorded(alive: &[Machine], attempts: &[Attempt], findings: &mut Findings) {
    for machine in alive {
        let live = |attempt: &&Attempt| attempt.is_live() && attempt.id == machine.identity.attempt;
        let recorded = attempts.iter().find(live).and_then(|attempt| attempt.provider_id.as_ref());
        findings.check(Property::NothingLost, recorded.is_some_and(|id| id.id == machine.id), || {
            format!("{} of {} is not in the books", machine.id, machine.identity.slot)
        });
    }
    let open = attempts.iter().filter(|attempt| !attempt.is_closed()).count();
    findings.check(Property::Converges, open == alive.len(), || {
        format!("{open} attempts are open, {} machines live", alive.len())
    });
}

/// Nothing is left of a destroyed infrastructure, and its record says so.
fn nothing_left(record: Option<&InfraRecord>, alive: &[Machine], findings: &mut Findings) {
    findings.check(Property::NothingLeft, alive.is_empty(), || format!("{} machines are left", alive.len()));
    let closed = record.is_none_or(|record| record.closed_at.is_some());
    findings.check(Property::Converges, closed, || "the record is not closed".to_owned());
}

/// An error of the engine that nobody caused.
pub(crate) fn broken(error: EngineError) -> Violations {
    Violations::one(Property::Works, error.to_string())
}
