"""Cells and vessels in space: a drawing of the volume from the side."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.frame import Frame
from voxome.contracts.kinds import Rows
from voxome.reports.marks import length_text

MOST_CELLS = 3000
MOST_POINTS = 6000
"""Largest numbers of cells and of points of vessels that are drawn."""
_SIDE = 640.0
_TURN, _TILT = np.deg2rad(35.0), np.deg2rad(25.0)
_POSITION = ("z_nm", "y_nm", "x_nm")
Points = NDArray[np.float64]


def space_section(cells: Rows, points: Rows | None, frame: Frame) -> str:
    """Return HTML with an SVG of the box of a run, its cells as discs and its vessels as lines, far ones first.

    Of more than `MOST_CELLS` cells, those with the smallest hashes of their ids are drawn, which are spread evenly.
    """
    size = np.array(frame.scale_nm)
    low = np.array(frame.offset_nm) + (np.array(frame.box.start) - 0.5) * size
    high = np.array(frame.offset_nm) + (np.array(frame.box.stop) - 0.5) * size
    middle, zoom = (low + high) / 2, 0.92 * _SIDE / float(np.linalg.norm(high - low))

    def project(places: Points) -> Points:
        """Return x, y on the drawing and depth of places (n, 3)."""
        z, y, x = ((places - middle) * zoom).T
        x, y = np.cos(_TURN) * x - np.sin(_TURN) * y, np.sin(_TURN) * x + np.cos(_TURN) * y
        y, z = np.cos(_TILT) * y - np.sin(_TILT) * z, np.sin(_TILT) * y + np.cos(_TILT) * z
        return np.column_stack([_SIDE / 2 + x, _SIDE / 2 + z, y])

    kept = _spread(cells["id"])
    at = project(np.stack([cells[name][kept] for name in _POSITION], axis=1))
    shapes = [*_discs(at, cells["radius_nm"][kept] * zoom), *([] if points is None else _lines(points, project))]
    drawn = "".join(text for _, text in sorted(shapes, key=lambda one: -one[0]))
    corners = np.array([[(low, high)[bit >> axis & 1][axis] for axis in range(3)] for bit in range(8)])
    edges = [(a, a | 1 << axis) for a in range(8) for axis in range(3) if not a >> axis & 1]
    ends = project(corners)
    sides = [(*ends[a, :2].tolist(), *ends[b, :2].tolist()) for a, b in edges]
    frame_lines = "".join(f'<path class="edge" d="M{x0:.1f} {y0:.1f}L{x1:.1f} {y1:.1f}"/>' for x0, y0, x1, y1 in sides)
    share = "" if kept.all() else f" {int(kept.sum()):,} of {len(kept):,} cells are drawn."
    extent = " × ".join(length_text(float(one)) for one in high - low)
    lines = "" if points is None else " and vessels (red)"
    return (
        f'<div class="card"><svg class="space" viewBox="0 0 {_SIDE:.0f} {_SIDE:.0f}" role="img" '
        f'aria-label="Cells and vessels in space">{frame_lines}{drawn}</svg></div>'
        f'<p class="note">Cells{lines} in {extent} (z, y, x); z points down.{share}</p>'
    )


def _spread(ids: NDArray[np.uint64]) -> NDArray[np.bool_]:
    if len(ids) <= MOST_CELLS:
        return np.ones(len(ids), bool)
    mixed = (ids.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(11)
    kept = np.zeros(len(ids), bool)
    kept[np.argsort(mixed, kind="stable")[:MOST_CELLS]] = True
    return kept


def _discs(at: Points, radius: NDArray[np.float64]) -> Iterator[tuple[float, str]]:
    depth = at[:, 2]
    near = np.zeros(len(at)) if not len(at) else (depth.max() - depth) / max(float(np.ptp(depth)), 1e-9)
    for (x, y, away), r, share in zip(at.tolist(), radius.tolist(), near.tolist(), strict=True):
        light = 72 - 34 * share
        yield away, f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{max(r, 0.8):.1f}" fill="hsl(176 55% {light:.0f}%)"/>'


def _lines(points: Rows, project: Callable[[Points], Points]) -> Iterator[tuple[float, str]]:
    at = project(np.stack([points[name] for name in _POSITION], axis=1))
    step = -(-len(at) // MOST_POINTS)
    for branch in np.unique(points["branch_id"]):
        line = at[points["branch_id"] == branch]
        line = np.concatenate([line[:-1:step], line[-1:]])
        path = "L".join(f"{x:.1f} {y:.1f}" for x, y, _ in line.tolist())
        yield float(line[:, 2].mean()), f'<path class="vessel" d="M{path}"/>'
