"""Synapses that touch are separated by their partners.

Two synapses close to each other may be one object of the detector. Such an object is cut into pieces around its cores,
the parts with the score of a peak. If its pieces have different partners, those of each pair are a synapse of their
own; if not, the object is one synapse, as it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from voxome.contracts.kinds import Rows
from voxome.resources.rows import combine, concatenate
from voxome.services.synapse_rows import CONTACT_KEY, FACE_KEY, FOLDS, SynapseRows, relabel
from voxome.tools.em.synaptic.partners import PartnerParams, partners
from voxome.tools.em.synaptic.tables import select_objects

PIECE_NM = 200.0
"""Distance from its core up to which a voxel belongs to a piece."""


@dataclass(frozen=True)
class Pieces:
    """The pieces of objects with several cores.

    Attributes
    ----------
    rows : SynapseRows
        What the blocks say of the pieces, under the ids of their cores.
    owners : Rows
        ``core`` and ``object``: the object of each core; sorted by core.
    """

    rows: SynapseRows
    owners: Rows


def owners_of(objects: NDArray[np.uint64], cores: NDArray[np.uint64]) -> Rows:
    """Return the object of each core in a block."""
    core, first = np.unique(cores, return_index=True)
    rows = {"core": core, "object": objects.ravel()[first]}
    return {name: values[core != 0] for name, values in rows.items()}


def with_several(owners: Rows) -> Rows:
    """Return the cores of objects that have several, sorted."""
    distinct = combine(owners, ["core", "object"])
    object_id, count = np.unique(distinct["object"], return_counts=True)
    several = np.isin(distinct["object"], object_id[count > 1])
    return {name: values[several] for name, values in distinct.items()}


def cut(
    objects: NDArray[np.uint64], cores: NDArray[np.uint64], owners: Rows, voxel_size_nm: Sequence[float]
) -> NDArray[np.uint64]:
    """Give the voxels of objects with several cores to the nearest one, the one of the smallest id if several are.

    Returns
    -------
    (z, y, x) array of uint64
        Cores; exact where the arrays extend by `PIECE_NM`, or to the border of the volume. 0 elsewhere, also in objects
        with one core, and farther than `PIECE_NM` from all cores.
    """
    pieces = np.zeros_like(objects)
    ids, places = np.unique(objects, return_inverse=True)
    boxes = ndimage.find_objects(places.reshape(objects.shape) + 1)
    here = np.isin(owners["object"], ids)
    owner, core_of = owners["object"][here], owners["core"][here]
    for row in np.flatnonzero(np.isin(ids, owner)):
        at = boxes[row]
        inside = objects[at] == ids[row]
        within, nearest = np.where(inside, cores[at], 0), np.full(inside.shape, np.inf)
        for core in np.intersect1d(within, core_of[owner == ids[row]]):
            distance = ndimage.distance_transform_edt(within != core, sampling=voxel_size_nm)
            closer = inside & (distance < nearest) & (distance <= PIECE_NM)
            pieces[at][closer], nearest[closer] = core, distance[closer]
    return pieces


def resolve(
    rows: SynapseRows,
    pieces: Pieces,
    voxel_size_nm: Sequence[float],
    limits: PartnerParams,
    min_voxels: int,
    min_peak: int,
) -> SynapseRows:
    """Return the rows of synapses: objects, and in place of those whose pieces have different partners these.

    Pieces of one object with the same partners are one synapse, under the smallest id of its cores; those that are too
    small, or without partners, are none.
    """
    kept = select_objects(pieces.rows.objects, min_voxels, min_peak)
    known = (_select(one, "synapse_id", kept["id"]) for one in (pieces.rows.contacts, pieces.rows.faces))
    pairs = partners(*known, voxel_size_nm=voxel_size_nm, params=limits)
    at = np.searchsorted(pieces.owners["core"], pairs["synapse_id"])
    joined = {"object": pieces.owners["object"][at], "core": pairs["synapse_id"]}
    joined |= {"a": np.minimum(pairs["pre_id"], pairs["post_id"]), "b": np.maximum(pairs["pre_id"], pairs["post_id"])}
    synapses = combine(joined, ["object", "a", "b"], {"core": "min"})
    object_id, count = np.unique(synapses["object"], return_counts=True)
    split = object_id[count > 1]
    if not len(split):
        return rows
    core, new = _synapse_of(joined, synapses, split)
    return SynapseRows(
        _replaced(rows.objects, pieces.rows.objects, "id", split, core, new, ["id"]),
        _replaced(rows.contacts, pieces.rows.contacts, "synapse_id", split, core, new, CONTACT_KEY),
        _replaced(rows.faces, pieces.rows.faces, "synapse_id", split, core, new, FACE_KEY),
    )


def _synapse_of(
    joined: Rows, synapses: Rows, split: NDArray[np.uint64]
) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Return the cores of split objects, sorted, and the synapse of each."""
    names = ("object", "a", "b")
    pairs = zip(*(synapses[name].tolist() for name in names), strict=True)
    ids = dict(zip(pairs, synapses["core"].tolist(), strict=True))
    cut_here = np.isin(joined["object"], split)
    core = joined["core"][cut_here]
    keys = zip(*(joined[name][cut_here].tolist() for name in names), strict=True)
    new = np.array([ids[key] for key in keys], np.uint64)
    order = np.argsort(core)
    return core[order], new[order]


def _replaced(
    rows: Rows,
    pieces: Rows,
    column: str,
    split: NDArray[np.uint64],
    core: NDArray[np.uint64],
    new: NDArray[np.uint64],
    key: list[str],
) -> Rows:
    """Return rows without those of split objects, and with those of their pieces under the ids of synapses."""
    whole = {name: values[~np.isin(rows[column], split)] for name, values in rows.items()}
    parts = _select(pieces, column, core)
    parts[column] = relabel(parts[column], core, new)
    return combine(concatenate([whole, parts]), key, FOLDS)


def _select(rows: Rows, column: str, ids: NDArray[np.uint64]) -> Rows:
    keep = np.isin(rows[column], ids)
    return {name: values[keep] for name, values in rows.items()}
