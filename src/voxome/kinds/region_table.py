"""Tables of regions: rows of every region of a tree of blocks, kept and read region by region."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import ClassVar

import numpy as np

from voxome.contracts.formats import REGIONS
from voxome.contracts.handle import STORE, Handle
from voxome.contracts.kinds import Kind, Rows, Target
from voxome.contracts.spec import VolumeSpec
from voxome.errors import CorruptData, NotFound
from voxome.geometry import BlockGrid, Box
from voxome.geometry.grid import Block, region_grids
from voxome.kinds.ownership import FOREIGN, require_own
from voxome.kinds.paths import has_lost_parts, part_name, parts_folder
from voxome.kinds.rows import require_rows
from voxome.kinds.versions import pinned_folder
from voxome.resources.rows import concatenate
from voxome.resources.table import TableFile, write_table
from voxome.storage.find import storage_at
from voxome.storage.path import StoragePath

REGION = "region"
"""The column of a part that holds the region that a row belongs to."""
_TREE = "tree.json"
_CACHED_REGIONS = 64


@dataclass(frozen=True)
class RegionTree:
    """A tree of regions: blocks, then 2 × 2 × 2 regions of the level below, up to one region.

    Attributes
    ----------
    box : Box
        The voxels that the blocks cover.
    block : (z, y, x)
        Shape of a block.
    spans : tuple of int
        Regions of a job, of each level.
    step_key : str
        Key of the step that they belong to.
    """

    box: Box
    block: tuple[int, ...]
    spans: tuple[int, ...] = ()
    step_key: str = FOREIGN

    @cached_property
    def grids(self) -> tuple[BlockGrid, ...]:
        """The regions of each level."""
        return region_grids(self.box, self.block)

    def to_json(self) -> bytes:
        """Return the tree as JSON values, marked with their format."""
        data = {
            "box": str(self.box),
            "block": self.block,
            "spans": self.spans,
            "step_key": self.step_key,
        }
        return json.dumps(REGIONS.stamp(data)).encode()

    @classmethod
    def from_json(cls, text: bytes, where: object) -> RegionTree:
        """Return the tree that `to_json` wrote; `where` is its file, for messages."""
        data = REGIONS.content(json.loads(text), where)
        block, spans = tuple(data["block"]), tuple(data["spans"])
        return cls(Box.parse(data["box"]), block, spans, data.get("step_key", FOREIGN))


class RegionReader:
    """The rows of a tree of regions, read region by region; also what tools get for such an input.

    Parameters
    ----------
    folder : StoragePath
        Folder of the step, with a folder for each output.
    tree : RegionTree
        The regions.
    """

    def __init__(self, folder: StoragePath, tree: RegionTree) -> None:
        self._folder, self._tree = folder, tree
        self._cached = lru_cache(_CACHED_REGIONS)(self._rows)

    def read(self, box: Box) -> RegionReader:
        """Return this reader."""
        return self

    def view(self) -> RegionReader:
        """Return this reader."""
        return self

    @property
    def levels(self) -> int:
        """Number of levels of the tree; the last has one region."""
        return len(self._tree.grids)

    def index_at(self, level: int, point: Sequence[int]) -> int:
        """Return the region of `level` that contains the voxel `point` (z, y, x)."""
        return self._tree.grids[level].index_of(point)

    def rows(self, output: str, level: int, index: int) -> Rows:
        """Return the rows of `output` of region `index` of `level`."""
        return self._cached(output, level, index)

    def _rows(self, output: str, level: int, index: int) -> Rows:
        return OutputRows(self._folder / output, self._tree.spans).rows(level, index)


@dataclass(frozen=True)
class OutputRows:
    """The rows of one output, in the parts of the jobs that wrote them; `spans` are the regions of a job by level."""

    folder: StoragePath
    spans: tuple[int, ...]

    def rows(self, level: int, index: int) -> Rows:
        """Return the rows of region `index` of `level`."""
        part = TableFile((self.folder / part_name(level, index // self.spans[level])).address)
        rows = part.lookup(REGION, np.array([index], np.int64))
        return {name: values for name, values in rows.items() if name != REGION}


class RegionWriter:
    """The rows of the regions of a job, in one part."""

    def __init__(self, columns: Mapping[str, str], target: Target) -> None:
        self._columns, self._target = columns, target
        self._rows: list[Rows] = []

    def begin_job(self) -> None:
        """Discard the rows of a job that failed."""
        self._rows.clear()

    def write(self, value: object, block: Block) -> None:
        """Take the rows of a region."""
        rows = require_rows(value, self._columns, self._target)
        count = len(next(iter(rows.values())))
        self._rows.append({REGION: np.full(count, block.index, np.int64), **rows})

    def end_job(self, phase: int, job: int) -> None:
        """Write the part of the job."""
        rows, self._rows = self._rows, []
        columns = {REGION: "int64", **self._columns}
        write_table(parts_folder(self._target) / part_name(phase, job), concatenate(rows, columns), columns)


@dataclass(frozen=True)
class RegionTable(Kind):
    """Rows of every region of a tree of regions, kept by region: nothing is folded.

    Attributes
    ----------
    columns : mapping of str to str
        Column name → dtype.
    """

    columns: Mapping[str, str]
    type: ClassVar[str] = "regions"

    def locate(self, handle: Handle, *, level: int = 0) -> Handle:
        return pinned_folder(handle, _TREE)

    def problems(self, handle: Handle, spec: VolumeSpec | None) -> Iterator[str]:
        if STORE in handle.uri:
            return
        path = storage_at(handle.uri)
        tree = _read_tree(path)
        jobs = [(phase, -(-len(grid) // tree.spans[phase])) for phase, grid in enumerate(tree.grids)]
        names = [part_name(phase, job) for phase, count in jobs for job in range(count)]
        missing = path.missing(names)
        if missing:
            yield (f"is not finished: {len(missing)} of {len(names)} parts are missing; rerun what computes it")

    def open(self, handle: Handle) -> RegionReader:
        return open_regions(storage_at(handle.uri))

    def location(self, base: str) -> str:
        return base

    def prepare(self, target: Target) -> None:
        require_own(target, _owner_of(parts_folder(target)))
        (parts_folder(target) / _TREE).write_bytes(_tree_of(target).to_json())

    def is_lost(self, target: Target, done: Sequence[Collection[int]], *, ended: bool) -> bool:
        return _owner_of(parts_folder(target)) != target.key or has_lost_parts(target, done)

    def is_complete(self, target: Target) -> bool:
        all_jobs = [range(target.jobs(phase)) for phase in range(len(target.grids))]
        return not self.is_lost(target, all_jobs, ended=True)

    def remove(self, target: Target) -> None:
        folder = parts_folder(target)
        if _owner_of(folder) not in (None, target.key):
            return
        (folder / _TREE).unlink()
        if folder.taken():
            folder.delete()

    def writer(self, target: Target) -> RegionWriter:
        return RegionWriter(self.columns, target)

    def region_rows(self, target: Target) -> OutputRows:
        return OutputRows(parts_folder(target), target.spans)


def open_regions(path: StoragePath) -> RegionReader:
    """Return the reader of the regions in the folder `path` of an output.

    Raises
    ------
    NotFound
        If they do not exist.
    """
    folder = path.parent
    if folder is None:
        raise NotFound(f"the table of regions {path} does not exist")
    return RegionReader(folder, _read_tree(path))


def _read_tree(path: StoragePath) -> RegionTree:
    text = (path / _TREE).read_bytes()
    if text is None:
        raise NotFound(f"the table of regions {path} does not exist")
    try:
        return RegionTree.from_json(text, path / _TREE)
    except (json.JSONDecodeError, LookupError, TypeError) as error:
        raise CorruptData(f"the table of regions {path} is damaged: {error!r}; remove it, and rerun") from error


def _tree_of(target: Target) -> RegionTree:
    first = target.grids[0]
    return RegionTree(first.box, first.block, target.spans, target.key)


def _owner_of(path: StoragePath) -> str | None:
    """Return the key of the step that has written a table of regions, `FOREIGN`, or None if the table is missing."""
    try:
        return _read_tree(path).step_key
    except NotFound:
        return None
    except CorruptData:
        return FOREIGN
