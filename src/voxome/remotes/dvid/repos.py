"""A DVID server and its repos."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from voxome.remotes.dvid.node import DvidApi, Node, resolve_version
from voxome.remotes.dvid.parsing import parse_json, parse_string
from voxome.remotes.dvid.versions import DvidNode, VersionInfo, parse_versions


@dataclass(frozen=True)
class Repo:
    """One repo, as listed by the server.

    Attributes
    ----------
    root : str
        UUID of the first version.
    alias, description : str
        Name and description given when it was created.
    log : tuple of str
        Lines with timestamps.
    versions : mapping
        Versions by UUID, oldest first.
    instances : mapping
        Descriptions of the data instances by name: ``Base``, ``Extended``, …
    """

    root: str
    alias: str
    description: str
    log: tuple[str, ...]
    versions: Mapping[str, VersionInfo]
    instances: Mapping[str, Mapping[str, Any]]

    @classmethod
    def from_json(cls, reply: Mapping[str, Any]) -> Repo:
        """Parse the JSON of a repo."""
        log, instances = tuple(reply["Log"]), dict(sorted(reply["DataInstances"].items()))
        return cls(reply["Root"], reply["Alias"], reply["Description"], log, parse_versions(reply), instances)


class Dvid:
    """DVID server, from ``voxome.connect("dvid://host:port")``.

    Parameters
    ----------
    api : DvidApi
        Client of the server.
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
        """Repos by root UUID."""
        return parse_json(
            self.api.send("GET", "/api/repos/info"),
            lambda reply: {root: Repo.from_json(repo) for root, repo in sorted(reply.items()) if repo is not None},
        )

    @property
    def info(self) -> dict[str, Any]:
        """The server's description of itself: version, cores and so on."""
        return parse_json(self.api.send("GET", "/api/server/info"), lambda reply: dict(reply.items()))

    @property
    def types(self) -> list[str]:
        """Data types supported by the server."""
        return parse_json(self.api.send("GET", "/api/server/compiled-types"), lambda reply: sorted(reply.keys()))

    def repo(self, version: str) -> Repo:
        """Return the repo of a version."""
        node = Node(self.api, resolve_version(self.api, version))
        return parse_json(self.api.send("GET", node.repo_path("info")), Repo.from_json)

    def node(self, version: str) -> DvidNode:
        """Return a version: a UUID, a unique prefix of one, either with ``:branch``, or a tag.

        Raises
        ------
        NotFound
            If the version does not exist.
        """
        return DvidNode(Node(self.api, resolve_version(self.api, version)))

    def create_repo(self, alias: str, description: str = "", *, root: str | None = None) -> DvidNode:
        """Create a repo and return its first version, which is open for changes.

        Parameters
        ----------
        alias, description : str
            Name and description.
        root : str, optional
            UUID of the first version, 32 hexadecimal digits; chosen by the server if None.

        Raises
        ------
        AccessDenied
            If the server requires an administrator: a token (``VOXOME_DVID_ADMIN_TOKEN`` with ``VOXOME_DVID_HOST``, or
            ``dvid_admin`` in the profile), or a user with these rights.
        AlreadyExists
            If a version with that UUID exists.
        """
        body = {"alias": alias, "description": description, **({} if root is None else {"root": root})}
        response = self.api.send("POST", "/api/repos", params=self.api.admin_params(), json=body)
        return DvidNode(Node(self.api, parse_json(response, lambda reply: parse_string(reply["root"]))))
