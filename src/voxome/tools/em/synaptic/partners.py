"""Synaptic partners and the connectome, from the contacts of synapses."""

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
    """Limits for partners and their direction.

    Attributes
    ----------
    min_area_um2 : float
        Minimum contact area of two neurons at a synapse; objects without one are dropped.
    min_asymmetry : float
        Minimum asymmetry ``|a - b| / (a + b)`` of the evidence for the two directions, in [0, 1]; synapses below it are
        undirected.
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
    """Find the two neurons that each synapse connects.

    They are the pair with the largest contact at the synapse (ties are broken by the smallest ids). The presynaptic
    neuron is the one with most of the dark material, as a T-bar is inside the presynaptic cell, with the cleft at its
    foot.

    Parameters
    ----------
    contacts, faces : Rows
        Rows of `association.associate`, summed over all blocks.
    voxel_size_nm : (z, y, x)
        Voxel size.
    params : PartnerParams
        Limits for partners.

    Returns
    -------
    Rows
        ``synapse_id, pre_id, post_id`` (uint64), ``directed`` (bool), ``area_um2`` (float64); sorted by
        synapse. For undirected synapses, ``pre_id`` is the smaller id. Objects that do not connect two neurons are
        omitted.
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
    """Return the area of contacts from their voxel faces across z, y and x.

    The faces across an axis are the projection of the contact along it, so that the area is the norm of the vector of
    the three. This is exact for flat contacts at any angle, and an underestimate for curved ones.
    """
    z, y, x = (float(size) for size in voxel_size_nm)
    projections = [faces["z"] * (y * x), faces["y"] * (z * x), faces["x"] * (z * y)]
    area: NDArray[np.float64] = np.sqrt(sum(projection**2 for projection in projections)) / 1e6
    return area


def connectome(partners: Rows) -> Rows:
    """Return the graph of neurons, with one edge for every distinct (pre, post, directed).

    Parameters
    ----------
    partners : Rows
        Rows of `partners`.

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
    """Return `column` at (synapse, neuron); 0 without such a row."""
    known = np.stack([contacts["synapse_id"], contacts["neuron_id"]], axis=1)
    requested = np.stack([synapse, neuron], axis=1)
    _, position = np.unique(np.concatenate([known, requested]), axis=0, return_inverse=True)
    values = np.zeros(int(position.max(initial=-1)) + 1, np.int64)
    values[position[: len(known)]] = contacts[column]
    return values[position[len(known) :]]
