"""A job of a transfer: read, convert, write and verify its blocks."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.blocks.memory import peak_bytes
from voxome.contracts.engine import JobResult
from voxome.contracts.source import VolumeSource
from voxome.geometry import Box
from voxome.resources.cast import cast_exact
from voxome.resources.open import open_source
from voxome.services.transfer.choices import Verify
from voxome.services.transfer.copy import Copy
from voxome.services.transfer.verification import is_verified, require_equal


class OpenCopy:
    """A copy whose source and target are open; jobs may run in several threads.

    Parameters
    ----------
    copy : Copy
        Description of the copy.
    source, target : VolumeSource
        Arrays to read and write.
    reopen : callable
        Opens the target again, to read back what was written.
    verify : {"none", "sampled", "all"}
        Which blocks to read back.
    seed : int
        Random seed of the sample.
    """

    def __init__(
        self,
        copy: Copy,
        source: VolumeSource,
        target: VolumeSource,
        reopen: Callable[[], VolumeSource],
        *,
        verify: Verify,
        seed: int,
    ) -> None:
        self.copy, self._source, self._target, self._reopen = copy, source, target, reopen
        self._verify, self._seed = verify, seed
        self._buffers = threading.local()

    def run(self, payload: Mapping[str, Any]) -> JobResult:
        """Run job ``payload["job"]``; its voxels are stored on return, and ``verified`` counts the blocks read back.

        If ``payload["written"]`` is true, an earlier call has written them, and they are only read back.

        Raises
        ------
        BlockDiffers
            If a block that is read back differs from what was written.
        InvalidInput
            If voxels do not fit the dtype of the target.
        """
        began, verified, written = time.perf_counter(), 0, payload["written"]
        for index in self.copy.blocks(payload["job"]):
            box = self.copy.grid[index].write
            data = self._read(box)
            if not written:
                self._target.write(box, data)
            if is_verified(self._verify, self._seed, index, len(self.copy.grid)):
                target = self._reopen()
                out = self._buffer("stored", box, target.spec.dtype)
                require_equal(self.copy.target, target, box, data, written=written, out=out)
                verified += 1
        return JobResult(time.perf_counter() - began, peak_bytes(), {"verified": verified})

    def _read(self, box: Box) -> NDArray[Any]:
        source_box = box.shift([-n for n in self.copy.shift])
        data = self._source.read(source_box, out=self._buffer("data", box, self._source.spec.dtype))
        return cast_exact(data, np.dtype(self.copy.dtype))

    def _buffer(self, name: str, box: Box, dtype: np.dtype[Any]) -> NDArray[Any]:
        """Return an array for the voxels of `box` in memory that this thread reuses, as allocation is slow."""
        size = math.prod(box.shape)
        buffer = getattr(self._buffers, name, None)
        if buffer is None or buffer.dtype != dtype or buffer.size < size:
            buffer = np.empty(size, dtype)
            setattr(self._buffers, name, buffer)
        array: NDArray[Any] = buffer[:size].reshape(box.shape)
        return array


_open_copies: dict[tuple[str, str, int], OpenCopy] = {}
"""The current copy of this process."""
_opening = threading.Lock()


def run_job(payload: Mapping[str, Any]) -> JobResult:
    """Run one job of a copy: the task ``transfer``.

    Parameters
    ----------
    payload : mapping
        ``copy`` (as JSON values), ``verify``, ``seed``, ``job`` (its number) and ``written``; see `OpenCopy.run`.
    """
    copy = Copy.from_json(payload["copy"])
    key = copy.key, payload["verify"], payload["seed"]
    with _opening:
        opened = _open_copies.get(key)
        if opened is None:
            _open_copies.clear()
            opened = _open_copies[key] = _open_copy(copy, payload["verify"], payload["seed"])
    return opened.run(payload)


def _open_copy(copy: Copy, verify: Verify, seed: int) -> OpenCopy:
    source, target = open_source(copy.source), open_source(copy.target, mode="r+")
    return OpenCopy(copy, source, target, lambda: open_source(copy.target), verify=verify, seed=seed)
