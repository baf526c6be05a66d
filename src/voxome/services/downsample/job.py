"""Jobs of a downsampling: compute the levels of a pass, or put one together from its pieces."""

from __future__ import annotations

import itertools
import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.blocks.memory import peak_bytes, trim_memory
from voxome.contracts.abilities import SupportsStagedWrites, ability
from voxome.contracts.engine import JobResult
from voxome.contracts.source import VolumeSource
from voxome.contracts.uri import at_level
from voxome.geometry import Box
from voxome.resources.open import open_source
from voxome.services.downsample.passes import Assembly, Pass, spatial_part
from voxome.services.downsample.scratch import Scratch, group_of_cells, group_of_ids, group_of_level
from voxome.services.downsample.task_pool import TaskPool
from voxome.services.transfer.verification import is_verified, require_equal
from voxome.storage.find import storage_at
from voxome.tools.common.cells.levels import CellLevels, levels_of_cells, levels_of_voxels
from voxome.tools.common.cells.methods import METHODS, Cells
from voxome.tools.common.cells.stored import arrays_of, joined

Put = Callable[[Box, NDArray[Any]], None]
"""Stores the voxels of a box."""
Reopen = Callable[[], VolumeSource]
"""Opens an array again, bypassing any cache."""
_MAX_WAITING = 1 << 20
"""Ids that wait to be united."""
_TRIM_EVERY = 16
"""Tiles of a large block after which freed memory is returned to the system, which keeps much of it otherwise."""
_LARGE_BYTES = 1 << 26
"""Size of a large block; for a small one, to return memory and get it again takes a tenth of the time."""


@dataclass(frozen=True)
class _Tile:
    """What was computed of a tile: its levels, for each channel and time, and whether the block keeps them."""

    rows: Sequence[CellLevels]
    is_kept: bool


class _Check:
    """Blocks of a job that are read back after they were written, or instead of it.

    Parameters
    ----------
    one : Pass or Assembly
        What the job belongs to.
    reopen : callable, optional
        Opens the level again.
    payload : mapping
        ``verify``, ``seed`` and ``written``, if blocks are read back.
    """

    def __init__(self, one: Pass | Assembly, reopen: Reopen | None, payload: Mapping[str, Any]) -> None:
        self._one, self._reopen, self.verified = one, reopen, 0
        self._verify, self._seed = payload.get("verify", "none"), payload.get("seed", 0)
        self._written = payload.get("written", False)

    @contextmanager
    def staged(self, target: VolumeSource, index: int) -> Iterator[Put]:
        """Write parts of block `index`; see `staged`."""
        box = self._one.grid[index].write
        if self._reopen is None or not is_verified(self._verify, self._seed, index, len(self._one.grid)):
            with staged(target, box) as put:
                yield put
            return
        data = np.empty(box.shape, target.spec.dtype)

        def collect(part: Box, values: NDArray[Any]) -> None:
            data[part.within(box)] = values

        yield collect
        if not self._written:
            target.write(box, data)
        name = self._one.made_by.target if isinstance(self._one, Assembly) else self._one.target
        level = self._one.level if isinstance(self._one, Assembly) else self._one.levels[0]
        require_equal(at_level(name, level), self._reopen(), box, data, written=self._written)
        self.verified += 1


