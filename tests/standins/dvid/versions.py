"""Versions: a graph of nodes, and mappings in which a version sees what its ancestors hold."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")

MASTER = "master"
"""What the branch without a name is called in requests."""
_GONE: Any = object()


def now() -> str:
    """The present second, as logs and histories write it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(eq=False)
class Node:
    """One version."""

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
        """The version, then its ancestors: a nearer one, and among these the newest, hides what is behind it.

        Where the parents are ranked, all that the first one sees hides what only the second one does.
        """
        found = {node.number: node for parent in self.parents for node in parent.lineage}
        return (self, *(found.values() if self.ranked else (found[number] for number in sorted(found, reverse=True))))

    def say(self, lines: list[str]) -> None:
        """Add lines to the log."""
        self.log += [f"{now()}  {line}" for line in lines]
        self.updated = now()

    def as_json(self) -> dict[str, Any]:
        """What ``/info`` tells of a version."""
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
    """A mapping a version: what is written or deleted in one is seen in it and its descendants only."""

    def __init__(self) -> None:
        self._own: dict[int, dict[K, V]] = {}

    def get(self, node: Node, key: K) -> V | None:
        """What the version sees under a key."""
        for ancestor in node.lineage:
            value = self._own.get(ancestor.number, {}).get(key)
            if value is not None:
                return None if value is _GONE else value
        return None

    def put(self, node: Node, key: K, value: V) -> None:
        """Write in a version."""
        self._own.setdefault(node.number, {})[key] = value

    def delete(self, node: Node, key: K) -> None:
        """Hide a key from a version and its descendants."""
        self.put(node, key, _GONE)

    def items(self, node: Node) -> dict[K, V]:
        """All that the version sees."""
        seen: dict[K, V] = {}
        for ancestor in reversed(node.lineage):
            seen.update(self._own.get(ancestor.number, {}))
        return {key: value for key, value in seen.items() if value is not _GONE}

    def where(self, node: Node, key: K) -> Node | None:
        """The nearest version in the lineage that has written or deleted a key."""
        return next((ancestor for ancestor in node.lineage if key in self._own.get(ancestor.number, {})), None)

    def __iter__(self) -> Iterator[K]:
        """Every key that any version has written."""
        return iter({key for own in self._own.values() for key in own})
