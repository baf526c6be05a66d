"""The tables of a phantom: its synapses, and which neurons they connect."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.kinds import Rows
from voxome.datasets.phantom.spec import PhantomSpec
from voxome.datasets.phantom.synapses import CLEFT, DENSITY, Site, mark_site
from voxome.geometry import Box
from voxome.resources.rows import concatenate

_ENDS = {"pre_id": "uint64", "post_id": "uint64", "directed": "bool"}
SYNAPSE_COLUMNS = {
    "id": "uint64", "z_nm": "float64", "y_nm": "float64", "x_nm": "float64", **_ENDS, "score": "float64",
    "size_voxels": "int64",
}  # fmt: skip
"""Columns of ``synapses.parquet`` and their dtypes: those of a run."""
CONNECTOME_COLUMNS = {**_ENDS, "synapses": "int64", "area_um2": "float64"}
"""Columns of ``connectome.parquet``."""
CONTACT_NM = 60.0
"""Faces of the two neurons this near to the centre of a synapse are its area."""

ReadLabels = Callable[[Box], NDArray[np.uint64]]


def synapse_rows(spec: PhantomSpec, sites: Sequence[Site], read: ReadLabels) -> tuple[Rows, Rows]:
    """The synapses (sorted by place, numbered from 1) and the connectome.

    Parameters
    ----------
    spec : PhantomSpec
        The phantom.
    sites : sequence of Site
        Every synapse of its domain once. Those on a piece too small to have a number are left out.
    read : function of a Box
        Returns the final labels (z, y, x; uint64) there.
    """
    found = []
    for site in sorted(sites, key=lambda s: s.centre_nm):
        pre, post = (int(read(Box.of_shape((1, 1, 1), v))[0, 0, 0]) for v in (site.pre_voxel, site.post_voxel))
        if pre and post:
            found.append((site, pre, post, *_measure(spec, site, pre, post, read)))
    rows = {
        "id": np.arange(1, len(found) + 1),
        **{f"{axis}_nm": np.array([f[0].centre_nm[i] for f in found]) for i, axis in enumerate("zyx")},
        "pre_id": np.array([f[1] for f in found]),
        "post_id": np.array([f[2] for f in found]),
        "directed": np.ones(len(found), bool),
        "score": np.ones(len(found)),
        "size_voxels": np.array([f[3] for f in found]),
    }
    area = np.array([f[4] for f in found])
    return concatenate([rows], SYNAPSE_COLUMNS), _connectome(rows, area)


def _connectome(rows: Rows, area: NDArray[np.float64]) -> Rows:
    pairs = np.stack([rows["pre_id"], rows["post_id"]]).reshape(2, -1)
    unique, place, count = np.unique(pairs, axis=1, return_inverse=True, return_counts=True)
    total = np.bincount(place.ravel(), weights=area, minlength=unique.shape[1])
    table = {
        "pre_id": unique[0], "post_id": unique[1], "directed": np.ones(len(count), bool), "synapses": count,
        "area_um2": total,
    }  # fmt: skip
    return concatenate([table], CONNECTOME_COLUMNS)


def _measure(spec: PhantomSpec, site: Site, pre: int, post: int, read: ReadLabels) -> tuple[int, float]:
    """Voxels of the densities, and area of the contact (um2)."""
    size = np.array(spec.voxel_size_nm)
    reach = [math.ceil(100.0 / v) + 1 for v in size]
    middle = np.rint(np.array(site.centre_nm) / size).astype(int).tolist()
    box = Box.of_shape((1, 1, 1), middle).grow(reach) & spec.domain
    labels = read(box)
    marks = np.zeros(labels.shape, np.uint8)
    start = np.array(box.start)
    mark_site(marks, labels, start, size, site.centre_nm, site.normal, np.uint64(pre), np.uint64(post))
    return int(np.count_nonzero(marks & (DENSITY | CLEFT))), _area(labels, start, size, site, pre, post)


def _area(
    labels: NDArray[np.uint64], start: NDArray[np.int64], size: NDArray[np.float64], site: Site, pre: int, post: int
) -> float:
    total = 0.0
    for axis in range(3):
        low, high = np.moveaxis(labels, axis, 0)[:-1], np.moveaxis(labels, axis, 0)[1:]
        faces = np.moveaxis(((low == pre) & (high == post)) | ((low == post) & (high == pre)), 0, axis)
        places = np.argwhere(faces).astype(np.float64) + start
        places[:, axis] += 0.5
        near = np.linalg.norm(places * size - np.array(site.centre_nm), axis=1) <= CONTACT_NM
        total += int(near.sum()) * float(np.prod(np.delete(size, axis)))
    return total * 1e-6
