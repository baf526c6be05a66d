"""The levels of a channel: their extents and voxel sizes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from voxome.contracts.spec import Scale, VolumeKind, VolumeSpec
from voxome.geometry import Box
from voxome.geometry.units import nm_per
from voxome.relay.dialects.boss.records import Channel, CoordinateFrame, Experiment

CUBOID = (16, 512, 512)
"""The unit (z, y, x) in which BossDB stores, and to which loose bounding boxes are rounded."""
CHUNK = (1, 16, 256, 256)
"""Chunk (t, z, y, x) in which voxels are stored."""


@dataclass(frozen=True)
class Pyramid:
    """A channel with its experiment and coordinate frame."""

    channel: Channel
    experiment: Experiment
    frame: CoordinateFrame

    @property
    def levels(self) -> range:
        """Numbers of the levels; the first has the acquired voxels, level 0 those of the coordinate frame."""
        base = self.channel.base_resolution
        return range(base, base + self.experiment.num_hierarchy_levels)

    @property
    def native(self) -> Box:
        """All voxels (t, z, y, x) of the coordinate frame: the bounds of requests at every level."""
        f, times = self.frame, self.experiment.num_time_samples
        return Box((0, f.z_start, f.y_start, f.x_start), (times, f.z_stop, f.y_stop, f.x_stop))

    def scale(self, level: int) -> Scale:
        """Return the voxels of the coordinate frame (z, y, x) along one voxel of `level`."""
        factor = 2**level
        return (factor if self.experiment.hierarchy_method == "isotropic" else 1, factor, factor)

    def domain(self, level: int) -> Box:
        """Return all voxels (t, z, y, x) of `level`: the frame is halved level by level, rounded up."""
        return self.native.coarsen((1, *self.scale(level)))

    def voxel_size(self, level: int) -> tuple[float, float, float]:
        """Return the edge lengths (z, y, x) of a voxel of `level`, in the frame's unit."""
        f, (z, y, x) = self.frame, self.scale(level)
        return (f.z_voxel_size * z, f.y_voxel_size * y, f.x_voxel_size * x)

    def spec(self, level: int) -> VolumeSpec:
        """Return the spec of the volume that stores `level`."""
        domain, nm = self.domain(level), nm_per(self.frame.voxel_unit) or 1.0
        z, y, x = (nm * size for size in self.voxel_size(level))
        shift = [(n - 1) / 2 * size / n for n, size in zip(self.scale(level), (z, y, x), strict=True)]
        kind: VolumeKind = "labels" if self.channel.type == "annotation" else "image"
        chunk = tuple(min(a, b) for a, b in zip(CHUNK, domain.shape, strict=True))
        return VolumeSpec(
            domain,
            np.dtype(self.channel.datatype),
            axes=("t", "z", "y", "x"),
            kind=kind,
            voxel_size_nm=(z, y, x),
            offset_nm=(shift[0], shift[1], shift[2]),
            read_chunk=chunk,
            write_chunk=chunk,
            attributes={"channel": "/".join(self.channel.key), "level": level},
        )
