"""Annotations written as a precomputed collection and found in it; Neuroglancer's writer and cloud-volume as peers.

``python benchmarks/annotations.py DIR [--count 1e7] [--shape point|line] [--peer 20000]``. Annotations at random, with
three properties and two relations to 100,000 segments, are written to DIR, which must not exist, from an iterator. The
script prints the CPU and wall time of writing, the peak of memory, the CPU time of an annotation compared with that of
Neuroglancer's own writer (which keeps all in memory, and gets fewer), the time of boxes with 1 % of the volume, whether
their results are those of numpy, the bytes of the cells that a view of one finest cell fetches, and, of points, whether
cloud-volume finds the same by id and by segment.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import voxome
from voxome.contracts.shapes import Annotations, AnnotationShape
from voxome.remotes.precomputed.annotation_cells import CellGrid, morton_codes
from voxome.remotes.precomputed.shard_reader import ShardReader
from voxome.remotes.precomputed.sharding import Sharding
from voxome.storage.local import LocalPath

EXTENT_NM = np.array([40_000.0, 80_000.0, 80_000.0])
UNIT_NM = (8.0, 8.0, 8.0)
BATCH = 1 << 17
SEGMENTS = 100_000
RELATIONS = ("pre", "post")


def batches(count: int, shape: AnnotationShape) -> Iterator[Annotations]:
    """Yield random annotations, always the same."""
    random = np.random.default_rng(0)
    for start in range(0, count, BATCH):
        size = min(BATCH, count - start)
        first = random.random((size, 3)) * EXTENT_NM
        ends = np.stack([first, first + random.normal(0, 200, (size, 3))], axis=1)
        yield Annotations(
            shape,
            np.arange(start + 1, start + size + 1, dtype=np.uint64),
            ends if shape == "line" else first[:, None],
            {
                "score": random.random(size).astype("float32"),
                "kind": random.integers(0, 5, size).astype("uint8"),
                "size": random.integers(0, 60_000, size).astype("uint16"),
            },
            {name: random.integers(1, SEGMENTS, (size, 1)).astype("uint64") for name in RELATIONS},
        )


def cpu_s(work: Callable[[], Any]) -> tuple[float, float]:
    """Return the CPU time and the wall time of a function, in seconds."""
    cpu, wall = time.process_time(), time.perf_counter()
    work()
    return time.process_time() - cpu, time.perf_counter() - wall


def write_by_neuroglancer(count: int, shape: AnnotationShape) -> None:
    """Write annotations by Neuroglancer's own writer into a temporary folder."""
    import neuroglancer
    from neuroglancer.write_annotations import AnnotationWriter

    types = {"score": "float32", "size": "uint16", "kind": "uint8"}
    writer = AnnotationWriter(
        coordinate_space=neuroglancer.CoordinateSpace(names=["x", "y", "z"], units="nm", scales=list(UNIT_NM)),
        annotation_type=shape,
        relationships=list(RELATIONS),
        properties=[neuroglancer.AnnotationPropertySpec(id=name, type=one) for name, one in types.items()],
    )
    for part in batches(count, shape):
        positions = (part.positions_nm / UNIT_NM)[..., ::-1]
        for row in range(len(part)):
            values = {name: column[row] for name, column in part.properties.items()}
            related = {name: labels[row].tolist() for name, labels in part.relations.items()}
            add = writer.add_line if shape == "line" else writer.add_point
            add(*positions[row], id=int(part.ids[row]), **values, **related)
    with tempfile.TemporaryDirectory() as folder:
        writer.write(f"{folder}/out")


