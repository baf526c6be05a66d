"""A DVID server: its repos."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from voxome.remotes.dvid.node import DvidApi, Node, resolve
from voxome.remotes.dvid.parsing import text, understood
from voxome.remotes.dvid.versions import DvidNode, VersionInfo, versions_of


@dataclass(frozen=True)
class Repo:
    """One repo, as the server lists it.

    Attributes
    ----------
    root : str
        UUID of its first version.
    alias, description : str
        What it was called when it was made.
    log : tuple of str
        Lines with their times.
    versions : mapping
        UUID → version, oldest first.
    instances : mapping
        Name → what the server says of the data instance: ``Base``, ``Extended``, …
    """

    root: str
    alias: str
    description: str
    log: tuple[str, ...]
    versions: Mapping[str, VersionInfo]
    instances: Mapping[str, Mapping[str, Any]]

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> Repo:
        """Read the JSON of a repo."""
        log, instances = tuple(said["Log"]), dict(sorted(said["DataInstances"].items()))
        return cls(said["Root"], said["Alias"], said["Description"], log, versions_of(said), instances)


class Dvid:
    """A server: reached by ``voxome.connect("dvid://host:port")``.

    Parameters
    ----------
    api : DvidApi
        Its address.
    """

    def __init__(self, api: DvidApi) -> None:
        self.api = api

    def __repr__(self) -> str:
        return f"Dvid({self.url!r})"

    @property
    def url(self) -> str:
        """Address of the server."""
        return self.api.base

    @property
    def repos(self) -> dict[str, Repo]:
        """Root UUID → repo."""
        return understood(
            self.api.send("GET", "/api/repos/info"),
            lambda said: {root: Repo.of(repo) for root, repo in sorted(said.items()) if repo is not None},
        )

    @property
    def info(self) -> dict[str, Any]:
        """What the server says of itself: version, cores and others."""
        return understood(self.api.send("GET", "/api/server/info"), lambda said: dict(said.items()))

    @property
    def types(self) -> list[str]:
        """The types of data that it knows."""
        return understood(self.api.send("GET", "/api/server/compiled-types"), lambda said: sorted(said.keys()))

    def repo(self, version: str) -> Repo:
        """The repo that a version is in."""
        node = Node(self.api, resolve(self.api, version))
        return understood(self.api.send("GET", node.repo_path("info")), Repo.of)

    def node(self, version: str) -> DvidNode:
        """A version: a UUID, the unique beginning of one, either with ``:branch``, or a tag.

        Raises
        ------
        NotFound
            If there is none.
        """
        return DvidNode(Node(self.api, resolve(self.api, version)))

    def create_repo(self, alias: str, description: str = "", *, root: str | None = None) -> DvidNode:
        """Make a repo; gives its first version, open for changes.

        Parameters
        ----------
        alias, description : str
            What it is called.
        root : str, optional
            UUID of the first version, 32 hexadecimal digits; the server takes one otherwise.

        Raises
        ------
        AccessDenied
            If the server asks for rights of an administrator: a token (``VOXOME_DVID_ADMIN_TOKEN`` beside
            ``VOXOME_DVID_HOST``, or the service ``dvid_admin`` of the profile), or a user who is one.
        AlreadyExists
            If there is a version of that UUID.
        """
        body = {"alias": alias, "description": description, **({} if root is None else {"root": root})}
        answer = self.api.send("POST", "/api/repos", params=self.api.admin(), json=body)
        return DvidNode(Node(self.api, understood(answer, lambda said: text(said["root"]))))
