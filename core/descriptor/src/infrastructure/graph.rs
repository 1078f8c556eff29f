//! Order among nodes.

use std::collections::{HashMap, HashSet};

use crate::model::{Dependency, Infrastructure};

/// The topological levels: each node stands one level after the last of those it waits for; nodes of
/// one level keep file order. Nodes on a cycle, which a checked description never has, are left out.
pub fn levels(infrastructure: &Infrastructure) -> Vec<Vec<String>> {
    let mut waiting: Vec<&str> = infrastructure.nodes.iter().map(|node| node.name.as_str()).collect();
    let dependees = dependees(&infrastructure.dependencies);
    let mut done: HashSet<&str> = HashSet::new();
    let mut levels = Vec::new();
    loop {
        let ready =
            |name: &&str| dependees.get(*name).is_none_or(|list| list.iter().all(|d| done.contains(d)));
        let (level, rest): (Vec<&str>, Vec<&str>) = waiting.into_iter().partition(ready);
        if level.is_empty() {
            return levels;
        }
        done.extend(&level);
        levels.push(level.into_iter().map(str::to_owned).collect());
        waiting = rest;
    }
}

fn dependees(dependencies: &[Dependency]) -> HashMap<&str, Vec<&str>> {
    let mut result: HashMap<&str, Vec<&str>> = HashMap::new();
    for edge in dependencies {
        result.entry(&edge.dependent).or_default().push(&edge.dependee);
    }
    result
}

/// A cycle, as a path whose first and last nodes are the same; `None` if there is none.
pub(super) fn cycle<'a>(names: &[&'a str], dependencies: &'a [Dependency]) -> Option<Vec<&'a str>> {
    let dependees = dependees(dependencies);
    let mut finished: HashSet<&str> = HashSet::new();
    for start in names {
        // Depth first with a stack of its own: chains may be as long as the file.
        let mut path = vec![(*start, 0)];
        let mut on_path = HashSet::from([*start]);
        while let Some((name, next)) = path.last_mut() {
            let candidate = dependees.get(name).and_then(|list| list.get(*next)).copied();
            *next += 1;
            match candidate {
                Some(node) if on_path.contains(node) => {
                    let mut cycle: Vec<&str> =
                        path.iter().map(|(name, _)| *name).skip_while(|name| *name != node).collect();
                    cycle.push(node);
                    return Some(cycle);
                }
                Some(node) if finished.contains(node) => {}
                Some(node) => {
                    on_path.insert(node);
                    path.push((node, 0));
                }
                None => {
                    finished.insert(*name);
                    on_path.remove(*name);
                    path.pop();
                }
            }
        }
    }
    None
}
