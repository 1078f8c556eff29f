//! Which node waits for which: declared dependencies and those that templates imply.

use std::collections::{BTreeMap, BTreeSet};

use occopus_descriptor::model::{Implementation, Node};
use occopus_descriptor::secret::{SecretRef, fill_instance};

use crate::context::{Contextualiser, InstanceView, RenderInput};
use crate::ids::{InfraId, NodeId};
use crate::record::Generation;

/// Identifier of imagined infrastructures and instances.
const IMAGINED: &str = "00000000-0000-0000-0000-000000000000";

/// The order among the nodes of a generation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Topology {
    /// For each node the nodes that must be ready before it is started.
    waits_for: BTreeMap<String, BTreeSet<String>>,
    /// The nodes in an order in which every node follows those it waits for; file order otherwise.
    pub order: Vec<String>,
    /// The nodes in levels, for sequential processing and for people.
    pub levels: Vec<Vec<String>>,
    /// Doubtful things found on the way.
    pub warnings: Vec<String>,
}

impl Topology {
    /// Works the order out. `contextualiser` tells which nodes the templates ask about; asking for the
    /// address of a node that is no declared dependency adds an edge that is only for scheduling.
    pub fn of(generation: &Generation, contextualiser: &dyn Contextualiser) -> Self {
        let mut topology = Self::declared(generation);
        let imagined = imagined(generation);
        for node in &generation.infrastructure.nodes {
            for (_, implementation) in generation.candidates(node, 1) {
                // A trial needs no secrets, only texts where they will be.
                let (node, implementation) = &fill_instance(node, implementation, &SecretRef::mask);
                let references = contextualiser.references(&generation.infrastructure, node, implementation);
                for name in references {
                    topology.refer(generation, node, implementation.resource_type(), &name);
                }
                topology.try_out(generation, contextualiser, (node, implementation), &imagined);
            }
        }
        topology.sort(generation);
        topology
    }

    /// Renders for an imagined instance while every node has one, so that a template that cannot work is
    /// known before anything is created.
    fn try_out(
        &mut self,
        generation: &Generation,
        contextualiser: &dyn Contextualiser,
        (node, implementation): (&Node, &Implementation),
        instances: &BTreeMap<String, Vec<InstanceView>>,
    ) {
        let infra_id = InfraId::from(IMAGINED);
        let input = RenderInput {
            infra_id: &infra_id,
            infrastructure: &generation.infrastructure,
            node,
            implementation,
            node_id: &NodeId::from(IMAGINED),
            instances,
        };
        if let Err(error) = contextualiser.try_out(&input) {
            self.warn(format!("node '{}' ({}): {error}", node.name, implementation.resource_type()));
        }
    }

    fn declared(generation: &Generation) -> Self {
        let mut topology = Self::default();
        for node in &generation.infrastructure.nodes {
            topology.waits_for.insert(node.name.clone(), BTreeSet::new());
        }
        for edge in &generation.infrastructure.dependencies {
            if let Some(waits_for) = topology.waits_for.get_mut(&edge.dependent) {
                waits_for.insert(edge.dependee.clone());
            }
        }
        topology
    }

    fn refer(&mut self, generation: &Generation, node: &Node, resource_type: &str, name: &str) {
        let Some(peer) = generation.infrastructure.node(name) else { return };
        if name == node.name {
            return;
        }
        let on_loopback =
            |(_, implementation): &(usize, &Implementation)| implementation.resource_type() == "process";
        if resource_type != "process" && generation.candidates(peer, 1).iter().any(on_loopback) {
            self.warn(format!(
                "node '{}' ({resource_type}) asks for the address of '{name}', which is a process with a \
                 loopback address: it cannot be reached from there",
                node.name
            ));
        }
        if self.waits_for.get(&node.name).is_some_and(|known| known.contains(name)) {
            return;
        }
        if self.reaches(name, &node.name) {
            self.warn(format!(
                "a template of node '{}' asks for the address of '{name}', which itself waits for '{}'",
                node.name, node.name
            ));
            return;
        }
        self.warn(format!(
            "a template of node '{}' asks for the address of '{name}', which is no declared dependency; \
             '{}' is started after it. Declare it under 'dependencies'",
            node.name, node.name
        ));
        self.waits_for.entry(node.name.clone()).or_default().insert(name.to_owned());
    }

