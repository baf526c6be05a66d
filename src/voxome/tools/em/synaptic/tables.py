"""Result tables, with ids from 1 and positions in nm."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.kinds import Rows
from voxome.geometry import Box

MIN_PEAK = 108
"""Minimum peak score of a synapse; T-bars are darker than mitochondria, which define a darkness of 1."""


def select_objects(rows: Rows, min_voxels: int, min_peak: int = MIN_PEAK) -> Rows:
    """Return the rows (of `components.object_rows`, summed by object) of objects that are large and dark enough."""
    keep = (rows["voxels"] >= min_voxels) & (rows["peak"] >= min_peak)
    return {name: column[keep] for name, column in rows.items()}


def synapse_table(
    objects: Rows,
    partners: Rows,
    *,
    domain: Box,
    voxel_size_nm: Sequence[float] | None,
    offset_nm: Sequence[float] = (0.0, 0.0, 0.0),
) -> Rows:
    """Return the synapse table; objects without partners are omitted.

    Parameters
    ----------
    objects : Rows
        Rows of `components.object_rows`, summed over all blocks and by object.
    partners : Rows
        Rows of `partners.partners`.
    domain : Box
        Domain, to whose start the sums of `objects` are relative.
    voxel_size_nm, offset_nm : (z, y, x)
        Voxel size (positions are NaN if None) and position of the centre of voxel index 0.

    Returns
    -------
    Rows
        ``id`` (uint64, from 1 in order of the objects' ids), ``z_nm, y_nm, x_nm`` (float64), ``pre_id,
        post_id`` (uint64), ``directed`` (bool), ``score`` (float64 in [0, 1]: the mean score of its voxels),
        ``size_voxels`` (int64).
    """
    order = np.argsort(objects["id"])
    ids = objects["id"][order]
    position = np.minimum(np.searchsorted(ids, partners["synapse_id"]), max(len(ids) - 1, 0))
    known = ids[position] == partners["synapse_id"] if len(ids) else np.zeros(len(position), np.bool_)
    at = order[position[known]]
    voxels = objects["voxels"][at]
    table: Rows = {"id": np.arange(1, len(at) + 1, dtype=np.uint64)}
    table |= _positions({name: objects[name][at] for name in "zyx"}, voxels, domain, voxel_size_nm, offset_nm)
    table |= {name: partners[name][known] for name in ("pre_id", "post_id", "directed")}
    table["score"] = objects["score"][at] / (255.0 * voxels)
    table["size_voxels"] = voxels
    return table


def neuron_table(
    objects: Rows,
    *,
    domain: Box,
    voxel_size_nm: Sequence[float] | None,
    offset_nm: Sequence[float] = (0.0, 0.0, 0.0),
) -> Rows:
    """Return the neuron table: ``id``, centre of mass ``z_nm, y_nm, x_nm`` (float64), ``voxels`` (int64).

    Parameters
    ----------
    objects : Rows
        ``id``, ``voxels`` and sums ``z, y, x`` of voxel indices from ``domain.start``.
    domain : Box
        Domain, to whose start the sums are relative.
    voxel_size_nm, offset_nm : (z, y, x)
        Voxel size (positions are NaN if None) and position of the centre of voxel index 0.
    """
    centre = _positions(objects, objects["voxels"], domain, voxel_size_nm, offset_nm)
    return {"id": objects["id"], **centre, "voxels": objects["voxels"]}


def _positions(
    sums: Rows,
    voxels: NDArray[np.int64],
    domain: Box,
    voxel_size_nm: Sequence[float] | None,
    offset_nm: Sequence[float],
) -> Rows:
    sizes = (np.nan,) * 3 if voxel_size_nm is None else voxel_size_nm
    return {
        f"{axis}_nm": offset + (sums[axis] / voxels + start) * size
        for axis, start, size, offset in zip("zyx", domain.start, sizes, offset_nm, strict=True)
    }
