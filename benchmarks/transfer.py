"""A transfer from precomputed to zarr v3, compared with reading alone and writing alone.

``python benchmarks/transfer.py --folder DIR [--gigabytes 4] [--repeats 3] [--workers 1]``. The source has uint8 voxels
in chunks of 64^3, raw: 64 chunks of noise that compresses about 2:1, repeated as hard links to save
space; it is read from the page cache. The destination is zarr v3, zstd. Each way runs in a separate process:

- read: the blocks of the transfer are read, two threads at a time, and dropped;
- write: blocks of the same voxels, in memory, are written, two threads at a time;
- transfer: ``voxome.transfer`` with ``verify`` none, sampled and all.

The ratio is the time of the slower of read and write divided by that of the transfer, the median over repeats, in each
of which all ways run in turn. CPU time is that of all threads and workers, and more reliable on a busy machine. Memory
is the largest resident set. The destination is removed after each run, the folder at the end.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

import voxome
from voxome.blocks.memory import peak_bytes
from voxome.geometry import BlockGrid, Box
from voxome.services.transfer.copy import block_shape

EDGE, REPEATED = 64, 256
PLANE = 1024
WAYS = ("read", "write", "none", "sampled", "all")


def shape_of(gigabytes: float) -> tuple[int, int, int]:
    """Return the shape of as many sections of 1024 x 1024 as are needed."""
    return max(REPEATED, round(gigabytes * 1e9 / PLANE**2 / EDGE) * EDGE), PLANE, PLANE


def make_source(folder: Path, shape: tuple[int, int, int]) -> None:
    """Create a precomputed volume of `shape` that repeats 256^3 voxels."""
    spec = voxome.VolumeSpec.of(shape, "uint8", chunk=(EDGE,) * 3, voxel_size_nm=(8, 8, 8))
    made = voxome.create(f"precomputed://{folder}/source", spec)
    noise = np.random.default_rng(0).normal(128, 3, (REPEATED,) * 3)
    made[:REPEATED, :REPEATED, :REPEATED] = noise.clip(0, 255).astype(np.uint8)
    scale = next(path for path in (folder / "source").iterdir() if path.is_dir())

    def file(cell: tuple[int, ...]) -> Path:
        return scale / "_".join(f"{i * EDGE}-{(i + 1) * EDGE}" for i in reversed(cell))

    for cell in np.ndindex(*(n // EDGE for n in shape)):
        if max(cell) * EDGE >= REPEATED:
            os.link(file(tuple(i % (REPEATED // EDGE) for i in cell)), file(cell))


def boxes(shape: tuple[int, int, int]) -> list[Box]:
    """Return the blocks of the transfer."""
    chunk = (EDGE,) * 3
    return [block.write for block in BlockGrid(Box.of_shape(shape), block_shape(chunk, shape, 1, chunk))]


def each(call: Callable[[Box], object], shape: tuple[int, int, int]) -> None:
    """Call for every block, two at a time, and drop the results."""

    def one(box: Box) -> None:
        call(box)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(one, boxes(shape)))


def cpu_s() -> float:
    """Return the CPU seconds of this process and its ended children."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def go(folder: Path, way: str, workers: int) -> tuple[float, float, int]:
    """Return the wall seconds, CPU seconds and peak memory of one way."""
    source, target = f"precomputed://{folder}/source", f"zarr://{folder}/target.zarr"
    volume = voxome.open(source)
    shape = volume.domain.shape
    if way == "read":
        began, used = time.perf_counter(), cpu_s()
        each(volume.cutout, (shape[0], shape[1], shape[2]))
    elif way == "write":
        data = volume.cutout(boxes((shape[0], shape[1], shape[2]))[0])
        made = voxome.create(target, voxome.VolumeSpec.of(shape, "uint8", chunk=(EDGE,) * 3))
        began, used = time.perf_counter(), cpu_s()
        each(lambda box: made.source.write(box, data[tuple(map(slice, box.shape))]), (shape[0], shape[1], shape[2]))
    else:
        began, used = time.perf_counter(), cpu_s()
        voxome.transfer(source, target, verify=way, state=folder / "state", workers=workers)  # type: ignore[arg-type]
    return time.perf_counter() - began, cpu_s() - used, peak_bytes()


def run(folder: Path, way: str, workers: int) -> tuple[float, float, int]:
    """Do as `go`, in a new process; remove what it wrote."""
    command = [sys.executable, __file__, "--folder", str(folder), "--way", way, "--workers", str(workers)]
    seconds, cpu, peak = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    for name in ("target.zarr", "state"):
        shutil.rmtree(folder / name, ignore_errors=True)
    return seconds, cpu, peak


def measure(folder: Path, gigabytes: float, repeats: int, workers: int) -> None:
    """Print a table."""
    shape = shape_of(gigabytes)
    make_source(folder, shape)
    size = np.prod(shape) / 1e6
    found = [{way: run(folder, way, workers) for way in WAYS} for _ in range(repeats)]
    print(f"{size / 1e3:.2f} GB, {len(boxes(shape))} blocks, {workers} workers; median of {repeats}")
    print(f"{'':10}{'MB/s':>8}{'ratio':>8}{'CPU':>9}{'memory':>10}")
    for way in WAYS:
        seconds = statistics.median(one[way][0] for one in found)
        ratio = statistics.median(max(one["read"][0], one["write"][0]) / one[way][0] for one in found)
        cpu = statistics.median(one[way][1] for one in found)
        peak = max(one[way][2] for one in found) / 1e6
        print(f"{way:10}{size / seconds:8.0f}{ratio:8.2f}{cpu:7.1f} s{peak:7.0f} MB", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="folder to create, and to remove at the end")
    parser.add_argument("--gigabytes", type=float, default=4)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.way:
        print(json.dumps(go(given.folder, given.way, given.workers)))
        return
    if given.folder.exists():
        parser.error(f"{given.folder} is there: name a folder that can be made, and removed at the end")
    given.folder.mkdir(parents=True)
    try:
        measure(given.folder, given.gigabytes, given.repeats, given.workers)
    finally:
        shutil.rmtree(given.folder)


if __name__ == "__main__":
    main()
