"""Selection of the spheres of a whole volume."""

from __future__ import annotations

import itertools
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from voxome import kinds
from voxome.contracts.frame import Frame
from voxome.contracts.kinds import Rows
from voxome.contracts.python_tool import tool
from voxome.geometry import Box
from voxome.resources.rows import concatenate
from voxome.resources.table import TableFile
from voxome.resources.volume import Volume
from voxome.tools.common.sphere_search import FOUND, PENDING, TILE, Fraction, Length, Radii, Stop, Stretch, check_sizes
from voxome.tools.common.spherical.candidates import CERTAIN
from voxome.tools.common.spherical.search import SphereParams, has_candidates, search

SPHERES = kinds.Table({"id": "uint64", **FOUND.columns}, key=("z", "y", "x"))


@tool("common.sphere_selection", scope="whole", outputs=SPHERES, check=check_sizes)
def sphere_selection(
    probability: Annotated[Volume, kinds.Probability()],
    found: Annotated[TableFile, FOUND],
    pending: Annotated[TableFile, PENDING],
    *,
    radii_um: Radii = (6.0,),
    gap_um: Length = 2.5,
    z_stretch: Stretch = 1.0,
    threshold: Fraction = 0.2,
    stop: Stop = 0.47,
    min_score: Fraction = 0.0,
    frame: Frame,
) -> Rows:
    """Find the spheres on which blocks alone could not decide, so that all are those of a search in the whole volume.

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
    min_score : float
        Least mean probability of a sphere that is returned; the others only take their voxels from spheres after them,
        so that a vessel is not cut into small cells.

    Returns
    -------
    table
        The columns of `found` and ``id``, from 1 in the order of the voxels of the centres.
    """
    parameters = {
        "radii_um": radii_um, "gap_um": gap_um, "z_stretch": z_stretch, "threshold": threshold, "stop": stop
    }  # fmt: skip
    params = SphereParams.of(parameters, frame.scale_nm)
    source = probability.source
    tiles = np.unique(pending.stacked(("z", "y", "x"), np.int64).reshape(-1, 3), axis=0)

    def read(box: Box) -> NDArray[np.uint8]:
        voxels: NDArray[np.uint8] = np.asarray(source.read(source.spec.lift(box)))
        return voxels

    known = _Known(found.read(), params)
    boxes = [Box.of_shape((TILE,) * 3, tile * TILE + np.array(frame.domain.start)) & frame.box for tile in tiles]
    while boxes:
        left = []
        for box in boxes:
            near = box.grow(params.reach) & frame.box
            if not has_candidates(read(near), box, frame.box, params, known.near(near)):
                continue
            around = box.grow(params.halo) & frame.box
            result = search(read(around), around, frame.box, params, known.near(around))
            known.add(result.rows)
            if any(tuple(point) in box for point in result.undecided.tolist()):
                left.append(box)
        boxes = left
    rows = known.rows
    order = np.lexsort([rows[name] for name in ("x", "y", "z")])
    order = order[(rows["total"] >= min_score * CERTAIN * rows["voxels"])[order]]
    ids = np.arange(1, len(order) + 1, dtype=np.uint64)
    return {"id": ids, **{name: values[order] for name, values in rows.items()}}


class _Known:
    """Spheres that have been found, by cubes of the volume, so that those nearby are found without a look at all."""

    def __init__(self, rows: Rows, params: SphereParams) -> None:
        for radius in np.unique(rows["radius_nm"]):
            params.find_number(float(radius))
        self._params = params
        self._cubes: dict[tuple[int, ...], list[Rows]] = {}
        self.add(rows)

    @property
    def rows(self) -> Rows:
        """All spheres."""
        return concatenate([part for parts in self._cubes.values() for part in parts], FOUND.columns)

    def add(self, rows: Rows) -> None:
        """Add spheres."""
        cubes, number = np.unique(np.stack([rows[name] for name in "zyx"], axis=1) // TILE, axis=0, return_inverse=True)
        order = np.argsort(number, kind="stable")
        ends = np.cumsum(np.bincount(number, minlength=len(cubes)))
        for cube, one in zip(cubes.tolist(), np.split(order, ends[:-1]), strict=False):
            self._cubes.setdefault(tuple(cube), []).append({name: values[one] for name, values in rows.items()})

    def near(self, box: Box) -> Rows:
        """Return the spheres that may remove voxels of a box."""
        around = box.grow(self._params.removal_reach)
        cubes = around.coarsen((TILE,) * 3)
        indices = itertools.product(*(range(a, b) for a, b in zip(cubes.start, cubes.stop, strict=True)))
        rows = concatenate([part for cube in indices for part in self._cubes.get(cube, ())], FOUND.columns)
        near = np.ones(len(rows["z"]), bool)
        for name, start, stop in zip("zyx", around.start, around.stop, strict=True):
            near &= (rows[name] >= start) & (rows[name] < stop)
        return {name: values[near] for name, values in rows.items()}
