"""Versions: a graph of nodes, and mappings inherited from ancestors."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")

MASTER = "master"
"""Name in requests of the branch without a name."""
_GONE: Any = object()


def now() -> str:
    """Return the current time as in logs and histories."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(eq=False)
class Node:
    """Version of a repository."""

    uuid: str
    number: int
    parents: tuple[Node, ...] = ()
    branch: str = ""
    note: str = ""
    locked: bool = False
    log: list[str] = field(default_factory=list)
    children: list[Node] = field(default_factory=list)
    created: str = field(default_factory=now)
    updated: str = field(default_factory=now)
    ranked: bool = False

    @cached_property
    def lineage(self) -> tuple[Node, ...]:
        """The version and its ancestors, in the order of precedence of their data: newest first.

        If the parents are ranked, the lineage of the first takes precedence over that of the second.
        """
        found = {node.number: node for parent in self.parents for node in parent.lineage}
        return (self, *(found.values() if self.ranked else (found[number] for number in sorted(found, reverse=True))))

    def add_log(self, lines: list[str]) -> None:
        """Add lines to the log."""
        self.log += [f"{now()}  {line}" for line in lines]
        self.updated = now()

    def as_json(self) -> dict[str, Any]:
        """Return the JSON of a version in ``/info``."""
        return {
            "Branch": self.branch,
            "Note": self.note,
            "Log": self.log,
            "UUID": self.uuid,
            "VersionID": self.number,
            "Locked": self.locked,
            "Parents": [parent.number for parent in self.parents],
            "Children": [child.number for child in self.children],
            "Created": self.created,
            "Updated": self.updated,
        }


class Versioned(Generic[K, V]):
    """Versioned mapping: writes and deletions are visible in their version and its descendants only."""

    def __init__(self) -> None:
        self._values: dict[int, dict[K, V]] = {}

    def get(self, node: Node, key: K) -> V | None:
        """Return the value of a key in a version, None if there is none."""
        for ancestor in node.lineage:
            value = self._values.get(ancestor.number, {}).get(key)
            if value is not None:
                return None if value is _GONE else value
        return None

    def put(self, node: Node, key: K, value: V) -> None:
        """Set a value in a version."""
        self._values.setdefault(node.number, {})[key] = value

    def delete(self, node: Node, key: K) -> None:
        """Hide a key from a version and its descendants."""
        self.put(node, key, _GONE)

    def items(self, node: Node) -> dict[K, V]:
        """Return all items in a version."""
        seen: dict[K, V] = {}
        for ancestor in reversed(node.lineage):
            seen.update(self._values.get(ancestor.number, {}))
        return {key: value for key, value in seen.items() if value is not _GONE}

    def where(self, node: Node, key: K) -> Node | None:
        """Return the first version of the lineage that has written or deleted a key."""
        return next((ancestor for ancestor in node.lineage if key in self._values.get(ancestor.number, {})), None)

    def __iter__(self) -> Iterator[K]:
        """Iterate over all keys that any version has written."""
        return iter({key for values in self._values.values() for key in values})
