"""Outcome of a downsampling."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.provenance import Provenance
from voxome.contracts.spec import VolumeSpec
from voxome.resources.open import open
from voxome.resources.volume import Volume


@dataclass(frozen=True)
class LevelReport:
    """One level of a pyramid.

    Attributes
    ----------
    shape : tuple of int
        Number of voxels along each axis.
    voxel_size_nm : (z, y, x) or None
        Edge lengths of its voxels.
    offset_nm : (z, y, x)
        Position of the centre of its voxel index 0.
    """

    shape: tuple[int, ...]
    voxel_size_nm: tuple[float, float, float] | None
    offset_nm: tuple[float, float, float]

    @classmethod
    def of(cls, spec: VolumeSpec) -> LevelReport:
        """Return the report on a level of `spec`."""
        return cls(spec.domain.shape, spec.voxel_size_nm, spec.offset_nm)


@dataclass(frozen=True, kw_only=True)
class DownsampleReport:
    """Outcome of a downsampling.

    Attributes
    ----------
    destination : str
        URI of the volume with the levels; empty for an array.
    levels : sequence of LevelReport
        All levels, the finest first.
    lost_ids : mapping of int to (n,) array of uint64
        Of labels: ids of level 0 that a level does not have, by its number; empty where the store computes levels.
    bytes : int
        Uncompressed size of the voxels of the levels that this call has written.
    blocks, run, reused : int
        Number of all blocks, of those written by this call and by earlier calls.
    wall_s : float
        Elapsed time in seconds.
    provenance : Provenance
        Who has computed the levels, and how.
    array : Volume or None
        An array with its levels, in memory; None for what is stored.
    """

    destination: str
    levels: Sequence[LevelReport]
    lost_ids: Mapping[int, NDArray[np.uint64]] = field(default_factory=dict)
    bytes: int = 0
    blocks: int = 0
    run: int = 0
    reused: int = 0
    wall_s: float = 0.0
    provenance: Provenance
    array: Volume | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the outcome as JSON values; ids are texts of digits."""
        counts = {name: getattr(self, name) for name in ("bytes", "blocks", "run", "reused", "wall_s")}
        return {
            "destination": self.destination,
            "levels": [asdict(level) for level in self.levels],
            "lost_ids": {str(level): [str(id) for id in ids.tolist()] for level, ids in self.lost_ids.items()},
            **counts,
            "provenance": self.provenance.to_json(),
        }

    @property
    def volume(self) -> Volume:
        """The volume with its levels."""
        return open(self.destination, expect=Volume) if self.array is None else self.array
