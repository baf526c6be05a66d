"""Synapses as objects in blocks, and what the blocks say of them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.context import BlockContext
from voxome.contracts.kinds import Rows
from voxome.contracts.source import VolumeSource
from voxome.geometry import Box
from voxome.resources.rows import combine, concatenate
from voxome.tools.em.associate import CONTACTS, FACES, OBJECTS, associate

CONTACT_KEY, FACE_KEY = ["synapse_id", "neuron_id"], ["synapse_id", "a", "b"]
_EXTENT = {"id": "uint64", **dict.fromkeys(("z0", "y0", "x0", "z1", "y1", "x1"), "int64")}
FOLDS = {"peak": "max"} | dict.fromkeys(("z0", "y0", "x0"), "min") | dict.fromkeys(("z1", "y1", "x1"), "max")
"""How the columns of objects are combined; those not named are summed."""


@dataclass(frozen=True)
class SynapseRows:
    """What the blocks say of all synapses, folded.

    Attributes
    ----------
    objects : Rows
        As `voxome.tools.em.associate` returns them, with the extent of each synapse: ``z0, y0, x0`` the first and
        ``z1, y1, x1`` the last voxel.
    contacts, faces : Rows
        As `voxome.tools.em.associate` returns them; no rows without labels.
    """

    objects: Rows
    contacts: Rows
    faces: Rows


@dataclass(frozen=True)
class Objects:
    """Components of blocks, read under the ids of their objects; 0 beyond them."""

    source: VolumeSource
    joined: Rows

    def read(self, box: Box) -> NDArray[np.uint64]:
        """Return the objects in a box."""
        inside = box & self.source.spec.domain
        found = np.zeros(box.shape, np.uint64)
        if not inside.empty:
            found[inside.within(box)] = relabel(self.source.read(inside), self.joined["id"], self.joined["root"])
        return found


@dataclass
class Measures:
    """Rows of blocks, to be folded."""

    _parts: dict[str, list[Rows]] = field(default_factory=lambda: {"objects": [], "contacts": [], "faces": []})
    _extents: list[Rows] = field(default_factory=list)

    def add(
        self, synapses: NDArray[np.uint64], labels: NDArray[np.uint64], score: NDArray[np.uint8], where: BlockContext
    ) -> None:
        """Add the rows of a block, of arrays of its read box."""
        found = associate(synapses, labels, score, block=where)
        for name, parts in self._parts.items():
            parts.append(found[name])
        self._extents.append(_extents(synapses[where.write.within(where.read)], where.write))

    def fold(self) -> SynapseRows:
        """Return the rows of all blocks."""
        objects = combine(concatenate(self._parts["objects"], OBJECTS.columns), ["id"], FOLDS)
        extents = combine(concatenate(self._extents, _EXTENT), ["id"], FOLDS)
        return SynapseRows(
            objects | extents,
            combine(concatenate(self._parts["contacts"], CONTACTS.columns), CONTACT_KEY),
            combine(concatenate(self._parts["faces"], FACES.columns), FACE_KEY),
        )


def relabel(ids: NDArray[np.uint64], old: NDArray[np.uint64], new: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return ids with those in `old`, which is sorted, replaced by `new`; all others as they are."""
    if not len(old):
        return ids
    at = np.minimum(np.searchsorted(old, ids), len(old) - 1)
    found: NDArray[np.uint64] = np.where(old[at] == ids, new[at], ids)
    return found


def _extents(synapses: NDArray[np.uint64], box: Box) -> Rows:
    """Return the first and the last voxel of the part of each synapse in a block."""
    points = np.nonzero(synapses)
    rows: Rows = {"id": synapses[points]}
    rows |= {f"{axis}0": index + start for axis, index, start in zip("zyx", points, box.start, strict=True)}
    rows |= {f"{axis}1": rows[f"{axis}0"] for axis in "zyx"}
    return combine(rows, ["id"], FOLDS)
