"""What a block knows of segments, as rows of whole numbers that are added up by id or by pair of ids."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.kinds import Rows
from voxome.kinds.merge import Fold
from voxome.resources.rows import combine, concatenate, empty_rows
from voxome.tools.common.segments.faces import Faces
from voxome.tools.common.segments.limbs import split
from voxome.tools.common.segments.moments import PRODUCTS, Moments
from voxome.tools.common.segments.runs import Runs
from voxome.tools.common.segments.values import Values

AXES = "zyx"


def _columns(name: str, count: int) -> list[str]:
    return [f"{name}_{at}" for at in range(count)]


SUM_LIMBS = {axis: _columns(axis, 2) for axis in AXES}
"""Columns of the sum of indices along each axis, limb by limb."""
PRODUCT_LIMBS = {AXES[a] + AXES[b]: _columns(AXES[a] + AXES[b], 3) for a, b in PRODUCTS}
"""Columns of the sums of products of two indices."""
POSITION_LIMBS = {f"{across}_{axis}": _columns(f"{across}_{axis}", 2) for across in AXES for axis in AXES}
"""Columns of the sums of twice the positions along an axis of the faces across an axis."""
_FACES = {f"faces_{axis}": "int64" for axis in AXES}
_LIMBS = {name: "int64" for group in (SUM_LIMBS, PRODUCT_LIMBS) for columns in group.values() for name in columns}
_START = {f"start_{axis}": "int64" for axis in AXES}
_STOP = {f"stop_{axis}": "int64" for axis in AXES}

SUMS = {
    "id": "uint64",
    "voxels": "int64",
    **_START,
    **_STOP,
    **_FACES,
    **_LIMBS,
    "values": "int64",
    "min": "float64",
    "max": "float64",
}
"""Columns of the sums of segments."""
SUMS_FOLD: dict[str, Fold] = {
    name: "min" if name in _START or name == "min" else "max" if name in _STOP or name == "max" else "sum"
    for name in SUMS
    if name != "id"
}
VALUE_SUMS = {"id": "uint64", "power": "int64", "place": "int64", "total": "int64"}
"""Columns of the sums of values; see `Values.rows`."""
CONTACT_SUMS = {
    "a": "uint64",
    "b": "uint64",
    **_FACES,
    **{name: "int64" for columns in POSITION_LIMBS.values() for name in columns},
}
"""Columns of the sums of contacts."""


@dataclass(frozen=True)
class Sums:
    """Rows of whole numbers.

    Attributes
    ----------
    segments, values, contacts : mapping of str to array
        Tables with the columns `SUMS`, `VALUE_SUMS` and `CONTACT_SUMS`.
    """

    segments: Rows
    values: Rows
    contacts: Rows

    @classmethod
    def of(
        cls,
        labels: NDArray[Any],
        image: NDArray[Any] | None = None,
        *,
        inner: tuple[int, int, int],
        origin: tuple[int, ...],
        outside: tuple[int, ...],
        contacts: bool,
    ) -> Self:
        """Measure a block.

        Parameters
        ----------
        labels : (z, y, x) array of integers
            Labels of the block and, unless the volume ends there, of one layer beyond its high sides.
        image : (z, y, x) array, optional
            Values of the same voxels.
        inner : (z, y, x)
            Shape of the block.
        origin : (z, y, x)
            Where the block begins, from the start of the domain.
        outside : (z, y, x)
            Whether the volume begins with the block.
        contacts : bool
            Whether to find contacts.

        Raises
        ------
        InvalidInput
            If there are negative labels, or whole numbers in the image that exceed 2**53.
        """
        runs = Runs.of(labels)
        moments, faces = Moments.of(runs, inner), Faces.of(runs, inner, outside, contacts=contacts)
        seen = np.flatnonzero((runs.ids != 0) & ((moments.voxels > 0) | faces.surface.any(axis=1)))
        rows = {"id": runs.ids[seen], **_moment_columns(moments.select(seen), origin)}
        rows |= {f"faces_{axis}": faces.surface[seen, at] for at, axis in enumerate(AXES)}
        values = empty_rows(VALUE_SUMS)
        rows |= {"values": np.zeros(len(seen), np.int64), "min": np.full(len(seen), np.inf)}
        rows["max"] = -rows["min"]
        if image is not None:
            found = Values.of(runs, image, inner).select(seen)
            rows |= {"values": found.count, "min": found.low, "max": found.high}
            values = found.rows(rows["id"])
        return cls(rows, values, _contact_columns(faces, origin))

    @classmethod
    def join(cls, parts: Sequence[Self]) -> Self:
        """Add up the rows of blocks; they come out sorted by id, and by pair."""
        return cls(
            combine(concatenate([part.segments for part in parts], SUMS), ("id",), SUMS_FOLD),
            combine(concatenate([part.values for part in parts], VALUE_SUMS), ("id", "power", "place")),
            combine(concatenate([part.contacts for part in parts], CONTACT_SUMS), ("a", "b")),
        )

    def __len__(self) -> int:
        return sum(len(next(iter(rows.values()))) for rows in (self.segments, self.values, self.contacts))


def join_all(parts: Iterator[Sums], rows: int = 1 << 20) -> Sums:
    """Add up the rows of many blocks, in the memory of the result and so many rows."""
    waiting = [Sums(empty_rows(SUMS), empty_rows(VALUE_SUMS), empty_rows(CONTACT_SUMS))]
    limit = rows
    for part in parts:
        waiting.append(part)
        if sum(map(len, waiting)) > limit:
            waiting = [Sums.join(waiting)]
            limit = max(rows, 2 * len(waiting[0]))
    return Sums.join(waiting)


def _moment_columns(moments: Moments, origin: tuple[int, ...]) -> Rows:
    """Return the columns of moments; labels without voxels have neutral boxes."""
    empty = moments.voxels == 0
    moved = moments.shift(origin) if len(empty) else moments
    extremes = np.iinfo(np.int64)
    rows: Rows = {"voxels": moments.voxels}
    for at, axis in enumerate(AXES):
        rows[f"start_{axis}"] = np.where(empty, extremes.max, moved.low[:, at])
        rows[f"stop_{axis}"] = np.where(empty, extremes.min, moved.high[:, at])
        rows |= dict(zip(SUM_LIMBS[axis], split(moved.sums[:, at], 2), strict=True))
    for at, columns in enumerate(PRODUCT_LIMBS.values()):
        rows |= dict(zip(columns, split(moved.products[:, at], 3), strict=True))
    return rows


def _contact_columns(faces: Faces, origin: tuple[int, ...]) -> Rows:
    rows: Rows = {"a": faces.pairs[:, 0], "b": faces.pairs[:, 1]}
    rows |= {f"faces_{axis}": faces.faces[:, at] for at, axis in enumerate(AXES)}
    exact = np.int64 if 2 * max(map(abs, origin)) * int(faces.faces.max(initial=0)) < 1 << 61 else object
    for across in range(3):
        for at in range(3):
            number = faces.faces[:, across].astype(exact)
            total = faces.positions[:, across, at].astype(exact) + 2 * origin[at] * number
            rows |= dict(zip(POSITION_LIMBS[f"{AXES[across]}_{AXES[at]}"], split(total, 2), strict=True))
    return rows
