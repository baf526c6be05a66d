"""New channels, with the collection, coordinate frame and experiment that they need."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np

from voxome.contracts.spec import VolumeSpec
from voxome.errors import AlreadyExists, InvalidInput, NotFound, UnknownName, UnsupportedFormat
from voxome.remotes.bossdb.address import Address
from voxome.remotes.bossdb.description import DTYPES
from voxome.remotes.bossdb.projects import Channels, Collections, CoordinateFrames, Experiments, Things
from voxome.remotes.bossdb.values import Channel, Collection, CoordinateFrame, Described, Experiment
from voxome.remotes.http import Api

OPTIONS = ("coordinate_frame", "levels", "hierarchy_method", "sources", "related")
"""What ``spec.encoding`` may say: the name of the frame (``CF_COLLECTION_EXPERIMENT`` if not given), the number of
resolutions (1), anisotropic (the default) or isotropic, and names of other channels. Labels need one among their
sources: the experiment's only image channel if none is named."""
V = TypeVar("V", bound=Described)


def check(spec: VolumeSpec, name: str) -> None:
    """Refuse what a BossDB cannot hold.

    Raises
    ------
    UnsupportedFormat
        Naming all that it cannot.
    UnknownName
        If an option is none of `OPTIONS`.
    """
    for option in spec.encoding or {}:
        if option not in OPTIONS:
            raise UnknownName.of("bossdb option", option, OPTIONS)
    start = spec.domain.start
    wrong = {
        f"axes {'/'.join(spec.axes)}: it has z/y/x, or t/z/y/x": spec.axes not in (tuple("zyx"), tuple("tzyx")),
        f"a domain from {start}: it has no negative indices, and time begins at 0": min(start, default=0) < 0
        or (spec.domain.ndim == 4 and start[0] != 0),
        f"{spec.dtype}: it holds {', '.join(DTYPES)}": spec.dtype.name not in DTYPES,
        f"the value {spec.fill} where nothing is written: it has 0": spec.fill != 0,
        "no voxel size: give voxel_size_nm=(z, y, x)": spec.voxel_size_nm is None,
        "no voxels": spec.domain.empty,
    }
    if faults := [fault for fault, is_so in wrong.items() if is_so]:
        raise UnsupportedFormat(f"{name}: a BossDB cannot hold " + "; nor ".join(faults))


def create_channel(api: Api, address: Address, spec: VolumeSpec) -> None:
    """Make a channel, and what is missing above it.

    Raises
    ------
    AlreadyExists
        If there is such a channel.
    InvalidInput
        If the experiment is there, and its frame, voxel size, points in time or levels are not those of `spec`.
    """
    collection, experiment, channel = address.of_channel().names
    try:
        Channels(api).get(collection, experiment, channel)
    except NotFound:
        pass
    else:
        raise AlreadyExists(f"{address} is there already; choose another name, or delete it")
    _ensure(Collections(api), Collection(collection))
    wanted, frame = _around(collection, experiment, spec)
    _ensure(Experiments(api), wanted, before=lambda: _ensure_frame(api, frame, spec, address))
    _agree(api, address, spec)
    new = _channel(collection, experiment, channel, spec)
    if new.type == "annotation" and not new.sources:
        new = replace(new, sources=(_only_image(api, collection, experiment, channel),))
    Channels(api).create(new)


def notes_of(spec: VolumeSpec) -> dict[str, Any]:
    """What of a spec the Boss has no place for."""
    attributes = {name: value for name, value in spec.attributes.items() if not _is_description(name, value)}
    notes = {
        "kind": spec.kind if spec.kind == "probability" else None,
        "offset_nm": list(spec.offset_nm) if any(spec.offset_nm) else None,
        "attributes": attributes or None,
    }
    return {name: value for name, value in notes.items() if value is not None}


