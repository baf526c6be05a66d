"""Meshes of the objects of a label volume, computed when they are wanted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.abilities import SupportsIds, ability
from voxome.contracts.provenance import LOCAL, Provenance
from voxome.contracts.shapes import Mesh
from voxome.errors import InvalidInput, NotFound
from voxome.geometry import BlockGrid, Box
from voxome.registry import load
from voxome.resources.local_ids import blocks_of, require_positive
from voxome.resources.provenance import input_record
from voxome.resources.volume import Volume
from voxome.services.ids import bounding_box, ids
from voxome.tools.common.meshing.objects import Lengths, LevelErrors, mesh_object
from voxome.tools.common.meshing.surface import Piece, mesh_block

MAX_LEVELS = 10
"""Levels of detail that a mesh may have."""
_MAX_BLOCK = 16384
"""Voxels of a block along an axis, so that half voxels fit into 16 bits."""


@dataclass(frozen=True)
class LocalMeshes:
    """Meshes of the objects of a label volume; a source, as `voxome.contracts.source.MeshSource`.

    Each is computed from the blocks that its bounding box touches, which come from the store's index of labels or, once
    several are wanted, from one pass over the volume. Memory is that of a block, and of the one object.

    Attributes
    ----------
    labels : Volume
        Labels (z, y, x).
    region : Box
        Part of them, at the faces of which meshes are closed.
    origin_nm : (z, y, x)
        Position of the corner of voxel 0.
    max_error_nm : float
        Largest distance from the surface of the voxels; doubled by every level of detail.
    block : (z, y, x), optional
        Voxels of a block; whole chunks if None.
    chosen : tuple of int, optional
        Ids of the objects; all if None.
    service : str
        Which service they are of, ``mesh`` or ``meshes``.
    """

    labels: Volume
    region: Box
    origin_nm: Lengths
    max_error_nm: float = 0.0
    block: tuple[int, int, int] | None = None
    chosen: tuple[int, ...] | None = None
    service: str = "meshes"

    def ids(self) -> NDArray[np.uint64]:
        """Return the ids of all objects with a voxel in the region, or of those that were chosen, sorted."""
        return self._found if self.chosen is None else np.array(sorted({*self.chosen}), np.uint64)

    def mesh(self, id: int, lod: int = 0) -> Mesh:
        """Compute the mesh of an object; see `MeshSource.mesh`."""
        if self.chosen is not None and id not in self.chosen:
            raise NotFound(f"{self._name}: object {id} is not among those that were chosen")
        return self._compute(id, self._box_of(id), lod)

    def only(self, id: int, lod: int = 0) -> Mesh:
        """Compute the mesh of an object, the only one that is wanted: the volume is read once, without a pass before.

        Raises
        ------
        NotFound
            If it does not exist.
        """
        index = ability(self.labels.source, SupportsIds)
        return self._compute(id, self._box_of(id) if index is not None else self.region, lod)

    def require_ids(self) -> None:
        """Check that the objects that were chosen exist.

        Raises
        ------
        NotFound
        """
        for id in self.chosen or ():
            self._box_of(id)

    def read_provenance(self) -> tuple[Provenance, ...]:
        """Return what makes the meshes."""
        return (self._provenance({}),)

    def add_provenance(self, one: Provenance) -> None:
        """Refuse an entry.

        Raises
        ------
        InvalidInput
        """
        raise InvalidInput("meshes that are computed when they are wanted are not stored; write them to a store first")

    @property
    def _name(self) -> str:
        return self.labels.uri or "the array"

    @property
    def _size(self) -> Lengths:
        size = self.labels.voxel_size_nm
        assert size is not None, "the service checks it"
        return size

    @cached_property
    def _found(self) -> NDArray[np.uint64]:
        if ability(self.labels.source, SupportsIds) is not None:
            return ids(self.labels, self.region)
        return np.array(sorted(self._boxes), np.uint64)

    @cached_property
    def _boxes(self) -> dict[int, Box]:
        """Bounding boxes of all objects, from one pass over the voxels."""
        from voxome.services.regions import regions

        table = regions(self.labels, box=self.region)
        corners = [np.stack([table[f"{end}_{axis}"] for axis in "zyx"], axis=1).tolist() for end in ("start", "stop")]
        return {
            id: Box(tuple(start), tuple(stop)) for id, start, stop in zip(table["id"].tolist(), *corners, strict=True)
        }

    def _box_of(self, id: int) -> Box:
        """Return the bounding box of an object in the region."""
        if ability(self.labels.source, SupportsIds) is not None:
            box = bounding_box(self.labels, id, exact=False) & self.region
            if box.empty:
                raise self._missing(id)
            return box
        if id not in self._boxes:
            raise self._missing(id)
        return self._boxes[id]

    def _compute(self, id: int, box: Box, lod: int) -> Mesh:
        if lod >= MAX_LEVELS:
            raise NotFound(f"{self._name}: meshes have levels of detail 0 to {MAX_LEVELS - 1}, not {lod}")
        pieces = list(self._pieces(id, box))
        if not any(piece.voxels for piece in pieces):
            raise self._missing(id)
        bounds = LevelErrors.of(self.max_error_nm, lod + 1, self._size).bounds_nm
        (mesh,) = mesh_object(pieces, self._size, LevelErrors(bounds[-1:]), origin_nm=self.origin_nm).levels
        return Mesh(mesh.vertices_nm, mesh.faces, self._provenance({"id": str(id), "lod": lod}))

    def _pieces(self, id: int, box: Box) -> Iterator[Piece]:
        """Yield the pieces of an object that the blocks of a box have."""
        dtype = self.labels.dtype
        if id > np.iinfo(dtype).max:
            return
        for block in BlockGrid(box, self._block_of(box), halo=((0, 0, 0), (1, 1, 1)), anchor=self.labels.domain.start):
            labels = self.labels.source.read(block.read)
            require_positive(labels, self._name)
            mask = labels == dtype.type(id)
            if mask.any():
                for piece in mesh_block(mask.view(np.uint8), block.read, block.write, box):
                    yield Piece(id, piece.start, piece.voxels, piece.vertices, piece.faces, piece.borders)

    def _block_of(self, box: Box) -> tuple[int, ...]:
        return self.block or tuple(min(n, _MAX_BLOCK) for n in blocks_of(self.labels.source, box, halo=1).block)

    def _missing(self, id: int) -> NotFound:
        part = "" if self.region == self.labels.domain else f" in {self.region}"
        return NotFound(f"{self._name} has no label {id}{part}; its `ids()` are the labels that it has")

    def _provenance(self, of: dict[str, object]) -> Provenance:
        spec = load("voxome.tools", "common.meshes").spec
        parameters = {
            **of,
            "max_error_nm": self.max_error_nm,
            "box": str(self.region),
            "voxel_size_nm": list(self._size),
        }
        inputs = [input_record("labels", self.labels.source, self.labels.uri)]
        return Provenance.now(self.service, LOCAL, spec.name, spec.version, parameters, inputs)
