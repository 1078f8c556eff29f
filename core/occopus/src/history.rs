//! History: the descriptions that an infrastructure had, and the way back to one of them.

use jiff::Timestamp;
use occopus_descriptor::Diagnostics;
use occopus_engine::control::load;
use occopus_engine::difference::{Change, between};
use occopus_engine::ids::InfraId;
use occopus_engine::journal::read_all;
use occopus_engine::moves::moves;
use occopus_engine::record::{Generation, InfraRecord};
use occopus_engine::store::Table;
use serde::Serialize;

use crate::Occopus;
use crate::build::Prepared;
use crate::error::Error;
use crate::replacing::Replacing;

/// The descriptions of an infrastructure, the first one first.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct History {
    /// Format version.
    pub schema: u32,
    /// The infrastructure.
    pub infra_id: InfraId,
    /// Its name.
    pub name: String,
    /// The descriptions.
    pub generations: Vec<GenerationEntry>,
}

/// One description.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GenerationEntry {
    /// Its number.
    pub number: u64,
    /// When it was put in force.
    pub created_at: Timestamp,
    /// Who did that: command, process and host; empty if that was not recorded.
    pub author: String,
    /// Whether it is the one in force.
    pub in_force: bool,
    /// When the change to it failed and was undone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub undone_at: Option<Timestamp>,
    /// What differs from the one that was in force before; of the first one, all nodes are new.
    pub changes: Vec<Change>,
}

impl Occopus {
    /// The history of `infra`. Changes nothing.
    ///
    /// # Errors
    /// If there is no such infrastructure, or the store cannot be read.
    pub async fn history(&self, infra: &InfraId) -> Result<History, Error> {
        let (record, ..) = load(&self.engine, infra).await?;
        let generations = entries(&self.generations(infra).await?, &record);
        Ok(History { schema: 1, infra_id: infra.clone(), name: record.name, generations })
    }

    /// The change of `infra` back to its description `number`. `replacing` says which instances that are
    /// outdated then are replaced; `None` for none.
    ///
    /// # Errors
    /// If there is no such infrastructure or description, or if this build cannot make it.
    pub async fn prepare_rollback(
        &self,
        infra: &InfraId,
        number: u64,
        replacing: Option<&Replacing>,
    ) -> Result<Prepared, Error> {
        let all = self.generations(infra).await?;
        let Some(old) = all.iter().find(|generation| generation.number == number) else {
            let known: Vec<String> = all.iter().map(|generation| generation.number.to_string()).collect();
            return Err(Error::Usage(format!(
                "infrastructure '{infra}' has no description {number}; it has: {}. Look at them with \
                 `occopus history {infra}`",
                known.join(", ")
            )));
        };
        let generation = Generation {
            number: 0,
            created_at: self.engine.clock.wall(),
            author: String::new(),
            undone_at: None,
            epoch: Some(old.epoch.unwrap_or_default()),
            ..old.clone()
        };
        self.check_feasible(&generation)?;
        let rollout = replacing.map(|replacing| replacing.rollout(&generation.infrastructure)).transpose()?;
        Ok(Prepared {
            infra_id: infra.clone(),
            exists: true,
            only: false,
            missing_secrets: self.unreadable_secrets(&generation).await,
            generation,
            definitions: Vec::new(),
            rollout,
            warnings: Diagnostics::new(),
            confirmed: None,
            expected: None,
        })
    }

    /// What a prepared build changes about the description in force; of a first build, all nodes are new.
    pub async fn changes(&self, prepared: &Prepared) -> Result<Vec<Change>, Error> {
        if !prepared.exists {
            return Ok(added(&prepared.generation));
        }
        let (record, in_force, attempts) = load(&self.engine, &prepared.infra_id).await?;
        let moves = moves(&record, &in_force, &prepared.generation, &attempts);
        Ok(between(&in_force, &prepared.generation, &moves.renames))
    }

