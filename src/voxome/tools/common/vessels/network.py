"""The graph of vessels: smooth branches with their length and radius, and the nodes where they meet and end."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.frame import Frame
from voxome.contracts.kinds import Rows
from voxome.tools.common.faces import long_axes
from voxome.tools.common.vessels.branches import Branch, LineGraph
from voxome.tools.common.vessels.margin import cut_along_faces
from voxome.tools.common.vessels.paths import Path, Positions, extend, inner_end, smooth_path
from voxome.tools.common.vessels.pruning import prune
from voxome.tools.common.vessels.radii import Samples, measure_radii
from voxome.tools.common.vessels.run_mask import RunMask
from voxome.tools.common.vessels.tiles import Tiles
from voxome.tools.common.vessels.topology import count_objects, euler_number

_REACH = 4
"""Voxels, beside the diameter, over which the direction of a free end is measured."""

_THIN = 2
"""Distance to the background, in voxels, up to which a line can only lead to the end of its vessel."""


@dataclass(frozen=True)
class Network:
    """Tables of a graph of vessels; see `voxome.tools.common.vessel_graph`."""

    branches: Rows
    nodes: Rows
    points: Rows
    counts: Rows


def vessel_network(runs: Rows, lines: Rows, frame: Frame, spur_ratio: float, *, along_faces: bool = False) -> Network:
    """Return the graph of centre lines of a mask, without spurs and, unless `along_faces`, without those in faces.

    In a single section, however thick it is, the radius is half the width.
    """
    frame, thickness = _flatten(frame)
    mask = RunMask.of_runs(runs, frame.box)
    found = len(lines["z"])
    if not along_faces:
        lines = cut_along_faces(lines, mask, frame.scale_nm)
    before = len(lines["z"])
    skeleton = Tiles.of_points(np.stack([lines[name] for name in "zyx"], axis=1), frame.box)
    objects = count_objects(skeleton)
    lines, graph = prune(lines, spur_ratio, frame)
    voxels = np.stack([lines[name] for name in "zyx"], axis=1).astype(np.float64)
    builder = _Builder(graph, voxels * frame.scale_nm + frame.offset_nm, lines["distance_nm"], mask, frame)
    paths = [builder.path(branch) for branch in graph.branches]
    samples = Samples.of(paths)
    radii = measure_radii(samples, mask, frame.scale_nm, frame.offset_nm, thickness)
    lengths = np.array([path.length for path in paths], np.float64)
    ids = np.arange(1, len(paths) + 1, dtype=np.uint64)
    ends = np.array([(branch.start, branch.stop) for branch in graph.branches], np.uint64).reshape(-1, 2) + np.uint64(1)
    chords = np.array([path.chord for path in paths], np.float64)
    degree = graph.degrees()
    loops = len(graph.branches) - len(graph.nodes) + objects
    count = {
        "branches": len(paths),
        "nodes": len(graph.nodes),
        "ends": int((degree == 1).sum()),
        "ends_on_face": int(builder.on_face.sum()),
        "junctions": int((degree > 2).sum()),
        "objects": objects,
        "loops": loops,
        "loops_in_junctions": objects - euler_number(skeleton) - loops,
        "pruned_voxels": before - len(voxels),
        "voxels_along_faces": found - before,
    }
    return Network(
        {
            "id": ids,
            "source": ends[:, 0],
            "target": ends[:, 1],
            "length_nm": lengths,
            "radius_nm": radii.branches,
            "chord_nm": chords,
        },
        {
            "id": np.arange(1, len(graph.nodes) + 1, dtype=np.uint64),
            **_columns(builder.positions),
            "radius_nm": builder.radii(),
            "degree": degree,
            "on_face": builder.on_face,
        },
        {
            "branch_id": (samples.branch + 1).astype(np.uint64),
            "index": samples.index,
            **_columns(samples.positions),
            "radius_nm": radii.points,
            "length_nm": samples.length,
        },
        {name: np.array([value], np.int64) for name, value in count.items()},
    )


def _flatten(frame: Frame) -> tuple[Frame, float | None]:
    """Return the frame of a single section, as thick as its finest pixel, and this thickness; others as they are."""
    flat = [axis for axis in range(3) if axis not in long_axes(frame.box.shape)]
    if len(flat) != 1:
        return frame, None
    (axis,) = flat
    size, offset = list(frame.scale_nm), list(frame.offset_nm)
    thickness = min(size[:axis] + size[axis + 1 :])
    offset[axis] += frame.box.start[axis] * (size[axis] - thickness)
    size[axis] = thickness
    return replace(
        frame, voxel_size_nm=(size[0], size[1], size[2]), offset_nm=(offset[0], offset[1], offset[2])
    ), thickness


class _Builder:
    """Places the nodes, and the paths of branches between them."""

    def __init__(
        self, graph: LineGraph, positions: Positions, distance: NDArray[np.float64], mask: RunMask, frame: Frame
    ) -> None:
        self._graph, self._voxels, self._distance, self._mask, self._frame = graph, positions, distance, mask, frame
        self._degree = graph.degrees()
        self.positions = np.array([positions[rows].mean(axis=0) for rows in graph.nodes]).reshape(-1, 3)
        self.on_face = np.zeros(len(graph.nodes), bool)

    def radii(self) -> NDArray[np.float64]:
        """Return the radius of the largest ball around a voxel of every node that is in the vessel."""
        half = min(self._frame.scale_nm) / 2
        return np.array([self._distance[rows].max() - half for rows in self._graph.nodes], np.float64)

    def path(self, branch: Branch) -> Path:
        """Return the smooth path of a branch, from node to node, or up to the surface at free ends."""
        points, distance = self._voxels[branch.voxels], self._distance[branch.voxels]
        if branch.start == branch.stop and self._degree[branch.start] == 2:
            path = Path(smooth_path(points, closed=True), distance)
            self.positions[branch.start] = path.points[0]
            return path
        points[0], points[-1] = self.positions[branch.start], self.positions[branch.stop]
        path = Path(smooth_path(points), distance)
        if self._degree[branch.stop] == 1:
            path = self._to_surface(path, branch.stop)
        if self._degree[branch.start] == 1:
            path = self._to_surface(path.reverse(), branch.start).reverse()
        return path

    def _to_surface(self, path: Path, node: int) -> Path:
        """Return a path up to where it leaves the vessel or the volume, and move its last node there.

        Inside the volume, one that is several voxels thick continues straight from its last place in the middle.
        """
        scale = self._frame.scale_nm
        middle = path.first(inner_end(path.points, path.distance))
        if middle.distance[-1] > _THIN * max(scale) and not self._touches_face(path.points[-1]):
            path = middle
        reach = 2 * float(path.distance[-1]) + _REACH * max(scale)
        ending = extend(path.points, reach, self._mask, scale, self._frame.offset_nm)
        self.on_face[node] = ending.on_face
        self.positions[node] = ending.position
        return path.append(ending.position)

    def _touches_face(self, position: Positions) -> bool:
        voxel = np.rint((position - self._frame.offset_nm) / self._frame.scale_nm)
        box = self._frame.box
        at_face = (voxel <= box.start) | (voxel >= np.array(box.stop) - 1)
        return bool(at_face[long_axes(box.shape)].any())


def _columns(positions: Positions) -> Rows:
    return {f"{axis}_nm": positions[:, i] for i, axis in enumerate("zyx")}
