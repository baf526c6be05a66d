"""Planes of a volume that the report on cells and vessels shows, with the cells that they cut."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.frame import Frame
from voxome.contracts.kinds import Rows
from voxome.contracts.report import Results
from voxome.geometry import Box
from voxome.reports.cell_pictures import CellSlice
from voxome.reports.run_facts import affordable, middle, parameters_of, read_plane
from voxome.tools.common.gaps import TISSUE

_PLANES = 3
_POSITION = ("z_nm", "y_nm", "x_nm")
_AXES = "zyx"


def cell_planes(raw: str, results: Results, cells: Rows, frame: Frame, stretch: float = 1.0) -> Iterator[CellSlice]:
    """Yield planes across z, evenly spaced, and of a volume of several sections one across y, in its middle.

    Of volumes that store whole sections, such as image stacks, the latter has as many sections as may be read.

    Parameters
    ----------
    raw : str
        URI of the image.
    results : mapping of str to Result
        Results of the run: ``probability``, ``tissue`` and, if it is there, ``vessel_mask``.
    cells : Rows
        Table of cells: ``z_nm, y_nm, x_nm, radius_nm``.
    frame : Frame
        Voxels of the run.
    stretch : float
        Length of cells along z by their width.
    """
    box, size = frame.box, np.array(frame.scale_nm)
    depth, shown = box.shape[0], middle(box)
    index = (np.stack([cells[name] for name in _POSITION], axis=1) - np.array(frame.offset_nm)) / size
    radii = cells["radius_nm"][:, None] * np.array([stretch, 1, 1]) / size
    across = [(0, z) for z in sorted({box.start[0] + depth * (2 * i + 1) // (2 * _PLANES) for i in range(_PLANES)})]
    for axis, at in [*across, *([(1, box.start[1] + box.shape[1] // 2)] if depth > 1 else [])]:
        start, stop = list(shown.start), list(shown.stop)
        start[axis], stop[axis] = at, at + 1
        plane = Box((start[0], start[1], start[2]), (stop[0], stop[1], stop[2]))
        plane = affordable(raw, plane) if axis else plane
        row, column = (one for one in range(3) if one != axis)
        part = any(plane.shape[one] != box.shape[one] for one in (row, column))
        grey = read_plane(raw, plane, axis)
        vessels = read_plane(results["vessel_mask"].uri, plane, axis) != 0 if "vessel_mask" in results else None
        yield CellSlice(
            caption=_caption(axis, at, [f"{plane.shape[one]:,}" for one in (row, column)] if part else []),
            raw=grey,
            probability=read_plane(results["probability"].uri, plane, axis),
            vessels=np.zeros(grey.shape, bool) if vessels is None else vessels,
            tissue=read_plane(results["tissue"].uri, plane, axis) == TISSUE,
            rings=_rings(index - np.array(plane.start), radii, axis, (row, column)),
            pixel_nm=(float(size[row]), float(size[column])),
            axis=axis,
        )


def z_stretch(results: Results) -> float:
    """Return the length along z by the width of the cells of a run; 1 if it has no labels of cells."""
    if "cell_labels" not in results:
        return 1.0
    return float(parameters_of("common.spheres", results["cell_labels"], ["z_stretch"])["z_stretch"])


def _caption(axis: int, at: int, shown: list[str]) -> str:
    part = f", the middle {' × '.join(shown)} voxels" if shown else ""
    return f"{_AXES[axis]} = {at}{', z points down' if axis else ''}{part}"


def _rings(
    index: NDArray[np.float64], radii: NDArray[np.float64], axis: int, others: tuple[int, int]
) -> NDArray[np.float64]:
    """Return the ellipses (n, 4) in which a plane cuts ellipsoids: row and column, and radii along these.

    Parameters
    ----------
    index, radii : (n, 3) array
        Centres, from the corner of the plane, and semi-axes, in voxels.
    axis : int
        The axis across the plane.
    others : (row, column)
        The axes of the plane.
    """
    away = np.abs(index[:, axis]) / radii[:, axis]
    near = away < 1
    cut = np.sqrt(1 - away[near] ** 2)[:, None]
    return np.column_stack([index[near][:, others] + 0.5, cut * radii[near][:, others]])
