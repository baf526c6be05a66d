"""Branches and named versions of a proofreading store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from voxome.errors import AlreadyExists, UnknownName
from voxome.services.proofreading.state import Lineage
from voxome.services.proofreading.tables import BRANCHES, VERSIONS

MAIN = "main"
"""Name of the first branch."""


@dataclass(frozen=True)
class Branch:
    """A branch: where it began, and who has made it when (seconds since 1970)."""

    name: str
    parent: str | None
    fork: int
    author: str
    time_s: float


@dataclass(frozen=True)
class NamedVersion:
    """A version with a name."""

    name: str
    branch: str
    version: int
    author: str
    time_s: float


def read_branches(connection: sa.Connection) -> dict[str, Branch]:
    """Return all branches by name, in the order of their creation."""
    rows = connection.execute(sa.select(BRANCHES).order_by(BRANCHES.c.time_s, BRANCHES.c.name))
    return {row.name: Branch(*row) for row in rows}


def require_branch(branches: dict[str, Branch], name: str) -> Branch:
    """Return a branch.

    Raises
    ------
    UnknownName
        If it does not exist.
    """
    if name not in branches:
        raise UnknownName.of("branch", name, branches)
    return branches[name]


def ancestry(branches: dict[str, Branch], branch: str) -> list[Branch]:
    """Return a branch, its parent, and so on."""
    found = [branches[branch]]
    while (parent := found[-1].parent) is not None:
        found.append(branches[parent])
    return found


def lineage_of(branches: dict[str, Branch], branch: str, last: int | None) -> Lineage:
    """Return the branches whose operations make a state of a branch, its own first, each with its last operation."""
    lineage: list[tuple[str, int | None]] = []
    for one in ancestry(branches, branch):
        lineage.append((one.name, last))
        last = one.fork if last is None else min(last, one.fork)
    return tuple(lineage)


def add_branch(connection: sa.Connection, branch: Branch) -> None:
    """Add a branch.

    Raises
    ------
    AlreadyExists
        If there is one of this name, or a version.
    """
    _require_free(connection, branch.name)
    connection.execute(BRANCHES.insert(), vars(branch))


def add_version(connection: sa.Connection, version: NamedVersion) -> None:
    """Name a version.

    Raises
    ------
    AlreadyExists
        If there is one of this name, or a branch.
    """
    _require_free(connection, version.name)
    connection.execute(VERSIONS.insert(), vars(version))


def _require_free(connection: sa.Connection, name: str) -> None:
    tables: Sequence[sa.Table] = (BRANCHES, VERSIONS)
    for table in tables:
        if connection.execute(sa.select(table.c.name).where(table.c.name == name)).first():
            raise AlreadyExists(f"there is already a branch or version {name!r}; choose another name")
