"""Ground-truth tables of a phantom: synapses and connectome."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.kinds import Rows
from voxome.data.phantom.spec import PhantomSpec
from voxome.data.phantom.synapses import CLEFT, DENSITY, Site, mark_site
from voxome.geometry import Box
from voxome.resources.rows import concatenate

_PARTNERS = {"pre_id": "uint64", "post_id": "uint64", "directed": "bool"}
SYNAPSE_COLUMNS = {
    "id": "uint64", "z_nm": "float64", "y_nm": "float64", "x_nm": "float64", **_PARTNERS, "score": "float64",
    "size_voxels": "int64",
}  # fmt: skip
"""Columns of ``synapses.parquet`` and their dtypes, as in results of runs."""
CONNECTOME_COLUMNS = {**_PARTNERS, "synapses": "int64", "area_um2": "float64"}
"""Columns of ``connectome.parquet``."""
CONTACT_NM = 60.0
"""Distance from the centre of a synapse within which faces between the two neurons count as its area."""

ReadLabels = Callable[[Box], NDArray[np.uint64]]


def synapse_rows(spec: PhantomSpec, sites: Sequence[Site], read: ReadLabels) -> tuple[Rows, Rows]:
    """Return the synapses, sorted by position and numbered from 1, and the connectome.

    Parameters
    ----------
    spec : PhantomSpec
        Phantom.
    sites : sequence of Site
        Distinct synapses in the domain. Those on unnumbered small pieces are omitted.
    read : callable
        Returns the final labels (z, y, x; uint64) of a Box.
    """
    kept = []
    for site in sorted(sites, key=lambda s: s.centre_nm):
        pre, post = (int(read(Box.of_shape((1, 1, 1), v))[0, 0, 0]) for v in (site.pre_voxel, site.post_voxel))
        if pre and post:
            kept.append((site, pre, post, *_measure(spec, site, pre, post, read)))
    rows = {
        "id": np.arange(1, len(kept) + 1),
        **{f"{axis}_nm": np.array([f[0].centre_nm[i] for f in kept]) for i, axis in enumerate("zyx")},
        "pre_id": np.array([f[1] for f in kept]),
        "post_id": np.array([f[2] for f in kept]),
        "directed": np.ones(len(kept), bool),
        "score": np.ones(len(kept)),
        "size_voxels": np.array([f[3] for f in kept]),
    }
    area = np.array([f[4] for f in kept])
    return concatenate([rows], SYNAPSE_COLUMNS), _connectome(rows, area)


def _connectome(rows: Rows, area: NDArray[np.float64]) -> Rows:
    pairs = np.stack([rows["pre_id"], rows["post_id"]]).reshape(2, -1)
    unique, position, count = np.unique(pairs, axis=1, return_inverse=True, return_counts=True)
    total = np.bincount(position.ravel(), weights=area, minlength=unique.shape[1])
    table = {
        "pre_id": unique[0], "post_id": unique[1], "directed": np.ones(len(count), bool), "synapses": count,
        "area_um2": total,
    }  # fmt: skip
    return concatenate([table], CONNECTOME_COLUMNS)


def _measure(spec: PhantomSpec, site: Site, pre: int, post: int, read: ReadLabels) -> tuple[int, float]:
    """Return the number of voxels of the densities, and the contact area (um2)."""
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
        positions = np.argwhere(faces).astype(np.float64) + start
        positions[:, axis] += 0.5
        near = np.linalg.norm(positions * size - np.array(site.centre_nm), axis=1) <= CONTACT_NM
        total += int(near.sum()) * float(np.prod(np.delete(size, axis)))
    return total * 1e-6
