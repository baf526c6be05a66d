"""Which neurons a synapse touches, on whose side its dark matter and its vesicles lie; sums that add up."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from voxome.contracts.kinds import Rows
from voxome.errors import InvalidInput
from voxome.geometry import Box
from voxome.geometry.grid import Halo
from voxome.tools.em.synaptic.growth import grow, growth_halo, growth_steps
from voxome.tools.em.synaptic.rows import sum_rows

_FINE = 64
_TRUNCATE = 3.0


@dataclass(frozen=True, slots=True)
class AssociationParams:
    """How far a synapse looks.

    Attributes
    ----------
    gap_nm : float
        Neurons are grown by this into unassigned voxels, so that those on both sides of a membrane meet.
    contact_nm : float
        Contacts between neurons count this far from the voxels of a synapse.
    vesicles_nm : float
        Vesicles are looked for this far from the voxels of a synapse; at least `contact_nm`.
    depth_nm : float
        ... and at least this deep inside a neuron, away from membranes.
    sigma_nm : float
        Standard deviation of the smoothing that keeps vesicles and takes away noise.
    """

    gap_nm: float = 30.0
    contact_nm: float = 30.0
    vesicles_nm: float = 120.0
    depth_nm: float = 20.0
    sigma_nm: float = 10.0


def association_halo(params: AssociationParams, voxel_size_nm: Sequence[float]) -> Halo:
    """Voxels before and after a write box that `associate` must see."""
    reach = [growth_halo(growth_steps(nm, voxel_size_nm)) for nm in (params.gap_nm, params.vesicles_nm)]
    deep, smooth = _depth(params, voxel_size_nm), _radius(params, voxel_size_nm)
    low = tuple(max(g + max(d, 1), v, s) for (g, v), d, s in zip(zip(*reach, strict=True), deep, smooth, strict=True))
    return low, low


def associate(
    synapses: NDArray[np.uint64],
    neurons: NDArray[np.uint64],
    raw: NDArray[Any],
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
    raw : (z, y, x) integer
        Electron micrograph.
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
    neurons : Rows
        Key ``synapse_id, neuron_id`` (uint64); sums (int64): ``voxels`` of the neuron within `contact_nm`,
        ``dark`` their score, ``deep`` voxels of the neuron well inside it within `vesicles_nm`, ``texture``
        of those.
    faces : Rows
        Key ``synapse_id, a, b`` (uint64, a < b); ``z, y, x`` (int64): voxel faces across each axis between
        the neurons a and b within `contact_nm`.

    Raises
    ------
    InvalidInput
        If the arrays do not fill `read`.
    """
    for name, array in (("synapses", synapses), ("neurons", neurons), ("raw", raw), ("score", score)):
        if array.shape != read.shape:
            raise InvalidInput(f"{name} has shape {array.shape}; the read box {read} has {read.shape}")
    at = write.within(read)
    filled = grow(neurons, growth_steps(params.gap_nm, voxel_size_nm))
    near = grow(synapses, growth_steps(params.contact_nm, voxel_size_nm))
    around = grow(synapses, growth_steps(params.vesicles_nm, voxel_size_nm))
    contacts = _sum_over(near[at], filled[at], voxels=1, dark=score[at])
    inside = np.where(_is_deep(filled, _depth(params, voxel_size_nm))[at], filled[at], 0)
    texture = _texture(raw, params, voxel_size_nm)[at]
    vesicles = _sum_over(around[at], inside, deep=1, texture=texture)
    return _outer(contacts, vesicles), _faces(near, filled, at)


def _sum_over(synapse: NDArray[np.uint64], neuron: NDArray[np.uint64], **values: int | NDArray[Any]) -> Rows:
    """Sums of `values` for every pair of a synapse and a neuron; neither is 0."""
    there = (synapse != 0) & (neuron != 0)
    rows: Rows = {"synapse_id": synapse[there], "neuron_id": neuron[there]}
    for name, value in values.items():
        summed = value[there] if isinstance(value, np.ndarray) else np.full(len(rows["synapse_id"]), value)
        rows[name] = summed.astype(np.int64)
    return sum_rows(rows, ["synapse_id", "neuron_id"])


def _outer(left: Rows, right: Rows) -> Rows:
    """Both tables under one key, 0 where one has no row."""
    key = ["synapse_id", "neuron_id"]
    joined: Rows = {name: np.concatenate([left[name], right[name]]) for name in key}
    for rows, before, after in ((left, 0, len(right[key[0]])), (right, len(left[key[0]]), 0)):
        for name in rows.keys() - set(key):
            joined[name] = np.pad(rows[name], (before, after))
    return sum_rows(joined, key)


def _faces(near: NDArray[np.uint64], neurons: NDArray[np.uint64], at: tuple[slice, ...]) -> Rows:
    """Faces between two neurons; a face belongs to the block and the synapse of its lower voxel."""
    found: Rows = {"synapse_id": near[:0, 0, 0], "a": near[:0, 0, 0], "b": near[:0, 0, 0]}
    found |= {name: np.empty(0, np.int64) for name in "zyx"}
    for axis, name in enumerate("zyx"):
        low = tuple(
            slice(s.start, min(s.stop, n - (axis == i))) for i, (s, n) in enumerate(zip(at, near.shape, strict=True))
        )
        high = tuple(slice(s.start + (axis == i), s.stop + (axis == i)) for i, s in enumerate(low))
        synapse, one, other = near[low], neurons[low], neurons[high]
        there = (synapse != 0) & (one != other) & (one != 0) & (other != 0)
        pair = np.sort(np.stack([one[there], other[there]]), axis=0)
        count = pair.shape[1]
        rows = {"synapse_id": synapse[there], "a": pair[0], "b": pair[1]}
        rows |= {other_name: np.full(count, int(other_name == name), np.int64) for other_name in "zyx"}
        found = {column: np.concatenate([found[column], rows[column]]) for column in found}
    return sum_rows(found, ["synapse_id", "a", "b"])


def _is_deep(neurons: NDArray[np.uint64], depth: Sequence[int]) -> NDArray[np.bool_]:
    """Whether no voxel of another label is in the cuboid that reaches `depth` voxels around a voxel."""
    rim = np.zeros(neurons.shape, np.bool_)
    for axis in range(3):
        low = np.moveaxis(neurons, axis, 0)
        differs = low[:-1] != low[1:]
        np.moveaxis(rim, axis, 0)[:-1] |= differs
        np.moveaxis(rim, axis, 0)[1:] |= differs
    near_rim: NDArray[np.bool_] = ndimage.maximum_filter(rim, [2 * n + 1 for n in depth], mode="nearest")
    return ~near_rim


def _texture(raw: NDArray[Any], params: AssociationParams, voxel_size_nm: Sequence[float]) -> NDArray[np.int64]:
    """Size of the difference of two Gaussians, in 1/64 grey levels: high where vesicles crowd."""
    image, radius = raw.astype(np.float64), _radius(params, voxel_size_nm)
    fine, coarse = (
        ndimage.gaussian_filter(image, [f * params.sigma_nm / size for size in voxel_size_nm], radius=radius)
        for f in (1, 2)
    )
    texture: NDArray[np.int64] = np.rint(_FINE * np.abs(fine - coarse)).astype(np.int64)
    return texture


def _depth(params: AssociationParams, voxel_size_nm: Sequence[float]) -> list[int]:
    return [math.floor(params.depth_nm / size) for size in voxel_size_nm]


def _radius(params: AssociationParams, voxel_size_nm: Sequence[float]) -> list[int]:
    return [math.ceil(2 * _TRUNCATE * params.sigma_nm / size) for size in voxel_size_nm]
