"""Spheres on which blocks alone could not decide, over a tree of regions."""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from voxome import kinds
from voxome.contracts.context import Region
from voxome.contracts.frame import Frame
from voxome.contracts.kinds import Rows
from voxome.contracts.python_tool import tool
from voxome.contracts.tool import memory_of
from voxome.geometry import Box
from voxome.resources.rows import combine, concatenate
from voxome.resources.table import TableFile
from voxome.resources.volume import Volume
from voxome.tools.common.sphere_search import FOUND, PENDING, TILE, Fraction, Length, Radii, Stop, Stretch, check_sizes
from voxome.tools.common.spherical.search import SphereParams, has_candidates, search

COMPLETED = kinds.RegionTable(FOUND.columns)
LEFT = kinds.RegionTable(PENDING.columns)
Tiles = NDArray[np.int64]


@tool(
    "common.sphere_completion",
    scope="regions",
    outputs={"completed": COMPLETED, "left": LEFT},
    check=check_sizes,
    memory=memory_of(500_000_000, 32),
)
def sphere_completion(
    probability: Annotated[Volume, kinds.Probability()],
    found: Annotated[TableFile, FOUND],
    pending: Annotated[TableFile, PENDING],
    *,
    radii_um: Radii = (6.0,),
    gap_um: Length = 2.5,
    z_stretch: Stretch = 1.0,
    threshold: Fraction = 0.2,
    stop: Stop = 0.47,
    region: Region,
) -> dict[str, Rows]:
    """Find the spheres on which blocks alone could not decide, so that all are those of a search in the whole volume.

    A region searches around the cubes that its children have left, until that finds nothing more; the last region
    leaves none. A sphere that is found is one of the whole volume, whichever others are known, so the order of the
    regions does not matter.

    Parameters
    ----------
    probability : Volume of uint8
        Probability of cells; 255 is certain.
    found, pending : table
        From ``common.sphere_search`` with the same parameters.
    radii_um : tuple of float
        Radii of spheres, in micrometres.
    gap_um : float
        How far beyond a sphere voxels are removed with it, in micrometres.
    z_stretch : float
        Length of cells along z by their width.
    threshold : float
        Probability up to which a voxel counts as 0.
    stop : float
        Least mean probability of a sphere.

    Returns
    -------
    completed : table
        Spheres that the region and those below it have found beside `found`.
    left : table
        Cubes of the region in which there may be more.
    """
    parameters = {
        "radii_um": radii_um, "gap_um": gap_um, "z_stretch": z_stretch, "threshold": threshold, "stop": stop
    }  # fmt: skip
    params, source, box = SphereParams.of(parameters, region.frame.scale_nm), probability.source, region.frame.box
    left, completed = _children(pending, region)
    known = _Known(found, completed, params)

    def read(part: Box) -> NDArray[np.uint8]:
        voxels: NDArray[np.uint8] = np.asarray(source.read(source.spec.lift(part)))
        return voxels

    def search_around(cube: Box) -> bool:
        """Search around a cube, and return whether there may be more."""
        near = cube.grow(params.reach) & box
        if not has_candidates(read(near), cube, box, params, known.near(near)):
            return False
        around = cube.grow(params.halo) & box
        result = search(read(around), around, box, params, known.near(around))
        known.add(result.rows)
        return any(tuple(point) in cube for point in result.undecided.tolist())

    before = -1
    while len(left) and known.count > before:
        before = known.count
        left = left[[search_around(cube) for cube in _cubes(left, region.frame)]]
    return {"completed": known.completed, "left": dict(zip("zyx", left.T, strict=True))}


def _cubes(tiles: Tiles, frame: Frame) -> list[Box]:
    return [Box.of_shape((TILE,) * 3, tile * TILE + np.array(frame.domain.start)) & frame.box for tile in tiles]


def _children(pending: TableFile, region: Region) -> tuple[Tiles, Rows]:
    """Return the cubes that are left to a region, and the spheres that its children have completed."""
    if not region.level:
        return _own(pending, region), concatenate([], FOUND.columns)
    left, completed = (
        concatenate([region.parts.rows(name, region.level - 1, child) for child in region.children], columns)
        for name, columns in (("left", LEFT.columns), ("completed", FOUND.columns))
    )
    return np.stack([left[name] for name in "zyx"], axis=1), combine(completed, FOUND.key, FOUND.fold)


def _own(pending: TableFile, region: Region) -> Tiles:
    """Return the cubes that begin in a block; those that the box cuts begin at its face."""
    start = region.frame.domain.start[0]
    layers = np.arange((region.box.start[0] - start) // TILE, -(-(region.box.stop[0] - start) // TILE))
    rows = pending.lookup("z", layers)
    tiles = np.stack([rows[name].astype(np.int64) for name in "zyx"], axis=1)
    return tiles[[cube.start in region.box for cube in _cubes(tiles, region.frame)]]


class _Known:
    """Spheres that have been found: those of a table, of which a layer of cubes is in memory, and others."""

    def __init__(self, found: TableFile, completed: Rows, params: SphereParams) -> None:
        self._params = params
        self._layer = lru_cache(1)(lambda first, last: found.lookup("z", np.arange(first, last)))
        self.completed = completed

    @property
    def count(self) -> int:
        """Number of spheres that are not in the table."""
        return len(self.completed["z"])

    def add(self, rows: Rows) -> None:
        """Add spheres that are not in the table."""
        self.completed = concatenate([self.completed, rows], FOUND.columns)

    def near(self, box: Box) -> Rows:
        """Return the spheres that may remove voxels of a box."""
        around = box.grow(self._params.removal_reach)
        parts = [_within(rows, around) for rows in (self._layer(around.start[0], around.stop[0]), self.completed)]
        return concatenate(parts, FOUND.columns)


def _within(rows: Rows, box: Box) -> Rows:
    inside = np.ones(len(rows["z"]), bool)
    for name, start, stop in zip("zyx", box.start, box.stop, strict=True):
        inside &= (rows[name] >= start) & (rows[name] < stop)
    return {name: values[inside] for name, values in rows.items()}
