//! Names of nodes change, and what is on record keeps its meaning. Pure.
//!
//! Attempts get their new names in the batch that puts the new description in force. Holds and scaling
//! requests are written by others at any time: each tells how often nodes had been renamed when it was
//! written, and is brought up to date when it is read.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::Slot;
use crate::record::Attempt;

/// New names by old ones, all given at once. Every new name is an old one, too: a name that becomes free
/// goes to whatever was left on record under the name that was taken. So nothing is ever mixed up, and
/// every renaming can be reversed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Renames(BTreeMap<String, String>);

impl Renames {
    /// The renaming of these nodes, each from its old name to its new one. No name stands twice on one
    /// side.
    pub fn of<'a>(moves: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let moves: BTreeMap<&str, &str> = moves.into_iter().filter(|(from, to)| from != to).collect();
        let taken: BTreeSet<&str> = moves.values().copied().collect();
        let mut renames: BTreeMap<String, String> =
            moves.iter().map(|(from, to)| ((*from).to_owned(), (*to).to_owned())).collect();
        for start in moves.keys().filter(|from| !taken.contains(**from)) {
            let path = std::iter::successors(Some(*start), |name| moves.get(name).copied());
            if let Some(end) = path.last() {
                renames.insert(end.to_owned(), (*start).to_owned());
            }
        }
        Self(renames)
    }

    /// Whether no name changes.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What `node` is called afterwards.
    pub fn name<'a>(&'a self, node: &'a str) -> &'a str {
        self.0.get(node).map_or(node, String::as_str)
    }

    /// What `slot` is called afterwards.
    pub fn slot(&self, slot: &Slot) -> Slot {
        Slot::new(self.name(&slot.node), slot.index)
    }

    /// The way back.
    #[must_use]
    pub fn inverse(&self) -> Self {
        Self(self.0.iter().map(|(from, to)| (to.clone(), from.clone())).collect())
    }

    /// This renaming and `next` after it.
    #[must_use]
    fn then(&self, next: &Self) -> Self {
        let names = self.0.keys().chain(next.0.keys());
        let both = names.map(|name| (name.clone(), next.name(self.name(name)).to_owned()));
        Self(both.filter(|(from, to)| from != to).collect())
    }

    /// Renames what `entries` are by.
    pub(crate) fn keys<T>(&self, entries: BTreeMap<String, T>) -> BTreeMap<String, T> {
        entries.into_iter().map(|(node, value)| (self.name(&node).to_owned(), value)).collect()
    }

    /// Gives `attempt` its new names: that of its slot, and those of the nodes whose addresses it knows.
    /// Whether any is new.
    pub fn rename(&self, attempt: &mut Attempt) -> bool {
        let knows = |node: &String| self.0.contains_key(node);
        if !knows(&attempt.slot.node) && !attempt.peers.keys().any(knows) {
            return false;
        }
        attempt.slot = self.slot(&attempt.slot);
        attempt.node.name.clone_from(&attempt.slot.node);
        attempt.peers = self.keys(std::mem::take(&mut attempt.peers));
        true
    }
}

/// Every renaming of nodes of an infrastructure, the first one first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Names(Vec<Renaming>);

/// Nodes that were renamed at the same time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Renaming {
    at: Timestamp,
    names: Renames,
}

impl Names {
    /// Whether nothing was ever renamed.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How often nodes were renamed: names that are written down now are those of this epoch.
    pub fn epoch(&self) -> usize {
        self.0.len()
    }

    /// What has become since of the names of `epoch`.
    pub fn since(&self, epoch: usize) -> Renames {
        Self::all(self.0.iter().skip(epoch))
    }

    /// What the names of epoch `from` are in epoch `to`, which may be an earlier one.
    pub fn between(&self, from: usize, to: usize) -> Renames {
        self.since(from).then(&self.since(to).inverse())
    }

    /// What has become since of the names of the time `at`.
    pub fn since_time(&self, at: Timestamp) -> Renames {
        Self::all(self.0.iter().filter(|renaming| renaming.at > at))
    }

    /// Takes a renaming down that happens at `at`; one that changes nothing is none.
    pub(crate) fn push(&mut self, at: Timestamp, names: Renames) {
        if !names.is_empty() {
            self.0.push(Renaming { at, names });
        }
    }

    fn all<'a>(renamings: impl Iterator<Item = &'a Renaming>) -> Renames {
        renamings.fold(Renames::default(), |all, renaming| all.then(&renaming.names))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{at, attempt};

    #[test]
    fn a_renaming_mixes_nothing_up_and_has_a_way_back() {
        for moves in [
            &[("a", "b")][..],
            &[("a", "b"), ("b", "c")],
            &[("a", "b"), ("b", "a")],
            &[("a", "b"), ("b", "c"), ("d", "a"), ("x", "y"), ("y", "x"), ("z", "z")],
        ] {
            let renames = Renames::of(moves.iter().copied());
            let names = ["a", "b", "c", "d", "e", "x", "y", "z"];
            for (from, to) in moves {
                assert_eq!(renames.name(from), *to);
            }
            let after: BTreeSet<&str> = names.iter().map(|name| renames.name(name)).collect();
            assert_eq!(after, BTreeSet::from(names), "{moves:?}");
            assert!(names.iter().all(|name| renames.inverse().name(renames.name(name)) == *name));
            assert!(renames.then(&renames.inverse()).is_empty());
        }
    }

    #[test]
    fn names_of_any_epoch_are_brought_up_to_date() {
        let mut names = Names::default();
        names.push(at(10), Renames::of([("worker", "web")]));
        names.push(at(20), Renames::default());
        names.push(at(30), Renames::of([("web", "db"), ("db", "web")]));
        assert_eq!(names.epoch(), 2);
        assert_eq!(
            [0, 1, 2, 9].map(|epoch| names.since(epoch).name("web").to_owned()),
            ["worker", "db", "web", "web"]
        );
        assert_eq!(names.since(0).name("worker"), "db");
        assert_eq!(names.since_time(at(9)).name("worker"), "db");
        assert_eq!(names.since_time(at(10)).name("web"), "db");
        assert!(names.since_time(at(30)).is_empty());
        assert_eq!(names.between(0, 1), Renames::of([("worker", "web")]));
        assert_eq!(names.between(2, 1), Renames::of([("web", "db"), ("db", "web")]));
    }

    #[test]
    fn an_attempt_gets_the_new_names_of_its_node_and_of_its_peers() {
        let renames = Renames::of([("worker", "web"), ("db", "store")]);
        let mut renamed = attempt("worker/2", 1);
        renamed.peers.insert("db".to_owned(), ["n".into()].into());
        assert!(renames.rename(&mut renamed));
        assert_eq!((renamed.slot.to_string().as_str(), renamed.node.name.as_str()), ("web/2", "web"));
        assert_eq!(renamed.peers.keys().collect::<Vec<_>>(), ["store"]);
        assert_eq!(renamed.id, attempt("worker/2", 1).id);
        assert!(!renames.rename(&mut attempt("log/1", 1)));
    }
}
