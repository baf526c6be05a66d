"""From the contacts of synapses to the neurons that each joins, and to the graph of neurons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.kinds import Rows
from voxome.resources.rows import combine


@dataclass(frozen=True, slots=True)
class PartnerParams:
    """When two neurons are partners, and when it is clear which one is presynaptic.

    Attributes
    ----------
    min_area_um2 : float
        Smallest contact of two neurons at a synapse; an object without one is none.
    min_asymmetry : float
        Smallest ``|a - b| / (a + b)`` of the evidence for either direction, in [0, 1]; below it the synapse
        is undirected.
    """

    min_area_um2: float = 0.002
    min_asymmetry: float = 0.1


def partners(
    contacts: Rows,
    faces: Rows,
    *,
    voxel_size_nm: Sequence[float],
    params: PartnerParams = PartnerParams(),
) -> Rows:
    """The two neurons that each synapse joins.

    They are the pair with the largest contact at the synapse (of equal ones that with the smallest ids). The
    presynaptic one is where most of the dark matter lies: a T-bar stands inside the presynaptic cell, and
    the cleft at its foot.

    Parameters
    ----------
    contacts, faces : Rows
        From `association.associate`, summed over all blocks.
    voxel_size_nm : (z, y, x)
        Voxel size.
    params : PartnerParams
        Limits.

    Returns
    -------
    Rows
        ``synapse_id, pre_id, post_id`` (uint64), ``directed`` (bool), ``area_um2`` (float64); sorted by
        synapse. Of an undirected synapse the smaller id is ``pre_id``. Objects that join no two neurons have
        no row.
    """
    area = contact_area_um2(faces, voxel_size_nm)
    order = np.lexsort([faces["b"], faces["a"], -area, faces["synapse_id"]])
    synapse, first = np.unique(faces["synapse_id"][order], return_index=True)
    best = order[first]
    enough = area[best] >= params.min_area_um2
    synapse, best = synapse[enough], best[enough]
    a, b = faces["a"][best], faces["b"][best]
    for_a, for_b = (_look_up(contacts, synapse, neuron, "dark") for neuron in (a, b))
    total = np.maximum(for_a + for_b, 1)
    directed = np.abs(for_a - for_b) / total >= params.min_asymmetry
    backward = directed & (for_b > for_a)
    return {
        "synapse_id": synapse,
        "pre_id": np.where(backward, b, a),
        "post_id": np.where(backward, a, b),
        "directed": directed,
        "area_um2": area[best],
    }


def contact_area_um2(faces: Rows, voxel_size_nm: Sequence[float]) -> NDArray[np.float64]:
    """Area of contacts from their voxel faces across z, y and x.

    The faces across an axis are the shadow that a flat contact throws along it, so that its area is the
    length of the vector of the three (exact for a flat contact of any tilt, less than the true area for a
    curved one).
    """
    z, y, x = (float(size) for size in voxel_size_nm)
    shadows = [faces["z"] * (y * x), faces["y"] * (z * x), faces["x"] * (z * y)]
    area: NDArray[np.float64] = np.sqrt(sum(shadow**2 for shadow in shadows)) / 1e6
    return area


def connectome(partners: Rows) -> Rows:
    """The graph of neurons: one edge for every distinct (pre, post, directed).

    Parameters
    ----------
    partners : Rows
        From `partners`.

    Returns
    -------
    Rows
        ``pre_id, post_id`` (uint64), ``directed`` (bool), ``synapses`` (int64), ``area_um2`` (float64);
        sorted.
    """
    edges = {name: partners[name] for name in ("pre_id", "post_id", "directed")}
    edges["directed"] = edges["directed"].astype(np.int64)
    edges["synapses"] = np.ones(len(edges["pre_id"]), np.int64)
    edges["area_um2"] = partners["area_um2"]
    folded = combine(edges, ["pre_id", "post_id", "directed"])
    folded["directed"] = folded["directed"].astype(np.bool_)
    return folded


def _look_up(contacts: Rows, synapse: NDArray[Any], neuron: NDArray[Any], column: str) -> NDArray[np.int64]:
    """`column` of the rows of (synapse, neuron); 0 where there is none."""
    known = np.stack([contacts["synapse_id"], contacts["neuron_id"]], axis=1)
    asked = np.stack([synapse, neuron], axis=1)
    _, place = np.unique(np.concatenate([known, asked]), axis=0, return_inverse=True)
    values = np.zeros(int(place.max(initial=-1)) + 1, np.int64)
    values[place[: len(known)]] = contacts[column]
    return values[place[len(known) :]]
