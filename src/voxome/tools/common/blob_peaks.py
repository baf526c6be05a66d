"""Candidate cells: peaks of the Laplacian of Gaussians."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

import numpy as np
from annotated_types import Ge, Gt
from numpy.typing import NDArray

from voxome import kinds
from voxome.contracts.context import BlockContext
from voxome.contracts.kinds import Rows
from voxome.contracts.python_tool import tool
from voxome.contracts.spec import UNKNOWN_VOXEL_SIZE, VolumeSpec
from voxome.contracts.tool import memory_of
from voxome.errors import InvalidInput
from voxome.tools.common.faces import long_axes
from voxome.tools.common.scale_space.laplacian import MIN_SIGMA, ball_contrast, kernel_reach, sigmas_of
from voxome.tools.common.scale_space.peaks import PLATEAU, find_peaks

PEAKS = kinds.Table(
    {
        "z": "int64",
        "y": "int64",
        "x": "int64",
        "z_nm": "float64",
        "y_nm": "float64",
        "x_nm": "float64",
        "radius_nm": "float64",
        "score": "float64",
        "touches_face": "bool",
        "at_range_end": "bool",
    },
    key=("z", "y", "x"),
)
UM = 1000.0
Positive = Annotated[float, Gt(0)]


def _halo(parameters: Mapping[str, Any], scale_nm: tuple[float, float, float]) -> tuple[int, int, int]:
    sigmas = sigmas_of(UM * parameters["max_radius_um"], scale_nm, 2)
    z, y, x = (kernel_reach(sigma) + 1 + PLATEAU for sigma in sigmas)
    return z, y, x


def _check(specs: Mapping[str, VolumeSpec], parameters: Mapping[str, Any]) -> Iterator[str]:
    size = specs["image"].voxel_size_nm if "image" in specs else None
    if size is None:
        yield UNKNOWN_VOXEL_SIZE
        return
    axes = long_axes(specs["image"].frame.shape)
    least = MIN_SIGMA * math.sqrt(max(len(axes), 1)) * max((size[axis] for axis in axes), default=0.0)
    if UM * parameters["min_radius_um"] < least:
        yield (
            f"min_radius_um is {parameters['min_radius_um']:g} µm; a kernel of that radius is less than {MIN_SIGMA} "
            f"voxels wide in voxels of {' × '.join(f'{n:g}' for n in size)} nm: give at least {least / UM:.3g}"
        )
    if parameters["max_radius_um"] < parameters["min_radius_um"]:
        yield f"max_radius_um is {parameters['max_radius_um']:g} µm, less than min_radius_um"


@tool("common.blob_peaks", halo=_halo, outputs=PEAKS, check=_check, memory=memory_of(250_000_000, 80))
def blob_peaks(
    image: Annotated[NDArray[Any], kinds.Image()],
    *,
    polarity: Literal["bright", "dark"],
    min_contrast: Positive,
    min_radius_um: Positive = 3.0,
    max_radius_um: Positive = 10.0,
    scales: Annotated[int, Ge(1)] = 7,
    block: BlockContext,
) -> Rows:
    """Find bright or dark blobs of a range of radii, for ``common.blobs``, which keeps the best of each cell.

    Two balls at less than 1.4 radii from each other have a third peak between them, which may be the one that is kept;
    ``common.spheres`` parts those.

    Parameters
    ----------
    image : (z, y, x) array
        Grey values of any dtype. Voxels without data are to be filled, or their values are seen as an edge; values that
        are not finite are refused.
    polarity : {"bright", "dark"}
        Whether cells are brighter or darker than what is around them.
    min_contrast : float
        Least difference between a ball and its surroundings, in grey values.
    min_radius_um, max_radius_um : float
        Range of radii, in micrometres.
    scales : int
        Number of radii that are tried, in equal ratios.

    Returns
    -------
    table
        Voxel of the peak, position, radius (√3 times the standard deviation of the kernel; √2 times in one section),
        contrast as ``score``, whether a face of the box is nearer than the radius, and whether the radius is at an end
        of the range, so that the true one may be beyond it.
    """
    frame, write = block.frame, block.write
    seen = block.read & frame.box
    grey = image[seen.within(block.read)].astype(np.float32)
    if not (finite := np.isfinite(grey)).all():
        raise InvalidInput(
            f"The image has {int((~finite).sum())} voxels that are not finite, around which no blob can be seen: fill "
            "them, as common.normalize does with a tissue map"
        )
    axes = long_axes(frame.box.shape)
    dimensions = max(len(axes), 1)
    radii = UM * np.geomspace(min_radius_um, max_radius_um, scales)
    sign = np.float32(1 if polarity == "bright" else -1)
    peaks = find_peaks(
        [ball_contrast(sign * grey, sigmas_of(radius, frame.scale_nm, dimensions)) for radius in radii], min_contrast
    )
    voxels = peaks.first + np.array(seen.start)
    own = ((voxels >= write.start) & (voxels < write.stop)).all(axis=1)
    voxels, scale = voxels[own], np.array(frame.scale_nm)
    places = voxels + peaks.centres[own]
    radius = np.exp(np.interp(peaks.levels[own], np.arange(scales), np.log(radii)))
    low = (places - np.array(frame.box.start) + 0.5) * scale
    high = (np.array(frame.box.stop) - 0.5 - places) * scale
    nm = places * scale + np.array(frame.offset_nm)
    return {
        **dict(zip("zyx", voxels.T, strict=True)),
        **dict(zip(("z_nm", "y_nm", "x_nm"), nm.T, strict=True)),
        "radius_nm": radius,
        "score": peaks.scores[own].astype(np.float64),
        "touches_face": (np.minimum(low, high) < radius[:, None])[:, axes].any(axis=1),
        "at_range_end": peaks.at_end[own],
    }
