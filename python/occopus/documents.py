"""What is found in files, without any infrastructure: problems, renderings, explanations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Optional

# Entries of a JSON object; what is in them is checked by the dataclasses' readers below.
_Json = dict[str, Any]


@dataclass(frozen=True)
class Problem:
    """A problem in a file.

    Attributes:
        code: Its code, such as ``OCC0102``.
        severity: ``error`` or ``warning``.
        message: What is wrong.
        file: The file, if the problem has a place.
        line: Line, from 1.
        column: Column, from 1.
        help: What is allowed, or what may have been meant.
    """

    code: str
    severity: str
    message: str
    file: Optional[str]
    line: Optional[int]
    column: Optional[int]
    help: Optional[str]

    @classmethod
    def from_json(cls, entry: _Json) -> Problem:
        """Read a problem from its JSON form."""
        location = entry.get("location") or {}
        return cls(
            entry["code"],
            entry["severity"],
            entry["message"],
            location.get("file"),
            location.get("line"),
            location.get("column"),
            entry.get("help"),
        )


@dataclass(frozen=True)
class CheckedFile:
    """A file that was checked.

    Attributes:
        path: The file.
        kind: ``infrastructure``, ``node-definitions``, ``auth-data``, ``config`` or ``cloud-init``; ``None``
            if that cannot be told.
    """

    path: str
    kind: Optional[str]


@dataclass(frozen=True)
class Validation:
    """What was found in files.

    Attributes:
        files: The files in the given order.
        problems: All problems, by file and place.
    """

    files: tuple[CheckedFile, ...]
    problems: tuple[Problem, ...]

    @property
    def ok(self) -> bool:
        """Whether there is no error; there may be warnings."""
        return not self.errors

    @property
    def errors(self) -> tuple[Problem, ...]:
        """The problems that are errors."""
        return tuple(problem for problem in self.problems if problem.severity == "error")

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """The problems that are warnings."""
        return tuple(problem for problem in self.problems if problem.severity == "warning")

    @classmethod
    def from_json(cls, entry: _Json) -> Validation:
        """Read a validation from its JSON form."""
        files = tuple(CheckedFile(file["file"], file.get("kind")) for file in entry["files"])
        return cls(files, tuple(Problem.from_json(problem) for problem in entry["problems"]))


@dataclass(frozen=True)
class Explanation:
    """The page about the code of a problem. All texts are Markdown.

    Attributes:
        code: The code, such as ``OCC0102``.
        title: What is wrong, in a line.
        cause: Why it is a problem.
        example: A file that has it, and one that has not.
        remedy: What to do.
    """

    code: str
    title: str
    cause: str
    example: str
    remedy: str

    @classmethod
    def from_json(cls, entry: _Json) -> Explanation:
        """Read an explanation from its JSON form."""
        return cls(entry["code"], entry["title"], entry["cause"], entry["example"], entry["remedy"])


@dataclass(frozen=True)
class NodeRendering:
    """What an instance of a node would be created with.

    Attributes:
        resource: The ``resource`` section.
        attributes: Attributes (``env`` and ``command`` for docker and process), with ``connections``.
        variables: The merged variables.
        mappings: Attribute mappings, ``inbound`` and ``outbound``, by node.
        scaling: ``scaling`` as written, or ``None``.
        context: User data: a cloud-config as it reads, other text as it is; ``None`` without cloudinit.
        context_is_cloud_config: Whether the user data are a cloud-config.
        warnings: Doubtful things found in the templates.
    """

    resource: dict[str, Any]
    attributes: dict[str, Any]
    variables: dict[str, Any]
    mappings: dict[str, Any]
    scaling: Any
    context: Any
    context_is_cloud_config: bool
    warnings: tuple[str, ...]

    @classmethod
    def from_json(cls, entry: _Json, warnings: list[str]) -> NodeRendering:
        """Read a rendered node from its JSON form."""
        return cls(
            entry["resource"],
            entry["attributes"],
            entry["variables"],
            entry["mappings"],
            entry["scaling"],
            entry.get("context"),
            entry.get("context_is_cloud_config", False),
            tuple(warnings),
        )


@dataclass(frozen=True)
class Rendering:
    """What the nodes of an infrastructure would be created with.

    Attributes:
        levels: The names of the nodes in levels of declared dependencies.
        nodes: The nodes by name.
    """

    levels: tuple[tuple[str, ...], ...]
    nodes: dict[str, NodeRendering]

    @classmethod
    def from_json(cls, entry: _Json) -> Rendering:
        """Read a rendering from its JSON form."""
        rendering, warnings = entry["rendering"], entry["warnings"]
        return cls(
            tuple(tuple(level) for level in rendering["levels"]),
            {
                name: NodeRendering.from_json(node, warnings.get(name, []))
                for name, node in rendering["nodes"].items()
            },
        )
