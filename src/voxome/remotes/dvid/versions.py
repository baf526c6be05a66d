"""One version of a DVID repo: its instances, its metadata, committing and branching."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx

from voxome.geometry import Box
from voxome.remotes.dvid.node import Node, resolve_version
from voxome.remotes.dvid.parsing import parse_json, parse_string, parse_strings
from voxome.remotes.dvid.types import extents_json

if TYPE_CHECKING:
    from voxome.contracts.shapes import Mesh
    from voxome.remotes.dvid.annotations import AnnotationInstance
    from voxome.remotes.dvid.connections import Connections
    from voxome.remotes.dvid.keyvalue import KeyValue
    from voxome.remotes.dvid.label_sizes import LabelSizes
    from voxome.remotes.dvid.labels import Labels
    from voxome.remotes.dvid.morphology import Meshes, Skeletons
    from voxome.remotes.dvid.neurons import Neurons
    from voxome.remotes.dvid.roi import Roi
    from voxome.remotes.dvid.supervoxels import SupervoxelFiles

MASTER = "master"
"""Name of the branch that has none in DVID."""


@dataclass(frozen=True)
class VersionInfo:
    """One version, as listed by its repo.

    Attributes
    ----------
    uuid : str
        Identifies the version.
    branch : str
        ``master``, or the name of a side branch; ``tag-…`` for a tag.
    note : str
        Note of the creation or the commit.
    log : tuple of str
        Lines with timestamps.
    locked : bool
        Whether the version is committed.
    parents, children : tuple of str
        UUIDs of the neighbours in the version graph.
    created, updated : str
        Times, ISO 8601.
    """

    uuid: str
    branch: str
    note: str
    log: tuple[str, ...]
    locked: bool
    parents: tuple[str, ...]
    children: tuple[str, ...]
    created: str
    updated: str


def parse_versions(repo: Mapping[str, Any]) -> dict[str, VersionInfo]:
    """Parse the JSON of a repo into versions by UUID, oldest first."""
    nodes = sorted(repo["DAG"]["Nodes"].values(), key=lambda node: int(node["VersionID"]))
    names = {node["VersionID"]: node["UUID"] for node in nodes}
    return {
        node["UUID"]: VersionInfo(
            node["UUID"],
            node["Branch"] or MASTER,
            node["Note"],
            tuple(node["Log"]),
            node["Locked"],
            tuple(names[i] for i in node["Parents"]),
            tuple(names[i] for i in node["Children"]),
            node["Created"],
            node["Updated"],
        )
        for node in nodes
    }


class DvidNode:
    """Version of a DVID repo, from ``voxome.connect("dvid://host/uuid")``.

    Parameters
    ----------
    node : Node
        Requests to the version.

    Examples
    --------
    >>> start = voxome.connect("dvid://host:8000/4e1f0a")       # doctest: +SKIP
    >>> start.commit("ingested")                                # doctest: +SKIP
    >>> work = start.new_version("proofreading")                # doctest: +SKIP
    >>> work.labels("segmentation").merge(1004, [1115])         # doctest: +SKIP
    """

    def __init__(self, node: Node) -> None:
        self.node = node

    def __repr__(self) -> str:
        return f"DvidNode({self.url!r}, {self.uuid!r})"

    @property
    def url(self) -> str:
        """Address of the server."""
        return self.node.api.base

    @property
    def uuid(self) -> str:
        """UUID of the version."""
        return self.node.uuid

    @property
    def instances(self) -> dict[str, str]:
        """Types of the data instances of the repo, by name."""
        return self.node.instances()

    @property
    def versions(self) -> dict[str, VersionInfo]:
        """All versions of the repo by UUID, oldest first."""
        return parse_json(self.node.api.send("GET", self.node.repo_path("info")), parse_versions)

    @property
    def info(self) -> VersionInfo:
        """Description of this version."""
        return self.versions[self.uuid]

    @property
    def branches(self) -> list[str]:
        """Names of all branches of the repo, ``master`` first."""
        return list(dict.fromkeys(version.branch for version in self.versions.values()))

    def branch_versions(self, branch: str = MASTER) -> list[str]:
        """Return the UUIDs of a branch from its leaf to the root of the repo; empty if the branch does not exist."""
        return parse_json(self.node.api.send("GET", self.node.repo_path("branch-versions", branch)), parse_strings)

    @property
    def locked(self) -> bool:
        """Whether the version is committed: then only unversioned instances can be changed."""
        return self.node.locked()

    @property
    def note(self) -> str:
        """Note of the version."""
        return parse_json(self.node.api.send("GET", self.node.path("note")), lambda reply: str(reply["note"]))

    @property
    def log(self) -> list[str]:
        """Log of the version, one line per entry, with timestamps."""
        return parse_json(self.node.api.send("GET", self.node.path("log")), lambda reply: parse_strings(reply["log"]))

    def set_note(self, text: str) -> None:
        """Set the note; only before the version is committed."""
        self._post("note", note=text)

    def add_log(self, *lines: str) -> None:
        """Add lines to the log."""
        self._post("log", log=list(lines))

    def commit(self, note: str = "", log: Iterable[str] = ()) -> None:
        """Lock the version permanently.

        Raises
        ------
        ReadOnly
            If it is already committed.
        """
        self._post("commit", note=note, log=list(log))

    def new_version(self, note: str = "", *, uuid: str | None = None) -> DvidNode:
        """Create a child on the same branch, open for changes; the version must be committed and have no child yet.

        Parameters
        ----------
        note : str
            Purpose of the version.
        uuid : str, optional
            UUID of the child, 32 hexadecimal digits; chosen by the server if None.
        """
        return self._child(self._post("newversion", note=note, uuid=uuid))

    def branch(self, name: str, note: str = "", *, uuid: str | None = None) -> DvidNode:
        """Create a child on a new branch, open for changes; the version must be committed.

        Raises
        ------
        AlreadyExists
            If the repo has a branch of that name.
        """
        return self._child(self._post("branch", branch=name, note=note, uuid=uuid))

    def tag(self, name: str, note: str = "") -> DvidNode:
        """Tag the version with a name that can be used instead of its UUID; DVID stores it as a locked child."""
        return self._child(self._post("tag", tag=name, note=note))

    def merge_versions(self, others: Iterable[str], note: str = "") -> DvidNode:
        """Merge this version and others, all committed, into a new one; DVID takes it that they have no conflicts.

        Parameters
        ----------
        others : iterable of str
            UUIDs.
        note : str
            Purpose of the new version.
        """
        return self._merged("merge", others, note, mergeType="conflict-free")

    def resolve_versions(self, others: Iterable[str], instances: Iterable[str], note: str = "") -> DvidNode:
        """Merge this version and others, all committed; where they conflict, the earlier ones win, this one first.

        Parameters
        ----------
        others : iterable of str
            UUIDs, the most important first.
        instances : iterable of str
            Data instances in which conflicts are resolved.
        note : str
            Purpose of the new version.
        """
        return self._merged("resolve", others, note, data=list(instances))

    def reload_metadata(self) -> None:
        """Let the server read the metadata of all repos again, as after another server has changed them.

        Raises
        ------
        AccessDenied
            If the server requires an administrator; see `Dvid.create_repo`.
        """
        api = self.node.api
        api.send("POST", "/api/server/reload-metadata", params=api.admin_params())

    def set_user(self, user: str | None) -> None:
        """Send this user with changes; that of the profile, or of this machine, if None."""
        self.node.api.user = user

    def at(self, version: str) -> DvidNode:
        """Return another version: a UUID, a unique prefix of one, either with ``:branch``, or a tag."""
        return DvidNode(Node(self.node.api, resolve_version(self.node.api, version)))

    def create_instance(
        self,
        name: str,
        type: str,
        *,
        versioned: bool = True,
        sync: Iterable[str] = (),
        settings: Mapping[str, str] | None = None,
    ) -> None:
        """Create a data instance in this version and all later ones.

        Parameters
        ----------
        name, type : str
            Such as ``"synapses", "annotation"``.
        versioned : bool
            If false, all versions share the data, and no commit locks them.
        sync : iterable of str
            Instances that it is synced with.
        settings : mapping, optional
            Further settings of the type, such as ``{"BlockSize": "64,64,64"}``.

        Raises
        ------
        AlreadyExists
            If the repo has an instance of that name.
        """
        body = {"typename": type, "dataname": name, **({} if versioned else {"versioned": "0"}), **(settings or {})}
        self.node.api.send("POST", self.node.repo_path("instance"), json=body)
        if names := ",".join(sync):
            self.node.post(name, "sync", json={"sync": names}, idempotent=True)

    def set_extents(self, instance: str, domain: Box) -> None:
        """Set the domain (z, y, x) of a volume; no voxels are stored or removed."""
        self.node.post(instance, "extents", json=extents_json(domain), idempotent=True)

    def set_voxel_size(self, instance: str, voxel_size_nm: tuple[float, float, float]) -> None:
        """Set the voxel size (z, y, x) of a volume, in the unit that it was created with (usually nm)."""
        self.node.post(instance, "resolution", json=list(reversed(voxel_size_nm)), idempotent=True)

    def labels(self, name: str = "segmentation") -> Labels:
        """Return the labels of a labelmap: look-ups, shapes, edits, history."""
        from voxome.remotes.dvid.labels import Labels

        return Labels(self.node, name)

    def keyvalue(self, name: str) -> KeyValue:
        """Return a key-value instance."""
        from voxome.remotes.dvid.keyvalue import KeyValue

        return KeyValue(self.node, name)

    def annotations(self, name: str = "synapses") -> AnnotationInstance:
        """Return points with kinds, tags and relations, such as synapses."""
        from voxome.remotes.dvid.annotations import AnnotationInstance

        return AnnotationInstance(self.node, name)

    def connections(self, synapses: str = "synapses", segmentation: str = "segmentation") -> Connections:
        """Return the connections of bodies, from synapses and the labels at their positions."""
        from voxome.remotes.dvid.connections import Connections

        return Connections(self.annotations(synapses), self.labels(segmentation))

    def synapse_counts(self, name: str = "synapses_labelsz") -> LabelSizes:
        """Return the numbers of annotated points of bodies, counted by the server."""
        from voxome.remotes.dvid.label_sizes import LabelSizes

        return LabelSizes(self.node, name)

    def roi(self, name: str) -> Roi:
        """Return a region of interest."""
        from voxome.remotes.dvid.roi import Roi

        return Roi(self.node, name)

    def neurons(self, name: str = "segmentation_annotations") -> Neurons:
        """Return the properties of neurons."""
        from voxome.remotes.dvid.neurons import Neurons

        return Neurons(self.node, name)

    def supervoxels(self, name: str) -> SupervoxelFiles:
        """Return files stored by supervoxel."""
        from voxome.remotes.dvid.supervoxels import SupervoxelFiles

        return SupervoxelFiles(self.node, name)

    def meshes(self, segmentation: str = "segmentation") -> Meshes:
        """Return the meshes of the bodies of a segmentation, in FlyEM's layout."""
        from voxome.remotes.dvid.morphology import Meshes

        return Meshes(self.node, segmentation)

    def skeletons(self, segmentation: str = "segmentation") -> Skeletons:
        """Return the skeletons of the bodies of a segmentation, in FlyEM's layout."""
        from voxome.remotes.dvid.morphology import Skeletons

        return Skeletons(self.node, segmentation)

    def region_mesh(self, region: str) -> Mesh:
        """Return the mesh of a region of interest, in FlyEM's layout."""
        from voxome.remotes.dvid.morphology import region_mesh

        return region_mesh(self.node, region)

    def _post(self, action: str, **fields: Any) -> httpx.Response:
        body = {name: value for name, value in fields.items() if value is not None}
        return self.node.api.send("POST", self.node.path(action), json=body)

    def _merged(self, action: str, others: Iterable[str], note: str, **fields: Any) -> DvidNode:
        body = {**fields, "parents": [self.uuid, *others], "note": note}
        return self._child(self.node.api.send("POST", self.node.repo_path(action), json=body))

    def _child(self, response: httpx.Response) -> DvidNode:
        return DvidNode(Node(self.node.api, parse_json(response, lambda reply: parse_string(reply["child"]))))
