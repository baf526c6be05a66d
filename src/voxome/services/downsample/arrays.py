"""Levels of an array, in memory."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.downsampling import Method
from voxome.contracts.levels import Level, coarser, require_level
from voxome.contracts.provenance import LOCAL, Provenance
from voxome.contracts.source import Version, VolumeSource
from voxome.contracts.spec import Scale, VolumeSpec
from voxome.errors import InvalidBox, ReadOnly, UnsupportedFormat
from voxome.geometry import Box
from voxome.resources.provenance import input_record, own_version
from voxome.resources.volume import Volume
from voxome.services.downsample.levels import LevelChoice
from voxome.services.downsample.passes import Axes
from voxome.services.downsample.report import DownsampleReport, LevelReport
from voxome.tools.common.cells.methods import downsample_array
from voxome.tools.common.cells.presence import unique


class ComputedLevel:
    """A level in memory; it is read, never written.

    Parameters
    ----------
    values : array
        Its voxels.
    spec : VolumeSpec
        Their meaning.
    """

    concurrent_writers = False

    def __init__(self, values: NDArray[Any], spec: VolumeSpec) -> None:
        self._values, self.spec = values, spec

    def read(self, box: Box, *, out: NDArray[Any] | None = None) -> NDArray[Any]:
        data = self._values[box.within(self.spec.domain)]
        if out is None:
            return data.copy()
        if out.shape != box.shape:
            raise InvalidBox(f"out has shape {out.shape}, the box {box} has {box.shape}")
        out[...] = data
        return out

    def write(self, box: Box, data: NDArray[Any]) -> None:
        raise ReadOnly("the levels of an array are only read; write a copy with levels, with out='zarr://…'")

    def version(self) -> Version:
        return Version("array", pinned=False)


class ComputedPyramid(ComputedLevel):
    """An array with its levels in memory.

    Parameters
    ----------
    levels : sequence of ComputedLevel
        All levels, the finest first.
    scales : sequence of (z, y, x)
        Their scales.
    """

    def __init__(self, levels: Sequence[ComputedLevel], scales: Sequence[Scale]) -> None:
        super().__init__(levels[0]._values, levels[0].spec)
        self._levels, self._scales = levels, scales

    @property
    def levels(self) -> Sequence[Level]:
        """All levels, finest first."""
        specs = [one.spec for one in self._levels]
        return [
            Level(spec.voxel_size_nm, spec.offset_nm, scale) for spec, scale in zip(specs, self._scales, strict=True)
        ]

    def level(self, number: int) -> VolumeSource:
        """Return level `number`; 0 is the finest."""
        require_level("the array", number, len(self._levels))
        return self._levels[number]

    def create_level(self, scale: Scale) -> VolumeSource:
        """Raise an error: all levels are computed at once."""
        raise UnsupportedFormat("an array in memory gets all its levels at once: call voxome.downsample again")


def downsample_in_memory(
    volume: Volume, method: Method, no_data: float | int | None, choice: LevelChoice, began: float
) -> DownsampleReport:
    """Return the report on an array whose levels were computed in memory.

    Parameters
    ----------
    volume : Volume
        The array.
    method, no_data, choice
        See `LocalRequest`.
    began : float
        When the call began, of the monotonic clock.
    """
    spec = volume.spec
    scales: list[Scale] = [(1, 1, 1)]
    while not choice.is_complete(len(scales), spec, scales[-1]):
        factors = choice.next_factors(len(scales), spec, scales[-1])
        if max(factors) == 1:
            break
        z, y, x = (n * f for n, f in zip(scales[-1], factors, strict=True))
        scales.append((z, y, x))
    levels = [_compute(volume, scale, method, no_data) for scale in scales]
    source = input_record("volume", volume.source, "")
    parameters = {"method": method, "no_data": no_data, "scales": [list(scale) for scale in scales[1:]]}
    return DownsampleReport(
        destination="",
        levels=[LevelReport.of(one.spec) for one in levels],
        lost_ids=_lost_ids(levels) if spec.kind == "labels" and spec.dtype.kind in "iu" else {},
        wall_s=time.monotonic() - began,
        provenance=Provenance.now("downsample", LOCAL, "common.downsample", own_version(), parameters, [source]),
        array=Volume(ComputedPyramid(levels, scales)),
    )


def _compute(volume: Volume, scale: Scale, method: Method, no_data: float | int | None) -> ComputedLevel:
    spec, data = volume.spec, volume.source.read(volume.domain)
    if scale == (1, 1, 1):
        return ComputedLevel(data, spec)
    axes = Axes.of(spec.domain.ndim, spec.spatial)
    values = downsample_array(data.transpose(axes.order), axes.arrange(spec.domain), scale, method, no_data)
    level = coarser(spec, scale)
    return ComputedLevel(
        values.transpose(axes.inverse), level.replace(offset_nm=spec.offset_nm) if method == "stride" else level
    )


def _lost_ids(levels: Sequence[ComputedLevel]) -> dict[int, NDArray[np.uint64]]:
    every, *others = (unique(one._values).astype(np.uint64) for one in levels)
    return {number: np.setdiff1d(every[every != 0], ids) for number, ids in enumerate(others, 1)}
