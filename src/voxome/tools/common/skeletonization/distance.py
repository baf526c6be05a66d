"""Distance of voxels to the surface of their object."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def surface_distance(
    labels: NDArray[np.uint32], size_nm: Sequence[float], edges: Sequence[tuple[bool, bool]]
) -> NDArray[np.float32]:
    """Return the distance from each voxel to the nearest one of another label, from centre to centre.

    Parameters
    ----------
    labels : array of uint32
        Labels; 0 is background.
    size_nm : sequence of float
        Voxel size along each axis.
    edges : sequence of (low, high)
        Whether the array ends at the border of the volume along each axis; another label is assumed beyond it. What is
        beyond the other sides is unknown, and ignored.

    Returns
    -------
    array of float32
        In nm; 0 for background, and finite in any case.
    """
    import edt  # an extra

    distance: NDArray[np.float32] = edt.edt(
        np.ascontiguousarray(labels), anisotropy=tuple(float(s) for s in size_nm), black_border=False, parallel=1
    )
    farthest = float(np.linalg.norm(np.multiply(labels.shape, size_nm)))
    np.minimum(distance, np.float32(farthest), out=distance)
    for axis, (count, size, (low, high)) in enumerate(zip(labels.shape, size_nm, edges, strict=True)):
        steps = np.arange(1, count + 1, dtype=np.float32) * np.float32(size)
        shape = [count if a == axis else 1 for a in range(labels.ndim)]
        for is_border, outside in ((low, steps), (high, steps[::-1])):
            if is_border:
                np.minimum(distance, outside.reshape(shape), out=distance)
    return distance
