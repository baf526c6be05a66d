"""Somebody else's package: a kind of data of its own, points in a CSV file, and tools that return and take it."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from voxome import kinds
from voxome.contracts.context import BlockContext
from voxome.contracts.handle import STORE, Handle
from voxome.contracts.kinds import Kind, Target
from voxome.contracts.python_tool import tool
from voxome.contracts.spec import VolumeSpec
from voxome.errors import CorruptData, NotFound
from voxome.geometry import Box
from voxome.geometry.grid import Block
from voxome.storage.find import storage_at
from voxome.storage.path import StoragePath

Array = NDArray[np.int64]


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
    """The points of a job, in a file of its own."""

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
            raise NotFound(f"there are no points at {path}")
        return replace(handle, uri=path.address, key=handle.key or path.address)

    def problems(self, handle: Handle, spec: VolumeSpec | None) -> Iterator[str]:
        if STORE not in handle.uri and not (storage_at(handle.uri).read_bytes() or b"").startswith(b"z,y,x\n"):
            yield "must begin with the line z,y,x"

    def open(self, handle: Handle) -> PointsReader:
        return PointsReader(_read(storage_at(handle.uri)))

    def location(self, base: str) -> str:
        path, mark, options = base.partition("?")
        return f"{path}.csv{mark}{options}"

    def is_lost(self, target: Target, *, ended: bool) -> bool:
        return ended and not self.is_complete(target)

    def is_complete(self, target: Target) -> bool:
        return storage_at(target.uri).exists()

    def writer(self, target: Target) -> PointsWriter:
        return PointsWriter(storage_at(target.folder) / target.name)

    def fold_parts(self, target: Target) -> None:
        folder = storage_at(target.folder) / target.name
        points = np.concatenate([_read(folder / f"{job}.csv") for job in range(target.jobs(0))])
        storage_at(target.uri).write_bytes(_to_csv(points[np.lexsort(points.T[::-1])]))


def _read(path: StoragePath) -> Array:
    data = path.read_bytes()
    if data is None:
        raise NotFound(f"there are no points at {path}")
    try:
        return np.loadtxt(io.BytesIO(data), np.int64, delimiter=",", skiprows=1, ndmin=2).reshape(-1, 3)
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