class OpenPass:
    """A pass whose source and target are open; jobs may run in several threads.

    Parameters
    ----------
    one : Pass
        What to compute.
    source, target : VolumeSource
        Level 0, and the first level that it writes.
    threads : int
        Number of tiles to compute at once, block after block, while others are stored.
    reopen : callable, optional
        Opens the first level again, to read back what was written.
    """

    def __init__(
        self,
        one: Pass,
        source: VolumeSource,
        target: VolumeSource,
        threads: int = 1,
        reopen: Reopen | None = None,
    ) -> None:
        self._pass, self._source, self._target, self._reopen = one, source, target, reopen
        self._scratch = Scratch(storage_at(one.scratch))
        self._buffers = threading.local()
        self._pool = TaskPool(threads)

    def run(self, payload: Mapping[str, Any]) -> JobResult:
        """Run job ``payload["job"]``; its voxels and pieces are stored on return.

        For ``verify``, ``seed`` and ``written`` of the payload see `OpenCopy.run`.
        """
        began, check = time.perf_counter(), _Check(self._pass, self._reopen, payload)
        for index in self._pass.blocks(payload["job"]):
            self._run_block(index, check)
            _trim(self._pass, self._target)
        return JobResult(time.perf_counter() - began, peak_bytes(), {"verified": check.verified})

    def _run_block(self, index: int, check: _Check) -> None:
        one, write = self._pass, self._pass.write_box(index)
        boxes = {level: one.piece(index, level) for level in one.levels[1:]}
        arrays = {level: np.empty(box.shape, one.dtype) for level, box in boxes.items()}
        kept: list[list[Cells]] = [[] for _ in range(math.prod(write.shape[:-3]))]
        ids = _Ids()
        with check.staged(self._target, index) as put:
            tasks = [partial(self._compute, write, put, *tile) for tile in one.tiles(index)]
            for number, tile in enumerate(self._pool.results(tasks), 1):
                if number % _TRIM_EVERY == 0:
                    _trim(one, self._target)
                for row, levels in enumerate(tile.rows):
                    for level, found in zip((one.before, *one.levels), levels.ids, strict=False):
                        ids.add(level, found)
                    if not tile.is_kept:
                        continue
                    for at, (level, array) in enumerate(arrays.items(), 1):
                        own = array.reshape(-1, *array.shape[-3:])[row]
                        _put(own, spatial_part(boxes[level]), levels.boxes[at], levels.values[at])
                    if levels.last is not None:
                        kept[row].append(levels.last)
            _trim(one, self._target)  # before the shard is encoded
        del put, tasks  # which hold what was staged
        _trim(one, self._target)
        for level, array in arrays.items():
            if array.size:
                self._scratch.write(group_of_level(level), index, {"values": array})
        if one.keep and any(kept):
            self._keep(index, kept)
        if one.ids:
            self._scratch.write(group_of_ids(one.levels[0]), index, ids.arrays)

    def _compute(self, write: Box, put: Put, tile: Box, is_kept: bool) -> _Tile:
        """Compute a tile of a block, and write its part of the first level."""
        one, rows = self._pass, list(self._levels(write, tile))
        first = rows[0].boxes[0]
        overlap = spatial_part(write) & first
        if not overlap.empty:
            box = Box((*write.start[:-3], *overlap.start), (*write.stop[:-3], *overlap.stop))
            inner = overlap.within(first)
            parts = [row.values[0][inner] for row in rows]
            data = (parts[0] if len(parts) == 1 else np.stack(parts)).reshape(box.shape)
            put(one.axes.restore(box), data.transpose(one.axes.inverse))
        return _Tile(rows, is_kept)

    def _keep(self, index: int, kept: Sequence[Sequence[Cells]]) -> None:
        last = self._pass.levels[-1]
        box = spatial_part(self._pass.piece(index, last))
        rows = [METHODS[self._pass.method].join(box, cells) for cells in kept]
        self._scratch.write(group_of_cells(last), index, arrays_of(rows))

    def _levels(self, write: Box, tile: Box) -> Iterator[CellLevels]:
        """Yield the levels of a tile, for each channel and time of a block."""
        one = self._pass
        first, before = one.levels[0], one.before
        inner = tile.refine(one.ratio(one.levels[-1], first)) & one.cells(first)
        box = inner.refine(one.ratio(first, before)) & one.cells(before)
        full = Box((*write.start[:-3], *box.start), (*write.stop[:-3], *box.stop))
        ratios = [one.ratio(level, finer) for finer, level in itertools.pairwise((before, *one.levels))]
        if one.earlier is not None:
            for finer in self._kept_cells(one.earlier, full):
                yield levels_of_cells(finer, ratios, ids=one.ids, keep=one.keep)
            return
        data = self._read(one.axes.restore(full)).transpose(one.axes.order)
        for voxels in data.reshape(-1, *box.shape):
            yield levels_of_voxels(voxels, box, ratios, one.method, one.no_data, ids=one.ids, keep=one.keep)

    def _read(self, box: Box) -> NDArray[Any]:
        """Read a box into memory that this thread reuses, as allocation is slow."""
        size, dtype = math.prod(box.shape), self._source.spec.dtype
        buffer = getattr(self._buffers, "voxels", None)
        if buffer is None or buffer.size < size:
            buffer = self._buffers.voxels = np.empty(size, dtype)
        data: NDArray[Any] = buffer[:size].reshape(box.shape)
        return self._source.read(box, out=data)

    def _kept_cells(self, earlier: Pass, full: Box) -> Iterator[Cells]:
        """Yield the cells of a box that an earlier pass has kept, for each channel and time."""
        pieces = [
            (piece, self._scratch.read(group_of_cells(earlier.levels[-1]), index))
            for index, piece in earlier.pieces(full, earlier.levels[-1])
        ]
        for at in itertools.product(*(range(a, b) for a, b in zip(full.start[:-3], full.stop[:-3], strict=True))):
            parts, rows = [], []
            for piece, arrays in pieces:
                lead = Box(piece.start[:-3], piece.stop[:-3])
                if at in lead:
                    parts.append((spatial_part(piece), arrays))
                    within = [i - a for i, a in zip(at, lead.start, strict=True)]
                    rows.append(int(np.ravel_multi_index(within, lead.shape)) if at else 0)
            yield joined(spatial_part(full), parts, rows, earlier.method, earlier.dtype, earlier.no_data)


