"""Seeded watershed of an object: where it is thinnest between the seeds, it is divided."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, sparse
from scipy.sparse import csgraph

A, B = 1, 2
"""Sides in the result of `divide`."""
_SEED = 0.5
_TIE = 1e-4
"""Largest weight that is added to an edge, far below a difference of depths in voxels."""


def divide(
    mask: NDArray[np.bool_],
    seeds_a: NDArray[np.intp],
    seeds_b: NDArray[np.intp],
    voxel_size_nm: Sequence[float] | None = None,
) -> NDArray[np.uint8]:
    """Return the side of every voxel of an object.

    The cut is the minimum spanning forest rooted in the seeds (Cousty et al., 2009, doi:10.1109/TPAMI.2008.173) of the
    graph of neighbours that share a face, where an edge is the heavier, the closer its voxels are to the surface.

    Parameters
    ----------
    mask : (z, y, x) array of bool
        The object.
    seeds_a, seeds_b : (n, 3) array of int
        Voxels of the sides, in the object; no voxel is on both.
    voxel_size_nm : (z, y, x), optional
        Edge lengths of a voxel.

    Returns
    -------
    (z, y, x) array of uint8
        1 on side a, 2 on side b; 0 outside, and in parts that no seed is joined to.
    """
    depth = ndimage.distance_transform_edt(mask, sampling=voxel_size_nm)
    numbers = np.zeros(mask.shape, np.int32)
    numbers[mask] = np.arange(1, np.count_nonzero(mask) + 1)
    top = float(depth.max(initial=0)) + 1
    ends, weights = [], []
    for axis in range(3):
        low, high = (
            tuple(slice(*cut) if one == axis else slice(None) for one in range(3)) for cut in ((None, -1), (1, None))
        )
        joined = mask[low] & mask[high]
        ends.append(np.column_stack([numbers[low][joined], numbers[high][joined]]))
        weights.append(top - np.minimum(depth[low][joined], depth[high][joined]))
    seeds = np.concatenate([seeds_a, seeds_b])
    at_seeds = numbers[tuple(seeds.T)]
    roots, first = np.unique(at_seeds, return_index=True)
    ends.append(np.column_stack([np.zeros_like(roots), roots]))
    weights.append(np.full(len(roots), _SEED))
    rows, columns = np.concatenate(ends).T
    count = int(numbers.max(initial=0)) + 1
    graph = sparse.coo_array((np.concatenate(weights), (rows, columns)), (count, count)).tocsr()
    _prefer_middle(graph)
    forest = csgraph.minimum_spanning_tree(graph)[1:, 1:]
    trees = csgraph.connected_components(forest, directed=False)[1]
    sides = np.zeros(int(trees.max(initial=0)) + 1, np.uint8)
    sides[trees[roots - 1]] = np.where(first < len(seeds_a), A, B)
    result = np.zeros(mask.shape, np.uint8)
    result[mask] = sides[trees]
    return result


def _prefer_middle(graph: sparse.csr_array) -> None:
    """Make edges far from the seeds a little heavier, so that a bridge of constant width is cut in its middle."""
    steps = csgraph.dijkstra(graph, directed=False, indices=0, unweighted=True)
    steps[~np.isfinite(steps)] = 0
    edges = graph.tocoo()
    distance = np.minimum(steps[edges.row], steps[edges.col])
    graph.data += _TIE * distance / max(float(distance.max(initial=0)), 1)


def is_parted(mask: NDArray[np.bool_], side: NDArray[np.bool_], seeds: NDArray[np.intp]) -> bool:
    """Whether seeds of a side that are joined in the object are not joined on their side, through shared faces."""
    before, after = (ndimage.label(one)[0][tuple(seeds.T)] for one in (mask, side))
    return len(np.unique(after)) > len(np.unique(before))
