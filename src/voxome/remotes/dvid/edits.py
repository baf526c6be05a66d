"""Edits of a labelmap. Each is checked before it is sent: DVID uses up labels even for edits that it refuses."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from voxome.errors import InvalidInput, NotFound
from voxome.remotes.dvid.instance import as_labels
from voxome.remotes.dvid.lookups import checked_label
from voxome.remotes.dvid.shapes import Shapes
from voxome.remotes.dvid.sparse import Runs, encode_rles


@dataclass(frozen=True)
class Cleaved:
    """What a cleave made: the new body, and the number of the edit."""

    label: int
    mutation_id: int

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> Cleaved:
        """Read DVID's JSON."""
        return cls(int(said["CleavedLabel"]), int(said["MutationID"]))


@dataclass(frozen=True)
class Split:
    """What a split made: the supervoxels of the part and of the rest, and the number of the edit."""

    part: int
    rest: int
    mutation_id: int

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> Split:
        """Read DVID's JSON."""
        return cls(int(said["SplitSupervoxel"]), int(said["RemainSupervoxel"]), int(said["MutationID"]))


class Edits(Shapes):
    """Changes of bodies. The version must be open; its parents stay as they are."""

    def merge(self, label: int, others: Iterable[int]) -> int:
        """Make other bodies part of `label`; from then on there are no bodies of their names.

        Returns
        -------
        int
            Number of the edit.

        Raises
        ------
        InvalidInput
            If there are no others, one of them is `label`, or one is there twice.
        NotFound
            Naming all bodies that are not there.
        ReadOnly
            If the version is locked.
        """
        target, merged = checked_label(label), [checked_label(other) for other in as_labels(others).tolist()]
        _need(merged, "bodies to merge")
        _once([target, *merged])
        self._all_there([target, *merged])
        return self._posted("merge", json=[target, *merged], read=lambda said: int(said["MutationID"]))

    def cleave(self, label: int, supervoxels: Iterable[int]) -> Cleaved:
        """Take supervoxels out of a body; they become a new one.

        Raises
        ------
        InvalidInput
            If there are none, one is there twice or not in the body, or they are all that the body has.
        NotFound
            If there is no such body.
        ReadOnly
            If the version is locked.
        """
        cut = [checked_label(supervoxel) for supervoxel in as_labels(supervoxels).tolist()]
        _need(cut, "supervoxels to cleave")
        _once(cut)
        held = set(self.supervoxels(label).tolist())
        foreign = sorted(set(cut) - held)
        if foreign:
            raise InvalidInput(f"body {label} has no supervoxels {_listed(foreign)}; it has {_listed(sorted(held))}")
        if len(cut) == len(held):
            raise InvalidInput(f"those are all supervoxels of body {label}; leave it one, or renumber the body")
        return self._posted("cleave", label, json=cut, read=Cleaved.of)

    def split_supervoxel(self, supervoxel: int, part: Runs) -> Split:
        """Cut a supervoxel in two; both stay in its body.

        Parameters
        ----------
        supervoxel : int
            Which; there is none of its name afterwards.
        part : Runs
            Some, not all, of its voxels, at scale 0.

        Raises
        ------
        InvalidInput
            If `part` is empty, all of the supervoxel, or reaches outside of it.
        NotFound
            If there is no such supervoxel.
        ReadOnly
            If the version is locked.
        """
        whole = self.runs(supervoxel, supervoxel=True)
        outside = part.outside(whole)
        if len(outside):
            first = outside.table[0, :3].tolist()
            raise InvalidInput(f"{outside.count} voxels, from {first} on, are not in supervoxel {supervoxel}")
        if not 0 < part.count < whole.count:
            raise InvalidInput(f"{part.count} of the {whole.count} voxels of supervoxel {supervoxel} are no part of it")
        return self._posted("split-supervoxel", supervoxel, content=encode_rles(part), read=Split.of)

    def renumber(self, names: Mapping[int, int]) -> None:
        """Give bodies new names.

        Parameters
        ----------
        names : mapping of int to int
            The new name of each body; one that is not in use.

        Raises
        ------
        InvalidInput
            If two are to get one name, or a new name is in use.
        NotFound
            Naming all bodies that are not there.
        ReadOnly
            If the version is locked.
        """
        old, new = [checked_label(label) for label in names], [checked_label(label) for label in names.values()]
        _need(old, "bodies to renumber")
        _once(new)
        self._all_there(old)
        used = (self.sizes(new) > 0) | (self.sizes(new, supervoxels=True) > 0)
        if used.any():
            raise InvalidInput(f"{_listed(np.array(new)[used].tolist())} is in use already; take a name that is not")
        self._post("renumber", json=[label for pair in zip(new, old, strict=True) for label in pair])

    def _all_there(self, labels: list[int]) -> None:
        absent = [label for label, size in zip(labels, self.sizes(labels), strict=True) if not size]
        if absent:
            raise NotFound(f"there is no body {_listed(absent)} in {self.name} of version {self.node.uuid}")


def _need(labels: list[int], what: str) -> None:
    if not labels:
        raise InvalidInput(f"there are no {what}")


def _once(labels: list[int]) -> None:
    twice = [label for label, count in Counter(labels).items() if count > 1]
    if twice:
        raise InvalidInput(f"label {_listed(twice)} is there more than once")


def _listed(labels: list[int]) -> str:
    printable_url = ", ".join(map(str, labels[:10]))
    return f"{printable_url} and {len(labels) - 10} more" if len(labels) > 10 else printable_url
