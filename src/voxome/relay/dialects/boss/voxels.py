"""The voxels of channels, stored as one volume for each channel and level."""

from __future__ import annotations

from contextlib import suppress
from threading import Lock
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.abilities import SupportsDelete
from voxome.contracts.source import VolumeSource
from voxome.contracts.uri import Uri
from voxome.errors import AlreadyExists, InvalidBox, NotFound
from voxome.geometry import Box
from voxome.relay.box_locks import SupportsHold
from voxome.relay.dialects.boss.pyramid import CHUNK, Pyramid
from voxome.relay.dialects.boss.records import Channel
from voxome.resources.create import create_source
from voxome.resources.open import open_source
from voxome.resources.recognition import get_remote


class VoxelReader(Protocol):
    """Where the voxels of channels are read. Boxes are (t, z, y, x); methods may be called from several threads."""

    def read(self, pyramid: Pyramid, level: int, box: Box) -> NDArray[Any]:
        """Return the voxels of `box`; 0 where none were written, and beyond the extent of the level."""

    def chunk(self, pyramid: Pyramid, level: int) -> tuple[int, ...]:
        """Return the shape of the pieces in which a level is best read."""


class VoxelWriter(VoxelReader, Protocol):
    """Where the voxels of channels are read and written."""

    def merge(self, pyramid: Pyramid, level: int, box: Box, data: NDArray[Any]) -> None:
        """Write the voxels of `data` that are not 0; keep the stored voxels where they are."""

    def put(self, pyramid: Pyramid, level: int, box: Box, data: NDArray[Any]) -> None:
        """Write all voxels of `data`, including zeros."""

    def erase(self, pyramid: Pyramid, level: int, box: Box) -> None:
        """Set all voxels of `box` to 0."""


class VoxelStore(VoxelWriter, Protocol):
    """Where the voxels of channels are read, written and deleted."""

    def delete(self, channel: Channel, levels: range) -> None:
        """Delete all voxels of a channel."""


class VolumeStore:
    """Volumes under one URI, created when they are first written.

    Parameters
    ----------
    root : str
        ``memory://NAME`` or ``zarr://FOLDER``.
    locks : SupportsHold
        Locks on boxes that are written.
    """

    def __init__(self, root: str, locks: SupportsHold) -> None:
        self.root = root.rstrip("/")
        self._open: dict[str, VolumeSource] = {}
        self._opening = Lock()
        self._locks = locks

    def read(self, pyramid: Pyramid, level: int, box: Box) -> NDArray[Any]:
        source = self._source(pyramid, level)
        if source is not None and box in source.spec.domain:
            return source.read(box)
        out = np.zeros(box.shape, pyramid.channel.datatype)
        inside = box if source is None else box & source.spec.domain
        if source is not None and not inside.empty:
            out[inside.within(box)] = source.read(inside)
        return out

    def chunk(self, pyramid: Pyramid, level: int) -> tuple[int, ...]:
        return pyramid.spec(level).read_chunk or CHUNK

    def merge(self, pyramid: Pyramid, level: int, box: Box, data: NDArray[Any]) -> None:
        written = data != 0
        if written.all():
            self.put(pyramid, level, box, data)
        elif written.any():
            require_inside(pyramid, level, box, written)
            inside = box & pyramid.domain(level)
            cut = inside.within(box)
            with self._locks.hold(self._uri(pyramid.channel, level), inside):
                source = self._open_or_create(pyramid, level)
                old = source.read(inside)
                np.copyto(old, data[cut], where=written[cut])
                source.write(inside, old)

    def put(self, pyramid: Pyramid, level: int, box: Box, data: NDArray[Any]) -> None:
        if box not in pyramid.domain(level):
            raise InvalidBox(f"box {box} leaves level {level}, which is {pyramid.domain(level)} (t, z, y, x)")
        with self._locks.hold(self._uri(pyramid.channel, level), box):
            self._open_or_create(pyramid, level).write(box, data)

    def erase(self, pyramid: Pyramid, level: int, box: Box) -> None:
        inside = box & pyramid.domain(level)
        source = self._source(pyramid, level)
        if source is not None and not inside.empty:
            with self._locks.hold(self._uri(pyramid.channel, level), inside):
                source.write(inside, np.zeros(inside.shape, source.spec.dtype))

    def delete(self, channel: Channel, levels: range) -> None:
        for level in levels:
            uri = self._uri(channel, level)
            with self._opening, suppress(NotFound):
                self._open.pop(uri, None)
                located = Uri.parse(uri)
                store = get_remote(located.scheme)
                if isinstance(store, SupportsDelete):
                    store.delete(located)

    def _uri(self, channel: Channel, level: int) -> str:
        return f"{self.root}/{channel.uid}/{level}.zarr"

    def _source(self, pyramid: Pyramid, level: int) -> VolumeSource | None:
        uri = self._uri(pyramid.channel, level)
        found = self._open.get(uri)
        if found is None:
            with suppress(NotFound):
                found = self._open[uri] = open_source(uri, mode="r+")
        return found

    def _open_or_create(self, pyramid: Pyramid, level: int) -> VolumeSource:
        with self._opening:
            found = self._source(pyramid, level)
            if found is None:
                uri = self._uri(pyramid.channel, level)
                with suppress(AlreadyExists):
                    return self._open.setdefault(uri, create_source(uri, pyramid.spec(level)))
                found = self._open[uri] = open_source(uri, mode="r+")  # another process was faster
        return found


def require_inside(pyramid: Pyramid, level: int, box: Box, written: NDArray[np.bool_]) -> None:
    """Raise InvalidBox if voxels that are written are beyond a level."""
    domain = pyramid.domain(level)
    if box not in domain and written.sum() != written[(box & domain).within(box)].sum():
        raise InvalidBox(f"box {box} has voxels beyond level {level}, which is {domain} (t, z, y, x)")
