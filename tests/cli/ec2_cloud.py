"""EC2 as the tests see it: plain calls to moto or to the project's strict stub, and a counting proxy."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import subprocess
import urllib.parse
import urllib.request
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from xml.etree import ElementTree

import counting_proxy
from occopus_cli import absent, program

REGION = "us-east-1"
KEY = "AKIDSTUB"
AUTH = f"resource:\n  - type: ec2\n    auth_data: {{accesskey: {KEY}, secretkey: secret}}\n"
HEADERS = {
    "Authorization": f"AWS4-HMAC-SHA256 Credential={KEY}/20260101/{REGION}/ec2/aws4_request, "
    "SignedHeaders=host, Signature=0",
    "X-Amz-Date": "20260101T000000Z",
}


def members(tags: dict[str, str], launch_index: int) -> dict[str, str]:
    """What the tags of an instance say that was launched with others: slot, attempt and node id."""
    node, _, numbers = tags["occopus.slots"].rpartition("/")
    slots: list[int] = []
    for part in numbers.split(","):
        first, _, last = part.partition("-")
        slots.extend(range(int(first), int(last or first) + 1))
    slot = f"{node}/{slots[launch_index]}"

    def derived(what: str) -> str:
        digest = hashlib.sha256(f"{tags['occopus.batch']} {what} {slot}".encode()).digest()
        return str(uuid.UUID(bytes=digest[:16], version=4))

    return {
        "occopus.slot": slot,
        "occopus.attempt": derived("attempt"),
        "occopus.node-id": derived("node"),
    }


class Cloud:
    """An EC2 endpoint with the names of things that exist there."""

    def __init__(self, endpoint: str, image: str, subnet: str, groups: list[str], key: str) -> None:
        self.endpoint = endpoint
        self.image, self.subnet, self.groups, self.key = image, subnet, groups, key

    def call(self, action: str, **parameters: str) -> ElementTree.Element:
        """One call; the answer without XML name spaces."""
        form = urllib.parse.urlencode({"Action": action, "Version": "2016-11-15", **parameters})
        request = urllib.request.Request(self.endpoint, form.encode(), HEADERS)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return ElementTree.fromstring(re.sub(r' xmlns="[^"]*"', "", answer.read().decode()))

    def instances(self, infra: str) -> dict[str, list[dict[str, Any]]]:
        """The living instances of an infrastructure by node id, in the order of their launch."""
        filters = {"Filter.1.Name": "tag:occopus.infra", "Filter.1.Value.1": infra}
        found: dict[str, list[dict[str, Any]]] = {}
        token = None
        while token != "":
            more = {"NextToken": token} if token else {}
            answer = self.call("DescribeInstances", **filters, **more)
            for item in answer.iterfind("reservationSet/item/instancesSet/item"):
                if item.findtext("instanceState/name") in ("terminated", "shutting-down"):
                    continue
                tags = {tag.findtext("key"): tag.findtext("value") for tag in item.iterfind("tagSet/item")}
                if "occopus.batch" in tags:
                    # Its own tags come later, if at all, and say the same.
                    who = members(tags, int(item.findtext("amiLaunchIndex")))
                    assert who == {key: tags.get(key, value) for key, value in who.items()}
                    tags = who | tags
                found.setdefault(tags["occopus.node-id"], []).append(
                    {
                        "id": item.findtext("instanceId"),
                        "addresses": [
                            item.findtext(name) for name in ("dnsName", "ipAddress", "privateIpAddress")
                        ],
                        "tags": tags,
                    }
                )
            token = answer.findtext("nextToken") or ""
        return found

    def user_data(self, instance: str) -> str:
        """The user data as the instance would read it."""
        answer = self.call("DescribeInstanceAttribute", InstanceId=instance, Attribute="userData")
        return base64.b64decode(answer.findtext("userData/value") or "").decode()

    def resource(self) -> str:
        """The resource section of a node definition, as one line of YAML."""
        groups = ", ".join(self.groups)
        return (
            f"{{type: ec2, endpoint: '{self.endpoint}', regionname: {REGION}, image_id: {self.image},"
            f" instance_type: t2.micro, key_name: {self.key}, security_group_ids: [{groups}],"
            f" subnet_id: {self.subnet}}}"
        )

    def definition(self, name: str, context: str = "#cloud-config\\n") -> str:
        """A node definition without health checks."""
        return f"""
'node_def:{name}':
  - resource: {self.resource()}
    contextualisation: {{type: cloudinit, context_template: "{context}"}}
    health_check: {{ping: false}}
"""


def moto() -> Cloud:
    """The moto server that the environment names."""
    endpoint = os.environ.get("OCCOPUS_TEST_MOTO")
    if not endpoint:
        absent("OCCOPUS_TEST_MOTO names no moto server")
    cloud = Cloud(endpoint.rstrip("/"), "", "", [], "moto-key")
    cloud.subnet = cloud.call("DescribeSubnets").findtext("subnetSet/item/subnetId")
    cloud.groups = [cloud.call("DescribeSecurityGroups").findtext("securityGroupInfo/item/groupId")]
    cloud.image = cloud.call("DescribeImages").findtext("imagesSet/item/imageId")
    return cloud


@contextmanager
def stub(*options: str) -> Iterator[Cloud]:
    """The strict stub, for as long as it is needed."""
    command = [str(program("ec2-stub", "OCCOPUS_EC2_STUB")), *options]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        endpoint = process.stdout.readline().strip().partition("=")[2]
        try:
            yield Cloud(
                endpoint, "ami-12345678", "subnet-12345678", ["sg-12345678", "sg-87654321"], "stub-key"
            )
        finally:
            process.terminate()


@contextmanager
def counting(cloud: Cloud) -> Iterator[tuple[Cloud, Counter[str]]]:
    """The same cloud behind a proxy that counts the calls by action."""
    with counting_proxy.counting(cloud.endpoint) as (endpoint, calls):
        yield Cloud(endpoint, cloud.image, cloud.subnet, cloud.groups, cloud.key), calls
