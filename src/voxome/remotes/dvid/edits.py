"""Edits of a labelmap, checked before they are sent: DVID consumes new labels even for edits that it refuses."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from voxome.errors import InvalidInput, NotFound
from voxome.geometry.runs import Runs
from voxome.remotes.dvid.instance import as_labels
from voxome.remotes.dvid.lookups import check_label
from voxome.remotes.dvid.shapes import Shapes
from voxome.remotes.dvid.sparse import encode_rles


@dataclass(frozen=True)
class CleaveResult:
    """Result of a cleave: the new body, and the id of the mutation."""

    label: int
    mutation_id: int

    @classmethod
    def from_json(cls, reply: Mapping[str, Any]) -> CleaveResult:
        """Parse DVID's JSON."""
        return cls(int(reply["CleavedLabel"]), int(reply["MutationID"]))


@dataclass(frozen=True)
class SplitResult:
    """Result of a split: the supervoxels of the part and of the rest, and the id of the mutation."""

    part: int
    rest: int
    mutation_id: int

    @classmethod
    def from_json(cls, reply: Mapping[str, Any]) -> SplitResult:
        """Parse DVID's JSON."""
        return cls(int(reply["SplitSupervoxel"]), int(reply["RemainSupervoxel"]), int(reply["MutationID"]))


class Edits(Shapes):
    """Edits of bodies. The version must be open; its ancestors do not change."""

    def merge(self, label: int, others: Iterable[int]) -> int:
        """Merge other bodies into `label`; their own labels are then no longer in use.

        Returns
        -------
        int
            Mutation id.

        Raises
        ------
        InvalidInput
            If `others` is empty, `label` is among them, or one occurs twice.
        NotFound
            If bodies do not exist; all of them are named.
        ReadOnly
            If the version is locked.
        """
        target, merged = check_label(label), [check_label(other) for other in as_labels(others).tolist()]
        _require_some(merged, "bodies to merge")
        _require_unique([target, *merged])
        self._require_bodies([target, *merged])
        return self._post_json("merge", json=[target, *merged], parse=lambda reply: int(reply["MutationID"]))

    def cleave(self, label: int, supervoxels: Iterable[int]) -> CleaveResult:
        """Split supervoxels off a body into a new one.

        Raises
        ------
        InvalidInput
            If `supervoxels` is empty, one occurs twice or is not in the body, or they are all of the body.
        NotFound
            If the body does not exist.
        ReadOnly
            If the version is locked.
        """
        cut = [check_label(supervoxel) for supervoxel in as_labels(supervoxels).tolist()]
        _require_some(cut, "supervoxels to cleave")
        _require_unique(cut)
        current = set(self.supervoxels(label).tolist())
        missing = sorted(set(cut) - current)
        if missing:
            held = _format_labels(sorted(current))
            raise InvalidInput(f"body {label} does not contain supervoxels {_format_labels(missing)}, only {held}")
        if len(cut) == len(current):
            raise InvalidInput(f"those are all supervoxels of body {label}; leave at least one, or renumber the body")
        return self._post_json("cleave", label, json=cut, parse=CleaveResult.from_json)

    def split_supervoxel(self, supervoxel: int, part: Runs) -> SplitResult:
        """Split a supervoxel in two; both parts stay in its body.

        Parameters
        ----------
        supervoxel : int
            Its label is no longer in use afterwards.
        part : Runs
            Some, but not all, of its voxels, at scale 0.

        Raises
        ------
        InvalidInput
            If `part` is empty, the whole supervoxel, or not inside it.
        NotFound
            If the supervoxel does not exist.
        ReadOnly
            If the version is locked.
        """
        whole = self.runs(supervoxel, supervoxel=True)
        outside = part.difference(whole)
        if len(outside):
            first = outside.table[0, :3].tolist()
            raise InvalidInput(f"{outside.count} voxels, from {first} on, are outside supervoxel {supervoxel}")
        if not 0 < part.count < whole.count:
            selected = f"{part.count} of {whole.count} voxels"
            raise InvalidInput(f"cannot split {selected} off supervoxel {supervoxel}; select some, but not all")
        return self._post_json("split-supervoxel", supervoxel, content=encode_rles(part), parse=SplitResult.from_json)

    def renumber(self, new_labels: Mapping[int, int]) -> None:
        """Give bodies new labels.

        Parameters
        ----------
        new_labels : mapping of int to int
            The new label of each body, which must not be in use.

        Raises
        ------
        InvalidInput
            If two bodies would get the same label, or a new label is in use.
        NotFound
            If bodies do not exist; all of them are named.
        ReadOnly
            If the version is locked.
        """
        old, new = [check_label(label) for label in new_labels], [check_label(label) for label in new_labels.values()]
        _require_some(old, "bodies to renumber")
        _require_unique(new)
        self._require_bodies(old)
        used = (self.sizes(new) > 0) | (self.sizes(new, supervoxels=True) > 0)
        if used.any():
            raise InvalidInput(f"already in use: {_format_labels(np.array(new)[used].tolist())}; choose unused labels")
        self._post("renumber", json=[label for pair in zip(new, old, strict=True) for label in pair])

    def _require_bodies(self, labels: list[int]) -> None:
        absent = [label for label, size in zip(labels, self.sizes(labels), strict=True) if not size]
        if absent:
            raise NotFound(f"no body {_format_labels(absent)} in {self.name} of version {self.node.uuid}")


def _require_some(labels: list[int], what: str) -> None:
    if not labels:
        raise InvalidInput(f"no {what} were passed")


def _require_unique(labels: list[int]) -> None:
    repeated = [label for label, count in Counter(labels).items() if count > 1]
    if repeated:
        raise InvalidInput(f"label {_format_labels(repeated)} occurs more than once")


def _format_labels(labels: list[int]) -> str:
    printable_url = ", ".join(map(str, labels[:10]))
    return f"{printable_url} and {len(labels) - 10} more" if len(labels) > 10 else printable_url
