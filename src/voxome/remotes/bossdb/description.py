"""Description of a channel, read once when it is opened."""

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
from voxome.remotes.bossdb.records import Channel, CoordinateFrame, Experiment
from voxome.remotes.bossdb.scales import Scale, all_scales, has_server_scales, scales_from_json
from voxome.remotes.bossdb.service import parsing, path
from voxome.remotes.http import Api, fan_out

DTYPES = ("uint8", "uint16", "uint32", "uint64")
"""Data types of channels."""
NOTES = "voxome"
"""Key of a channel's metadata under which its `Description.notes` are stored, as JSON."""
_TYPES: dict[str, VolumeKind] = {"image": "image", "annotation": "labels"}


@dataclass(frozen=True)
class Description:
    """A channel with its experiment, coordinate frame and resolutions.

    Attributes
    ----------
    address : Address
        Address of the channel.
    channel, experiment, frame : Channel, Experiment, CoordinateFrame
        Records of the server.
    scales : mapping
        Resolution → its size.
    notes : mapping
        ``kind``, ``offset_nm`` and ``attributes``, which BossDB has no fields for, where they are not the default.
    """

    address: Address
    channel: Channel
    experiment: Experiment
    frame: CoordinateFrame
    scales: Mapping[int, Scale]
    notes: Mapping[str, Any]

    def spec(self, resolution: int) -> VolumeSpec:
        """Return the spec of one resolution: z, y, x, or t, z, y, x if there are several points in time."""
        scale = self.scales[resolution]
        start = tuple(a // f for a, f in zip(self.frame.box.start, scale.factor, strict=True))
        times = self.experiment.time_samples
        time = (times,) if times > 1 else ()
        chunk = (*(1 for _ in time), *scale.cuboid)
        native = np.array(self.frame.voxel_size_nm)
        with parsing(str(self.address)):
            offset = np.array(self.notes.get("offset_nm", (0, 0, 0)), float) + (np.array(scale.factor) - 1) / 2 * native
            return VolumeSpec(
                Box((*(0 for _ in time), *start), (*time, *scale.stop)),
                self.dtype,
                axes=(*("t" for _ in time), "z", "y", "x"),
                kind=cast(VolumeKind, self.notes.get("kind") or _TYPES[self.channel.type]),
                voxel_size_nm=tuple(size * self.frame.unit_nm for size in scale.voxel_size),  # type: ignore[arg-type]
                offset_nm=tuple(offset),
                read_chunk=chunk,
                write_chunk=chunk,
                attributes=self.attributes,
            )

    def scale_from_finest(self, resolution: int) -> tuple[int, int, int]:
        """Return the voxels (z, y, x) of the finest resolution along one voxel of `resolution`."""
        finest = next(iter(self.scales.values())).factor
        z, y, x = (coarse // fine for coarse, fine in zip(self.scales[resolution].factor, finest, strict=True))
        return z, y, x

    @property
    def dtype(self) -> np.dtype[Any]:
        """Data type of its voxels.

        Raises
        ------
        UnsupportedFormat
            If it is not one of `DTYPES`.
        """
        if self.channel.dtype not in DTYPES:
            raise UnsupportedFormat(
                f"{self.address} has voxels of {self.channel.dtype}; supported are {', '.join(DTYPES)}"
            )
        return np.dtype(self.channel.dtype)

    @property
    def attributes(self) -> dict[str, Any]:
        """Attributes, including the server's description."""
        fields = {"description": self.channel.description, "precomputed": self.channel.precomputed}
        return {**{name: value for name, value in fields.items() if value}, **self.notes.get("attributes", {})}

    def with_notes(self, **changes: Any) -> Description:
        """Return the same description with some notes changed."""
        return replace(self, notes={**self.notes, **changes})


def describe(api: Api, address: Address) -> Description:
    """Return the description of a channel, by concurrent requests.

    Raises
    ------
    NotFound
        If the channel does not exist.
    AccessDenied
        If it is not public, and the token has no permission.
    """
    collection, experiment, channel = address.require_channel().names
    requests: list[Callable[[], Any]] = [
        lambda: Channels(api).get(collection, experiment, channel),
        lambda: Experiments(api).get(collection, experiment),
        lambda: _notes(api, address),
    ]
    record, parent, notes = fan_out(lambda send: send(), requests, workers=len(requests))
    frame = CoordinateFrames(api).get(parent.coordinate_frame)
    known = _server_scales(api, address, frame) if has_server_scales(frame, parent) else {}
    scales = all_scales(frame, parent, record.base_resolution, known)
    return Description(address, record, parent, frame, scales, notes)


def _server_scales(api: Api, address: Address, frame: CoordinateFrame) -> dict[int, Scale]:
    """Return the server's resolutions; none if it fails, or contradicts the coordinate frame."""
    try:
        found = scales_from_json(api.json("GET", path("downsample", *address.names)), str(address))
    except (StoreError, NotFound, InvalidInput):
        return {}
    return found if found.get(0) and found[0].stop == frame.box.stop else {}


def _notes(api: Api, address: Address) -> Mapping[str, Any]:
    """Return the stored notes; empty if none are stored, or they may not be read."""
    try:
        response = api.json("GET", path("meta", *address.names), params={"key": NOTES})
    except (NotFound, InvalidInput, AccessDenied):
        return {}
    with parsing(f"the metadata of {address}"):
        text = str(response["value"])
    try:
        notes = json.loads(text)
        if not isinstance(notes, dict):
            raise TypeError(f"{text!r} is not a JSON object")
    except (ValueError, TypeError, RecursionError) as error:
        raise CorruptData(f"{address}: malformed metadata {NOTES!r}: {error}; fix or remove it") from error
    return notes


def store_notes(api: Api, description: Description) -> None:
    """Store the notes in the metadata of the channel."""
    Metadata(api, *description.address.names)[NOTES] = json.dumps(dict(description.notes))
