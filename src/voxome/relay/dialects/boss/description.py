"""What BossDB calls a source of the relay: a channel, in an experiment with a coordinate frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from voxome.contracts.spec import VOXEL_SIZE_ADVICE, Scale, VolumeSpec
from voxome.errors import UnsupportedFormat
from voxome.relay.accounts import PUBLIC
from voxome.relay.dialects.boss.names import ChannelKey, frame_name
from voxome.relay.dialects.boss.records import Channel, CoordinateFrame, Experiment
from voxome.relay.sources import Sources

_DTYPES = ("uint8", "uint16", "uint32", "uint64")
_AXES = (("z", "y", "x"), ("t", "z", "y", "x"))
_METHODS: Mapping[Scale, str] = {(1, 2, 2): "anisotropic", (2, 2, 2): "isotropic"}
"""Voxels of one level along one voxel of the next → the name of that hierarchy."""
_MOST_LEVELS = 10


@dataclass(frozen=True)
class Description:
    """Records that describe a source.

    Attributes
    ----------
    notes : mapping
        What BossDB has no field for.
    """

    frame: CoordinateFrame
    experiment: Experiment
    channel: Channel
    notes: Mapping[str, Any]


def signature(sources: Sources, name: str) -> tuple[object, ...]:
    """Return what the description of a source depends on, as it is now.

    Raises
    ------
    NotFound, SourceUnavailable
        If it does not exist, or cannot be opened.
    """
    spec = sources.spec(name)
    return (
        spec.domain, spec.dtype, spec.axes, spec.kind, spec.voxel_size_nm, spec.offset_nm, sources.level_count(name),
    )  # fmt: skip


def describe(name: str, key: ChannelKey, sources: Sources) -> Description:
    """Return the records that describe a source as the channel `key`.

    Raises
    ------
    UnsupportedFormat
        If BossDB cannot; the message names all reasons.
    SourceUnavailable
        If the source cannot be opened.
    """
    collection, experiment, channel = key
    spec = sources.spec(name)
    problems = {
        f"its axes are {'/'.join(spec.axes)}, not z/y/x or t/z/y/x": spec.axes not in _AXES,
        f"its data type is {spec.dtype}, not {', '.join(_DTYPES)}": spec.dtype.name not in _DTYPES,
        f"its indices start at {spec.domain.start}, below 0": min(spec.domain.start, default=0) < 0,
        f"its time starts at {spec.domain.start[:1]}, not 0": spec.domain.ndim == 4 and spec.domain.start[0] != 0,
        f"its voxel size is unknown: {VOXEL_SIZE_ADVICE}": spec.voxel_size_nm is None,
        "it has no voxels": spec.domain.empty,
    }
    if any(problems.values()):
        raise UnsupportedFormat("; ".join(problem for problem, applies in problems.items() if applies))
    ends = zip("zyx", spec.frame.start, spec.frame.stop, spec.voxel_size_nm or (), strict=True)
    extent: dict[str, Any] = {}
    for axis, start, stop, size in ends:
        extent |= {f"{axis}_start": start, f"{axis}_stop": stop, f"{axis}_voxel_size": size}
    frame = CoordinateFrame(name=frame_name(collection, experiment), **extent)
    method, levels = _hierarchy(name, sources)
    return Description(
        frame,
        Experiment(
            collection=collection, name=experiment, coord_frame=frame.name, hierarchy_method=method,
            num_hierarchy_levels=levels, num_time_samples=spec.domain.shape[0] if spec.domain.ndim == 4 else 1,
        ),
        Channel(
            collection=collection, experiment=experiment, name=channel, datatype=spec.dtype.name,
            type="annotation" if spec.kind == "labels" else "image", downsample_status="DOWNSAMPLED",
            public=PUBLIC in sources.rights(name).readers, served=name,
        ),
        _notes(spec),
    )  # fmt: skip


def _hierarchy(name: str, sources: Sources) -> tuple[str, int]:
    """Return the hierarchy method of a source's pyramid, and how many of its levels follow BossDB's rule."""
    specs = [sources.spec(name, level=n) for n in range(min(sources.level_count(name), _MOST_LEVELS))]
    for step, method in _METHODS.items():
        fits = [_is_level(specs[0], one, tuple(f**n for f in step)) for n, one in enumerate(specs)]
        count = fits.index(False) if False in fits else len(fits)
        if count > 1:
            return method, count
    return "anisotropic", 1


def _is_level(finest: VolumeSpec, level: VolumeSpec, factors: Sequence[int]) -> bool:
    """Return whether the voxels of `level` are `factors` voxels of `finest` each, from index 0 on."""
    if finest.voxel_size_nm is None or level.voxel_size_nm is None or level.axes != finest.axes:
        return False
    size, scale = np.array(finest.voxel_size_nm), np.array(factors)
    offset = np.array(finest.offset_nm) + (scale - 1) / 2 * size
    tolerance = 0.01 * size
    return bool(
        level.dtype == finest.dtype
        and (abs(np.array(level.voxel_size_nm) - size * scale) <= tolerance * scale).all()
        and (abs(np.array(level.offset_nm) - offset) <= tolerance * scale).all()
    )


def _notes(spec: VolumeSpec) -> dict[str, Any]:
    notes: dict[str, Any] = {}
    if any(spec.offset_nm):
        notes["offset_nm"] = list(spec.offset_nm)
    if spec.kind == "probability":
        notes["kind"] = spec.kind
    return notes
