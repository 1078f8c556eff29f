//! Inventories: the instances as other programs want to have them.

use std::collections::BTreeMap;

use occopus_engine::ids::{InfraId, NodeId, Slot};
use serde::Serialize;
use serde_json::json;

use crate::Occopus;
use crate::error::Error;

/// The living instances of an infrastructure that have an address.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Inventory {
    /// Format version.
    pub schema: u32,
    /// The infrastructure.
    pub infra_id: InfraId,
    /// Its name.
    pub name: String,
    /// The instances, by node and number.
    pub hosts: Vec<Host>,
    /// Slots of living instances that have no address.
    pub without_address: Vec<Slot>,
}

/// One instance.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Host {
    /// A name that is unique among the infrastructures of different names: `worker-1.shop`.
    pub name: String,
    /// The slot.
    pub slot: Slot,
    /// The instance.
    pub node_id: NodeId,
    /// Its primary address.
    pub address: String,
    /// Its private address, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub private_address: Option<String>,
}

impl Occopus {
    /// The living instances of `infra`. Asks the back-ends and changes nothing.
    ///
    /// # Errors
    /// If there is no such infrastructure.
    pub async fn inventory(&self, infra: &InfraId) -> Result<Inventory, Error> {
        let living = self.living(infra).await?;
        let name = living.record.name;
        let mut inventory = Inventory {
            schema: 1,
            infra_id: infra.clone(),
            name: name.clone(),
            hosts: Vec::new(),
            without_address: Vec::new(),
        };
        for attempt in living.instances {
            let slot = attempt.slot;
            match attempt.addresses.into_iter().next() {
                // The second one of a slot is about to go.
                Some(_) if inventory.hosts.iter().any(|host| host.slot == slot) => {}
                Some(address) => inventory.hosts.push(Host {
                    name: format!("{}-{}.{name}", slot.node, slot.index),
                    slot,
                    node_id: attempt.node_id,
                    address,
                    private_address: attempt.private_address,
                }),
                None => inventory.without_address.push(slot),
            }
        }
        inventory.hosts.sort_by(|a, b| a.slot.cmp(&b.slot));
        Ok(inventory)
    }
}

/// Names that groups of Ansible cannot have.
const ANSIBLE_GROUPS: [&str; 2] = ["all", "ungrouped"];
/// What such names get in front.
const ANSIBLE_PREFIX: &str = "node_";

impl Inventory {
    /// An inventory of Ansible in YAML, with a group for each node. Everything is quoted: Ansible reads YAML 1.1, which
    /// takes a node called `on` for a truth value.
    pub fn ansible(&self) -> String {
        let quoted = |text: &str| json!(text).to_string();
        let mut groups: BTreeMap<String, Vec<&Host>> = BTreeMap::new();
        for host in &self.hosts {
            groups.entry(group(&host.slot.node)).or_default().push(host);
        }
        let mut lines = vec!["all:".to_owned(), "  vars:".to_owned()];
        lines.push(format!("    \"occopus_infra_id\": {}", quoted(self.infra_id.as_str())));
        lines.push(format!("    \"occopus_infra_name\": {}", quoted(&self.name)));
        lines.push(format!("  children:{}", if groups.is_empty() { " {}" } else { "" }));
        for (group, hosts) in groups {
            lines.push(format!("    {}:", quoted(&group)));
            lines.push("      hosts:".to_owned());
            for host in hosts {
                let variables = json!({
                    "ansible_host": host.address,
                    "occopus_node": host.slot.node,
                    "occopus_node_id": host.node_id,
                    "occopus_private_address": host.private_address,
                });
                lines.push(format!("        {}: {variables}", quoted(&host.name)));
            }
        }
        lines.push(String::new());
        lines.join("\n")
    }

    /// Entries for a configuration file of the OpenSSH client.
    pub fn ssh_config(&self) -> String {
        let entry = |host: &Host| format!("Host {}\n    HostName {}\n", host.name, host.address);
        self.hosts.iter().map(entry).collect::<Vec<_>>().join("\n")
    }

    /// Lines for `/etc/hosts`.
    pub fn hosts_file(&self) -> String {
        self.hosts.iter().map(|host| format!("{}\t{}\n", host.address, host.name)).collect()
    }
}

/// The name of a node as Ansible allows it for groups. Names of nodes hold no underscore, and one that begins like
/// the prefix gets it, too; so two of them never become the same.
fn group(node: &str) -> String {
    let name = node.replace('-', "_");
    let is_taken = ANSIBLE_GROUPS.contains(&name.as_str())
        || name.starts_with(|c: char| !c.is_ascii_alphabetic())
        || name.starts_with(ANSIBLE_PREFIX);
    if is_taken { format!("{ANSIBLE_PREFIX}{name}") } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inventory() -> Inventory {
        let host = |slot: &str, address: &str| {
            let slot: Slot = slot.parse().unwrap();
            Host {
                name: format!("{}-{}.shop", slot.node, slot.index),
                slot,
                node_id: NodeId::from("n"),
                address: address.to_owned(),
                private_address: None,
            }
        };
        Inventory {
            schema: 1,
            infra_id: InfraId::from("i"),
            name: "shop".to_owned(),
            hosts: vec![host("ping-pong/1", "10.0.0.1"), host("ping-pong/2", "fd00::2")],
            without_address: Vec::new(),
        }
    }

    #[test]
    fn hosts_files_have_an_address_and_a_name_a_line() {
        assert_eq!(inventory().hosts_file(), "10.0.0.1\tping-pong-1.shop\nfd00::2\tping-pong-2.shop\n");
    }

    #[test]
    fn ssh_finds_each_by_its_name() {
        assert_eq!(
            inventory().ssh_config(),
            "Host ping-pong-1.shop\n    HostName 10.0.0.1\n\nHost ping-pong-2.shop\n    HostName fd00::2\n"
        );
    }

    #[test]
    fn groups_have_names_that_ansible_takes() {
        let found = ["ping-pong", "all", "1st", "node-1st", "db"].map(group);
        assert_eq!(found, ["ping_pong", "node_all", "node_1st", "node_node_1st", "db"]);
        let read = occopus_template::read_yaml(&inventory().ansible()).unwrap();
        let hosts = &read["all"]["children"]["ping_pong"]["hosts"];
        assert_eq!(hosts["ping-pong-2.shop"]["ansible_host"], json!("fd00::2"));
    }

    #[test]
    fn names_that_older_yaml_takes_for_truth_values_are_quoted() {
        let mut inventory = inventory();
        inventory.hosts[0].slot = Slot::new("on", 1);
        let text = inventory.ansible();
        assert!(text.contains("    \"on\":\n") && text.contains("\"occopus_node\":\"on\""), "{text}");
        inventory.hosts.clear();
        let read = occopus_template::read_yaml(&inventory.ansible()).unwrap();
        assert_eq!(read["all"]["children"], json!({}));
    }
}
