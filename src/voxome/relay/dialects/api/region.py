"""Measures of one segment, added up block by block."""

from __future__ import annotations

from typing import Any

import numpy as np

from voxome.contracts.source import VolumeSource
from voxome.errors import NotFound
from voxome.geometry import Box
from voxome.resources.local_ids import blocks_of, require_positive

_NM3_PER_UM3 = 1e9


def measure(source: VolumeSource, name: str, label: int) -> dict[str, Any]:
    """Return the voxels, centroid, volume and bounding box of a label in the domain of `source`.

    Raises
    ------
    NotFound
        If no voxel has it; the message has `name`.
    InvalidInput
        If a voxel has a negative label.
    """
    spec = source.spec
    count, sums = 0, [0] * spec.domain.ndim
    low, high = list(spec.domain.stop), list(spec.domain.start)
    possible = 0 <= label <= (1 if spec.dtype.kind == "b" else np.iinfo(spec.dtype).max)
    for block in (one.write for one in blocks_of(source, spec.domain)) if possible and not spec.domain.empty else ():
        voxels = source.read(block)
        require_positive(voxels, name)
        inside = voxels == spec.dtype.type(label)
        here = int(np.count_nonzero(inside))
        if not here:
            continue
        count += here
        for axis in range(inside.ndim):
            along = np.count_nonzero(inside, axis=tuple(other for other in range(inside.ndim) if other != axis))
            filled = np.flatnonzero(along)
            sums[axis] += int(along @ np.arange(len(along))) + here * block.start[axis]
            low[axis] = min(low[axis], block.start[axis] + int(filled[0]))
            high[axis] = max(high[axis], block.start[axis] + int(filled[-1]) + 1)
    if not count:
        raise NotFound(f"{name} has no label {label} here")
    box, centroid = Box(tuple(low), tuple(high)), [total / count for total in sums]
    size = spec.voxel_size_nm
    spatial = [spec.axes.index(axis) for axis in "zyx" if axis in spec.axes]
    is_placed = size is not None and len(spatial) == 3
    return {
        "voxels": count, "start": list(box.start), "stop": list(box.stop), "centroid": centroid,
        "centroid_nm": [spec.offset_nm[i] + size[i] * centroid[axis] for i, axis in enumerate(spatial)]
        if is_placed and size is not None else None,
        "volume_um3": count * float(np.prod(size)) / _NM3_PER_UM3 if is_placed and size is not None else None,
    }  # fmt: skip
