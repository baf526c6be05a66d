"""The voxels at which the partners of a synapse are marked."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.kinds import Rows
from voxome.errors import CorruptData
from voxome.geometry import Box
from voxome.tools.em.synaptic.association import AssociationParams
from voxome.tools.em.synaptic.growth import growth_halo, growth_steps


def partner_points(
    objects: Rows,
    partners: NDArray[np.uint64],
    read: Callable[[Box], NDArray[np.uint64]],
    domain: Box,
    voxel_size_nm: Sequence[float],
) -> NDArray[np.float64]:
    """Return the centres of the voxels of two partners that are nearest to the centre of their synapse.

    Parameters
    ----------
    objects : Rows
        Synapses, with ``centre`` (n, 3) in voxels, and the extent ``z0`` … ``x1``.
    partners : (n, 2) array of uint64
        Segments of each.
    read : function
        Returns the segments of a box.
    domain : Box
        All voxels.
    voxel_size_nm : (z, y, x)
        Voxel size.

    Returns
    -------
    (n, 2, 3) array of float64
        z, y, x in nm from the corner of voxel 0.

    Raises
    ------
    CorruptData
        If a partner is not where it was found: the segments have changed meanwhile.
    """
    reach = _reach(voxel_size_nm)
    points = np.empty((len(partners), 2, 3))
    first, last = (np.stack([objects[f"{axis}{end}"] for axis in "zyx"], axis=1) for end in (0, 1))
    for row, (low, high) in enumerate(zip(first.tolist(), last.tolist(), strict=True)):
        box = Box(tuple(low), tuple(n + 1 for n in high)).grow(reach) & domain
        segments = read(box)
        for end, segment in enumerate(partners[row]):
            voxels = np.argwhere(segments == segment) + box.start
            if not len(voxels):
                raise CorruptData(f"segment {segment} is not in {box}, where a synapse was found beside it; try again")
            steps = (voxels - objects["centre"][row]) * voxel_size_nm
            points[row, end] = (voxels[np.argmin((steps**2).sum(axis=1))] + 0.5) * voxel_size_nm
    return points


def _reach(voxel_size_nm: Sequence[float]) -> tuple[int, int, int]:
    """Return how far from a synapse its partners may be, in voxels (z, y, x): both are grown to meet it."""
    params = AssociationParams()
    steps = (growth_halo(growth_steps(nm, voxel_size_nm)) for nm in (params.contact_nm, params.gap_nm))
    z, y, x = (sum(axis) + 1 for axis in zip(*steps, strict=True))
    return z, y, x
