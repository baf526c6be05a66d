"""All that is known of a channel before its voxels are read: asked once, when it is opened."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np

from voxome.contracts.spec import VolumeKind, VolumeSpec
from voxome.errors import AccessDenied, CorruptData, InvalidInput, NotFound, StoreError, UnsupportedFormat
from voxome.geometry import Box
from voxome.remotes.bossdb.address import Address
from voxome.remotes.bossdb.metadata import Metadata
from voxome.remotes.bossdb.projects import Channels, CoordinateFrames, Experiments
from voxome.remotes.bossdb.scales import Scale, all_scales, answerable, told
from voxome.remotes.bossdb.service import path, understood
from voxome.remotes.bossdb.values import Channel, CoordinateFrame, Experiment
from voxome.remotes.http import Api, fan_out

DTYPES = ("uint8", "uint16", "uint32", "uint64")
"""What channels hold."""
NOTES = "voxome"
"""The key of the channel's metadata under which lies, as JSON, what the Boss has no place for."""
_TYPES: dict[str, VolumeKind] = {"image": "image", "annotation": "labels"}


@dataclass(frozen=True)
class Description:
    """A channel with its experiment, coordinate frame and resolutions.

    Attributes
    ----------
    address : Address
        Where it is.
    channel, experiment, frame : Channel, Experiment, CoordinateFrame
        As the server tells them.
    scales : mapping
        Resolution → its size.
    notes : mapping
        ``kind``, ``offset_nm`` and ``attributes``, where they are not what the Boss would have them.
    """

    address: Address
    channel: Channel
    experiment: Experiment
    frame: CoordinateFrame
    scales: Mapping[int, Scale]
    notes: Mapping[str, Any]

    def spec(self, resolution: int) -> VolumeSpec:
        """The array at one resolution: z, y, x, with t before them where there are several points in time."""
        scale = self.scales[resolution]
        start = tuple(a // f for a, f in zip(self.frame.box.start, scale.factor, strict=True))
        times = self.experiment.time_samples
        before = (times,) if times > 1 else ()
        chunk = (*(1 for _ in before), *scale.cuboid)
        native = np.array(self.frame.voxel_size_nm)
        with understood(str(self.address)):
            offset = np.array(self.notes.get("offset_nm", (0, 0, 0)), float) + (np.array(scale.factor) - 1) / 2 * native
            return VolumeSpec(
                Box((*(0 for _ in before), *start), (*before, *scale.stop)),
                self.dtype,
                axes=(*("t" for _ in before), "z", "y", "x"),
                kind=cast(VolumeKind, self.notes.get("kind") or _TYPES[self.channel.type]),
                voxel_size_nm=tuple(size * self.frame.unit_nm for size in scale.voxel_size),  # type: ignore[arg-type]
                offset_nm=tuple(offset),
                read_chunk=chunk,
                write_chunk=chunk,
                attributes=self.attributes,
            )

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of its voxels.

        Raises
        ------
        UnsupportedFormat
            If it is none of `DTYPES`.
        """
        if self.channel.dtype not in DTYPES:
            raise UnsupportedFormat(f"{self.address} holds {self.channel.dtype}; {', '.join(DTYPES)} are read")
        return np.dtype(self.channel.dtype)

    @property
    def attributes(self) -> dict[str, Any]:
        """Its own, the server's description among them."""
        said = {"description": self.channel.description, "precomputed": self.channel.precomputed}
        return {**{name: value for name, value in said.items() if value}, **self.notes.get("attributes", {})}

    def noted(self, **changes: Any) -> Description:
        """The same with other notes."""
        return replace(self, notes={**self.notes, **changes})


def describe(api: Api, address: Address) -> Description:
    """Ask the server for all of it, side by side.

    Raises
    ------
    NotFound
        If there is no such channel.
    AccessDenied
        If it is not public, and the token does not open it.
    """
    collection, experiment, channel = address.of_channel().names
    questions: list[Callable[[], Any]] = [
        lambda: Channels(api).get(collection, experiment, channel),
        lambda: Experiments(api).get(collection, experiment),
        lambda: _notes(api, address),
    ]
    found, around, notes = fan_out(lambda ask: ask(), questions, workers=len(questions))
    frame = CoordinateFrames(api).get(around.coordinate_frame)
    known = _asked(api, address, frame) if answerable(frame, around) else {}
    return Description(address, found, around, frame, all_scales(frame, around, found.base_resolution, known), notes)


def _asked(api: Api, address: Address, frame: CoordinateFrame) -> dict[int, Scale]:
    """The resolutions as the server has them; none if it cannot say, or says otherwise than of the frame."""
    try:
        found = told(api.json("GET", path("downsample", *address.names)), str(address))
    except (StoreError, NotFound, InvalidInput):
        return {}
    return found if found.get(0) and found[0].stop == frame.box.stop else {}


def _notes(api: Api, address: Address) -> Mapping[str, Any]:
    """What was noted at creation; nothing where nothing was, or the metadata may not be read."""
    try:
        said = api.json("GET", path("meta", *address.names), params={"key": NOTES})
    except (NotFound, InvalidInput, AccessDenied):
        return {}
    with understood(f"the metadata of {address}"):
        text = str(said["value"])
    try:
        notes = json.loads(text)
        if not isinstance(notes, dict):
            raise TypeError(f"{text!r} is no mapping")
    except (ValueError, TypeError) as error:
        raise CorruptData(f"{address}: its metadata {NOTES!r} makes no sense: {error}; mend or remove it") from error
    return notes


def keep_notes(api: Api, description: Description) -> None:
    """Store the notes beside the channel."""
    Metadata(api, *description.address.names)[NOTES] = json.dumps(dict(description.notes))
