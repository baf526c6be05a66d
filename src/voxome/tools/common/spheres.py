"""Cells from spheres: positions between voxels, and labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from voxome import kinds
from voxome.contracts.context import BlockContext
from voxome.contracts.kinds import Rows
from voxome.contracts.python_tool import tool
from voxome.contracts.tool import memory_of
from voxome.geometry import Box
from voxome.resources.table import TableFile
from voxome.tools.common.balls import Scale, ball_reach
from voxome.tools.common.faces import long_axes
from voxome.tools.common.sphere_search import Fraction, Radii, Stretch, check_sizes
from voxome.tools.common.sphere_selection import SPHERES
from voxome.tools.common.spherical.candidates import CERTAIN, highest_value
from voxome.tools.common.spherical.greedy import fill_ball
from voxome.tools.common.spherical.places import MOST_MOVED, refine, window_nm
from voxome.tools.common.spherical.search import SphereParams

_NEVER_LESS = 1 + 1e-9
"""Factor of a distance, so that rounding leaves no sphere out."""
CELLS = kinds.Table(
    {
        "id": "uint64",
        "z_nm": "float64",
        "y_nm": "float64",
        "x_nm": "float64",
        "radius_nm": "float64",
        "score": "float64",
        "touches_face": "bool",
    },
    key=("id",),
)


def _halo(parameters: Mapping[str, Any], scale_nm: Scale) -> tuple[int, int, int]:
    params = SphereParams.of(_parameters(**parameters), scale_nm)
    window = window_nm(params.radii_nm[-1], params.scale_nm)
    z, y, x = (n + MOST_MOVED + 1 for n in ball_reach(window, params.scale_nm))
    return z, y, x


@tool(
    "common.spheres",
    halo=_halo,
    outputs={"cells": CELLS, "labels": kinds.Labels()},
    check=check_sizes,
    memory=memory_of(310_000_000, 20),
)
def spheres(
    probability: Annotated[NDArray[np.uint8], kinds.Probability()],
    spheres: Annotated[TableFile, SPHERES],
    *,
    radii_um: Radii = (6.0,),
    z_stretch: Stretch = 1.0,
    threshold: Fraction = 0.2,
    block: BlockContext,
) -> dict[str, Any]:
    """Turn the spheres of ``common.sphere_selection`` into cells with sub-voxel positions, and into labels.

    Parameters
    ----------
    probability : (z, y, x) array of uint8
        Probability of cells; 255 is certain.
    spheres : table
        Spheres of the volume.
    radii_um : tuple of float
        Radii of spheres, in micrometres.
    z_stretch : float
        Length of cells along z by their width; radii of cells are those along y and x.
    threshold : float
        Probability up to which a voxel counts as 0.

    Returns
    -------
    cells : table
        ``id``, position, radius, ``score`` (mean probability of the sphere, of what better ones have left), and
        ``touches_face``: whether a face of the box cuts the sphere. Such a cell is not moved between voxels across that
        face.
    labels : (z, y, x) array of uint64
        Spheres; where they overlap, the better one.
    """
    frame, write = block.frame, block.write
    params = SphereParams.of(_parameters(radii_um, z_stretch), frame.scale_nm)
    largest = params.radii_nm[-1]
    beside = ball_reach(window_nm(largest, params.scale_nm) + largest, params.scale_nm)
    near = _near(spheres, write.grow(beside), params)
    seen = block.read & frame.box
    values = np.ascontiguousarray(probability[seen.within(block.read)]).copy()
    values[values <= highest_value(threshold)] = 0
    return {"cells": _cells(values, seen, near, block, params), "labels": _labels(near, write, params)}


def _parameters(radii_um: tuple[float, ...], z_stretch: float, **_: object) -> dict[str, Any]:
    """Return the parameters of a search of which only the form of the spheres matters here."""
    return {"radii_um": radii_um, "gap_um": 0.0, "z_stretch": z_stretch, "threshold": 0.0, "stop": 1.0}


def _near(spheres: TableFile, box: Box, params: SphereParams) -> Rows:
    """Return the spheres with centres in a box."""
    rows = spheres.lookup("z", np.arange(box.start[0], box.stop[0]))
    inside = np.ones(len(rows["z"]), bool)
    for name, start, stop in zip("yx", box.start[1:], box.stop[1:], strict=True):
        inside &= (rows[name] >= start) & (rows[name] < stop)
    for radius in np.unique(rows["radius_nm"][inside]):
        params.find_number(float(radius))
    return {name: values[inside] for name, values in rows.items()}


def _cells(values: NDArray[np.uint8], seen: Box, near: Rows, block: BlockContext, params: SphereParams) -> Rows:
    """Return the cells with centres in the block."""
    frame, write = block.frame, block.write
    centres = np.stack([near[name] for name in "zyx"], axis=-1).astype(np.int64)
    own = np.flatnonzero(((centres >= write.start) & (centres < write.stop)).all(axis=1))
    scale, start, radii = np.array(params.scale_nm), np.array(seen.start), near["radius_nm"]
    axes, largest = long_axes(frame.box.shape), radii.max(initial=0.0)
    places, touching = np.empty((len(own), 3)), np.empty(len(own), bool)
    tree = KDTree(centres * scale)
    for row, i in enumerate(own.tolist()):
        window = window_nm(radii[i], params.scale_nm)
        reach, beyond = (np.array(ball_reach(length, params.scale_nm)) for length in (radii[i], window))
        free = (centres[i] - beyond >= frame.box.start) & (centres[i] + beyond < frame.box.stop)
        inside = (centres[i] - reach >= frame.box.start) & (centres[i] + reach < frame.box.stop)
        touching[row] = not inside[axes].all()
        around = np.array(sorted(tree.query_ball_point(centres[i] * scale, (window + largest) * _NEVER_LESS)), np.int64)
        apart = np.sqrt((((centres[around] - centres[i]) * scale) ** 2).sum(axis=1))
        beside = around[(apart < window + radii[around]) & (around != i)]
        others = np.column_stack([centres[beside] - centres[i], radii[beside]]).astype(np.float64)
        places[row] = refine(values, centres[i] - start, radii[i], window, scale, others, free) + centres[i]
    nm = places * np.array(frame.scale_nm) + np.array(frame.offset_nm)
    score = near["total"] / (CERTAIN * np.maximum(near["voxels"], 1))
    columns = {"id": near["id"], "radius_nm": radii, "score": score}
    return {
        **{name: values[own] for name, values in columns.items()},
        **dict(zip(("z_nm", "y_nm", "x_nm"), nm.T, strict=True)),
        "touches_face": touching,
    }


def _labels(near: Rows, write: Box, params: SphereParams) -> NDArray[np.uint64]:
    """Return the spheres of the block, the best on top."""
    labels = np.zeros(write.shape, np.uint64)
    keys = near["total"] / np.sqrt(np.maximum(near["voxels"], 1))
    for i in np.lexsort((near["id"], -keys))[::-1]:
        runs = params.balls[params.find_number(float(near["radius_nm"][i]))]
        z, y, x = (int(near[name][i]) - start for name, start in zip("zyx", write.start, strict=True))
        fill_ball(labels, runs, z, y, x, near["id"][i])
    return labels
