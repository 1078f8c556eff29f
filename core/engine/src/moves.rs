//! Moves: which nodes a new description renames. Pure.

use std::collections::{BTreeMap, BTreeSet};

use occopus_descriptor::model::{Moved, Node};

use crate::names::Renames;
use crate::record::{Attempt, Generation, InfraRecord};

/// What a new description renames.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Moves {
    /// The new names.
    pub renames: Renames,
    /// The nodes that get new names, from what to what.
    pub nodes: Vec<(String, String)>,
    /// What is doubtful about it, in words.
    pub doubts: Vec<String>,
}

/// A wish to rename a node.
struct Wish<'a> {
    from: &'a str,
    to: &'a str,
    /// How many hints lead there.
    hints: usize,
    /// Whether the description in force does not have the hint.
    fresh: bool,
}

/// What `next` renames when it takes the place of `in_force`, the description of `record`, whose instances are
/// `attempts`. A new description tells by its hints. One that `in_force` has, too, was followed; to do so again
/// would swap what has been swapped, unless the old name is not described any more. The names of an earlier
/// description, which has an epoch, come back.
pub fn moves(record: &InfraRecord, in_force: &Generation, next: &Generation, attempts: &[Attempt]) -> Moves {
    let described = by_name(next);
    let before = by_name(in_force);
    let open: BTreeSet<&str> =
        attempts.iter().filter(|a| !a.is_closed()).map(|attempt| attempt.slot.node.as_str()).collect();
    let exists = |name: &str| before.contains_key(name) || open.contains(name);
    let (renames, nodes, refused) = match next.epoch {
        Some(epoch) => {
            let past = record.names.since(epoch).inverse();
            let nodes = before.keys().map(|node| (*node, past.name(node)));
            let nodes = nodes.filter(|(from, to)| from != to && described.contains_key(to));
            let nodes = nodes.map(|(from, to)| (from.to_owned(), to.to_owned())).collect();
            (past, nodes, Vec::new())
        }
        None => {
            let hints = (&in_force.infrastructure.moved[..], &next.infrastructure.moved[..]);
            let (wishes, refused) = settle(hinted(hints, &described), exists);
            let renames = Renames::of(wishes.iter().map(|wish| (wish.from, wish.to)));
            let nodes = wishes.iter().map(|wish| (wish.from.to_owned(), wish.to.to_owned())).collect();
            (renames, nodes, refused)
        }
    };
    let refused = refused.iter().filter(|wish| wish.fresh);
    let mut doubts: Vec<String> = refused.map(|wish| refusal(wish, record)).collect();
    doubts.extend(lookalikes((in_force, &before), (next, &described), &renames, &open));
    Moves { renames, nodes, doubts }
}

/// Parts wishes that can all be fulfilled at once from those to names that others keep. Where nothing of the
/// old name exists there is nothing to do.
fn settle<'a>(mut wishes: Vec<Wish<'a>>, exists: impl Fn(&str) -> bool) -> (Vec<Wish<'a>>, Vec<Wish<'a>>) {
    wishes.retain(|wish| exists(wish.from));
    // Of several that lead to one node, each from another time, the latest counts.
    wishes.sort_by_key(|wish| wish.hints);
    let mut refused = Vec::new();
    loop {
        let leaving: BTreeSet<&str> = wishes.iter().map(|wish| wish.from).collect();
        let mut taken: BTreeSet<&str> = BTreeSet::new();
        let mut blocked = Vec::new();
        let mut kept = Vec::new();
        for wish in wishes {
            let is_free = !exists(wish.to) || leaving.contains(wish.to);
            let list = if is_free && taken.insert(wish.to) { &mut kept } else { &mut blocked };
            list.push(wish);
        }
        if blocked.is_empty() {
            return (kept, refused);
        }
        refused.append(&mut blocked);
        wishes = kept;
    }
}

fn by_name(generation: &Generation) -> BTreeMap<&str, &Node> {
    generation.infrastructure.nodes.iter().map(|node| (node.name.as_str(), node)).collect()
}

/// The wishes of hints that are not in force yet. A hint to a name that was changed again leads on.
fn hinted<'a>((in_force, next): (&[Moved], &'a [Moved]), described: &BTreeMap<&str, &Node>) -> Vec<Wish<'a>> {
    let by_old: BTreeMap<&str, &str> =
        next.iter().map(|hint| (hint.from.as_str(), hint.to.as_str())).collect();
    next.iter()
        .filter_map(|hint| {
            let fresh = !in_force.contains(hint);
            if !fresh && described.contains_key(hint.from.as_str()) {
                return None;
            }
            let path = std::iter::successors(Some(hint.to.as_str()), |name| by_old.get(name).copied());
            let mut path = path.take(next.len()).enumerate();
            let (before, to) = path.find(|(_, name)| described.contains_key(name))?;
            Some(Wish { from: &hint.from, to, hints: before + 1, fresh })
        })
        .collect()
}

fn refusal(wish: &Wish<'_>, record: &InfraRecord) -> String {
    let (Wish { from, to, .. }, name) = (wish, &record.name);
    format!(
        "'{from}' is not moved to '{to}': there is a '{to}' already. The instances of '{from}' are removed; to keep \
         them, go back to the description before '{to}' first (occopus history {name}, occopus rollback {name} NUMBER)"
    )
}

/// Nodes that go while others come that are described the same: somebody may have forgotten a hint.
fn lookalikes(
    (old, before): (&Generation, &BTreeMap<&str, &Node>),
    (new, after): (&Generation, &BTreeMap<&str, &Node>),
    renames: &Renames,
    open: &BTreeSet<&str>,
) -> Vec<String> {
    let goes = |name: &&&str| open.contains(**name) && !after.contains_key(renames.name(name));
    let going: Vec<&&str> = before.keys().filter(goes).collect();
    if going.is_empty() {
        return Vec::new();
    }
    let back = renames.inverse();
    let mut coming: Vec<(&str, BTreeSet<String>)> = after
        .iter()
        .filter(|(name, _)| !before.contains_key(back.name(name)))
        .map(|(name, node)| (*name, digests(new, node)))
        .collect();
    let mut found = Vec::new();
    for from in going {
        let digests = digests(old, before[*from]);
        if let Some(place) = coming.iter().position(|(_, others)| !others.is_disjoint(&digests)) {
            let (to, _) = coming.remove(place);
            found.push(format!(
                "'{from}' is removed and '{to}', which is described the same, is new. Did you rename it? To keep its \
                 instances, add to the description: moved: [{{from: {from}, to: {to}}}]"
            ));
        }
    }
    found
}

/// What instances of `node` can be made from.
fn digests(generation: &Generation, node: &Node) -> BTreeSet<String> {
    let candidates = generation.candidates(node, 1).into_iter();
    candidates.map(|(_, implementation)| generation.instance_digest(node, implementation)).collect()
}

#[cfg(test)]
mod tests;