class OpenAssembly:
    """A level that is put together; jobs may run in several threads.

    Parameters
    ----------
    one : Assembly
        What to put together.
    target : VolumeSource
        The level.
    threads : int
        Number of pieces to put into a block at once.
    reopen : callable, optional
        Opens the level again, to read back what was written.
    """

    def __init__(self, one: Assembly, target: VolumeSource, threads: int = 1, reopen: Reopen | None = None) -> None:
        self._assembly, self._target, self._reopen = one, target, reopen
        self._pool = TaskPool(threads)
        self._scratch = Scratch(storage_at(one.made_by.scratch))

    def run(self, payload: Mapping[str, Any]) -> JobResult:
        """Run job ``payload["job"]``; its voxels are stored on return; see `OpenPass.run`."""
        began, one = time.perf_counter(), self._assembly
        check = _Check(one, self._reopen, payload)
        axes = one.made_by.axes
        for index in one.blocks(payload["job"]):
            write = one.grid[index].write
            with check.staged(self._target, index) as put:
                pieces = one.made_by.pieces(axes.arrange(write), one.level)
                for _ in self._pool.results([partial(self._copy, put, write, *piece) for piece in pieces]):
                    _trim(one, self._target)
            del put  # which holds what was staged
            _trim(one, self._target)
        return JobResult(time.perf_counter() - began, peak_bytes(), {"verified": check.verified})

    def _copy(self, put: Put, write: Box, number: int, piece: Box) -> None:
        """Copy the voxels of a block that are in `piece`, which block `number` of the pass keeps."""
        axes = self._assembly.made_by.axes
        part = axes.arrange(write) & piece
        values = self._scratch.read(group_of_level(self._assembly.level), number)["values"][part.within(piece)]
        put(axes.restore(part), values.transpose(axes.inverse))


class _Ids:
    """Ids by level."""

    def __init__(self) -> None:
        self._found: dict[int, list[NDArray[Any]]] = {}
        self._waiting = 0

    def add(self, level: int, ids: NDArray[Any]) -> None:
        self._found.setdefault(level, []).append(ids)
        self._waiting += len(ids)
        if self._waiting > _MAX_WAITING:
            self._found, self._waiting = {level: [ids] for level, ids in self._united().items()}, 0

    @property
    def arrays(self) -> dict[str, NDArray[Any]]:
        return {str(level): ids for level, ids in self._united().items()}

    def _united(self) -> dict[int, NDArray[Any]]:
        return {level: np.unique(np.concatenate(ids)) for level, ids in self._found.items()}


def _trim(one: Pass | Assembly, target: VolumeSource) -> None:
    """Return freed memory to the system, if blocks are large."""
    if math.prod(one.block) * target.spec.dtype.itemsize >= _LARGE_BYTES:
        trim_memory()


@contextmanager
def staged(target: VolumeSource, box: Box) -> Iterator[Put]:
    """Write parts of `box`, which is stored once, at the end; no two blocks share a chunk.

    Yields
    ------
    function of a box and its voxels
        Collects them.
    """
    stages = ability(target, SupportsStagedWrites)
    if stages is not None:
        with stages.stage() as put:
            yield put
        return
    data = np.empty(box.shape, target.spec.dtype)

    def collect(part: Box, values: NDArray[Any]) -> None:
        data[part.within(box)] = values

    yield collect
    target.write(box, data)


def _put(array: NDArray[Any], box: Box, cells: Box, values: NDArray[Any]) -> None:
    overlap = box & cells
    if not overlap.empty:
        array[overlap.within(box)] = values[overlap.within(cells)]


_open_parts: dict[str, OpenPass | OpenAssembly] = {}
"""The current pass or assembly of this process."""
_opening = threading.Lock()


def run_job(payload: Mapping[str, Any]) -> JobResult:
    """Run one job of a downsampling: the task ``downsample``.

    Parameters
    ----------
    payload : mapping
        ``pass`` or ``assembly`` (as JSON values), ``job`` (its number), and the rest of what `OpenPass.run` takes.
    """
    one = Pass.from_json(payload["pass"]) if "pass" in payload else Assembly.from_json(payload["assembly"])
    with _opening:
        opened = _open_parts.get(one.key)
        if opened is None:
            _open_parts.clear()
            opened = _open_parts[one.key] = _open(one)
    return opened.run(payload)


def _open(one: Pass | Assembly) -> OpenPass | OpenAssembly:
    if isinstance(one, Assembly):
        uri = at_level(one.made_by.target, one.level)
        return OpenAssembly(one, open_source(uri, mode="r+"), reopen=partial(open_source, uri))
    uri = at_level(one.target, one.levels[0])
    return OpenPass(one, open_source(one.source), open_source(uri, mode="r+"), reopen=partial(open_source, uri))
