"""Volumes whose voxels travel as they are: all types but labelmap."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from voxome.config.settings import setting
from voxome.contracts.source import Mode, Version
from voxome.contracts.spec import VolumeSpec
from voxome.errors import CorruptData, InvalidBox, ReadOnly
from voxome.geometry import Box
from voxome.geometry.box_locks import BoxLocks
from voxome.remotes.dvid.node import Node
from voxome.remotes.dvid.tiling import blocks, pieces
from voxome.remotes.dvid.types import Info, Triple, extents
from voxome.remotes.http import fan_out

R = TypeVar("R")

WORKERS = 8
"""Requests side by side (``VOXOME_DVID_WORKERS``); one after the other where the server is asked to throttle."""
PIECE_VOXELS = 1 << 22
"""Voxels of the largest request (``VOXOME_DVID_PIECE_VOXELS``)."""
TRIES, DELAY_S = 3, 0.1
"""How often what came in a wrong length is asked for, and the first wait between."""
_LOCKS = BoxLocks()


class RawSource:
    """One instance of voxels at one version.

    DVID stores whole blocks. A write that cuts blocks reads them, changes its part and writes them whole; threads of
    this process take turns at a block, but another process that writes another part of the same block at the same time
    may lose to this one. Blocks lie on a lattice through index 0.

    Parameters
    ----------
    node : Node
        The version.
    instance : str
        Name of the instance.
    info : Info
        What the server says of it.
    name : str
        The URI, for messages.
    mode : {"r", "r+"}
        Read only, or read and write.
    throttle : bool
        Whether the server may turn a request away while it has enough of them; then it is sent again later.
    """

    def __init__(self, node: Node, instance: str, info: Info, *, name: str, mode: Mode, throttle: bool = False) -> None:
        self._node, self._instance, self._info = node, instance, info
        self._mode: Mode = mode
        self._params: dict[str, Any] = {"throttle": "true"} if throttle else {}
        self._workers = 1 if throttle else setting("DVID_WORKERS", WORKERS)
        self._spec = info.spec
        self.name = name

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"

    @property
    def spec(self) -> VolumeSpec:
        return self._spec

    @property
    def concurrent_writers(self) -> bool:
        """Whether blocks counted from the start of the domain are the server's blocks."""
        return all(a % n == 0 for a, n in zip(self.spec.domain.start, self._block, strict=True))

    def read(self, box: Box, *, out: NDArray[Any] | None = None) -> NDArray[Any]:
        self._check(box)
        found = np.empty(box.shape, self.spec.dtype) if out is None else out

        def fetch(piece: Box) -> None:
            part = found[piece.within(box)]
            _until_whole(lambda: self._fetch(piece, part))

        fan_out(fetch, pieces(box, self._block, setting("DVID_PIECE_VOXELS", PIECE_VOXELS)), workers=self._workers)
        return found

    def write(self, box: Box, data: NDArray[Any]) -> None:
        if self._mode == "r":
            raise ReadOnly(f"{self.name} is open for reading; open it with mode='r+'")
        if data.shape != box.shape:
            raise InvalidBox(f"data of shape {data.shape} do not fill the box {box} of shape {box.shape}")
        self._check(box)

        def store(piece: Box) -> None:
            with _LOCKS.hold((self._node.api.base, self._node.uuid, self._instance), piece.snap(self._block)):
                self._store(piece, data[piece.within(box)])

        fan_out(store, pieces(box, self._block, setting("DVID_PIECE_VOXELS", PIECE_VOXELS)), workers=self._workers)
        if box.snap(self._block) not in self.spec.domain:
            self._keep_extents()

    def version(self) -> Version:
        pinned = self._node.locked() and self._info.versioned
        return Version(f"{self._node.uuid}/{self._info.data_uuid}", pinned=pinned)

    @property
    def _block(self) -> Triple:
        return self._info.block

    def _blocks(self, box: Box) -> list[Triple]:
        return blocks(box, self._block)

    def _check(self, box: Box) -> None:
        try:
            box.within(self.spec.domain)
        except InvalidBox as error:
            raise InvalidBox(f"{self.name}: {error}; voxome.connect(…).set_extents(…) changes its domain") from None

    def _place(self, box: Box) -> tuple[str, str]:
        return _underscored(box.shape), _underscored(box.start)

    def _fetch(self, box: Box, out: NDArray[Any]) -> None:
        answer = self._node.get(self._instance, "raw", "0_1_2", *self._place(box), **self._params).content
        dtype = self.spec.dtype.newbyteorder("<")
        if len(answer) != box.size * dtype.itemsize:
            raise CorruptData(
                f"{self.name}: the server sent {len(answer)} bytes for {box}, {box.size * dtype.itemsize} were expected"
            )
        out[...] = np.frombuffer(answer, dtype).reshape(box.shape)

    def _store(self, box: Box, data: NDArray[Any]) -> None:
        whole = box.snap(self._block)
        if whole != box:
            old = np.empty(whole.shape, self.spec.dtype)
            _until_whole(lambda: self._fetch(whole, old))
            old[box.within(whole)] = data
            data = old
        self._post_raw(whole, data)

    def _post_raw(self, box: Box, data: NDArray[Any]) -> None:
        body = np.ascontiguousarray(data, self.spec.dtype.newbyteorder("<")).tobytes()
        params: dict[str, Any] = {"mutate": "true", **self._params}
        self._node.post(self._instance, "raw", "0_1_2", *self._place(box), content=body, idempotent=True, **params)

    def _keep_extents(self) -> None:
        """Set the server's extents back to the domain: it has let them grow to whole blocks."""
        now = Info.asked(self._node, self._instance, self.name).domain
        if now != self._info.domain and now in self._info.domain.snap(self._block):
            self._node.post(self._instance, "extents", json=extents(self._info.domain), idempotent=True)


def _until_whole(work: Callable[[], R]) -> R:
    """Do `work`, again where what came was not whole."""
    for attempt in range(TRIES - 1):
        try:
            return work()
        except CorruptData:
            time.sleep(DELAY_S * 2**attempt)
    return work()


def _underscored(zyx: tuple[int, ...]) -> str:
    return "_".join(str(n) for n in reversed(zyx))
