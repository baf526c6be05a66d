"""Sources of the relay as channels: one named COLLECTION/EXPERIMENT/CHANNEL is read through BossDB's API."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import numpy as np

from voxome.contracts.spec import Scale, VolumeSpec
from voxome.errors import InvalidInput, NotFound, UnsupportedFormat, VoxomeError
from voxome.relay.accounts import PUBLIC
from voxome.relay.catalogue.contract import Catalogue, R, Record
from voxome.relay.dialects.boss.checks import NAME
from voxome.relay.dialects.boss.records import Channel, Collection, CoordinateFrame, Experiment, Metadatum
from voxome.relay.sources import Sources

_DTYPES = ("uint8", "uint16", "uint32", "uint64")
_AXES = (("z", "y", "x"), ("t", "z", "y", "x"))
_METHODS: Mapping[Scale, str] = {(1, 2, 2): "anisotropic", (2, 2, 2): "isotropic"}
"""Voxels of one level along one voxel of the next → the name of that hierarchy."""
_MOST_LEVELS = 10
_NOTES = "voxome"
"""Key of a channel's metadata under which voxome's BossDB client stores, as JSON, what BossDB has no field for."""
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Description:
    """What BossDB calls a source: a channel, in an experiment with a coordinate frame."""

    frame: CoordinateFrame
    experiment: Experiment
    channel: Channel
    notes: Mapping[str, Any]


def publish(catalogue: Catalogue, sources: Sources) -> None:
    """Enter the sources whose names have three parts into the catalogue as channels, or update their records.

    A source that cannot be opened now, or that BossDB cannot describe, is left out, and the reason is logged.
    """
    names = [name for name in sources if len(parts := name.split("/")) == 3 and all(map(NAME.fullmatch, parts))]
    for _, group in groupby(names, key=lambda name: name.rpartition("/")[0]):
        described = list(_describe_all(catalogue, sources, group))
        levels = min((one.experiment.num_hierarchy_levels for one in described), default=1)
        for one in described:
            _enter(catalogue, replace(one, experiment=replace(one.experiment, num_hierarchy_levels=levels)))


def _describe_all(catalogue: Catalogue, sources: Sources, names: Iterable[str]) -> Iterable[_Description]:
    first: _Description | None = None
    for name in names:
        try:
            one = _describe(name, sources)
            _check(catalogue, one, first or one)
        except VoxomeError as error:
            _LOG.warning("%s is not served as a channel of BossDB: %s", name, error)
        else:
            first = first or one
            yield one


def _describe(name: str, sources: Sources) -> _Description:
    """Return the records that describe a source.

    Raises
    ------
    UnsupportedFormat
        If BossDB cannot; the message names all reasons.
    """
    collection, experiment, channel = name.split("/")
    spec = sources.spec(name)
    problems = {
        f"its axes are {'/'.join(spec.axes)}, not z/y/x or t/z/y/x": spec.axes not in _AXES,
        f"its data type is {spec.dtype}, not {', '.join(_DTYPES)}": spec.dtype.name not in _DTYPES,
        f"its indices start at {spec.domain.start}, below 0": min(spec.domain.start) < 0,
        f"its time starts at {spec.domain.start[0]}, not 0": spec.domain.ndim == 4 and spec.domain.start[0] != 0,
        "its voxel size is unknown": spec.voxel_size_nm is None,
        "it has no voxels": spec.domain.empty,
    }
    if any(problems.values()):
        raise UnsupportedFormat("; ".join(problem for problem, applies in problems.items() if applies))
    ends = zip("zyx", spec.frame.start, spec.frame.stop, spec.voxel_size_nm or (), strict=True)
    extent: dict[str, Any] = {}
    for axis, start, stop, size in ends:
        extent |= {f"{axis}_start": start, f"{axis}_stop": stop, f"{axis}_voxel_size": size}
    frame = CoordinateFrame(name=f"CF_{collection}_{experiment}", **extent)
    method, levels = _hierarchy(name, sources)
    return _Description(
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


def _check(catalogue: Catalogue, one: _Description, first: _Description) -> None:
    """Refuse a source that other channels of its name or its experiment do not go with."""
    old = _existing(catalogue, one.channel)
    if old is not None and old.served != one.channel.served:
        raise InvalidInput("a channel of this name was created over the API; choose another name for the source")
    channels = catalogue.find(Channel, collection=one.channel.collection, experiment=one.channel.experiment)
    experiment = _existing(catalogue, one.experiment)
    created = [channel.name for channel in channels if not channel.served]
    if created and experiment is not None and experiment.coord_frame != one.frame.name:
        raise InvalidInput(f"its experiment has channels that were created over the API: {', '.join(created)}")
    fields = ("hierarchy_method", "num_time_samples")
    if one.frame != first.frame or any(getattr(one.experiment, f) != getattr(first.experiment, f) for f in fields):
        raise InvalidInput(f"extent, voxel size, times or levels differ from those of {first.channel.served}")


def _enter(catalogue: Catalogue, one: _Description) -> None:
    """Add or update the records of a source; values set over the API are kept."""
    collection = Collection(name=one.channel.collection)
    if _existing(catalogue, collection) is None:
        catalogue.write(add=[collection])
    _put(catalogue, one.frame, "description", "creator")
    _put(catalogue, one.experiment, "description", "creator", "public", "time_step", "time_step_unit")
    _put(catalogue, one.channel, "description", "creator", "sources", "related", "next_id", "uid")
    notes = Metadatum(
        collection=collection.name, experiment=one.experiment.name, channel=one.channel.name, label=_NOTES,
        value=json.dumps(one.notes),
    )  # fmt: skip
    if one.notes:
        _put(catalogue, notes)


def _put(catalogue: Catalogue, new: Record, *kept: str) -> None:
    old = _existing(catalogue, new)
    if old is not None:
        new = replace(new, **{field: getattr(old, field) for field in kept})
    catalogue.write(remove=[] if old is None else [old], add=[new])


def _existing(catalogue: Catalogue, record: R) -> R | None:
    try:
        return catalogue.get(type(record), *record.key)
    except NotFound:
        return None
