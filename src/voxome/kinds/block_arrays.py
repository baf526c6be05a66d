"""Arrays of blocks: named arrays that a tool returns for each block, read back by the blocks that a box touches."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.formats import BLOCK_ARRAYS
from voxome.contracts.handle import STORE, Handle
from voxome.contracts.kinds import Kind, Parameters, Target
from voxome.contracts.spec import Scale, VolumeSpec
from voxome.errors import CorruptData, InvalidInput, NotFound
from voxome.geometry import BlockGrid, Box
from voxome.geometry.grid import Block
from voxome.kinds.ownership import FOREIGN, require_own
from voxome.kinds.versions import pinned_folder
from voxome.storage.array_file import SUFFIX, read_arrays, write_arrays
from voxome.storage.find import storage_at
from voxome.storage.path import StoragePath

_INDEX = "blocks.json"

BlockParts = Sequence[tuple[Box, Mapping[str, NDArray[Any]]]]
"""Boxes of blocks, each with its arrays."""


@dataclass(frozen=True)
class _Index:
    """What the files are: the blocks of `grid`, whose boxes are `scale` times as coarse, and of which step."""

    grid: BlockGrid
    scale: Scale
    step_key: str

    def to_json(self) -> bytes:
        grid = {"domain": str(self.grid.domain), "box": str(self.grid.box), "block": self.grid.block}
        content = {**grid, "anchor": self.grid.anchor, "scale": self.scale, "step_key": self.step_key}
        return json.dumps(BLOCK_ARRAYS.stamp(content)).encode()

    @classmethod
    def read(cls, folder: StoragePath) -> _Index:
        """Return the index in a folder.

        Raises
        ------
        NotFound, CorruptData
            If there is none; if it cannot be read.
        """
        text = (folder / _INDEX).read_bytes()
        if text is None:
            raise NotFound(f"the arrays of blocks {folder} do not exist")
        try:
            content = BLOCK_ARRAYS.content(json.loads(text), folder / _INDEX)
            domain, box = Box.parse(content["domain"]), Box.parse(content["box"])
            grid = BlockGrid(domain, tuple(content["block"]), box, anchor=tuple(content["anchor"]))
            z, y, x = (int(n) for n in content["scale"])
            return cls(grid, (z, y, x), str(content["step_key"]))
        except (json.JSONDecodeError, LookupError, TypeError, ValueError, RecursionError) as error:
            raise CorruptData(f"the arrays of blocks {folder} are damaged: {error!r}; remove them, rerun") from error


class BlockArraysReader:
    """Arrays of blocks as an input: a tool of blocks gets those of the blocks that its read box touches.

    With `random_access`, a tool gets this reader. Arrays of the last box stay in memory, for the next one.
    """

    def __init__(self, folder: StoragePath, index: _Index, *, random_access: bool = False) -> None:
        self._folder, self._index, self._random_access = folder, index, random_access
        self._last: dict[int, dict[str, NDArray[Any]]] = {}

    def __str__(self) -> str:
        return str(self._folder)

    def read(self, box: Box) -> BlockParts | BlockArraysReader:
        """Return what a tool gets for the box of a block."""
        return self if self._random_access else self.parts(box)

    def parts(self, box: Box) -> BlockParts:
        """Return the arrays of the blocks that touch `box`, each with the box of its block."""
        grid, scale = self._index.grid, self._index.scale
        touching = list(grid.touching(box.refine(scale) & grid.box))
        last = self._last
        arrays = {number: last[number] if number in last else self._arrays(number) for number in touching}
        if self._random_access:
            self._last = arrays
        return [(grid[number].write.coarsen(scale), one) for number, one in arrays.items()]

    def view(self) -> BlockArraysReader:
        """Return this reader."""
        return self

    def _arrays(self, number: int) -> dict[str, NDArray[Any]]:
        return read_arrays(self._folder / _name(number), "rerun the step that computes it")


@dataclass(frozen=True)
class BlockArraysWriter:
    """Arrays that are written block by block."""

    folder: StoragePath
    target: Target

    def begin_job(self) -> None:
        """Do nothing: blocks that were stored are stored again."""

    def write(self, value: object, block: Block) -> None:
        """Write the arrays of a block."""
        if not (isinstance(value, Mapping) and all(isinstance(one, np.ndarray) for one in value.values())):
            name, what = self.target.name, type(value).__name__
            raise InvalidInput(f"output {name!r} of {self.target.tool} is a {what}; expected a dict of arrays")
        write_arrays(self.folder / _name(block.index), value)

    def end_job(self, phase: int, job: int) -> None:
        """Do nothing: blocks are stored as they are written."""


@dataclass(frozen=True)
class BlockArrays(Kind):
    """Named arrays of any shapes for each block of a step, in one file a block.

    A tool of blocks returns a dict of them, another gets a list of `(box, arrays)`, of the blocks that its block
    touches.

    Attributes
    ----------
    scale : (z, y, x) or function of the parameters
        Voxels of the frame of an output along one voxel of the boxes of its blocks.
    random_access : bool
        Whether a tool gets a `BlockArraysReader` instead, for more than the blocks that its block touches.
    """

    scale: Scale | Callable[[Parameters], Scale] = (1, 1, 1)
    random_access: bool = False
    type: ClassVar[str] = "block-arrays"

    def locate(self, handle: Handle, *, level: int = 0) -> Handle:
        return pinned_folder(handle, _INDEX)

    def problems(self, handle: Handle, spec: VolumeSpec | None) -> Iterator[str]:
        if STORE in handle.uri:
            return
        folder = storage_at(handle.uri)
        count = len(_Index.read(folder).grid)
        missing = folder.missing(map(_name, range(count)))
        if missing:
            yield f"is not finished: {len(missing)} of {count} blocks are missing; rerun what computes it"

    def open(self, handle: Handle) -> BlockArraysReader:
        folder = storage_at(handle.uri)
        return BlockArraysReader(folder, _Index.read(folder), random_access=self.random_access)

    def location(self, base: str) -> str:
        return base

    def prepare(self, target: Target) -> None:
        folder = storage_at(target.uri)
        require_own(target, _owner_of(folder))
        scale = self.scale(target.parameters) if callable(self.scale) else self.scale
        (folder / _INDEX).write_bytes(_Index(target.grids[0], scale, target.key).to_json())

    def is_lost(self, target: Target, done: Sequence[Collection[int]], *, ended: bool) -> bool:
        folder, grid, span = storage_at(target.uri), target.grids[0], target.spans[0]
        blocks = (range(job * span, min((job + 1) * span, len(grid))) for job in done[0])
        return _owner_of(folder) != target.key or folder.lacks(
            _name(number) for numbers in blocks for number in numbers
        )

    def is_complete(self, target: Target) -> bool:
        return not self.is_lost(target, [range(target.jobs(0))], ended=True)

    def remove(self, target: Target) -> None:
        folder = storage_at(target.uri)
        if _owner_of(folder) not in (None, target.key):
            return
        (folder / _INDEX).unlink()
        if folder.taken():
            folder.delete()

    def writer(self, target: Target) -> BlockArraysWriter:
        return BlockArraysWriter(storage_at(target.uri), target)


def _name(number: int) -> str:
    return f"{number}{SUFFIX}"


def _owner_of(folder: StoragePath) -> str | None:
    """Return the key of the step that has written arrays, `FOREIGN`, or None if there are none."""
    try:
        return _Index.read(folder).step_key
    except NotFound:
        return None
    except CorruptData:
        return FOREIGN
