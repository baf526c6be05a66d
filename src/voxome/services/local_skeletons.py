"""Skeletons of the segments of a volume, computed when they are used."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.provenance import LOCAL, InputRecord, Provenance
from voxome.contracts.shapes import Skeleton
from voxome.errors import InvalidBox, InvalidInput, NotFound, VoxomeError
from voxome.extras import require
from voxome.geometry import BlockGrid, Box
from voxome.geometry.places import voxels_at
from voxome.registry import load
from voxome.resources.addresses import absolute_text
from voxome.resources.local_ids import require_positive
from voxome.resources.volume import Volume

if TYPE_CHECKING:
    from voxome.tools.common.skeletonization.given_points import GivenPoints
    from voxome.tools.common.skeletonization.parameters import Teasar
    from voxome.tools.common.skeletonization.pieces import Piece

BLOCK = (256, 256, 256)
"""Largest block that is in memory at once; it is rounded up to whole cells."""


@dataclass(frozen=True)
class Options:
    """Parameters of the tools of skeletons."""

    scale: float
    const_nm: float
    soma_radius_nm: float

    @classmethod
    def of(cls, scale: float, const_nm: float, soma_radius_nm: float) -> Self:
        """Return checked parameters.

        Raises
        ------
        InvalidInput
            If one is not a finite number of at least 0.
        """
        parameters = load("voxome.tools", "common.skeletons").spec.parameters
        checked = {}
        for name, value in {"scale": scale, "const_nm": const_nm, "soma_radius_nm": soma_radius_nm}.items():
            try:
                checked[name] = parameters[name].check(value)
            except InvalidInput as error:
                raise InvalidInput(f"{name} is {error}") from error
        return cls(**checked)

    def to_json(self) -> dict[str, float]:
        """Return them by name."""
        return asdict(self)


class LocalSkeletons:
    """The skeletons of a label volume as a source.

    Parameters
    ----------
    labels : Volume
        Labels (z, y, x).
    options : Options
        Parameters of the tools.
    ids : sequence of int, optional
        The segments; all if None.
    box : Box or str, optional
        Part of the volume.
    origin_nm : (z, y, x)
        Position of the corner of voxel 0.
    cross_sections : bool
        Whether nodes have the area of the cross-section there.
    points : str, optional
        Table of roots and targets.

    Raises
    ------
    InvalidBox
        If the box is empty or leaves the volume.
    InvalidInput
        If the volume has no voxel size.
    """

    def __init__(
        self,
        labels: Volume,
        options: Options,
        ids: Sequence[int] | None,
        box: Box | str | None,
        origin_nm: tuple[float, float, float] = (0.0, 0.0, 0.0),
        cross_sections: bool = False,
        points: str | None = None,
    ) -> None:
        require("services", "cc3d", "edt", "fastremap", "numba")
        self._labels, self._options, self._origin = labels, options, np.array(origin_nm)
        self._cross_sections, self._points = cross_sections, points
        self._ids = None if ids is None else np.unique(np.array(ids, np.uint64))
        self._region = labels.domain if box is None else Box.of(box, labels.domain)
        if labels.voxel_size_nm is None:
            raise InvalidInput(
                f"{labels.uri or 'the array'} has no voxel size; pass voxel_size_nm=(z, y, x) with an array, or set it "
                "in the store"
            )
        self._size = labels.voxel_size_nm
        if self._region.empty or self._region not in labels.domain:
            raise InvalidBox(
                f"the box {self._region} is empty or leaves the volume; expected a box inside {labels.domain}"
            )

    def ids(self) -> NDArray[np.uint64]:
        """Return the ids of the segments, sorted."""
        return self._ids if self._ids is not None else np.array(sorted(self._pieces), np.uint64)

    def require_ids(self) -> None:
        """Check that the segments that were chosen exist, before any is traced.

        Raises
        ------
        NotFound
        """
        if self._ids is not None:
            for id in np.setdiff1d(self._ids, self._labels.ids(self._region)).tolist():
                raise self._missing(id)

    def skeleton(self, id: int) -> Skeleton:
        """Return the skeleton of a segment.

        Raises
        ------
        NotFound
            If there is no such segment.
        """
        from voxome.tools.common.skeletonization.objects import build_skeleton

        if id not in self._pieces:
            raise self._missing(id)
        root, targets = (None, ()) if self._given is None else self._given.of_object(id)
        found = build_skeleton(self._pieces[id], self._size, self._teasar, root, targets, self._region)
        return self._recorded(id, found)

    def trace(
        self, id: int, root_nm: Sequence[float] | None = None, targets_nm: Sequence[Sequence[float]] = ()
    ) -> Skeleton:
        """Return the skeleton of one segment; only its bounding box is read.

        Raises
        ------
        NotFound
            If there is no such segment.
        InvalidInput
            If root or targets are outside it.
        """
        from voxome.tools.common.skeletonization.objects import build_skeleton

        region = self._labels.bounding_box(id, exact=True) & self._region
        given = [*([] if root_nm is None else [root_nm]), *targets_nm]
        points = voxels_at(np.array(given, float).reshape(-1, 3), self._size, self._origin)
        self._require_inside(id, points, given)
        pieces = self._traced(region, np.array([id], np.uint64), points) if id and not region.empty else {}
        if id not in pieces:
            raise self._missing(id)
        root = None if root_nm is None else points[0]
        targets = points if root_nm is None else points[1:]
        found = build_skeleton(pieces[id], self._size, self._teasar, root, targets, self._region)
        return self._recorded(id, found, root_nm, targets_nm)

    @cached_property
    def _pieces(self) -> dict[int, list[Piece]]:
        pieces = self._traced(self._region, self._ids, given=self._given)
        if self._ids is not None:
            for id in self._ids.tolist():
                if id not in pieces:
                    raise self._missing(id)
        return pieces

    @cached_property
    def _given(self) -> GivenPoints | None:
        """Roots and targets of the segments that were chosen."""
        from voxome.tools.common.skeletonization.given_points import read_points

        if self._points is None:
            return None
        given = read_points(self._points, self._size, self._origin.tolist())
        if self._ids is not None:
            given = given.of_objects(self._ids)
        given.require(given.in_box(self._region), f"outside the box {self._region}")
        return given

    @cached_property
    def _teasar(self) -> Teasar:
        from voxome.tools.common.skeletonization.parameters import Teasar

        return Teasar(**self._options.to_json())

    def _traced(
        self,
        region: Box,
        ids: NDArray[np.uint64] | None,
        points: NDArray[np.int64] | None = None,
        given: GivenPoints | None = None,
    ) -> dict[int, list[Piece]]:
        """Return the pieces of segments, by id."""
        from voxome.tools.common.skeleton_pieces import halo_of
        from voxome.tools.common.skeletonization.cells import CELL, trace_cells
        from voxome.tools.common.skeletonization.pieces import BlockBoxes

        domain = self._labels.domain
        found: dict[int, list[Piece]] = defaultdict(list)
        halo = halo_of({}, self._size)
        block_shape = Box.of_shape(BLOCK).snap((CELL,) * 3).shape
        grid = BlockGrid(domain, block_shape, box=region, halo=halo, anchor=(0, 0, 0))
        for block in grid:
            labels = self._labels.source.read(block.read)
            require_positive(labels, self._name)
            labels = labels.astype(np.uint64, copy=False)
            if ids is not None:
                labels = np.where(np.isin(labels, ids), labels, np.uint64(0))
            if given is not None:
                given.within(block.write).require_labels(labels, block.read)
                points = given.voxels
            boxes = BlockBoxes(block.write, block.read, region, domain)
            for piece in trace_cells(labels, boxes, halo, self._size, self._teasar, points):
                found[piece.id].append(piece)
        return dict(found)

    def _require_inside(self, id: int, points: NDArray[np.int64], given: Sequence[Sequence[float]]) -> None:
        outside = [position for point, position in zip(points, given, strict=True) if self._label_at(point) != id]
        if outside:
            listed = ", ".join(str(tuple(one)) for one in outside[:5]) + (", …" if len(outside) > 5 else "")
            raise InvalidInput(
                f"{len(outside)} of {len(given)} positions are outside the segment {id} of {self._name}: {listed}; "
                "expected positions in it, in nm (z, y, x) from the corner of voxel 0"
            )

    def _label_at(self, point: NDArray[np.int64]) -> int:
        voxel = Box.of_shape((1, 1, 1), tuple(point.tolist()))
        if voxel not in self._region:
            return 0
        return int(self._labels.source.read(voxel).item())

    @property
    def _name(self) -> str:
        return self._labels.uri or "the array"

    def _missing(self, id: int) -> NotFound:
        return NotFound(f"{self._name} has no segment {id} in {self._region}; its `ids()` are those that it has")

    def _recorded(
        self,
        id: int,
        skeleton: Skeleton,
        root_nm: Sequence[float] | None = None,
        targets_nm: Sequence[Sequence[float]] = (),
    ) -> Skeleton:
        parameters: dict[str, object] = {
            "id": str(id),
            **self._options.to_json(),
            "box": str(self._region),
            "voxel_size_nm": list(self._size),
        }
        if self._points is not None:
            parameters["points"] = absolute_text(self._points)
        if root_nm is not None:
            parameters["root_nm"] = list(root_nm)
        if targets_nm:
            parameters["targets_nm"] = [list(one) for one in targets_nm]
        if self._cross_sections:
            from voxome.tools.common.skeletonization.node_sections import add_cross_sections

            parameters["cross_sections"] = True
            skeleton = add_cross_sections(self._labels, id, skeleton, self._size)
        spec = load("voxome.tools", "common.skeletons").spec
        record = InputRecord("labels", absolute_text(self._labels.uri), self._version())
        made = Provenance.now("skeleton", LOCAL, spec.name, spec.version, parameters, [record])
        return replace(skeleton, nodes_nm=skeleton.nodes_nm + self._origin, provenance=made)

    def _version(self) -> str | None:
        try:
            return self._labels.source.version().token
        except VoxomeError:
            return None
