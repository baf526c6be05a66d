"""Relate annotations to the segments at their positions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.calls import explain_calls
from voxome.contracts.abilities import SupportsPinnedVersions
from voxome.contracts.points import SupportsUpdatePoints
from voxome.contracts.provenance import InputRecord
from voxome.contracts.ragged import Ragged
from voxome.contracts.shapes import Annotations, AnnotationShape
from voxome.errors import InvalidInput, UnsupportedFormat
from voxome.geometry import Box
from voxome.geometry.places import voxels_at
from voxome.resources.labels import corner_of_voxel_0
from voxome.resources.provenance import input_record
from voxome.resources.shapes import Points
from voxome.resources.volume import Volume
from voxome.resources.volume_like import VolumeLike, as_volume

RELATIONS: Mapping[AnnotationShape, Sequence[str]] = {
    "point": ("segment",),
    "line": ("pre_segment", "post_segment"),
    "box": ("segment",),
    "ellipsoid": ("segment",),
}
"""Geometry → relation of each end of a line, or of the centre of another annotation."""
_BATCH = 1 << 16
"""Annotations that are related at once."""
_MOST_EDITS = 1 << 20
"""Changed relations after which edits are folded into the indices."""
_BLOCK = 64
"""Edge of the blocks of labels that are read, in voxels."""


class SegmentFinder:
    """Finds the segments of annotations in a volume of labels: in one version of it, where the store keeps versions.

    Parameters
    ----------
    labels : str, path, Volume or array
        The labels, with a voxel size.

    Raises
    ------
    InvalidInput
        If it has no voxel size, or no whole numbers.
    """

    def __init__(self, labels: VolumeLike) -> None:
        self._volume = _pinned(as_volume(labels))
        spec = self._volume.spec
        if spec.dtype.kind not in "iu":
            raise InvalidInput(f"{self._volume.uri} has the dtype {spec.dtype}; expected labels, of whole numbers")
        if spec.voxel_size_nm is None or spec.domain.ndim != 3:
            raise InvalidInput(f"{self._volume.uri} needs three axes and a voxel size, to find annotations in it")
        self.voxel_size_nm = spec.voxel_size_nm
        self._corner_nm = corner_of_voxel_0(self._volume)
        self.record: InputRecord = input_record("labels", self._volume.source, self._volume.uri)

    def version(self) -> dict[str, Any]:
        """Return the address and the version of the labels."""
        return {"uri": self.record.uri, "version": self.record.version}

    def relate(self, annotations: Annotations) -> Annotations:
        """Return annotations with their relations to the segments at their positions; background is none."""
        relations = dict(annotations.relations)
        for name, at in zip(RELATIONS[annotations.shape], _anchors(annotations), strict=True):
            found = self._labels_at(voxels_at(at, self.voxel_size_nm, self._corner_nm))
            relations[name] = Ragged(found[found != 0], (found != 0).astype(np.int64))
        return annotations.replace(relations=relations)

    def _labels_at(self, voxels: NDArray[np.int64]) -> NDArray[np.uint64]:
        """Return the label of each voxel, 0 outside the volume; block by block."""
        labels = np.zeros(len(voxels), np.uint64)
        domain = self._volume.spec.domain
        inside = np.flatnonzero(((voxels >= domain.start) & (voxels < domain.stop)).all(axis=1))
        blocks = (voxels[inside] - domain.start) // _BLOCK
        _, which = np.unique(blocks, axis=0, return_inverse=True)
        order = np.argsort(which, kind="stable")
        for rows in np.split(inside[order], np.flatnonzero(np.diff(which[order])) + 1) if len(inside) else ():
            at = voxels[rows]
            start, stop = at.min(axis=0), at.max(axis=0) + 1
            data = self._volume.cutout(Box(tuple(start.tolist()), tuple(stop.tolist())))
            found = data[tuple((at - start).T)]
            if (found < 0).any():
                raise InvalidInput(f"{self._volume.uri} has the label {found.min()}; expected ids of at least 0")
            labels[rows] = found
        return labels


def _pinned(volume: Volume) -> Volume:
    """Return the version that a volume is now, whatever is edited from here on; the volume itself, if it has none."""
    source = volume.source
    if not isinstance(source, SupportsPinnedVersions):
        return volume
    return Volume(source.at_version(source.current_version()), volume.reveal_uri(), finest=volume.finest)


@explain_calls
def relate_annotations(points: Points, labels: VolumeLike) -> int:
    """Relate stored annotations to the segments that are at their positions now, as after proofreading.

    The relations are ``segment``, or ``pre_segment`` and ``post_segment`` of lines. Those that changed are written as
    edits, which every reader sees, and the collection says of which version of the labels its relations are. What
    others edit meanwhile is kept. The segments are those of one version of a proofreading store; other labels must not
    change meanwhile. After every million, edits are folded into the indices, to bound memory.

    Parameters
    ----------
    points : Points
        Annotations, open with ``mode="r+"``, with these relations.
    labels : str, path, Volume or array
        The labels.

    Returns
    -------
    int
        Number of annotations whose segments changed.

    Raises
    ------
    UnsupportedFormat
        If the collection lacks these relations, or cannot be edited.
    """
    names = RELATIONS[points.shape]
    if missing := [name for name in names if name not in points.relations]:
        raise UnsupportedFormat(
            f"{points.uri} has no relation {', '.join(missing)}; write it again with create_annotations(…, labels=…)"
        )
    finder = SegmentFinder(labels)
    if not isinstance(points.source, SupportsUpdatePoints):
        raise UnsupportedFormat(f"the relations of {points.uri} cannot be changed; those of precomputed:// can")
    changed = unfolded = 0
    ids = points.ids()
    for start in range(0, len(ids), _BATCH):
        count = points.source.update(
            ids[start : start + _BATCH].tolist(), lambda current: _changes(current, finder, names)
        )
        changed, unfolded = changed + count, unfolded + count
        if unfolded >= _MOST_EDITS:
            points.fold()
            unfolded = 0
    points.set_relation_versions({name: finder.version() for name in names})
    return changed


def _changes(current: Annotations, finder: SegmentFinder, names: Sequence[str]) -> Annotations:
    """Return those of some annotations whose segments are others than before, with these."""
    related = finder.relate(current)
    differs = np.zeros(len(current), np.bool_)
    for name in names:
        old, new = Ragged.of(name, current.relations[name]), Ragged.of(name, related.relations[name])
        differs |= (old.counts != new.counts) | (_first(old) != _first(new))
    return related.select(np.flatnonzero(differs))


def _first(labels: Ragged) -> NDArray[np.uint64]:
    first = np.zeros(len(labels), np.uint64)
    some = labels.counts > 0
    first[some] = labels.values[labels.starts[some]]
    return first


def _anchors(annotations: Annotations) -> list[NDArray[np.float64]]:
    """Return the positions at which segments are looked up, in nm."""
    at = annotations.positions_nm
    if annotations.shape == "line":
        return [at[:, 0], at[:, 1]]
    return [at.mean(axis=1) if annotations.shape == "box" else at[:, 0]]
