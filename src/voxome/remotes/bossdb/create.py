"""Creation of channels, with the collection, coordinate frame and experiment that they need."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np

from voxome.contracts.spec import VolumeSpec
from voxome.errors import AlreadyExists, InvalidInput, NotFound, UnknownName, UnsupportedFormat
from voxome.geometry import Box
from voxome.geometry.notation import comma_text
from voxome.remotes.bossdb.address import Address
from voxome.remotes.bossdb.description import DTYPES
from voxome.remotes.bossdb.projects import Channels, Collections, CoordinateFrames, Experiments, ResourceClient
from voxome.remotes.bossdb.records import BossRecord, Channel, Collection, CoordinateFrame, Experiment
from voxome.remotes.http import Api

OPTIONS = ("coordinate_frame", "levels", "hierarchy_method", "sources", "related")
"""Options in ``spec.encoding``: name of the frame (default ``CF_COLLECTION_EXPERIMENT``), number of resolutions (1),
anisotropic (default) or isotropic, names of other channels. Labels need a source channel: by default the experiment's
only image channel."""
V = TypeVar("V", bound=BossRecord)


def check_spec(spec: VolumeSpec, name: str) -> None:
    """Refuse what a BossDB cannot store.

    Raises
    ------
    UnsupportedFormat
        The message names all reasons.
    UnknownName
        If an option is not one of `OPTIONS`.
    """
    for option in spec.encoding or {}:
        if option not in OPTIONS:
            raise UnknownName.of("bossdb option", option, OPTIONS)
    start = spec.domain.start
    problems = {
        f"axes {'/'.join(spec.axes)}: they must be z/y/x or t/z/y/x": spec.axes not in (tuple("zyx"), tuple("tzyx")),
        f"a domain from {start}: indices must not be negative, and time must start at 0": min(start, default=0) < 0
        or (spec.domain.ndim == 4 and start[0] != 0),
        f"{spec.dtype}: the data type must be {', '.join(DTYPES)}": spec.dtype.name not in DTYPES,
        f"the fill value {spec.fill}: it must be 0": spec.fill != 0,
        "an unknown voxel size: pass voxel_size_nm=(z, y, x)": spec.voxel_size_nm is None,
        "a volume without voxels": spec.domain.empty,
    }
    if found := [problem for problem, applies in problems.items() if applies]:
        raise UnsupportedFormat(f"{name}: BossDB cannot store " + "; nor ".join(found))


def create_channel(api: Api, address: Address, spec: VolumeSpec) -> None:
    """Create a channel, and its collection, experiment and frame if they do not exist.

    Raises
    ------
    AlreadyExists
        If the channel exists.
    InvalidInput
        If the experiment exists, and its frame, voxel size, points in time or levels differ from those of `spec`.
    """
    collection, experiment, channel = address.require_channel().names
    try:
        Channels(api).get(collection, experiment, channel)
    except NotFound:
        pass
    else:
        raise AlreadyExists(f"{address} is there already; choose another name, or delete it")
    _ensure(Collections(api), Collection(collection))
    parent, frame = _parents(collection, experiment, spec)
    _ensure(Experiments(api), parent, before=lambda: _ensure_frame(api, frame, spec, address))
    _check_experiment(api, address, spec)
    new = _channel(collection, experiment, channel, spec)
    if new.type == "annotation" and not new.sources:
        new = replace(new, sources=(_only_image(api, collection, experiment, channel),))
    Channels(api).create(new)


def experiment_domain(api: Api, address: Address, spec: VolumeSpec) -> Box:
    """Return the domain of the channels of an existing experiment, or that of `spec` if it does not fit into this."""
    if len(spec.spatial) != 3:
        return spec.domain
    try:
        experiment = Experiments(api).get(*address.require_channel().names[:2])
    except NotFound:
        return spec.domain
    frame = CoordinateFrames(api).get(experiment.coordinate_frame)
    return spec.lift(frame.box) if spec.frame in frame.box else spec.domain


def notes_of(spec: VolumeSpec) -> dict[str, Any]:
    """Return what BossDB has no fields for."""
    attributes = {name: value for name, value in spec.attributes.items() if not _is_description(name, value)}
    notes = {
        "kind": spec.kind if spec.kind == "probability" else None,
        "offset_nm": list(spec.offset_nm) if any(spec.offset_nm) else None,
        "attributes": attributes or None,
    }
    return {name: value for name, value in notes.items() if value is not None}


def _parents(collection: str, experiment: str, spec: VolumeSpec) -> tuple[Experiment, CoordinateFrame]:
    """Return the experiment and the coordinate frame for a spec."""
    options = spec.encoding or {}
    name = options.get("coordinate_frame", f"CF_{collection}_{experiment}")
    times = spec.domain.shape[0] if spec.domain.ndim == 4 else 1
    levels, method = options.get("levels", 1), options.get("hierarchy_method", "anisotropic")
    frame = CoordinateFrame(name, spec.frame, spec.voxel_size_nm or (1.0, 1.0, 1.0))
    return Experiment(collection, experiment, name, levels=levels, hierarchy_method=method, time_samples=times), frame


def _channel(collection: str, experiment: str, name: str, spec: VolumeSpec) -> Channel:
    description = spec.attributes.get("description")
    return Channel(
        collection,
        experiment,
        name,
        "annotation" if spec.kind == "labels" else "image",
        spec.dtype.name,
        description if isinstance(description, str) else "",
        sources=tuple((spec.encoding or {}).get("sources", ())),
        related=tuple((spec.encoding or {}).get("related", ())),
    )


def _only_image(api: Api, collection: str, experiment: str, new: str) -> str:
    """Return the only image channel of an experiment, the source of its labels."""
    channels = Channels(api)
    found = (channels.get(collection, experiment, name) for name in channels.list(collection, experiment))
    images = [one.name for one in found if one.type == "image"]
    if len(images) != 1:
        count = f"several: {', '.join(images)}" if images else "none"
        raise InvalidInput(
            f"{new} needs an image channel as its source, and {collection}/{experiment} has {count}; create one, "
            "or name it: encoding={'sources': ['em']}"
        )
    return images[0]


def _is_description(name: str, value: object) -> bool:
    return name == "description" and isinstance(value, str)


def _ensure(client: ResourceClient[V], new: V, before: Callable[[], None] = lambda: None) -> None:
    """Create a record, unless it exists or somebody else creates it at the same time."""
    try:
        client.get(*new.names)
        return
    except NotFound:
        before()
    try:
        client.create(new)
    except (InvalidInput, AlreadyExists) as refusal:
        try:
            client.get(*new.names)
        except NotFound:
            raise refusal from None


def _ensure_frame(api: Api, frame: CoordinateFrame, spec: VolumeSpec, address: Address) -> None:
    """Create the frame of a new experiment, or check an existing one."""
    frames = CoordinateFrames(api)
    _ensure(frames, frame)
    _raise_if(address, _frame_problems(frames.get(frame.name), spec))


def _check_experiment(api: Api, address: Address, spec: VolumeSpec) -> None:
    """Refuse an experiment that differs from `spec`."""
    existing = Experiments(api).get(*address.names[:2])
    expected, _ = _parents(address.names[0], address.names[1], spec)
    options = spec.encoding or {}
    requested = {"coordinate_frame", "levels", "hierarchy_method"} & set(options)
    problems = [
        f"the experiment's {name} is {getattr(existing, name)}, not {getattr(expected, name)}"
        for name in sorted(requested | {"time_samples"})
        if getattr(existing, name) != getattr(expected, name)
    ]
    _raise_if(address, problems + _frame_problems(CoordinateFrames(api).get(existing.coordinate_frame), spec))


def _frame_problems(frame: CoordinateFrame, spec: VolumeSpec) -> list[str]:
    problems = []
    if frame.box != spec.frame:
        problems.append(f"the coordinate frame {frame.name} spans {frame.box} (z, y, x), not {spec.frame}")
    if not np.allclose(frame.voxel_size_nm, spec.voxel_size_nm or (), rtol=1e-6):
        size, wanted = comma_text(frame.voxel_size_nm), comma_text(spec.voxel_size_nm or ("unknown",))
        problems.append(f"the voxels of {frame.name} are {size} nm (z, y, x), not {wanted}")
    return problems


def _raise_if(address: Address, problems: list[str]) -> None:
    if problems:
        raise InvalidInput(f"{address} does not fit its experiment: {'; '.join(problems)}; choose another experiment")
