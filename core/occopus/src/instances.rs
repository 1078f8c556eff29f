//! The instances that templates find while nothing exists: from a file, or imagined.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use occopus_descriptor::model::{Infrastructure, Node};
use occopus_engine::context::InstanceView;
use occopus_engine::ids::NodeId;
use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::json;

use crate::error::Error;

/// Views of instances by node name.
pub(crate) type Instances = BTreeMap<String, Vec<InstanceView>>;

/// Most instances that are imagined of one node: enough to see what a list of them looks like.
const MAX_IMAGINED: u32 = 100;

/// Largest file of instances, in bytes.
const MAX_FILE: u64 = 16 << 20;

const SHAPE: &str =
    "write {\"NODE\": [{\"node_id\": \"…\", \"addresses\": [\"…\"], \"private_address\": \"…\"}]}";

/// An instance as the file has it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    node_id: String,
    addresses: Vec<String>,
    #[serde(default)]
    private_address: Option<String>,
}

/// The whole file: instances by node name.
struct Lists(Vec<(String, Vec<Written>)>);

impl<'de> Deserialize<'de> for Lists {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ListsVisitor)
    }
}

struct ListsVisitor;

impl<'de> Visitor<'de> for ListsVisitor {
    type Value = Lists;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of nodes")
    }

    /// As a plain map, but a name that stands there twice is refused.
    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Lists, A::Error> {
        let mut lists: Vec<(String, Vec<Written>)> = Vec::new();
        while let Some((name, list)) = entries.next_entry()? {
            if lists.iter().any(|(known, _)| *known == name) {
                return Err(A::Error::custom(format!("node '{name}' stands there twice")));
            }
            lists.push((name, list));
        }
        Ok(Lists(lists))
    }
}

/// Reads the instances of `infrastructure` from the JSON file at `path`.
///
/// # Errors
/// The file cannot be read, has another shape, or names nodes that are not there.
pub(crate) fn load(path: &Path, infrastructure: &Infrastructure) -> Result<Instances, Error> {
    let file = path.display();
    let text = read(path)?;
    let Lists(written) = serde_json::from_str(&text).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        let reason = error.to_string();
        let reason = reason.strip_suffix(&format!(" at line {line} column {column}")).unwrap_or(&reason);
        // Of a character at the beginning of a line, the column is given as 0.
        Error::Usage(format!("{file}:{line}:{}: {reason}; {SHAPE}", column.max(1)))
    })?;
    let mut instances = Instances::new();
    for (name, list) in written {
        let Some(node) = infrastructure.node(&name) else {
            let (names, infrastructure) = (names(infrastructure), &infrastructure.name);
            return Err(Error::Usage(format!(
                "{file}: '{name}' is no node of '{infrastructure}', whose nodes are: {names}"
            )));
        };
        let views = list.into_iter().map(|one| view(node, one.node_id, one.addresses, one.private_address));
        instances.insert(name, views.collect());
    }
    Ok(instances)
}

fn read(path: &Path) -> Result<String, Error> {
    let unreadable = |error: std::io::Error| Error::File(format!("'{}': {error}", path.display()));
    let metadata = std::fs::metadata(path).map_err(unreadable)?;
    if !metadata.is_file() || metadata.len() > MAX_FILE {
        let (file, limit) = (path.display(), MAX_FILE >> 20);
        return Err(Error::Usage(format!("'{file}' is no regular file of at most {limit} MiB; {SHAPE}")));
    }
    std::fs::read_to_string(path).map_err(unreadable)
}

/// Imagined instances, as many as a first build makes, with addresses that say whose they are.
pub(crate) fn imagined(infrastructure: &Infrastructure) -> Instances {
    let of = |node: &Node| {
        let number = node.scaling.min.min(MAX_IMAGINED);
        let views = (1..=number).map(|index| {
            let name = if number == 1 { node.name.clone() } else { format!("{}/{index}", node.name) };
            let private = format!("<private address of {name}>");
            view(node, format!("<node id of {name}>"), vec![format!("<address of {name}>")], Some(private))
        });
        (node.name.clone(), views.collect())
    };
    infrastructure.nodes.iter().map(of).collect()
}

fn view(node: &Node, id: String, addresses: Vec<String>, private_address: Option<String>) -> InstanceView {
    let record = json!({
        "node_id": id,
        "node_description": node,
        "resource_address": addresses,
    });
    InstanceView { node_id: NodeId(id), addresses, private_address, record }
}

/// The names of all nodes, for people.
pub(crate) fn names(infrastructure: &Infrastructure) -> String {
    let names: Vec<&str> = infrastructure.nodes.iter().map(|node| node.name.as_str()).collect();
    names.join(", ")
}
