//! `occopus inventory`.

use clap::Args;
use occopus::{Error, Inventory};

use super::Session;
use crate::DONE;
use crate::words::table;

/// Arguments of `inventory`.
#[derive(Debug, Args)]
pub(super) struct InventoryArgs {
    /// Id, unique prefix of an id, or name
    infra: String,
    /// As an inventory of Ansible in YAML, with a group for each node
    #[arg(long, group = "form")]
    ansible: bool,
    /// As entries of a configuration file of ssh
    #[arg(long, group = "form")]
    ssh_config: bool,
    /// As lines of /etc/hosts
    #[arg(long, group = "form")]
    hosts: bool,
}

pub(super) async fn run(session: &Session, args: InventoryArgs) -> Result<u8, Error> {
    let output = &session.output;
    let occopus = session.open().await?;
    let inventory = occopus.inventory(&occopus.resolve(&args.infra).await?).await?;
    for slot in &inventory.without_address {
        output.write_line(&format!("{slot} has no address and is left out"));
    }
    let text = match args {
        _ if output.is_json() => {
            output.json(&inventory);
            return Ok(DONE);
        }
        InventoryArgs { ansible: true, .. } => inventory.ansible(),
        InventoryArgs { ssh_config: true, .. } => inventory.ssh_config(),
        InventoryArgs { hosts: true, .. } => inventory.hosts_file(),
        _ => text_of(&inventory),
    };
    output.result(text.trim_end());
    Ok(DONE)
}

fn text_of(inventory: &Inventory) -> String {
    let mut rows = vec![["NAME", "NODE", "ADDRESS", "NODE ID"].map(str::to_owned)];
    rows.extend(inventory.hosts.iter().map(|host| {
        [host.name.clone(), host.slot.node.clone(), host.address.clone(), host.node_id.to_string()]
    }));
    table(&rows, |_, _, cell| cell.to_owned()).join("\n")
}
