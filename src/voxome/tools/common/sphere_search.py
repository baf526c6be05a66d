"""Search for spheres, block by block."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge, Gt, Interval
from numpy.typing import NDArray

from voxome import kinds
from voxome.contracts.context import BlockContext
from voxome.contracts.kinds import Rows
from voxome.contracts.python_tool import tool
from voxome.contracts.spec import UNKNOWN_VOXEL_SIZE, VolumeSpec
from voxome.contracts.tool import memory_of
from voxome.tools.common.contrast.unusual import unusual_probability
from voxome.tools.common.spherical.search import SphereParams, search

FOUND = kinds.Table(
    {"z": "int64", "y": "int64", "x": "int64", "radius_nm": "float64", "total": "int64", "voxels": "int64"},
    key=("z", "y", "x"),
    fold=dict.fromkeys(("radius_nm", "total", "voxels"), "min"),
)
"""Blocks that see a sphere agree on it, so that folding only drops the copies."""
PENDING = kinds.Table({"z": "int64", "y": "int64", "x": "int64"}, key=("z", "y", "x"))
TILE = 64
"""Edge, in voxels, of the cubes in which spheres are undecided."""
MAX_VOXELS = 100
"""Largest radius in voxels: beyond it the voxel size is wrong, or the volume should be downsampled first."""

Radii = tuple[Annotated[float, Gt(0)], ...]
Length = Annotated[float, Ge(0)]
Fraction = Annotated[float, Interval(ge=0, le=1)]
Stop = Annotated[float, Interval(gt=0, le=1)]
Stretch = Annotated[float, Interval(ge=1, le=20)]
"""Length of cells along z by their width."""


def check_sizes(specs: Mapping[str, VolumeSpec], parameters: Mapping[str, Any]) -> Iterator[str]:
    """Yield why the radii do not suit the voxels."""
    size = specs["probability"].voxel_size_nm if "probability" in specs else None
    if size is None:
        yield UNKNOWN_VOXEL_SIZE
        return
    stretch = parameters["z_stretch"]
    radii = [1000 * radius for radius in parameters["radii_um"]]
    shown = " × ".join(f"{n:g}" for n in size) + (f", by a z_stretch of {stretch:g}," if stretch != 1 else "")
    size = size[0] / stretch, *size[1:]
    if not radii:
        yield "radii_um is empty: give at least one radius"
    elif min(radii) < max((n for n, voxels in zip(size, _shape(specs), strict=True) if voxels > 1), default=0.0):
        yield (
            f"radii_um has {min(radii) / 1000:g} µm, less than a voxel of {shown} nm along an axis: correct the voxel "
            "size, or give larger radii"
        )
    elif max(radii) > MAX_VOXELS * min(size):
        yield (
            f"radii_um has {max(radii) / 1000:g} µm, more than {MAX_VOXELS} voxels of {shown} nm: correct the voxel "
            "size, or use a coarser level"
        )


def _shape(specs: Mapping[str, VolumeSpec]) -> tuple[int, ...]:
    return specs["probability"].frame.shape


def _halo(parameters: Mapping[str, Any], scale_nm: tuple[float, float, float]) -> tuple[int, int, int]:
    return SphereParams.of(parameters, scale_nm).halo


@tool(
    "common.sphere_search",
    halo=_halo,
    outputs={"found": FOUND, "pending": PENDING},
    invariance="none",
    check=check_sizes,
    examine=unusual_probability,
    memory=memory_of(340_000_000, 32),
)
def sphere_search(
    probability: Annotated[NDArray[np.uint8], kinds.Probability()],
    *,
    radii_um: Radii = (6.0,),
    gap_um: Length = 2.5,
    z_stretch: Stretch = 1.0,
    threshold: Fraction = 0.2,
    stop: Stop = 0.47,
    block: BlockContext,
) -> dict[str, Rows]:
    """Find spheres that do not depend on what is beyond the block and its halo, for ``common.sphere_selection``.

    Parameters
    ----------
    probability : (z, y, x) array of uint8
        Probability of cells; 255 is certain.
    radii_um : tuple of float
        Radii of spheres, in micrometres.
    gap_um : float
        How far beyond a sphere voxels are removed with it, in micrometres.
    z_stretch : float
        Length of cells along z by their width, as in a light sheet that blurs along z: ellipsoids take the place of
        spheres then, and all lengths are those along y and x.
    threshold : float
        Probability up to which a voxel counts as 0.
    stop : float
        Least mean probability of a sphere.

    Returns
    -------
    found : table
        Voxel of the centre, radius, sum of the probabilities that were left in the sphere, and its number of voxels;
        also of spheres in the halo, because others may have been found only after them.
    pending : table
        Cubes of 64 voxels of the domain in which there may be more spheres: their numbers along z, y and x.
    """
    parameters = {
        "radii_um": radii_um, "gap_um": gap_um, "z_stretch": z_stretch, "threshold": threshold, "stop": stop
    }  # fmt: skip
    frame, write = block.frame, block.write
    spheres = search(probability, block.read, frame.box, SphereParams.of(parameters, frame.scale_nm))
    inside = ((spheres.undecided >= write.start) & (spheres.undecided < write.stop)).all(axis=1)
    tiles = np.unique((spheres.undecided[inside] - np.array(frame.domain.start)) // TILE, axis=0)
    return {
        "found": spheres.rows,
        "pending": dict(zip("zyx", tiles.T, strict=True)),
    }
