//! What must hold whatever happened.

use std::collections::{BTreeMap, BTreeSet};

use occopus_engine::error::EngineError;
use occopus_engine::ids::Slot;
use occopus_engine::journal::read_all;
use occopus_engine::record::{Attempt, Goal, InfraRecord};
use occopus_engine::store::{Store, Table};

use crate::cloud::Machine;
use crate::fakes::MARKER;
use crate::world::{Op, World};

/// Collects what does not hold.
#[derive(Default)]
struct Findings(Vec<String>);

impl Findings {
    fn check(&mut self, holds: bool, text: impl FnOnce() -> String) {
        if !holds {
            self.0.push(text());
        }
    }

    fn result(self) -> Result<(), String> {
        if self.0.is_empty() { Ok(()) } else { Err(self.0.join("; ")) }
    }
}

impl World {
    /// Checks what must hold at any time, even in the middle of an operation that was stopped.
    pub async fn check_always(&self) -> Result<(), String> {
        let mut findings = Findings::default();
        let attempts = self.attempts().await?;
        for machine in self.ours(self.cloud.audit()) {
            let known = attempts.iter().any(|attempt| attempt.id == machine.identity.attempt);
            findings.check(known || !machine.is_alive(self.cloud.now()), || {
                format!("{} is in no record", machine.id)
            });
        }
        self.check_order(&attempts, &mut findings).await?;
        self.check_secrets(&mut findings).await?;
        findings.result()
    }

    /// An instance is asked for only when every node it depends on has been ready.
    async fn check_order(&self, attempts: &[Attempt], findings: &mut Findings) -> Result<(), String> {
        let machines = self.ours(self.cloud.audit());
        for machine in &machines {
            let attempt = attempts.iter().find(|attempt| attempt.id == machine.identity.attempt);
            let Some(attempt) = attempt.filter(|attempt| attempt.generation > 0) else { continue };
            let generation = self.generation(attempt.generation).await.map_err(text)?;
            let slot = &machine.identity.slot;
            for edge in
                generation.infrastructure.dependencies.iter().filter(|edge| edge.dependent == slot.node)
            {
                let ready = machines.iter().any(|other| {
                    other.identity.slot.node == edge.dependee && other.boots_at <= machine.requested_at
                });
                findings.check(ready, || format!("{slot} was made before '{}' was ready", edge.dependee));
            }
        }
        Ok(())
    }

    /// Checks what must hold once everything has settled: what is described is exactly what lives, it is
    /// recorded, and looking after it once more changes nothing.
    pub async fn check_settled(&self) -> Result<(), String> {
        self.check_always().await?;
        let mut findings = Findings::default();
        let alive = self.ours(self.cloud.alive());
        let attempts = self.attempts().await?;
        match self.record().await.map_err(text)? {
            Some(record) if record.goal == Goal::Present => {
                self.check_described(&record, &alive, &attempts, &mut findings).await?;
            }
            record => {
                findings.check(alive.is_empty(), || format!("{} machines are left", alive.len()));
                let closed = record.is_none_or(|record| record.closed_at.is_some());
                findings.check(closed, || "the record is not closed".to_owned());
            }
        }
        let requests =
            self.records.list(Table::Request, self.infra.as_str(), "").await.map_err(store_text)?;
        findings.check(requests.is_empty(), || format!("{} requests are left", requests.len()));
        findings.result()?;
        self.check_fixed_point().await
    }

    async fn check_described(
        &self,
        record: &InfraRecord,
        alive: &[Machine],
        attempts: &[Attempt],
        findings: &mut Findings,
    ) -> Result<(), String> {
        let generation = self.generation(record.generation).await.map_err(text)?;
        let mut wanted: BTreeMap<String, usize> = BTreeMap::new();
        for node in &generation.infrastructure.nodes {
            let target = record.targets.get(&node.name).copied().unwrap_or(node.scaling.min);
            wanted.insert(node.name.clone(), target.clamp(node.scaling.min, node.scaling.max) as usize);
        }
        let mut living: BTreeMap<String, usize> = BTreeMap::new();
        let mut slots: BTreeSet<&Slot> = BTreeSet::new();
        for machine in alive {
            let slot = &machine.identity.slot;
            *living.entry(slot.node.clone()).or_default() += 1;
            findings.check(slots.insert(slot), || format!("{slot} has two machines"));
            let recorded =
                attempts.iter().find(|attempt| attempt.is_live() && attempt.id == machine.identity.attempt);
            let provider_id =
                recorded.and_then(|attempt| attempt.provider_id.as_ref()).map(|id| id.id.as_str());
            findings.check(provider_id == Some(&machine.id), || {
                format!("{} of {slot} is not in the books", machine.id)
            });
        }
        findings.check(living == wanted, || format!("{living:?} live, {wanted:?} are wanted"));
        let live = attempts.iter().filter(|attempt| !attempt.is_closed()).count();
        findings.check(live == alive.len(), || {
            format!("{live} attempts are open, {} machines live", alive.len())
        });
        findings.check(record.completed, || "the infrastructure is not marked complete".to_owned());
        Ok(())
    }

    /// A pass over what is in order makes no changing call and no write but those of its lease.
    async fn check_fixed_point(&self) -> Result<(), String> {
        let calls = self.cloud.changing_calls();
        if self.record().await.map_err(text)?.is_none() {
            return Ok(());
        }
        let process = self.process(None);
        self.perform_in(&process, Op::Maintain).await.map_err(text)?;
        let mut findings = Findings::default();
        findings.check(self.cloud.changing_calls() == calls, || {
            "a pass over what is in order changed something".to_owned()
        });
        let mut writes = process.store.writes();
        writes.remove(&Table::Lease);
        findings.check(writes.is_empty(), || format!("a pass over what is in order wrote {writes:?}"));
        findings.result()
    }

    async fn check_secrets(&self, findings: &mut Findings) -> Result<(), String> {
        for table in Table::ALL.into_iter().filter(|table| *table != Table::Request) {
            for scope in ["", self.infra.as_str()] {
                let records = self.records.list(table, scope, "").await.map_err(store_text)?;
                let leaks = records.iter().any(|record| record.value.to_string().contains(MARKER));
                findings.check(!leaks, || format!("a secret is in table {}", table.name()));
            }
        }
        let leaks = self.events().iter().any(|event| event.message.contains(MARKER));
        findings.check(!leaks, || "a secret is in an event".to_owned());
        Ok(())
    }

    /// All attempts in the records.
    pub async fn attempts(&self) -> Result<Vec<Attempt>, String> {
        let attempts = read_all(&self.records, Table::Attempt, self.infra.as_str()).await.map_err(text)?;
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

fn text(error: EngineError) -> String {
    error.to_string()
}

fn store_text(error: occopus_engine::store::StoreError) -> String {
    error.to_string()
}