    fn warn(&mut self, text: String) {
        if !self.warnings.contains(&text) {
            self.warnings.push(text);
        }
    }

    /// Whether `from` waits for `to`, directly or over others.
    pub fn reaches(&self, from: &str, to: &str) -> bool {
        let mut seen = BTreeSet::new();
        let mut open = vec![from];
        while let Some(name) = open.pop() {
            if name == to {
                return true;
            }
            if seen.insert(name) {
                open.extend(self.waits_for(name).map(String::as_str));
            }
        }
        false
    }

    /// Sorts level by level. Each dependency is looked at once, however many nodes and levels there are.
    fn sort(&mut self, generation: &Generation) {
        let names = || generation.infrastructure.nodes.iter().map(|node| node.name.as_str());
        let places: BTreeMap<&str, usize> = names().zip(0..).collect();
        let names: Vec<&str> = names().collect();
        // What a node waits for that does not exist never comes.
        let mut open: Vec<usize> = names.iter().map(|name| self.waits_for(name).count()).collect();
        let mut behind: Vec<Vec<usize>> = vec![Vec::new(); names.len()];
        for (place, name) in names.iter().enumerate() {
            let dependees = self.waits_for(name).filter_map(|dependee| places.get(dependee.as_str()));
            dependees.for_each(|dependee| behind[*dependee].push(place));
        }
        let mut level: Vec<usize> = (0..names.len()).filter(|place| open[*place] == 0).collect();
        let mut levels: Vec<Vec<usize>> = Vec::new();
        while !level.is_empty() {
            let mut next = Vec::new();
            for place in level.iter().flat_map(|place| &behind[*place]) {
                open[*place] -= 1;
                if open[*place] == 0 {
                    next.push(*place);
                }
            }
            next.sort_unstable();
            levels.push(std::mem::replace(&mut level, next));
        }
        // Checked descriptions have no cycles; should one get here, its order is the file's.
        let rest: Vec<usize> = (0..names.len()).filter(|place| open[*place] > 0).collect();
        levels.extend(Some(rest).filter(|rest| !rest.is_empty()));
        let named = |level: &Vec<usize>| level.iter().map(|place| names[*place].to_owned()).collect();
        let levels: Vec<Vec<String>> = levels.iter().map(named).collect();
        self.order = levels.iter().flatten().cloned().collect();
        self.levels = levels;
    }

    /// For each node those that wait for it, directly.
    pub fn dependants(&self) -> BTreeMap<&str, Vec<&str>> {
        let mut dependants: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (node, waits_for) in &self.waits_for {
            for dependee in waits_for {
                dependants.entry(dependee).or_default().push(node);
            }
        }
        dependants
    }

    /// The nodes that must be ready before `node` is started.
    pub fn waits_for(&self, node: &str) -> impl Iterator<Item = &String> {
        self.waits_for.get(node).into_iter().flatten()
    }
}

/// An imagined instance of every node.
fn imagined(generation: &Generation) -> BTreeMap<String, Vec<InstanceView>> {
    let view = |peer: &Node| InstanceView {
        node_id: NodeId::from(IMAGINED),
        addresses: vec!["0.0.0.0".to_owned()],
        private_address: Some("0.0.0.0".to_owned()),
        record: serde_json::json!({ "node_id": IMAGINED, "node_description": peer }),
    };
    let peers = &generation.infrastructure.nodes;
    peers.iter().map(|peer| (peer.name.clone(), vec![view(peer)])).collect()
}

#[cfg(test)]
mod tests;
