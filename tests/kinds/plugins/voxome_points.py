"""A plug-in package: a kind of data, points in a CSV file, and tools that return and take it."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from voxome import kinds
from voxome.contracts.context import BlockContext, Region
from voxome.contracts.frame import Frame
from voxome.contracts.handle import STORE, Handle
from voxome.contracts.kinds import Kind, Rows, Target
from voxome.contracts.python_tool import tool
from voxome.contracts.source import VolumeView
from voxome.contracts.spec import VolumeSpec
from voxome.errors import CorruptData, NotFound
from voxome.geometry import Box
from voxome.geometry.grid import Block
from voxome.kinds.ownership import file_owner, remove_own_file, require_own, write_own_file
from voxome.storage.find import storage_at
from voxome.storage.path import StoragePath

Array = NDArray[np.int64]
_STEP = "step"
"""File in the folder of a tree: the key of the step that has written it."""


@dataclass(frozen=True)
class PointsReader:
    """Points, (n, 3) along z, y, x: those of a box, or all."""

    points: Array

    def read(self, box: Box) -> Array:
        inside = (self.points >= box.start) & (self.points < box.stop)
        found: Array = self.points[inside.all(axis=1)]
        return found

    def view(self) -> Array:
        return self.points


class PointsWriter:
    """The points of a job, in a separate file."""

    def __init__(self, folder: StoragePath) -> None:
        self._folder, self._points = folder, list[Array]()

    def begin_job(self) -> None:
        self._points.clear()

    def write(self, value: object, block: Block) -> None:
        self._points.append(np.asarray(value, np.int64).reshape(-1, 3))

    def end_job(self, phase: int, job: int) -> None:
        (self._folder / f"{job}.csv").write_bytes(_to_csv(np.concatenate(self._points)))
        self._points.clear()


@dataclass(frozen=True)
class Points(Kind):
    """Points in a CSV file, sorted."""

    type: ClassVar[str] = "csv-points"
    has_parts: ClassVar[bool] = True

    def locate(self, handle: Handle, *, level: int = 0) -> Handle:
        path = storage_at(handle.uri)
        if not path.exists():
            raise NotFound(f"the points {path} do not exist")
        return replace(handle, uri=path.address, key=handle.key or path.address)

    def problems(self, handle: Handle, spec: VolumeSpec | None) -> Iterator[str]:
        if STORE not in handle.uri and not (storage_at(handle.uri).read_bytes() or b"").startswith(b"z,y,x\n"):
            yield "must begin with the line z,y,x"

    def open(self, handle: Handle) -> PointsReader:
        return PointsReader(_read(storage_at(handle.uri)))

    def arrays(self, handle: Handle, frame: Frame) -> dict[str, NDArray[Any]]:
        return {"points": self.open(handle).view()}

    def location(self, base: str) -> str:
        path, mark, options = base.partition("?")
        return f"{path}.csv{mark}{options}"

    def prepare(self, target: Target) -> None:
        require_own(target, file_owner(storage_at(target.uri)))

    def is_lost(self, target: Target, done: Sequence[Collection[int]], *, ended: bool) -> bool:
        if ended:
            return not self.is_complete(target)
        folder = storage_at(target.folder) / target.name
        return bool(folder.missing([f"{job}.csv" for jobs in done for job in jobs]))

    def is_complete(self, target: Target) -> bool:
        return file_owner(storage_at(target.uri)) == target.key

    def remove(self, target: Target) -> None:
        remove_own_file(target)

    def writer(self, target: Target) -> PointsWriter:
        return PointsWriter(storage_at(target.folder) / target.name)

    def write(self, target: Target, value: object) -> None:
        self._write(target, np.asarray(value))

    def fold_parts(self, target: Target) -> None:
        folder = storage_at(target.folder) / target.name
        self._write(target, np.concatenate([_read(folder / f"{job}.csv") for job in range(target.jobs(0))]))

    def _write(self, target: Target, points: Array) -> None:
        write_own_file(target, _to_csv(points[np.lexsort(points.T[::-1])]))


@dataclass(frozen=True)
class Tree:
    """Points of the regions of a tree, in one file for each region."""

    folder: StoragePath

    def read(self, box: Box) -> Array:
        return self.view()

    def view(self) -> Array:
        """Return the points of the last region, which contains all others."""
        names = [name for name in self.folder.names() if name != _STEP]
        last = max(names, key=lambda name: [int(part) for part in name.split(".")[0].split("-")])
        return _read(self.folder / last)

    def rows(self, level: int, index: int) -> Rows:
        points = _read(self.folder / f"{level}-{index}.csv")
        return dict(zip("zyx", points.T, strict=True))


class TreeWriter:
    """The points of the regions of a job."""

    def __init__(self, folder: StoragePath) -> None:
        self._folder, self._blocks = folder, list[tuple[Block, Array]]()

    def begin_job(self) -> None:
        self._blocks.clear()

    def write(self, value: object, block: Block) -> None:
        rows: Any = value
        self._blocks.append((block, np.stack([rows[axis] for axis in "zyx"], axis=1)))

    def end_job(self, phase: int, job: int) -> None:
        for block, points in self._blocks:
            (self._folder / f"{phase}-{block.index}.csv").write_bytes(_to_csv(points))
        self._blocks.clear()


@dataclass(frozen=True)
class PointTree(Kind):
    """Points of the regions of a tree."""

    type: ClassVar[str] = "csv-point-tree"

    def locate(self, handle: Handle, *, level: int = 0) -> Handle:
        path = storage_at(handle.uri)
        if path.missing(["0-0.csv"]):
            raise NotFound(f"there are no points at {path}")
        return replace(handle, uri=path.address, key=handle.key or path.address)

    def open(self, handle: Handle) -> Tree:
        return Tree(storage_at(handle.uri))

    def location(self, base: str) -> str:
        return base

    def prepare(self, target: Target) -> None:
        require_own(target, _owner(target))
        (storage_at(target.uri) / _STEP).write_bytes(target.key.encode())

    def is_lost(self, target: Target, done: Sequence[Collection[int]], *, ended: bool) -> bool:
        names = [
            f"{level}-{index}.csv"
            for level, (grid, span) in enumerate(zip(target.grids, target.spans, strict=True))
            for job in done[level]
            for index in range(job * span, min((job + 1) * span, len(grid)))
        ]
        return _owner(target) != target.key or bool(storage_at(target.uri).missing(names))

    def is_complete(self, target: Target) -> bool:
        return not self.is_lost(target, [range(target.jobs(phase)) for phase in range(len(target.grids))], ended=True)

    def remove(self, target: Target) -> None:
        folder = storage_at(target.uri)
        if _owner(target) in (None, target.key) and folder.taken():
            folder.delete()

    def writer(self, target: Target) -> TreeWriter:
        return TreeWriter(storage_at(target.uri))

    def region_rows(self, target: Target) -> Tree:
        return Tree(storage_at(target.uri))


def _owner(target: Target) -> str | None:
    """Return the key of the step that has written a tree, or None."""
    key = (storage_at(target.uri) / _STEP).read_bytes()
    return None if key is None else key.decode()


def _read(path: StoragePath) -> Array:
    data = path.read_bytes()
    if data is None:
        raise NotFound(f"the points {path} do not exist")
    try:
        rows = [[int(number) for number in line.split(",")] for line in data.decode().splitlines()[1:]]
        return np.array(rows, np.int64).reshape(-1, 3)
    except ValueError as error:
        raise CorruptData(f"{path} does not hold points: {error}") from error


def _to_csv(points: Array) -> bytes:
    return ("z,y,x\n" + "".join(f"{z},{y},{x}\n" for z, y, x in points.tolist())).encode()


@tool("points.bright", outputs=Points())
def bright(
    image: Annotated[NDArray[Any], kinds.Image()], *, above: int = 250, delay_s: float = 0.0, where: BlockContext
) -> Array:
    """Find bright voxels."""
    time.sleep(delay_s)
    return np.argwhere(image > above) + where.read.start


@tool("points.near", halo=2, outputs=kinds.Image("uint8"))
def near(
    image: Annotated[NDArray[Any], kinds.Image()], points: Annotated[Array, Points()], *, where: BlockContext
) -> NDArray[np.uint8]:
    """Count the points within two voxels of each voxel."""
    counts = np.zeros(image.shape, np.uint8)
    for point in points - where.read.start:
        low, high = np.maximum(point - 2, 0), point + 3
        counts[low[0] : high[0], low[1] : high[1], low[2] : high[2]] += 1
    return counts


@tool("points.count", scope="whole", outputs=kinds.Table({"z": "int64", "points": "int64"}, key=("z",)))
def count(points: Annotated[Array, Points()]) -> dict[str, Array]:
    """Count the points of each plane."""
    z, found = np.unique(points[:, 0], return_counts=True)
    return {"z": z, "points": found}


@tool("points.gather", scope="regions", outputs={"points": PointTree(), "sums": PointTree()})
def gather(image: Annotated[VolumeView, kinds.Image()], *, above: int = 250, region: Region) -> dict[str, Rows]:
    """Gather bright voxels over a tree of regions, and the sum of their coordinates."""
    if region.level:
        below = [(name, region.level - 1, child) for name in ("points", "sums") for child in region.children]
        rows = {key: np.stack(list(region.parts.rows(*key).values()), axis=1) for key in below}
        points = np.concatenate([rows[key] for key in below if key[0] == "points"])
        total = np.concatenate([rows[key] for key in below if key[0] == "sums"]).sum(axis=0)
    else:
        points = np.argwhere(image.cutout(region.box) > above) + region.box.start
        total = points.sum(axis=0)
    return {"points": dict(zip("zyx", points.T, strict=True)), "sums": dict(zip("zyx", total[:, None], strict=True))}


@tool("points.list", scope="whole", outputs=Points())
def list_points(points: Annotated[Array, PointTree()]) -> Array:
    """List the points of a tree."""
    return points
