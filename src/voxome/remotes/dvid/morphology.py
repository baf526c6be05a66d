"""Meshes and skeletons of bodies, in the instances where FlyEM keeps them."""

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
from voxome.remotes.mesh_formats import FORMATS, decode_mesh


class Meshes:
    """Meshes of the bodies of a segmentation, in nm.

    They are sought as ``{segmentation}_meshes``, a key-value instance with keys such as ``1004.ngmesh``, then as
    ``{segmentation}_sv_meshes``, files of supervoxels that make up a body's mesh together.

    Parameters
    ----------
    node : Node
        The version.
    segmentation : str
        Name of the labels.
    """

    def __init__(self, node: Node, segmentation: str = "segmentation") -> None:
        self.labels = Labels(node, segmentation)
        self.bodies = KeyValue(node, f"{segmentation}_meshes")
        self.edits = KeyValue(node, f"{segmentation}_meshes_mutid")
        self.supervoxels = SupervoxelFiles(node, f"{segmentation}_sv_meshes")

    def get(self, body: int) -> Mesh:
        """The mesh of a body.

        Raises
        ------
        NotFound
            If there is none, or those of some of its supervoxels are not there.
        """
        stored = self._whole(body)
        if stored is not None:
            return decode_mesh(*stored)
        if self.supervoxels.name not in self._instances:
            keys = ", ".join(f"{body}{ending}" for ending in FORMATS)
            raise NotFound(f"body {body} has no mesh: no key {keys} in {self.bodies.name}")
        missing = self.supervoxels.missing(body)
        if missing:
            raise NotFound(f"body {body} has no whole mesh: {len(missing)} supervoxels have none, as {missing[0]}")
        return Mesh.join([decode_mesh(name, data) for name, data in self.supervoxels.of_body(body).items()])

    def many(self, bodies: Iterable[int]) -> dict[int, Mesh]:
        """The meshes of several bodies; those without one are left out."""
        wanted = list(bodies)
        found = fan_out(self._or_none, wanted, workers=WORKERS)
        return {body: mesh for body, mesh in zip(wanted, found, strict=True) if mesh is not None}

    def mutation_id(self, body: int) -> int | None:
        """The edit of the body that its mesh was made after; None where none is written down."""
        if self.edits.name not in self._instances:
            return None
        try:
            return int(self.edits[str(body)])
        except AbsentKey:
            return None
        except ValueError as error:
            raise CorruptData(f"{self.edits.name}, key {body}: a number was expected: {error}") from error

    def stale(self, body: int) -> bool:
        """Whether the body was edited after its mesh was made.

        Raises
        ------
        NotFound
            If it is not written down when that was, or there is no such body.
        """
        return _stale(body, self.mutation_id(body), self.labels)

    @cached_property
    def _instances(self) -> frozenset[str]:
        return frozenset(self.labels.node.instances())

    def _whole(self, body: int) -> tuple[str, bytes] | None:
        """Name and bytes of the file of a whole body."""
        if self.bodies.name not in self._instances:
            return None
        for ending in FORMATS:
            try:
                return f"{body}{ending}", self.bodies[f"{body}{ending}"]
            except AbsentKey:
                continue
        return None

    def _or_none(self, body: int) -> Mesh | None:
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
        Name of the labels; their voxel size turns the files' voxels into nm.
    """

    def __init__(self, node: Node, segmentation: str = "segmentation") -> None:
        self.labels = Labels(node, segmentation)
        self.files = KeyValue(node, f"{segmentation}_skeletons")

    def get(self, body: int) -> Skeleton:
        """The skeleton of a body.

        Raises
        ------
        NotFound
            If there is none.
        """
        return decode_swc(self.swc(body), self.labels.voxel_size_nm, f"{self.files.name}, key {body}_swc")

    def many(self, bodies: Iterable[int]) -> dict[int, Skeleton]:
        """The skeletons of several bodies; those without one are left out."""
        wanted = list(bodies)
        found = fan_out(self._or_none, wanted, workers=WORKERS)
        return {body: skeleton for body, skeleton in zip(wanted, found, strict=True) if skeleton is not None}

    def swc(self, body: int) -> str:
        """The file as it is stored, in voxels.

        Raises
        ------
        NotFound
            If there is none.
        """
        try:
            return self.files[f"{body}_swc"].decode()
        except AbsentKey:
            raise NotFound(f"body {body} has no skeleton in {self.files.name}") from None
        except UnicodeDecodeError as error:
            raise CorruptData(f"{self.files.name}, key {body}_swc: no text: {error}") from error

    def mutation_id(self, body: int) -> int | None:
        """The edit of the body that its skeleton was made after; None where the file does not say."""
        return swc_mutation_id(self.swc(body))

    def stale(self, body: int) -> bool:
        """Whether the body was edited after its skeleton was made.

        Raises
        ------
        NotFound
            If the file does not say when that was, or there is no such body.
        """
        return _stale(body, self.mutation_id(body), self.labels)

    def _or_none(self, body: int) -> Skeleton | None:
        try:
            return self.get(body)
        except NotFound:
            return None


def region_mesh(node: Node, region: str) -> Mesh:
    """The mesh of a region of interest, where FlyEM keeps it: its key in ``rois`` names an OBJ file in ``roi_data``.

    Raises
    ------
    NotFound
        If there is no such region, or it has no mesh.
    """
    said = KeyValue(node, "rois").get_json(region)
    try:
        key = said["->"]["key"]
    except (KeyError, TypeError):
        raise NotFound(f"region {region!r} names no mesh in rois: {said!r}") from None
    return decode_mesh(f"{key}.obj", KeyValue(node, "roi_data")[key])


def _stale(body: int, made_after: int | None, labels: Labels) -> bool:
    if made_after is None:
        raise NotFound(f"it is not written down which edit of body {body} that was made after")
    return labels.last_edit(body).mutation_id > made_after
