"""Files without an engine: rendering, validating, explaining, schemas. Nothing is created."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Optional

from . import _native
from ._calls import PathType, optional_path, paths
from ._errors import typed_errors
from .documents import Explanation, Rendering, Validation


def _ask(call: str, **arguments: object) -> Any:
    with typed_errors():
        return json.loads(_native.offline(json.dumps({"call": call, **arguments})).wait())


def render(
    description: PathType,
    *,
    nodes: Iterable[PathType],
    node: Optional[str] = None,
    instances: Optional[PathType] = None,
    infra_id: Optional[str] = None,
    node_id: Optional[str] = None,
    variables: Optional[Mapping[str, object]] = None,
    vars_files: Iterable[PathType] = (),
) -> Rendering:
    """Return what every node would be created with; offline, nothing is created and nobody is asked.

    Secrets are shown by their reference, commands of templates are not run.

    Args:
        description: The infrastructure description.
        nodes: Node definition files.
        node: Only this node.
        instances: JSON file with the instances that templates find, ``{"NODE": [{"node_id": "…",
            "addresses": ["…"], "private_address": "…"}]}``; without it, addresses are placeholders.
        infra_id: Id of the infrastructure; zeros by default.
        node_id: Node id of the instance; zeros by default.
        variables: Variables of the infrastructure, over those of the description and of ``vars_files``.
        vars_files: YAML files of variables, over those of the description.

    Raises:
        DescriptorError: A file is wrong.
        UsageError: A node has no usable definition, or there is no such node.
        TemplateError: A template cannot be rendered.
    """
    rendering = _ask(
        "render",
        description=optional_path(description),
        nodes=paths(nodes),
        variables=dict(variables or {}),
        vars_files=paths(vars_files),
        node=node,
        instances=optional_path(instances),
        infra_id=infra_id,
        node_id=node_id,
    )
    return Rendering.from_json(rendering)


def validate(
    files: Iterable[PathType],
    *,
    variables: Optional[Mapping[str, object]] = None,
    vars_files: Iterable[PathType] = (),
    store: Optional[PathType] = None,
    config: Optional[PathType] = None,
    credentials: Optional[PathType] = None,
) -> Validation:
    """Check files and whether they go together; create nothing, not even a store.

    Args:
        files: Infrastructure descriptions, node definitions, credentials and configurations, in any order.
        variables: Variables of the infrastructures, over those of the descriptions and of ``vars_files``.
        vars_files: YAML files of variables, over those of the descriptions.
        store: Where node types are looked up if ``files`` has no node definitions; by default the store of
            the command line.
        config: The configuration file; by default searched for.
        credentials: The credentials file to compare with; by default searched for.

    Returns:
        All problems; wrong files are no exception.

    Raises:
        DescriptorError: A file of variables is wrong.
        UsageError: A named file does not exist.
    """
    findings = _ask(
        "validate",
        files=paths(files),
        variables=dict(variables or {}),
        vars_files=paths(vars_files),
        store=optional_path(store),
        config=optional_path(config),
        credentials=optional_path(credentials),
    )
    return Validation.from_json(findings)


def explain(code: str) -> Explanation:
    """Return the page about the code of a problem.

    Args:
        code: The code, such as ``OCC0102``.

    Raises:
        UsageError: There is no such code.
    """
    (page,) = _ask("explain", code=code)
    return Explanation.from_json(page)


def explanations() -> list[Explanation]:
    """Return the pages about all codes."""
    return [Explanation.from_json(page) for page in _ask("explain", code=None)]


def schema(file: str) -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of a kind of file.

    Args:
        file: ``infrastructure``, ``node-definitions``, ``auth-data`` or ``config``.

    Raises:
        UsageError: There is no such kind of file.
    """
    found: dict[str, Any] = _ask("schema", file=file)
    return found
