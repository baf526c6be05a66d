"""One version of a DVID repo: what is in it, how it is committed, and what grows from it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from voxome.geometry import Box
from voxome.remotes.dvid.node import Node, resolve
from voxome.remotes.dvid.parsing import text, texts, understood
from voxome.remotes.dvid.types import extents

if TYPE_CHECKING:
    from voxome.contracts.shapes import Mesh
    from voxome.remotes.dvid.annotations import Annotations
    from voxome.remotes.dvid.connections import Connections
    from voxome.remotes.dvid.keyvalue import KeyValue
    from voxome.remotes.dvid.label_sizes import LabelSizes
    from voxome.remotes.dvid.labels import Labels
    from voxome.remotes.dvid.morphology import Meshes, Skeletons
    from voxome.remotes.dvid.neurons import Neurons
    from voxome.remotes.dvid.roi import Roi
    from voxome.remotes.dvid.supervoxels import SupervoxelFiles

MASTER = "master"
"""How the branch without a name is called."""


@dataclass(frozen=True)
class VersionInfo:
    """One version, as the repo lists it.

    Attributes
    ----------
    uuid : str
        Its name.
    branch : str
        ``master``, or the name of a side branch; ``tag-…`` for a tag.
    note : str
        What was said when it was made or committed.
    log : tuple of str
        Lines with their times.
    locked : bool
        Whether it is committed.
    parents, children : tuple of str
        Their UUIDs.
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


