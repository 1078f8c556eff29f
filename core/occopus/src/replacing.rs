//! Which outdated instances a change of an infrastructure replaces.

use std::collections::BTreeSet;

use occopus_descriptor::model::Infrastructure;
use occopus_engine::record::Rollout;

use crate::error::Error;

/// Which outdated instances are replaced.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Replacing {
    /// Those of these nodes only; `NODE+deps` stands for a node and all it depends on. Empty for all.
    pub only: Vec<String>,
    /// None of these nodes.
    pub exclude: Vec<String>,
    /// Those, too, that were made with an address that is gone.
    pub cascade: bool,
}

impl Replacing {
    /// The same for the nodes of `infrastructure`.
    ///
    /// # Errors
    /// If a node is named that is not described.
    pub(crate) fn rollout(&self, infrastructure: &Infrastructure) -> Result<Rollout, Error> {
        let mut nodes = BTreeSet::new();
        for text in &self.only {
            match text.strip_suffix("+deps") {
                Some(name) => add_with_dependees(known(infrastructure, name)?, infrastructure, &mut nodes),
                None => drop(nodes.insert(known(infrastructure, text)?.to_owned())),
            }
        }
        if self.only.is_empty() {
            nodes.extend(infrastructure.nodes.iter().map(|node| node.name.clone()));
        }
        for name in &self.exclude {
            nodes.remove(known(infrastructure, name)?);
        }
        let all = self.only.is_empty() && self.exclude.is_empty();
        Ok(Rollout { nodes: (!all).then_some(nodes), cascade: self.cascade, made_after: None })
    }
}

fn known<'a>(infrastructure: &'a Infrastructure, name: &str) -> Result<&'a str, Error> {
    infrastructure.node(name).map(|node| node.name.as_str()).ok_or_else(|| {
        let names: Vec<&str> = infrastructure.nodes.iter().map(|node| node.name.as_str()).collect();
        Error::Usage(format!("the description has no node '{name}'; it has: {}", names.join(", ")))
    })
}

fn add_with_dependees(name: &str, infrastructure: &Infrastructure, nodes: &mut BTreeSet<String>) {
    if nodes.insert(name.to_owned()) {
        for edge in infrastructure.dependencies.iter().filter(|edge| edge.dependent == name) {
            add_with_dependees(&edge.dependee, infrastructure, nodes);
        }
    }
}
