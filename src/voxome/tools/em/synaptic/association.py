"""Which neurons a synapse touches, and how much of its dark matter lies in each: sums that add up over blocks."""

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
    """How far a synapse looks.

    Attributes
    ----------
    gap_nm : float
        Neurons are grown by this into unassigned voxels, so that those on both sides of a membrane meet.
    contact_nm : float
        Neurons, and contacts between them, count this far from the voxels of a synapse.
    """

    gap_nm: float = 30.0
    contact_nm: float = 10.0


def association_halo(params: AssociationParams, voxel_size_nm: Sequence[float]) -> Halo:
    """Voxels before and after a write box that `associate` must see."""
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
    """Gather the contacts of the synapses of a block; rows of several blocks add up.

    Parameters
    ----------
    synapses, neurons : (z, y, x) uint64
        Objects and segmentation in `read`; 0 is background.
    score : (z, y, x) uint8
        The score map from which `synapses` was made.
    write, read : Box
        The voxels to sum over, and those of the arrays: `write` grown by `association_halo`, clipped at the
        domain.
    voxel_size_nm : (z, y, x)
        Voxel size.
    params : AssociationParams
        How far to look.

    Returns
    -------
    contacts : Rows
        Key ``synapse_id, neuron_id`` (uint64); sums (int64): ``voxels`` of the neuron within `contact_nm` of the
        synapse, ``dark`` their score.
    faces : Rows
        Key ``synapse_id, a, b`` (uint64, a < b); ``z, y, x`` (int64): voxel faces across each axis between the
        neurons a and b within `contact_nm`.

    Raises
    ------
    InvalidInput
        If the arrays do not fill `read`.
    """
    for name, array in (("synapses", synapses), ("neurons", neurons), ("score", score)):
        if array.shape != read.shape:
            raise InvalidInput(f"{name} has shape {array.shape}; the read box {read} has {read.shape}")
    at = write.within(read)
    near = grow(synapses, growth_steps(params.contact_nm, voxel_size_nm))
    filled = grow(neurons, growth_steps(params.gap_nm, voxel_size_nm))
    return _contacts(near[at], filled[at], score[at]), _faces(near, filled, at)


def _contacts(near: NDArray[np.uint64], neurons: NDArray[np.uint64], score: NDArray[np.uint8]) -> Rows:
    there = (near != 0) & (neurons != 0)
    dark = score[there].astype(np.int64)
    rows: Rows = {"synapse_id": near[there], "neuron_id": neurons[there]}
    rows |= {"voxels": np.ones_like(dark), "dark": dark}
    return combine(rows, ["synapse_id", "neuron_id"])


def _faces(near: NDArray[np.uint64], neurons: NDArray[np.uint64], at: tuple[slice, ...]) -> Rows:
    """Faces between two neurons; a face belongs to the block and the synapse of its lower voxel."""
    parts = [_faces_across(axis, near, neurons, at) for axis in range(3)]
    return combine(concatenate(parts), ["synapse_id", "a", "b"])


def _faces_across(axis: int, near: NDArray[np.uint64], neurons: NDArray[np.uint64], at: tuple[slice, ...]) -> Rows:
    last = min(at[axis].stop, near.shape[axis] - 1)
    low = (*at[:axis], slice(at[axis].start, last), *at[axis + 1 :])
    high = (*at[:axis], slice(at[axis].start + 1, last + 1), *at[axis + 1 :])
    there = (near[low] != 0) & (neurons[low] != neurons[high]) & (neurons[low] != 0) & (neurons[high] != 0)
    one, other = neurons[low][there], neurons[high][there]
    rows: Rows = {"synapse_id": near[low][there], "a": np.minimum(one, other), "b": np.maximum(one, other)}
    return rows | {name: np.full(len(one), int(i == axis), np.int64) for i, name in enumerate("zyx")}
