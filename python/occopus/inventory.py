"""What other programs want to know of an infrastructure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Optional

_Json = dict[str, Any]


@dataclass(frozen=True)
class Outputs:
    """What the ``outputs`` of a description come to.

    Attributes:
        values: The texts by name.
        errors: Why others have none, by name.
    """

    values: dict[str, str]
    errors: dict[str, str]


@dataclass(frozen=True)
class Host:
    """A living instance with an address.

    Attributes:
        name: A name such as ``worker-1.shop``.
        slot: The slot.
        node_id: The instance.
        address: Its primary address.
        private_address: Its private address, where there is one.
    """

    name: str
    slot: str
    node_id: str
    address: str
    private_address: Optional[str] = None


@dataclass(frozen=True)
class Inventory:
    """The living instances of an infrastructure.

    Attributes:
        hosts: Those that have an address, by node and number.
        without_address: Slots of those that have none.
        ansible: An inventory of Ansible in YAML.
        ssh_config: Entries for a configuration file of the OpenSSH client.
        hosts_file: Lines for ``/etc/hosts``.
    """

    hosts: tuple[Host, ...]
    without_address: tuple[str, ...]
    ansible: str
    ssh_config: str
    hosts_file: str

    @classmethod
    def from_json(cls, entry: _Json) -> Inventory:
        """Read an inventory from its JSON form."""
        inventory = entry["inventory"]
        hosts = (
            Host(host["name"], host["slot"], host["node_id"], host["address"], host.get("private_address"))
            for host in inventory["hosts"]
        )
        texts = (entry["ansible"], entry["ssh_config"], entry["hosts_file"])
        return cls(tuple(hosts), tuple(inventory["without_address"]), *texts)
