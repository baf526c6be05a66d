"""Meshes and skeletons that a store keeps of a volume: what made them, and whether its voxels have changed since."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.abilities import SupportsProvenance, ability, most_detailed_version
from voxome.contracts.provenance import OWN, Provenance
from voxome.contracts.shapes import Mesh, Skeleton
from voxome.contracts.source import MeshSource, SkeletonSource, VolumeSource
from voxome.errors import UnsupportedFormat, VoxomeError
from voxome.resources.open import canonical, open_source
from voxome.resources.provenance import input_record, own_version, read_provenance
from voxome.resources.volume import Volume

S = TypeVar("S", bound=MeshSource | SkeletonSource)

_LABELS = "labels"
"""Name of the input that shapes are made from."""
_LONG_S = 0.2
"""Seconds from which on finding a version takes long."""
_PATIENCE = 10
"""For how many times as long as that took it is not looked for again."""
_slow: dict[str, tuple[float, str]] = {}
"""URI of labels whose version takes long → when to look for it again, and the last one."""
_LOG = logging.getLogger(__name__)


class _StoredShapes(Generic[S]):
    """Shapes of a volume that its store keeps; a source.

    Parameters
    ----------
    service : str
        Which service returns them: ``mesh``, ``meshes``, …
    volume : Volume
        The labels that they are of.
    source : MeshSource or SkeletonSource
        Reads them.
    """

    def __init__(self, service: str, volume: Volume, source: S) -> None:
        self.service, self.volume, self.source = service, volume, source

    def ids(self) -> NDArray[np.uint64]:
        """Return the ids of all shapes, sorted."""
        return self.source.ids()

    @property
    def part(self) -> str | None:
        """The box of voxels that they were made of; None if it is the whole volume, or not known."""
        box = self._made_with.get("box")
        return None if box in (None, str(self.volume.domain)) else str(box)

    def answers(self, id: int) -> bool:
        """Return whether they say what the shape of a segment is: unless it was left out or cut when they were made."""
        if self.part is not None:
            _LOG.info("%s keeps shapes of %s only; others are computed", self.volume.uri, self.part)
            return False
        return not self._made_with.get("min_volume_nm3") or id in self.ids()

    @cached_property
    def _made_with(self) -> Mapping[str, Any]:
        recorded = read_provenance(self.source)
        return recorded[-1].parameters if recorded else {}

    def read_provenance(self) -> tuple[Provenance, ...]:
        """Return what made them, the last entry with what is known against it now."""
        recorded = read_provenance(self.source)
        return (*recorded[:-1], self._judged(recorded[-1])) if recorded else ()

    def add_provenance(self, one: Provenance) -> None:
        """Add an entry to the provenance of all shapes, if their store keeps any.

        Raises
        ------
        UnsupportedFormat
        """
        keeper = ability(self.source, SupportsProvenance)
        if keeper is None:
            raise UnsupportedFormat(f"{self.volume.uri}: its store has no place for the provenance of its shapes")
        keeper.add_provenance(one)

    def _provenance(self, of: Mapping[str, Any]) -> Provenance:
        """Return what made one of them: what the store says, or only that it has it."""
        recorded = read_provenance(self.source)
        if recorded:
            one = self._judged(recorded[-1])
            return replace(one, service=self.service, way=OWN, parameters={**one.parameters, **of})
        scheme = self.volume.uri.partition("://")[0] or "memory"
        inputs = [input_record(_LABELS, self.volume.source, self.volume.uri)]
        return Provenance.now(self.service, OWN, scheme, own_version(), of, inputs)

    def _judged(self, recorded: Provenance) -> Provenance:
        """Return an entry with a warning, which is also logged, if the labels have another version now."""
        labels = [one for one in recorded.inputs if one.name == _LABELS]
        warnings = tuple(
            f"{self.volume.uri}: its {self.service} of {recorded.time} may be outdated, since the version of {one.uri} "
            f"was {one.version} then and is {now} now; write them again, with overwrite=True, or compute them with "
            "service='local'"
            for one in labels
            if one.version is not None and (now := _version_now(self.volume, one.uri)) not in (None, one.version)
        )
        for warning in warnings:
            _LOG.warning("%s", warning)
        return replace(recorded, warnings=warnings)


class StoredMeshes(_StoredShapes[MeshSource]):
    """Meshes of a volume that its store keeps."""

    def mesh(self, id: int, lod: int = 0) -> Mesh:
        """Return a mesh; see `MeshSource.mesh`."""
        found = self.source.mesh(id, lod)
        return replace(found, provenance=found.provenance or self._provenance({"id": str(id), "lod": lod}))


class StoredSkeletons(_StoredShapes[SkeletonSource]):
    """Skeletons of a volume that its store keeps."""

    def skeleton(self, id: int) -> Skeleton:
        """Return a skeleton; see `SkeletonSource.skeleton`."""
        found = self.source.skeleton(id)
        return replace(found, provenance=found.provenance or self._provenance({"id": str(id)}))


def _version_now(volume: Volume, uri: str) -> str | None:
    """Return the version of a recorded input, None if it is not known, or if the volume is elsewhere: a copy."""
    try:
        recorded, opened = canonical(uri), canonical(volume.reveal_uri())
        if (recorded.scheme, recorded.path) != (opened.scheme, opened.path):
            return None
        source = volume.source if recorded.query == opened.query else open_source(str(recorded))
        return _token_of(source, str(recorded)) or None
    except (VoxomeError, OSError) as error:
        _LOG.info("the version of %s is not known: %s", uri, error)
        return None


def _token_of(source: VolumeSource, uri: str) -> str:
    """Return the version of a source; where that takes long, as with very many chunks, it may be some seconds old."""
    began = time.monotonic()
    if uri in _slow and began < _slow[uri][0]:
        return _slow[uri][1]
    token = most_detailed_version(source).token
    ended = time.monotonic()
    if ended - began > _LONG_S:
        _slow[uri] = ended + _PATIENCE * (ended - began), token
    return token
