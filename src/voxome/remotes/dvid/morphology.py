"""Meshes and skeletons of bodies, in FlyEM's layout of instances."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property

from voxome.contracts.shapes import Mesh, Skeleton
from voxome.errors import CorruptData, NotFound
from voxome.remotes.dvid.instance import WORKERS
from voxome.remotes.dvid.keyvalue import AbsentKey, KeyValue
from voxome.remotes.dvid.labels import Labels
from voxome.remotes.dvid.node import Node
from voxome.remotes.dvid.supervoxels import SupervoxelFiles
from voxome.remotes.dvid.swc import decode_swc, swc_mutation_id
from voxome.remotes.http import fan_out
from voxome.remotes.mesh_formats import decode_mesh

EXTENSIONS = (".ngmesh", ".obj", ".drc")
"""Ends of the keys of meshes, in the order in which they are tried."""


class Meshes:
    """Meshes of the bodies of a segmentation, in nm.

    They are read from the key-value instance ``{segmentation}_meshes``, with keys such as ``1004.ngmesh``, or else
    joined from the files of a body's supervoxels in ``{segmentation}_sv_meshes``.

    Parameters
    ----------
    node : Node
        The version.
    segmentation : str
        Name of the labelmap.
    """

    def __init__(self, node: Node, segmentation: str = "segmentation") -> None:
        self.labels = Labels(node, segmentation)
        self.bodies = KeyValue(node, f"{segmentation}_meshes")
        self.edits = KeyValue(node, f"{segmentation}_meshes_mutid")
        self.supervoxels = SupervoxelFiles(node, f"{segmentation}_sv_meshes")

    def get(self, body: int) -> Mesh:
        """Return the mesh of a body.

        Raises
        ------
        NotFound
            If it does not exist, or only for some of its supervoxels.
        """
        stored = self._body_file(body)
        if stored is not None:
            return decode_mesh(*stored)
        if self.supervoxels.name not in self._instances:
            keys = ", ".join(f"{body}{extension}" for extension in EXTENSIONS)
            raise NotFound(f"no mesh of body {body}: no key {keys} in {self.bodies.name}")
        missing = self.supervoxels.missing(body)
        if missing:
            raise NotFound(
                f"the mesh of body {body} is incomplete: {len(missing)} supervoxels have none, such as {missing[0]}"
            )
        return Mesh.join([decode_mesh(name, data) for name, data in self.supervoxels.by_body(body).items()])

    def get_many(self, bodies: Iterable[int]) -> dict[int, Mesh]:
        """Return the meshes of several bodies; bodies without one are omitted."""
        labels = list(bodies)
        meshes = fan_out(self._get_or_none, labels, workers=WORKERS)
        return {body: mesh for body, mesh in zip(labels, meshes, strict=True) if mesh is not None}

    def mutation_id(self, body: int) -> int | None:
        """Return the id of the body's last edit before its mesh was computed; None if it is not recorded."""
        if self.edits.name not in self._instances:
            return None
        try:
            return int(self.edits[str(body)])
        except AbsentKey:
            return None
        except ValueError as error:
            raise CorruptData(f"{self.edits.name}, key {body}: expected a number: {error}") from error

    def is_stale(self, body: int) -> bool:
        """Return whether the body was edited after its mesh was computed.

        Raises
        ------
        NotFound
            If the edit is not recorded, or the body does not exist.
        """
        return _is_stale(body, self.mutation_id(body), self.labels)

    @cached_property
    def _instances(self) -> frozenset[str]:
        return frozenset(self.labels.node.instances())

    def _body_file(self, body: int) -> tuple[str, bytes] | None:
        """Return name and content of the mesh file of a body."""
        if self.bodies.name not in self._instances:
            return None
        for extension in EXTENSIONS:
            try:
                return f"{body}{extension}", self.bodies[f"{body}{extension}"]
            except AbsentKey:
                continue
        return None

    def _get_or_none(self, body: int) -> Mesh | None:
        try:
            return self.get(body)
        except NotFound:
            return None


class Skeletons:
    """Skeletons of the bodies of a segmentation: SWC files in ``{segmentation}_skeletons``, under ``1004_swc``.

    Parameters
    ----------
    node : Node
        The version.
    segmentation : str
        Name of the labelmap; its voxel size converts the files' voxels to nm.
    """

    def __init__(self, node: Node, segmentation: str = "segmentation") -> None:
        self.labels = Labels(node, segmentation)
        self.files = KeyValue(node, f"{segmentation}_skeletons")

    def get(self, body: int) -> Skeleton:
        """Return the skeleton of a body.

        Raises
        ------
        NotFound
            If the body has none.
        """
        return decode_swc(self.swc(body), self.labels.voxel_size_nm, f"{self.files.name}, key {body}_swc")

    def get_many(self, bodies: Iterable[int]) -> dict[int, Skeleton]:
        """Return the skeletons of several bodies; bodies without one are omitted."""
        labels = list(bodies)
        skeletons = fan_out(self._get_or_none, labels, workers=WORKERS)
        return {body: skeleton for body, skeleton in zip(labels, skeletons, strict=True) if skeleton is not None}

    def swc(self, body: int) -> str:
        """Return the SWC file of a body as it is stored, in voxels.

        Raises
        ------
        NotFound
            If the body has none.
        """
        try:
            return self.files[f"{body}_swc"].decode()
        except AbsentKey:
            raise NotFound(f"no skeleton of body {body} in {self.files.name}") from None
        except UnicodeDecodeError as error:
            raise CorruptData(f"{self.files.name}, key {body}_swc: not UTF-8: {error}") from error

    def mutation_id(self, body: int) -> int | None:
        """Return the id of the body's last edit before its skeleton was computed; None if it is not recorded."""
        return swc_mutation_id(self.swc(body))

    def is_stale(self, body: int) -> bool:
        """Return whether the body was edited after its skeleton was computed.

        Raises
        ------
        NotFound
            If the file does not contain the edit, or the body does not exist.
        """
        return _is_stale(body, self.mutation_id(body), self.labels)

    def _get_or_none(self, body: int) -> Skeleton | None:
        try:
            return self.get(body)
        except NotFound:
            return None


def region_mesh(node: Node, region: str) -> Mesh:
    """Return the mesh of a region of interest: its key in ``rois`` refers to an OBJ file in ``roi_data``.

    Raises
    ------
    NotFound
        If the region does not exist, or has no mesh.
    """
    entry = KeyValue(node, "rois").get_json(region)
    try:
        key = entry["->"]["key"]
    except (KeyError, TypeError):
        raise NotFound(f"region {region!r} has no mesh: its entry in rois is {entry!r}") from None
    return decode_mesh(f"{key}.obj", KeyValue(node, "roi_data")[key])


def _is_stale(body: int, mutation_id: int | None, labels: Labels) -> bool:
    if mutation_id is None:
        raise NotFound(f"the last edit before it was computed is not recorded for body {body}")
    return labels.last_edit(body).mutation_id > mutation_id