def view_bytes(folder: Path) -> list[int]:
    """Return the bytes of the cells, one of each level, that contain each of fifty cells of the finest level."""
    info = json.loads((folder / "info").read_text())
    lower, finest = np.array(info["lower_bound"]), info["spatial"][-1]
    cells = np.random.default_rng(0).integers(0, finest["grid_shape"], (50, 3))
    centres = lower + (cells + 0.5) * finest["chunk_size"]
    total = np.zeros(len(centres), int)
    for level in info["spatial"]:
        grid = CellGrid(lower, np.array(level["chunk_size"]), tuple(level["grid_shape"]))
        at = ((centres - lower) / grid.size).astype(int)
        path = LocalPath(str(folder)) / level["key"]
        reader = ShardReader(path, Sharding.from_json(level["sharding"], path))
        total += [len(data or b"") for data in reader.read_all(morton_codes(at, grid.shape))]
    return total.tolist()


def boxes() -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Return seven boxes of 1 % of the volume."""
    starts = np.random.default_rng(3).random((7, 3)) * EXTENT_NM * (1 - 0.01 ** (1 / 3))
    return [(start, start + EXTENT_NM * 0.01 ** (1 / 3)) for start in starts]


def agrees_with_cloud_volume(folder: Path, points: voxome.Points) -> bool:
    """Return whether cloud-volume finds the same points by id and by segment."""
    from cloudvolume.datasource.precomputed.annotation import PrecomputedAnnotationSource

    theirs = PrecomputedAnnotationSource(f"file://{folder}")
    ids = [1, 2, 77]
    found = points.get(ids)
    places = found.positions_nm[:, 0, ::-1] / UNIT_NM
    by_id = [theirs.get_by_id([id])[id] for id in ids]
    related = [theirs.get_by_relationship(name, [7])[7] for name in RELATIONS]
    return all(np.allclose(one.geometry[0], place) for one, place in zip(by_id, places, strict=True)) and all(
        np.array_equal(np.sort(one.ids), points.related(name, 7).ids)
        for name, one in zip(RELATIONS, related, strict=True)
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=float, default=1e7)
    parser.add_argument("--shape", choices=("point", "line"), default="line")
    parser.add_argument("--peer", type=int, default=20_000)
    options = parser.parse_args()
    count, shape, folder = int(options.count), options.shape, options.folder.resolve()
    generating = cpu_s(lambda: sum(map(len, batches(count, shape))))[0]
    cpu, wall = cpu_s(
        lambda: voxome.create_annotations(f"precomputed://{folder}", batches(count, shape), voxel_size_nm=UNIT_NM)
    )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    ours = (cpu - generating) / count
    print(f"{count:,} {shape}s: {cpu - generating:.0f} s of CPU, {wall:.0f} s, peak of {peak:.0f} MB")
    peer = (cpu_s(lambda: write_by_neuroglancer(options.peer, shape))[0]) / options.peer
    print(
        f"per annotation: {ours * 1e6:.1f} µs of CPU; Neuroglancer {peer * 1e6:.0f} µs, {peer / ours:.0f} times as much"
    )
    points = voxome.open(f"precomputed://{folder}", expect=voxome.Points)
    points.within((0, 0, 0), (1, 1, 1))
    times = []
    for start, stop in boxes():
        times.append(cpu_s(lambda start=start, stop=stop: points.within(tuple(start), tuple(stop))))
    cpus, walls = zip(*times, strict=True)
    print(
        f"box of 1 %: {statistics.median(cpus) * 1e3:.0f} ms of CPU, {statistics.median(walls) * 1e3:.0f} ms (median)"
    )
    start, stop = boxes()[0]
    expected = np.concatenate([part.ids[part.meet_box(tuple(start), tuple(stop))] for part in batches(count, shape)])
    found = points.within(tuple(start), tuple(stop)).ids
    print(f"complete: {len(found):,} found, {len(np.setxor1d(found, expected)):,} of them or missing ones differ")
    sizes = view_bytes(folder)
    print(f"a view of one cell: {statistics.median(sizes) / 1e3:.0f} kB (median), {max(sizes) / 1e3:.0f} kB (largest)")
    if shape == "point":
        print(f"cloud-volume agrees by id and by segment: {agrees_with_cloud_volume(folder, points)}")


if __name__ == "__main__":
    main()
