"""The blocks of a job: read, converted or made coarser, written, read back."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.blocks.memory import peak_bytes
from voxome.contracts.engine import JobResult
from voxome.contracts.source import VolumeSource
from voxome.errors import CorruptData
from voxome.geometry import BlockGrid, Box
from voxome.resources.coarsening import Method, coarsened
from voxome.resources.open import open_source
from voxome.services.transfer.block_shape import GOOD_BYTES
from voxome.services.transfer.convert import converted
from voxome.services.transfer.copy import Copy, Verify, is_verified

_IN_EIGHT = 8


class OpenCopy:
    """A copy with both ends open; its jobs may run in several threads.

    Parameters
    ----------
    copy : Copy
        What to do.
    source, target : VolumeSource
        Its ends.
    fresh : function
        Opens the target anew, to read back what was written.
    verify, seed : str, int
        Which blocks are read back.
    """

    def __init__(
        self,
        copy: Copy,
        source: VolumeSource,
        target: VolumeSource,
        fresh: Callable[[], VolumeSource],
        *,
        verify: Verify,
        seed: int,
    ) -> None:
        self.copy, self._source, self._target, self._fresh = copy, source, target, fresh
        self._verify, self._seed = verify, seed
        self._kept = threading.local()

    def run(self, payload: Mapping[str, Any]) -> JobResult:
        """Run job ``payload["job"]``; on return its voxels are stored. ``verified`` counts the blocks read back.

        Raises
        ------
        CorruptData
            If a block reads back otherwise than it was written.
        InvalidInput
            If voxels do not fit the dtype of the target.
        """
        began, verified = time.perf_counter(), 0
        for index in self.copy.blocks(payload["job"]):
            box = self.copy.grid[index].write
            data = self._copied(box) if self.copy.method is None else self._coarsened(box, self.copy.method)
            self._target.write(box, data)
            if is_verified(self._verify, self._seed, index, len(self.copy.grid)):
                self._read_back(box, data)
                verified += 1
        return JobResult(time.perf_counter() - began, peak_bytes(), {"verified": verified})

    def _copied(self, box: Box) -> NDArray[Any]:
        there = box.shift([-n for n in self.copy.shift])
        data = self._source.read(there, out=self._room("data", box, self._source.spec.dtype))
        return converted(data, np.dtype(self.copy.dtype))

    def _coarsened(self, box: Box, method: Method) -> NDArray[Any]:
        """The block made of the level before, in pieces, for it takes many times as many voxels."""
        spec, factors = self._source.spec, self.copy.factors
        made = np.empty(box.shape, spec.dtype)
        for part in BlockGrid(box, _piece(box.shape, spec.dtype.itemsize)):
            below = _times(part.write, factors) & spec.domain
            made[part.write.within(box)] = coarsened(self._source.read(below), below, factors, method)
        return made

    def _read_back(self, box: Box, data: NDArray[Any]) -> None:
        fresh = self._fresh()
        found = fresh.read(box, out=self._room("found", box, fresh.spec.dtype))
        if found.dtype != data.dtype or not np.array_equal(_bits(found), _bits(data)):
            wrong = int((found != data).sum())
            raise CorruptData(
                f"{self.copy.target} reads back otherwise than it was written, at {box}: {wrong:,} of {box.size:,} "
                "voxels differ; look at the disk or the server that holds it, and give the same command again"
            )

    def _room(self, name: str, box: Box, dtype: np.dtype[Any]) -> NDArray[Any]:
        """An array for the voxels of `box`, in memory that this thread keeps: what is new is slow."""
        needed = math.prod(box.shape)
        kept = getattr(self._kept, name, None)
        if kept is None or kept.dtype != dtype or kept.size < needed:
            kept = np.empty(needed, dtype)
            setattr(self._kept, name, kept)
        room: NDArray[Any] = kept[:needed].reshape(box.shape)
        return room


def _times(box: Box, scale: Sequence[int]) -> Box:
    start, stop = (tuple(i * n for i, n in zip(ends, scale, strict=True)) for ends in (box.start, box.stop))
    return Box(start, stop)


def _bits(data: NDArray[Any]) -> NDArray[Any]:
    """The voxels as bytes, or eight of them at a time: numbers that are none are compared too."""
    flat = np.ascontiguousarray(data).reshape(-1).view(np.uint8)
    return flat if flat.size % 8 else flat.view(np.uint64)


def _piece(shape: tuple[int, ...], itemsize: int) -> tuple[int, ...]:
    """A part of a block that is made of about as many bytes as a block is copied of."""
    piece = list(shape)
    while np.prod(piece) * itemsize * _IN_EIGHT > GOOD_BYTES:
        longest = int(np.argmax(piece))
        piece[longest] = -(-piece[longest] // 2)
    return tuple(piece)


_open: dict[tuple[str, str, int], OpenCopy] = {}
"""The copy that this process works on."""


def run_job(payload: Mapping[str, Any]) -> JobResult:
    """Run one job of a copy: the task ``transfer``.

    Parameters
    ----------
    payload : mapping
        ``copy`` (as JSON values), ``verify``, ``seed`` and ``job`` (its number).
    """
    copy = Copy.from_json(payload["copy"])
    key = copy.key, payload["verify"], payload["seed"]
    if key not in _open:
        _open.clear()
        _open[key] = _opened(copy, payload["verify"], payload["seed"])
    return _open[key].run(payload)


def _opened(copy: Copy, verify: Verify, seed: int) -> OpenCopy:
    source, target = open_source(copy.source), open_source(copy.target, mode="r+")
    return OpenCopy(copy, source, target, lambda: open_source(copy.target), verify=verify, seed=seed)
