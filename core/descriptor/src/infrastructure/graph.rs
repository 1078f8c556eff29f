//! Order among nodes.

use std::collections::{HashMap, HashSet};

use crate::model::{Dependency, Infrastructure};

/// The topological levels: each node stands one level after the last of those it waits for; nodes of
/// one level keep file order. Nodes on a cycle, which a checked description never has, are left out.
pub fn levels(infrastructure: &Infrastructure) -> Vec<Vec<String>> {
    let names: Vec<&str> = infrastructure.nodes.iter().map(|node| node.name.as_str()).collect();
    let positions: HashMap<&str, usize> =
        names.iter().enumerate().map(|(index, name)| (*name, index)).collect();
    let mut waits = vec![0_usize; names.len()];
    let mut dependents: Vec<Vec<usize>> = vec![Vec::new(); names.len()];
    for edge in &infrastructure.dependencies {
        let ends = positions.get(edge.dependent.as_str()).zip(positions.get(edge.dependee.as_str()));
        let Some((dependent, dependee)) = ends else { continue };
        waits[*dependent] += 1;
        dependents[*dependee].push(*dependent);
    }
    let mut levels = Vec::new();
    let mut level: Vec<usize> = (0..names.len()).filter(|index| waits[*index] == 0).collect();
    while !level.is_empty() {
        levels.push(level.iter().map(|index| names[*index].to_owned()).collect());
        let mut next = Vec::new();
        for dependent in level.iter().flat_map(|index| &dependents[*index]) {
            waits[*dependent] -= 1;
            if waits[*dependent] == 0 {
                next.push(*dependent);
            }
        }
        next.sort_unstable();
        level = next;
    }
    levels
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
