"""Contacts of synapses with neurons, as sums that add up over blocks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.kinds import Rows
from voxome.errors import InvalidInput
from voxome.geometry import Box
from voxome.geometry.grid import Halo
from voxome.resources.rows import combine, concatenate
from voxome.tools.em.synaptic.growth import grow, growth_halo, growth_steps


@dataclass(frozen=True, slots=True)
class AssociationParams:
    """Parameters of the association of synapses with neurons.

    Attributes
    ----------
    gap_nm : float
        Distance by which neurons are grown into unassigned voxels, so that they meet across membranes.
    contact_nm : float
        Distance from a synapse within which neurons, and contacts between them, count.
    """

    gap_nm: float = 30.0
    contact_nm: float = 10.0


def association_halo(params: AssociationParams, voxel_size_nm: Sequence[float]) -> Halo:
    """Return the halo of `associate` before and after the write box, in voxels."""
    gap, contact = (growth_halo(growth_steps(nm, voxel_size_nm)) for nm in (params.gap_nm, params.contact_nm))
    low = tuple(max(g, c) for g, c in zip(gap, contact, strict=True))
    high = tuple(max(g + 1, c) for g, c in zip(gap, contact, strict=True))
    return low, high


def associate(
    synapses: NDArray[np.uint64],
    neurons: NDArray[np.uint64],
    score: NDArray[np.uint8],
    *,
    write: Box,
    read: Box,
    voxel_size_nm: Sequence[float],
    params: AssociationParams = AssociationParams(),
) -> tuple[Rows, Rows]:
    """Measure the contacts of the synapses of a block; rows of several blocks add up.

    Parameters
    ----------
    synapses, neurons : (z, y, x) uint64
        Synapses and neurons in `read`; 0 is background.
    score : (z, y, x) uint8
        Score map in which the synapses were detected.
    write, read : Box
        Box to sum over, and box of the arrays: `write` grown by `association_halo` and clipped to the domain.
    voxel_size_nm : (z, y, x)
        Voxel size.
    params : AssociationParams
        Parameters.

    Returns
    -------
    contacts : Rows
        Key ``synapse_id, neuron_id`` (uint64); sums (int64): ``voxels`` of the neuron within `contact_nm` of the
        synapse, and ``dark``, their score.
    faces : Rows
        Key ``synapse_id, a, b`` (uint64, a < b); ``z, y, x`` (int64): number of voxel faces across each axis between
        neurons a and b within `contact_nm`.

    Raises
    ------
    InvalidInput
        If the shape of an array is not that of `read`.
    """
    for name, array in (("synapses", synapses), ("neurons", neurons), ("score", score)):
        if array.shape != read.shape:
            raise InvalidInput(f"{name} has shape {array.shape}, but the read box {read} has shape {read.shape}")
    at = write.within(read)
    near = grow(synapses, growth_steps(params.contact_nm, voxel_size_nm))
    filled = grow(neurons, growth_steps(params.gap_nm, voxel_size_nm))
    return _contacts(near[at], filled[at], score[at]), _faces(near, filled, at)


def _contacts(near: NDArray[np.uint64], neurons: NDArray[np.uint64], score: NDArray[np.uint8]) -> Rows:
    overlap = (near != 0) & (neurons != 0)
    dark = score[overlap].astype(np.int64)
    rows: Rows = {"synapse_id": near[overlap], "neuron_id": neurons[overlap]}
    rows |= {"voxels": np.ones_like(dark), "dark": dark}
    return combine(rows, ["synapse_id", "neuron_id"])


def _faces(near: NDArray[np.uint64], neurons: NDArray[np.uint64], at: tuple[slice, ...]) -> Rows:
    """Return faces between two neurons; a face belongs to the block and the synapse of its lower voxel."""
    parts = [_faces_across(axis, near, neurons, at) for axis in range(3)]
    return combine(concatenate(parts), ["synapse_id", "a", "b"])


def _faces_across(axis: int, near: NDArray[np.uint64], neurons: NDArray[np.uint64], at: tuple[slice, ...]) -> Rows:
    last = min(at[axis].stop, near.shape[axis] - 1)
    low = (*at[:axis], slice(at[axis].start, last), *at[axis + 1 :])
    high = (*at[:axis], slice(at[axis].start + 1, last + 1), *at[axis + 1 :])
    overlap = (near[low] != 0) & (neurons[low] != neurons[high]) & (neurons[low] != 0) & (neurons[high] != 0)
    one, other = neurons[low][overlap], neurons[high][overlap]
    rows: Rows = {"synapse_id": near[low][overlap], "a": np.minimum(one, other), "b": np.maximum(one, other)}
    return rows | {name: np.full(len(one), int(i == axis), np.int64) for i, name in enumerate("zyx")}
