"""Roots and targets of skeletons that users give: a table of positions in objects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.kinds import Rows
from voxome.errors import InvalidInput
from voxome.geometry import Box
from voxome.geometry.places import voxels_at
from voxome.resources.table import TableFile

COLUMNS = {"id": "uint64", "z_nm": "float64", "y_nm": "float64", "x_nm": "float64", "kind": "bytes"}
"""Columns of the table: the object, a position in it in the corner frame, and ``root`` or ``target``."""
ROOT, TARGET = "root", "target"


class GivenPoints(NamedTuple):
    """Voxels that users give.

    Attributes
    ----------
    ids : (n,) uint64
        Object of each.
    voxels : (n, 3) int64
        Voxel (z, y, x) of each.
    roots : (n,) bool
        Whether it is a root; otherwise, it is a target.
    """

    ids: NDArray[np.uint64]
    voxels: NDArray[np.int64]
    roots: NDArray[np.bool_]

    @classmethod
    def of(cls, rows: Rows, size_nm: Sequence[float], corner_nm: Sequence[float] = (0.0, 0.0, 0.0)) -> GivenPoints:
        """Return the points of a table.

        Raises
        ------
        InvalidInput
            If a kind is neither ``root`` nor ``target``, a position is no number, or an object has two roots.
        """
        kinds = np.array([one.decode() if isinstance(one, bytes) else str(one) for one in rows["kind"].tolist()])
        wrong = sorted({*kinds.tolist()} - {ROOT, TARGET})
        if wrong:
            raise InvalidInput(f"the kind of a point is {wrong[0]!r}; expected {ROOT!r} or {TARGET!r}")
        places = np.stack([np.asarray(rows[name], np.float64) for name in ("z_nm", "y_nm", "x_nm")], axis=1)
        if not np.isfinite(places).all():
            raise InvalidInput("a position of the points is not a finite number; expected nm along z, y, x")
        ids, roots = np.asarray(rows["id"]).astype(np.uint64), kinds == ROOT
        chosen, times = np.unique(ids[roots], return_counts=True)
        if (times > 1).any():
            raise InvalidInput(f"the object {chosen[times > 1][0]} has {times.max()} roots; expected one at most")
        return cls(ids, voxels_at(places, size_nm, corner_nm), roots)

    @classmethod
    def read(cls, table: TableFile | None, size_nm: Sequence[float]) -> GivenPoints | None:
        """Return the points of a file; None if there is none."""
        return None if table is None else cls.of(table.read(list(COLUMNS)), size_nm)

    def within(self, box: Box) -> GivenPoints:
        """Return the points in a box."""
        return self._chosen(self.in_box(box))

    def in_box(self, box: Box) -> NDArray[np.bool_]:
        """Return which points are in a box."""
        return np.all((self.voxels >= box.start) & (self.voxels < box.stop), axis=1)

    def of_objects(self, ids: NDArray[np.uint64]) -> GivenPoints:
        """Return the points of some objects."""
        return self._chosen(np.isin(self.ids, ids))

    def of_object(self, id: int) -> tuple[NDArray[np.int64] | None, NDArray[np.int64]]:
        """Return the root of an object, if it has one, and its targets (n, 3)."""
        one = self._chosen(self.ids == np.uint64(id))
        return (one.voxels[one.roots][0] if one.roots.any() else None), one.voxels[~one.roots]

    def require_labels(self, labels: NDArray[np.integer], box: Box) -> None:
        """Check that points in a box are in their objects.

        Raises
        ------
        InvalidInput
        """
        found = labels[tuple((self.voxels - box.start).T)].astype(np.uint64)
        self.require(found == self.ids, "outside their objects")

    def require(self, right: NDArray[np.bool_], what: str) -> None:
        """Check that something is true of all points.

        Raises
        ------
        InvalidInput
            With the first point for which it is not.
        """
        if not right.all():
            first = int(np.argmin(right))
            raise InvalidInput(
                f"{(~right).sum()} of the roots and targets are {what}, such as voxel "
                f"{tuple(self.voxels[first].tolist())} of the object {self.ids[first]}; expected positions in it, in "
                "nm (z, y, x) from the corner of voxel 0"
            )

    def _chosen(self, which: NDArray[np.bool_]) -> GivenPoints:
        return GivenPoints(self.ids[which], self.voxels[which], self.roots[which])


def read_points(path: str, size_nm: Sequence[float], corner_nm: Sequence[float] = (0.0, 0.0, 0.0)) -> GivenPoints:
    """Return the points of a Parquet file.

    Raises
    ------
    NotFound, CorruptData
    InvalidInput
        If it lacks a column, or as `GivenPoints.of`.
    """
    table = TableFile(path)
    missing = [name for name in COLUMNS if name not in table.columns]
    if missing:
        raise InvalidInput(f"{path} lacks the columns {', '.join(missing)}; expected {', '.join(COLUMNS)}")
    return GivenPoints.of(table.read(list(COLUMNS)), size_nm, corner_nm)