def versions_of(repo: Mapping[str, Any]) -> dict[str, VersionInfo]:
    """UUID → version, oldest first, from the JSON of a repo."""
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
    """One version: reached by ``voxome.connect("dvid://host/uuid")``.

    Parameters
    ----------
    node : Node
        Its address.

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
        """The name of the version."""
        return self.node.uuid

    @property
    def instances(self) -> dict[str, str]:
        """Name → type of the data instances of the repo."""
        return self.node.instances()

    @property
    def versions(self) -> dict[str, VersionInfo]:
        """UUID → version of all of the repo, oldest first."""
        return understood(self.node.api.send("GET", self.node.repo_path("info")), versions_of)

    @property
    def info(self) -> VersionInfo:
        """This version."""
        return self.versions[self.uuid]

    @property
    def branches(self) -> list[str]:
        """Names of all branches of the repo, ``master`` first."""
        return list(dict.fromkeys(version.branch for version in self.versions.values()))

    def branch_versions(self, branch: str = MASTER) -> list[str]:
        """The UUIDs of a branch, from its leaf to the root of the repo; none if there is no such branch."""
        return understood(self.node.api.send("GET", self.node.repo_path("branch-versions", branch)), texts)

    @property
    def locked(self) -> bool:
        """Whether the version is committed: nothing in it but unversioned instances changes any more."""
        return self.node.locked()

    @property
    def note(self) -> str:
        """What was said of the version."""
        return understood(self.node.api.send("GET", self.node.path("note")), lambda said: str(said["note"]))

    @property
    def log(self) -> list[str]:
        """Its log, a line an entry, with times."""
        return understood(self.node.api.send("GET", self.node.path("log")), lambda said: texts(said["log"]))

    def set_note(self, text: str) -> None:
        """Say what the version is; not once it is committed."""
        self._post("note", note=text)

    def add_log(self, *lines: str) -> None:
        """Add lines to its log."""
        self._post("log", log=list(lines))

    def commit(self, note: str = "", log: Iterable[str] = ()) -> None:
        """Lock the version for good.

        Raises
        ------
        ReadOnly
            If it is committed already.
        """
        self._post("commit", note=note, log=list(log))

    def new_version(self, note: str = "", *, uuid: str | None = None) -> DvidNode:
        """A child on the same branch, open for changes; the version must be committed, and have none yet.

        Parameters
        ----------
        note : str
            What it is for.
        uuid : str, optional
            Its name, 32 hexadecimal digits; the server takes one otherwise.
        """
        return self._child(self._post("newversion", note=note, uuid=uuid))

    def branch(self, name: str, note: str = "", *, uuid: str | None = None) -> DvidNode:
        """A child on a branch of its own, open for changes; the version must be committed.

        Raises
        ------
        AlreadyExists
            If the repo has such a branch.
        """
        return self._child(self._post("branch", branch=name, note=note, uuid=uuid))

    def tag(self, name: str, note: str = "") -> DvidNode:
        """Give the version a name that can take the place of its UUID; DVID keeps it as a locked child."""
        return self._child(self._post("tag", tag=name, note=note))

    def at(self, version: str) -> DvidNode:
        """Another version: a UUID, the unique beginning of one, either with ``:branch``, or a tag."""
        return DvidNode(Node(self.node.api, resolve(self.node.api, version)))

    def create_instance(
        self,
        name: str,
        type: str,
        *,
        versioned: bool = True,
        sync: Iterable[str] = (),
        settings: Mapping[str, str] | None = None,
    ) -> None:
        """Make a data instance in this version and all that follow.

        Parameters
        ----------
        name, type : str
            As ``"synapses", "annotation"``.
        versioned : bool
            If false, all versions share its data, which no commit locks.
        sync : iterable of str
            Instances that it follows.
        settings : mapping, optional
            What else the type takes, as ``{"BlockSize": "64,64,64"}``.

        Raises
        ------
        AlreadyExists
            If the repo has one of that name.
        """
        body = {"typename": type, "dataname": name, **({} if versioned else {"versioned": "0"}), **(settings or {})}
        self.node.api.send("POST", self.node.repo_path("instance"), json=body)
        if names := ",".join(sync):
            self.node.post(name, "sync", json={"sync": names}, idempotent=True)

    def set_extents(self, instance: str, domain: Box) -> None:
        """Say which voxels (z, y, x) an instance of voxels has; nothing is stored or removed."""
        self.node.post(instance, "extents", json=extents(domain), idempotent=True)

    def set_voxel_size(self, instance: str, voxel_size_nm: tuple[float, float, float]) -> None:
        """Say how large (z, y, x) the voxels of an instance are, in the unit that it was made with (nm as a rule)."""
        self.node.post(instance, "resolution", json=list(reversed(voxel_size_nm)), idempotent=True)

    def labels(self, name: str = "segmentation") -> Labels:
        """Labels of a labelmap: look-ups, shapes, edits, history."""
        from voxome.remotes.dvid.labels import Labels

        return Labels(self.node, name)

    def keyvalue(self, name: str) -> KeyValue:
        """Values by key."""
        from voxome.remotes.dvid.keyvalue import KeyValue

        return KeyValue(self.node, name)

    def annotations(self, name: str = "synapses") -> Annotations:
        """Points with kinds, tags and relations, as synapses are."""
        from voxome.remotes.dvid.annotations import Annotations

        return Annotations(self.node, name)

    def connections(self, synapses: str = "synapses", segmentation: str = "segmentation") -> Connections:
        """Who connects to whom, by synapses and the bodies that they lie in."""
        from voxome.remotes.dvid.connections import Connections

        return Connections(self.annotations(synapses), self.labels(segmentation))

    def synapse_counts(self, name: str = "synapses_labelsz") -> LabelSizes:
        """How many annotated points bodies have, as the server counts them."""
        from voxome.remotes.dvid.label_sizes import LabelSizes

        return LabelSizes(self.node, name)

    def roi(self, name: str) -> Roi:
        """A region of interest."""
        from voxome.remotes.dvid.roi import Roi

        return Roi(self.node, name)

    def neurons(self, name: str = "segmentation_annotations") -> Neurons:
        """Properties of neurons."""
        from voxome.remotes.dvid.neurons import Neurons

        return Neurons(self.node, name)

    def supervoxels(self, name: str) -> SupervoxelFiles:
        """Files by supervoxel."""
        from voxome.remotes.dvid.supervoxels import SupervoxelFiles

        return SupervoxelFiles(self.node, name)

    def meshes(self, segmentation: str = "segmentation") -> Meshes:
        """Meshes of the bodies of a segmentation, where FlyEM keeps them."""
        from voxome.remotes.dvid.morphology import Meshes

        return Meshes(self.node, segmentation)

    def skeletons(self, segmentation: str = "segmentation") -> Skeletons:
        """Skeletons of the bodies of a segmentation, where FlyEM keeps them."""
        from voxome.remotes.dvid.morphology import Skeletons

        return Skeletons(self.node, segmentation)

    def region_mesh(self, region: str) -> Mesh:
        """The mesh of a region of interest, where FlyEM keeps it."""
        from voxome.remotes.dvid.morphology import region_mesh

        return region_mesh(self.node, region)

    def _post(self, what: str, **said: Any) -> Any:
        body = {name: value for name, value in said.items() if value is not None}
        return self.node.api.send("POST", self.node.path(what), json=body)

    def _child(self, answer: Any) -> DvidNode:
        return DvidNode(Node(self.node.api, understood(answer, lambda said: text(said["child"]))))