def _around(collection: str, experiment: str, spec: VolumeSpec) -> tuple[Experiment, CoordinateFrame]:
    """The experiment and the frame that a spec calls for."""
    options = spec.encoding or {}
    name = options.get("coordinate_frame", f"CF_{collection}_{experiment}")
    times = spec.domain.shape[0] if spec.domain.ndim == 4 else 1
    levels, method = options.get("levels", 1), options.get("hierarchy_method", "anisotropic")
    frame = CoordinateFrame(name, spec.frame, spec.voxel_size_nm or (1.0, 1.0, 1.0))
    return Experiment(collection, experiment, name, levels=levels, hierarchy_method=method, time_samples=times), frame


def _channel(collection: str, experiment: str, name: str, spec: VolumeSpec) -> Channel:
    said = spec.attributes.get("description")
    return Channel(
        collection,
        experiment,
        name,
        "annotation" if spec.kind == "labels" else "image",
        spec.dtype.name,
        said if isinstance(said, str) else "",
        sources=tuple((spec.encoding or {}).get("sources", ())),
        related=tuple((spec.encoding or {}).get("related", ())),
    )


def _only_image(api: Api, collection: str, experiment: str, new: str) -> str:
    """The one image channel of an experiment: labels must have a source."""
    channels = Channels(api)
    found = (channels.get(collection, experiment, name) for name in channels.list(collection, experiment))
    images = [one.name for one in found if one.type == "image"]
    if len(images) != 1:
        seen = f"several: {', '.join(images)}" if images else "none"
        raise InvalidInput(
            f"labels in a BossDB need the image channel that they were made from, and {collection}/{experiment} has "
            f"{seen}; before {new}, make it or name it: encoding={{'sources': ['em']}}"
        )
    return images[0]


def _is_description(name: str, value: object) -> bool:
    return name == "description" and isinstance(value, str)


def _ensure(things: Things[V], new: V, before: Callable[[], None] = lambda: None) -> None:
    """Make it unless it is there, or somebody else makes it just now."""
    try:
        things.get(*new.names)
        return
    except NotFound:
        before()
    try:
        things.create(new)
    except (InvalidInput, AlreadyExists) as refusal:
        try:
            things.get(*new.names)
        except NotFound:
            raise refusal from None


def _ensure_frame(api: Api, frame: CoordinateFrame, spec: VolumeSpec, address: Address) -> None:
    """A new experiment's frame: one that is there must agree before the experiment is made in it."""
    frames = CoordinateFrames(api)
    _ensure(frames, frame)
    _refuse(address, _frame_faults(frames.get(frame.name), spec))


def _agree(api: Api, address: Address, spec: VolumeSpec) -> None:
    """Refuse an experiment that is there and is of another shape."""
    there = Experiments(api).get(*address.names[:2])
    wanted, _ = _around(address.names[0], address.names[1], spec)
    options = spec.encoding or {}
    asked = {"coordinate_frame", "levels", "hierarchy_method"} & set(options)
    faults = [
        f"the experiment's {name} is {getattr(there, name)}, not {getattr(wanted, name)}"
        for name in sorted(asked | {"time_samples"})
        if getattr(there, name) != getattr(wanted, name)
    ]
    _refuse(address, faults + _frame_faults(CoordinateFrames(api).get(there.coordinate_frame), spec))


def _frame_faults(frame: CoordinateFrame, spec: VolumeSpec) -> list[str]:
    faults = []
    if frame.box != spec.frame:
        faults.append(f"the coordinate frame {frame.name} spans {frame.box} (z, y, x), not {spec.frame}")
    if not np.allclose(frame.voxel_size_nm, spec.voxel_size_nm or (), rtol=1e-6):
        faults.append(f"the voxels of {frame.name} are {frame.voxel_size_nm} nm (z, y, x), not {spec.voxel_size_nm}")
    return faults


def _refuse(address: Address, faults: list[str]) -> None:
    if faults:
        raise InvalidInput(f"{address} does not fit where it is to be: {'; '.join(faults)}; choose another experiment")
