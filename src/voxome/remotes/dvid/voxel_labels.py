"""Labels at points, read from the voxels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.errors import CorruptData
from voxome.geometry import Box
from voxome.remotes.dvid.instance import WORKERS, join_xyz, query_params
from voxome.remotes.dvid.node import Node
from voxome.remotes.dvid.types import InstanceInfo
from voxome.remotes.http import fan_out


def read_labels(
    node: Node, instance: str, points: NDArray[np.int64], *, scale: int = 0, supervoxels: bool = False
) -> NDArray[np.uint64]:
    """Return the label at each point, with one request per block; 0 outside the server's extents.

    Parameters
    ----------
    node : Node
        The version.
    instance : str
        Name of a labelmap.
    points : (n, 3) array of int64
        z, y, x in voxels of `scale`.
    scale : int
        Level of the pyramid; 0 is the finest.
    supervoxels : bool
        Return supervoxels instead of bodies.

    Returns
    -------
    (n,) array of uint64

    Raises
    ------
    CorruptData
        If the server sends another number of voxels than requested.
    """
    info = InstanceInfo.fetch(node, instance, instance)
    domain = info.domain.coarsen((2**scale,) * 3)
    labels = np.zeros(len(points), np.uint64)
    inside = np.flatnonzero(((points >= domain.start) & (points < domain.stop)).all(axis=1))
    _, block_of, counts = np.unique(points[inside] // info.block, axis=0, return_inverse=True, return_counts=True)
    by_block = np.split(inside[np.argsort(block_of.reshape(-1), kind="stable")], np.cumsum(counts)[:-1])

    def read(rows: NDArray[np.intp]) -> None:
        low = points[rows].min(axis=0)
        box = Box(tuple(low.tolist()), tuple((points[rows].max(axis=0) + 1).tolist()))
        params: dict[str, Any] = query_params(scale=scale, supervoxels=supervoxels)
        body = node.get(instance, "raw", "0_1_2", join_xyz(box.shape), join_xyz(box.start), **params).content
        if len(body) != 8 * box.size:
            raise CorruptData(f"{instance}: the server sent {len(body)} bytes for {box}, expected {8 * box.size}")
        labels[rows] = np.frombuffer(body, "<u8").reshape(box.shape)[tuple((points[rows] - low).T)]

    fan_out(read, [rows for rows in by_block if len(rows)], workers=WORKERS)
    return labels
