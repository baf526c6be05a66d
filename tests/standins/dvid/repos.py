"""Repositories: graphs of versions with data instances."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import count
from typing import Any
from uuid import uuid4

from standins.dvid.calls import Refusal
from standins.dvid.instances import Instance
from standins.dvid.versions import MASTER, Node, now

_FIRST_MUTATION = 1_000_100_000


class Repo:
    """Repository.

    Parameters
    ----------
    root : Node
        The first version.
    alias, description : str
        Name and description.
    numbers : iterator of int
        Source of numbers for new versions.
    """

    def __init__(self, root: Node, alias: str, description: str, numbers: Iterator[int]) -> None:
        self.root, self.alias, self.description = root, alias, description
        self.created = self.updated = now()
        self.log: list[str] = []
        self.nodes = {root.uuid: root}
        self.instances: dict[str, Instance] = {}
        self._numbers = numbers
        self._mutation = _FIRST_MUTATION

    def next_mutation(self) -> int:
        """Return an id for a change; as in DVID, some refused changes consume one too."""
        self._mutation += 1
        return self._mutation - 1

    def add_log(self, lines: list[str]) -> None:
        """Add lines to the log."""
        self.log += [f"{now()}  {line}" for line in lines]
        self.updated = now()

    def instance(self, name: str) -> Instance:
        """Return a data instance by name."""
        if name not in self.instances:
            raise Refusal("invalid data instance name")
        return self.instances[name]

    def version(self, text: str) -> Node:
        """Return a version by its UUID or a unique prefix of it."""
        found = [node for uuid, node in self.nodes.items() if uuid.startswith(text)]
        if len(found) != 1:
            raise Refusal(f"could not find UUID with partial match to {text}")
        return found[0]

    def add(self, instance: Instance, config: Mapping[str, str]) -> None:
        """Add a data instance."""
        if instance.name in self.instances:
            raise Refusal(f'Data named "{instance.name}" already exists in repo (root {self.root.uuid})')
        self.instances[instance.name] = instance
        options = " ".join(f"{key}:{value}" for key, value in sorted(config.items()))
        self.add_log(
            [f'New data instance "{instance.name}" of type "{instance.typename}" with config {{map[{options}]}}']
        )

    def add_version(
        self, parents: tuple[Node, ...], branch: str, note: str, uuid: str | None, *, ranked: bool = False
    ) -> Node:
        """Add a child of locked versions; if they are `ranked`, data of earlier parents hide those of later ones."""
        if not all(parent.locked for parent in parents):
            raise Refusal("can't branch an unlocked node")
        self._check_branch(parents[0], branch)
        node = Node(uuid or uuid4().hex, next(self._numbers), parents, branch, note, ranked=ranked)
        for parent in parents:
            parent.children.append(node)
            parent.updated = now()
        self.nodes[node.uuid] = node
        self.updated = now()
        return node

    def _check_branch(self, parent: Node, branch: str) -> None:
        rivals = parent.children if branch == parent.branch else self.nodes.values()
        if any(rival.branch == branch for rival in rivals):
            raise Refusal("branch already exists with given name")

    def leaf(self, branch: str) -> Node | None:
        """Return the newest version of a branch."""
        name = "" if branch == MASTER else branch
        nodes = [node for node in self.nodes.values() if node.branch == name]
        return next((node for node in nodes if all(child.branch != name for child in node.children)), None)

    def branch(self, name: str) -> list[str]:
        """Return the UUIDs from the newest version of a branch to the root."""
        path: list[str] = []
        node = self.leaf(name)
        while node is not None:
            path.append(node.uuid)
            node = node.parents[0] if node.parents else None
        return path

    def as_json(self) -> dict[str, Any]:
        """Return the JSON of ``/info``."""
        nodes = {uuid: node.as_json() for uuid, node in self.nodes.items()}
        return {
            "Root": self.root.uuid,
            "Alias": self.alias,
            "Description": self.description,
            "Log": self.log,
            "Properties": {},
            "DataInstances": {name: instance.as_json() for name, instance in self.instances.items()},
            "DAG": {"Root": self.root.uuid, "Nodes": nodes},
            "MutationID": self._mutation,
            "Created": self.created,
            "Updated": self.updated,
        }


class Repos:
    """All repositories of a server."""

    def __init__(self) -> None:
        self.by_root: dict[str, Repo] = {}
        self._numbers = count(1)

    def create(self, root: str | None, alias: str, description: str) -> Repo:
        """Create a repository."""
        self.check_new(root)
        node = Node(root or uuid4().hex, next(self._numbers))
        repo = self.by_root[node.uuid] = Repo(node, alias, description, self._numbers)
        return repo

    def check_new(self, uuid: str | None) -> None:
        """Raise `Refusal` if a UUID exists."""
        if any(uuid in repo.nodes for repo in self.by_root.values()):
            raise Refusal("UUID already exists in datastore")

    def find(self, text: str) -> tuple[Repo, Node]:
        """Return a version by its UUID, a unique prefix of it, or ``uuid:branch`` for the newest of a branch."""
        prefix, colon, branch = text.partition(":")
        repo, node = self._match(prefix)
        if not colon:
            return repo, node
        leaf = repo.leaf(branch)
        if leaf is None:
            raise Refusal(f'branch "{branch}" not found in repo "{repo.root.uuid}"')
        return repo, leaf

    def _match(self, prefix: str) -> tuple[Repo, Node]:
        pairs = [(repo, node) for repo in self.by_root.values() for node in repo.nodes.values()]
        exact = [pair for pair in pairs if pair[1].uuid == prefix]
        found = exact or [pair for pair in pairs if pair[1].uuid.startswith(prefix)]
        if not found:
            raise Refusal(f"could not find UUID with partial match to {prefix}")
        if len(found) > 1:
            raise Refusal(f"more than one UUID matches {prefix}")
        return found[0]
