"""Volumes transferred as raw voxels: all types but labelmap."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from voxome.config.settings import settings
from voxome.contracts.provenance import Provenance
from voxome.contracts.source import Mode, Version
from voxome.contracts.spec import VolumeSpec
from voxome.errors import CorruptData, InvalidBox, ReadOnly
from voxome.geometry import Box
from voxome.geometry.box_locks import BoxLocks
from voxome.remotes.arrays import require_writable
from voxome.remotes.dvid.instance import join_xyz
from voxome.remotes.dvid.node import Node
from voxome.remotes.dvid.provenance import add_provenance, read_provenance
from voxome.remotes.dvid.tiling import block_indices, split_box
from voxome.remotes.dvid.types import LABELS_BELOW_0, InstanceInfo, Triple, extents_json
from voxome.remotes.http import fan_out

R = TypeVar("R")

ATTEMPTS, DELAY_S = 3, 0.1
"""How often a response of the wrong length is requested, and the first delay between attempts."""
_LOCKS = BoxLocks()


class RawSource:
    """Volume of one data instance at one version.

    DVID stores whole blocks, on a grid through index 0. A write that cuts blocks reads them, changes its part and
    writes them back. Threads of this process take turns at a block; another process that writes to the same block at
    the same time may have its change overwritten.

    Parameters
    ----------
    node : Node
        The version.
    instance : str
        Name of the instance.
    info : InstanceInfo
        The server's description of the instance.
    name : str
        The URI, for messages.
    mode : {"r", "r+"}
        Read only, or read and write.
    throttle : bool
        Whether the server may reject a request while it is busy; such a request is sent again later.
    """

    def __init__(
        self, node: Node, instance: str, info: InstanceInfo, *, name: str, mode: Mode, throttle: bool = False
    ) -> None:
        self._node, self._instance, self._info = node, instance, info
        self._mode: Mode = mode
        self._params: dict[str, Any] = {"throttle": "true"} if throttle else {}
        self._workers = 1 if throttle else settings().dvid_workers
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
        data = np.empty(box.shape, self.spec.dtype) if out is None else out

        def fetch(part: Box) -> None:
            view = data[part.within(box)]
            _retry_corrupt(lambda: self._fetch(part, view))

        fan_out(fetch, split_box(box, self._block, request_voxels()), workers=self._workers)
        return data

    def write(self, box: Box, data: NDArray[Any]) -> None:
        require_writable(self.name, self._mode)
        if data.shape != box.shape:
            raise InvalidBox(f"data of shape {data.shape} do not fill the box {box} of shape {box.shape}")
        self._check(box)
        if self._info.holds_labels and min(box.start) < 0 and not box.empty:
            raise InvalidBox(f"{self.name}: cannot write labels to {box}: {LABELS_BELOW_0}")

        def store(part: Box) -> None:
            with _LOCKS.hold((self._node.api.base, self._node.uuid, self._instance), part.snap(self._block)):
                self._store(part, data[part.within(box)])

        fan_out(store, split_box(box, self._block, request_voxels()), workers=self._workers)
        if self._info.has_settable_extents and box.snap(self._block) not in self.spec.domain:
            self._restore_extents()

    def read_provenance(self) -> tuple[Provenance, ...]:
        """Return what the logs of this version and those before it say has made the instance."""
        return read_provenance(self._node, self._instance)

    def add_provenance(self, one: Provenance) -> None:
        """Add an entry to the log of the version.

        Raises
        ------
        ReadOnly
            If the instance is open for reading.
        """
        require_writable(self.name, self._mode)
        add_provenance(self._node, self._instance, one)

    def check_writable(self) -> None:
        """Raise if the version is locked.

        Raises
        ------
        ReadOnly
        """
        if self._info.versioned and self._node.locked():
            raise ReadOnly(f"{self.name} cannot be written: its version is locked; create a child version")

    def write_zeros(self, box: Box) -> None:
        """Write zeros to whole blocks, inside the domain or not; the server's extents grow to include them."""
        self._post_raw(box, np.zeros(box.shape, self.spec.dtype))

    @property
    def chunk_origin(self) -> tuple[int, ...]:
        """Index at which a block begins: blocks are counted from index 0."""
        return 0, 0, 0

    def count_requests(self, box: Box) -> int:
        """Return the number of requests that reading `box` takes."""
        return len(split_box(box, self._block, request_voxels()))

    def version(self) -> Version:
        pinned = self._node.locked() and self._info.versioned
        return Version(f"{self._node.uuid}/{self._info.data_uuid}", pinned=pinned)

    @property
    def _block(self) -> Triple:
        return self._info.block

    def _block_indices(self, box: Box) -> list[Triple]:
        return block_indices(box, self._block)

    def _check(self, box: Box) -> None:
        try:
            box.within(self.spec.domain)
        except InvalidBox as error:
            hint = "to enlarge it, use voxome.connect(…).set_extents(…)"
            if not self._info.has_settable_extents:
                hint = f"the extents of a {self._info.type} cannot be set; create a larger one, or a labelmap"
            raise InvalidBox(f"{self.name}: {error}; {hint}") from None

    def _box_path(self, box: Box) -> tuple[str, str]:
        """Return shape and start as written in a URL path."""
        return join_xyz(box.shape), join_xyz(box.start)

    def _fetch(self, box: Box, out: NDArray[Any]) -> None:
        body = self._node.get(self._instance, "raw", "0_1_2", *self._box_path(box), **self._params).content
        dtype = self.spec.dtype.newbyteorder("<")
        expected = box.size * dtype.itemsize
        if len(body) != expected:
            raise CorruptData(f"{self.name}: the server sent {len(body)} bytes for {box}, expected {expected}")
        out[...] = np.frombuffer(body, dtype).reshape(box.shape)

    def _store(self, box: Box, data: NDArray[Any]) -> None:
        aligned = box.snap(self._block)
        if aligned != box:
            old = np.empty(aligned.shape, self.spec.dtype)
            _retry_corrupt(lambda: self._fetch(aligned, old))
            old[box.within(aligned)] = data
            data = old
        self._post_raw(aligned, data)

    def _post_raw(self, box: Box, data: NDArray[Any], *, mutate: bool = True) -> None:
        body = np.ascontiguousarray(data, self.spec.dtype.newbyteorder("<")).tobytes()
        params: dict[str, Any] = {**({"mutate": "true"} if mutate else {}), **self._params}
        self._node.post(self._instance, "raw", "0_1_2", *self._box_path(box), content=body, idempotent=True, **params)

    def _restore_extents(self) -> None:
        """Set the server's extents, which grow to whole blocks, back to the domain."""
        current = InstanceInfo.fetch(self._node, self._instance, self.name).domain
        if current != self._info.domain and current in self._info.domain.snap(self._block):
            self._node.post(self._instance, "extents", json=extents_json(self._info.domain), idempotent=True)


def request_voxels() -> int:
    """Return the number of voxels of the largest request."""
    return settings().dvid_request_voxels


def _retry_corrupt(request: Callable[[], R]) -> R:
    """Call `request`, and again if it raises `CorruptData`."""
    for attempt in range(ATTEMPTS - 1):
        try:
            return request()
        except CorruptData:
            time.sleep(DELAY_S * 2**attempt)
    return request()