    pub(crate) async fn generations(&self, infra: &InfraId) -> Result<Vec<Generation>, Error> {
        let all: Vec<(String, Generation)> =
            read_all(self.engine.store.as_ref(), Table::Generation, infra.as_str()).await?;
        Ok(all.into_iter().map(|(_, generation)| generation).collect())
    }
}

/// What history tells of the `generations` of `record`. Pure.
fn entries(generations: &[Generation], record: &InfraRecord) -> Vec<GenerationEntry> {
    let epoch = |generation: &Generation| generation.epoch.unwrap_or_default();
    let since = |before: &Generation, generation: &Generation| {
        between(before, generation, &record.names.between(epoch(before), epoch(generation)))
    };
    let mut before: Option<&Generation> = None;
    let mut entries = Vec::new();
    for generation in generations {
        entries.push(GenerationEntry {
            number: generation.number,
            created_at: generation.created_at,
            author: generation.author.clone(),
            in_force: generation.number == record.generation,
            undone_at: generation.undone_at,
            changes: before.map_or_else(|| added(generation), |before| since(before, generation)),
        });
        if generation.undone_at.is_none() {
            before = Some(generation);
        }
    }
    entries
}

fn added(generation: &Generation) -> Vec<Change> {
    let nodes = generation.infrastructure.nodes.iter();
    nodes.map(|node| Change::Added { node: node.name.clone() }).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use occopus_descriptor::model::Infrastructure;
    use occopus_engine::names::Renames;
    use serde_json::json;

    use super::*;

    fn generation(number: u64, nodes: &[&str], undone: bool) -> Generation {
        let nodes: Vec<_> = nodes.iter().map(|name| json!({"name": name, "type": "t"})).collect();
        let infrastructure: Infrastructure =
            serde_json::from_value(json!({"name": "shop", "nodes": nodes})).unwrap();
        Generation {
            number,
            infrastructure,
            definitions: BTreeMap::new(),
            shuffle: None,
            created_at: Timestamp::UNIX_EPOCH,
            author: "ann".to_owned(),
            undone_at: undone.then_some(Timestamp::UNIX_EPOCH),
            epoch: None,
        }
    }

    fn record(generation: u64) -> InfraRecord {
        let record = json!({
            "id": "i", "name": "shop", "goal": "present", "generation": generation,
            "created_at": Timestamp::UNIX_EPOCH,
        });
        serde_json::from_value(record).unwrap()
    }

    #[test]
    fn a_renamed_node_is_one_and_the_same_even_if_that_was_undone_meanwhile() {
        let mut record = record(3);
        let renames = Renames::of([("a", "b")]);
        record.rename(&renames, Timestamp::UNIX_EPOCH);
        record.rename(&renames.inverse(), Timestamp::UNIX_EPOCH);
        record.rename(&renames, Timestamp::UNIX_EPOCH);
        let at = |epoch, generation: Generation| Generation { epoch: Some(epoch), ..generation };
        let all = [
            at(0, generation(1, &["a"], false)),
            at(1, generation(2, &["b"], true)),
            at(3, generation(3, &["b"], false)),
        ];
        let renamed = Change::Renamed { node: "b".to_owned(), from: "a".to_owned() };
        let told = entries(&all, &record);
        assert_eq!((&told[1].changes, &told[2].changes), (&vec![renamed.clone()], &vec![renamed]));
    }

    #[test]
    fn each_differs_from_the_last_one_that_was_not_undone() {
        let all = [
            generation(1, &["a"], false),
            generation(2, &["a", "b"], true),
            generation(3, &["a", "c"], false),
        ];
        let told = entries(&all, &record(3));
        let new = |node: &str| vec![Change::Added { node: node.to_owned() }];
        assert_eq!(
            told.iter().map(|entry| entry.changes.clone()).collect::<Vec<_>>(),
            [new("a"), new("b"), new("c")]
        );
        assert_eq!(told.iter().map(|entry| entry.in_force).collect::<Vec<_>>(), [false, false, true]);
        assert!(told[1].undone_at.is_some());
    }
}
