"""Volumes with voxels of another size, each with the value of the nearest one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.source import VolumeSource
from voxome.errors import InvalidInput
from voxome.geometry import Box
from voxome.resources.views import View

_EXCESS = 1.0
"""Voxels of the source, beyond its ends, that are added: coarse levels may lack the last, incomplete one."""
_MOST_READ = 1 << 26
"""Voxels of the source that one read takes, at most, unless the view has more: a box of it may span many more."""


class Resampled(View):
    """A source on another grid of voxels: each has the value of the nearest voxel of the source.

    Parameters
    ----------
    source : VolumeSource
        Source to view, with a known voxel size.
    voxel_size_nm : (z, y, x)
        Edge lengths of the voxels of the view.
    offset_nm : (z, y, x)
        Position of the centre of voxel 0,0,0 of the view.
    name : str
        URI of the volume, for messages.

    Raises
    ------
    InvalidInput
        If the voxel size of the source is unknown, or an axis of z, y and x is missing.
    """

    def __init__(
        self, source: VolumeSource, voxel_size_nm: Sequence[float], offset_nm: Sequence[float], name: str
    ) -> None:
        spec = source.spec
        if spec.voxel_size_nm is None or len(spec.spatial) != 3:
            raise InvalidInput(
                f"{name} has the axes {'/'.join(spec.axes)} and the voxel size {spec.voxel_size_nm}; ?grid= needs z, y "
                "and x, and a voxel size"
            )
        z, y, x = (float(one) for one in voxel_size_nm)
        offset = (float(offset_nm[0]), float(offset_nm[1]), float(offset_nm[2]))
        self._steps = tuple(a / b for a, b in zip((z, y, x), spec.voxel_size_nm, strict=True))
        """Voxels of the source along one of the view."""
        self._first = tuple((a - b) / s for a, b, s in zip(offset, spec.offset_nm, spec.voxel_size_nm, strict=True))
        """Index in the source of the centre of voxel 0 of the view."""
        spans = zip(spec.frame.start, spec.frame.stop, self._first, self._steps, strict=True)
        starts, stops = [], []
        for start, stop, first, step in spans:
            starts.append(math.ceil(round((start - 0.5 - _EXCESS - first) / step, 6)))
            stops.append(max(starts[-1], math.floor(round((stop - 0.5 + _EXCESS - first) / step, 6)) + 1))
        resampled = spec.replace(
            domain=spec.lift(Box(tuple(starts), tuple(stops))),
            voxel_size_nm=(z, y, x),
            offset_nm=offset,
            read_chunk=None,
            write_chunk=None,
        )
        super().__init__(source, f"grid={grid_text(voxel_size_nm, offset_nm)}", resampled)

    def _read(self, box: Box) -> NDArray[Any]:
        spec = self.source.spec
        lines = [np.arange(a, b) for a, b in zip(box.start, box.stop, strict=True)]
        for axis, first, step, a, b in zip(
            spec.spatial, self._first, self._steps, spec.frame.start, spec.frame.stop, strict=True
        ):
            lines[axis] = np.floor(first + step * lines[axis] + 0.5).astype(np.int64).clip(a, b - 1)
        if not box.size:
            return np.empty(box.shape, spec.dtype)
        part = Box(tuple(int(line[0]) for line in lines), tuple(int(line[-1]) + 1 for line in lines))
        if part.size > max(_MOST_READ, box.size) and box.size > 1:
            axis = max((one for one in range(box.ndim) if box.shape[one] > 1), key=part.shape.__getitem__)
            return np.concatenate([self._read(half) for half in _halve(box, axis)], axis=axis)
        inner = np.ix_(*(line - start for line, start in zip(lines, part.start, strict=True)))
        result: NDArray[Any] = np.asarray(self.source.read(part))[inner]
        return result


def _halve(box: Box, axis: int) -> tuple[Box, Box]:
    middle = (box.start[axis] + box.stop[axis]) // 2
    first, second = list(box.stop), list(box.start)
    first[axis] = second[axis] = middle
    return Box(box.start, tuple(first)), Box(tuple(second), box.stop)


def grid_text(voxel_size_nm: Sequence[float], offset_nm: Sequence[float]) -> str:
    """Return a grid as the option ``grid`` has it.

    Examples
    --------
    >>> grid_text((650, 650, 650), (0, 0, 0.5))
    '650,650,650:0,0,0.5'
    """
    return ":".join(",".join(f"{one:.12g}" for one in three) for three in (voxel_size_nm, offset_nm))
