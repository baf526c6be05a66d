"""Spurs: short branches that are not vessels, but bumps of a surface."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.frame import Frame
from voxome.contracts.kinds import Rows
from voxome.tools.common.contrast.tile_sums import count_from_zero
from voxome.tools.common.vessels.branches import Branch, LineGraph, line_graph
from voxome.tools.common.vessels.paths import path_length
from voxome.tools.common.vessels.thinning import thin
from voxome.tools.common.vessels.tiles import Tiles


def prune(lines: Rows, ratio: float, frame: Frame) -> tuple[Rows, LineGraph]:
    """Delete the spurs of centre lines, and return the others with their graph.

    A spur is a branch from a junction to an end whose length, up to the surface, is less than `ratio` times the radius
    at the junction: at 2, a branch that sticks out of the other vessel by less than the radius of that. Of every
    junction the shortest spur is deleted, all against the same graph; then the lines are thinned where they met, and so
    on until there are none. So the order of branches does not matter, and of an end that forks into spurs one stays.
    Branches between junctions, loops, and branches that leave the volume are no spurs.

    Parameters
    ----------
    lines : Rows
        ``z``, ``y``, ``x``, ``distance_nm``, ``leaves``, in C order.
    ratio : float
        0 prunes nothing.
    frame : Frame
        Voxels of the run.
    """
    origin = count_from_zero(frame.box, frame).start
    points = np.stack([lines[name].astype(np.int64) for name in "zyx"], axis=1)
    distance, leaves = lines["distance_nm"].astype(np.float64), lines["leaves"]
    while True:
        graph = line_graph(points)
        deleted = _spur_voxels(graph, points * np.asarray(frame.scale_nm), distance, leaves, ratio)
        if not len(deleted):
            z, y, x = points.T.astype(np.int32)
            return {"z": z, "y": y, "x": x, "distance_nm": distance, "leaves": leaves}, graph
        tiles = Tiles.of_points(np.delete(points, deleted, axis=0), frame.box)
        thin(tiles, np.zeros(len(tiles.present), np.int32), np.zeros(0, np.int64), origin)
        kept = tiles.contains(points)
        points, distance, leaves = points[kept], distance[kept], leaves[kept]


def _spur_voxels(
    graph: LineGraph,
    positions: NDArray[np.float64],
    distance: NDArray[np.float64],
    leaves: NDArray[np.bool_],
    ratio: float,
) -> NDArray[np.int64]:
    """Return the voxels of the shortest spur at every junction, without those of the junctions."""
    degree = graph.degrees()
    least: dict[int, tuple[float, int]] = {}
    for number, branch in enumerate(graph.branches):
        tips = [end for end in (branch.start, branch.stop) if degree[end] == 1]
        if len(tips) != 1 or leaves[graph.nodes[tips[0]][0]]:
            continue
        junction = branch.stop if tips[0] == branch.start else branch.start
        length = path_length(positions[branch.voxels]) + distance[graph.nodes[tips[0]][0]]
        if length < ratio * distance[graph.nodes[junction]].max():
            least[junction] = min(least.get(junction, (length, number)), (length, number))
    voxels = [_own_voxels(graph.branches[number], degree) for _, number in least.values()]
    return np.unique(np.concatenate([np.zeros(0, np.int64), *voxels]))


def _own_voxels(branch: Branch, degree: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the voxels of a spur without that of its junction."""
    return branch.voxels[1:] if degree[branch.start] > 1 else branch.voxels[:-1]
