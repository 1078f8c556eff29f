"""Reads descriptors as Occopus does, with a YAML library of its own: tags resolved, words typed alike."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.constructor import SafeConstructor
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode


class Constructor(SafeConstructor):
    """Builds plain data; imports are relative to the folder `base` of the reader."""


def imported(constructor: Constructor, node: Node) -> Path:
    url = constructor.construct_mapping(node, deep=True)["url"]
    return Path(constructor.loader.base / url.removeprefix("file://"))


def plain(constructor: Constructor, _tag: str, node: Node) -> Any:
    """What stands below a tag of a configuration file."""
    if isinstance(node, MappingNode):
        return constructor.construct_mapping(node, deep=True)
    if isinstance(node, SequenceNode):
        return constructor.construct_sequence(node, deep=True)
    assert isinstance(node, ScalarNode)
    return constructor.construct_scalar(node)


Constructor.add_constructor("!yaml_import", lambda c, node: load(imported(c, node)))
Constructor.add_constructor("!text_import", lambda c, node: imported(c, node).read_text(encoding="utf-8"))
Constructor.add_constructor("!secret", lambda c, node: {"!secret": c.construct_scalar(node)})
Constructor.add_multi_constructor("!", plain)


def read(text: str, base: Path = Path()) -> Any:
    """The content of `text` as JSON has it."""
    yaml = YAML(typ="safe", pure=True)
    yaml.Constructor = Constructor
    yaml.base = base
    return as_json(yaml.load(text))


def load(path: Path) -> Any:
    """The content of a file as JSON has it."""
    return read(path.read_text(encoding="utf-8"), path.parent)


def as_json(value: Any) -> Any:
    """Keys are texts, and dates are texts, too."""
    if isinstance(value, dict):
        return {str(key): as_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [as_json(item) for item in value]
    return str(value) if isinstance(value, datetime.date) else value
