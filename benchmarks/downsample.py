"""A pyramid of a sharded volume, compared with the downsample driver of tensorstore.

``python benchmarks/downsample.py --folder DIR [--edge 1024] [--repeats 3]``. Labels are the segmentation ``seg512`` of
``VOXOME_SHARED``, as uint64, repeated with other ids; the image is smoothed noise, uint8. Both are in chunks of 64^3
and shards of 256^3, as zarr v3 (zstd) and as precomputed (compressed_segmentation or raw, gzip). Each way runs in a
process of its own, on a volume whose level 0 is read from the page cache, and adds the same levels:

- voxome: ``voxome.downsample``, each level computed from level 0 (labels: with the report of lost ids);
- shards: tensorstore, each level from the one before, shard by shard, two at a time;
- whole: tensorstore, each level from the one before, by one write of the whole level.

Ratios are the time of a way of tensorstore divided by that of voxome, the median over repeats, in each of which all
ways run in turn; those of CPU time are more reliable on a busy machine. Memory is the largest resident set.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import tensorstore as ts
from numpy.typing import NDArray
from scipy import ndimage

import voxome
from voxome.blocks.memory import peak_bytes
from voxome.geometry import BlockGrid, Box

CHUNK, SHARD, PIECE = 64, 256, 512
FORMATS, DATA, WAYS = ("zarr", "precomputed"), ("labels", "image"), ("voxome", "shards", "whole")


def piece_of(data: str) -> NDArray[Any]:
    """Return 512^3 voxels."""
    if data == "image":
        noise = np.random.default_rng(0).normal(128, 60, (PIECE,) * 3).astype(np.float32)
        return ndimage.gaussian_filter(noise, 1).clip(0, 255).astype(np.uint8)
    import crackle

    file = Path(os.environ.get("VOXOME_SHARED", "../shared")) / "data/seg512/connectomics.npy.ckl.gz"
    labels = crackle.decompress(gzip.decompress(file.read_bytes()))
    return np.ascontiguousarray(labels.reshape(labels.shape[:3])).astype(np.uint64)


def make(uri: str, data: str, edge: int) -> None:
    """Create level 0."""
    kind: Any = "labels" if data == "labels" else "image"
    options = {"chunk": (CHUNK,) * 3, "write_chunk": (SHARD,) * 3, "voxel_size_nm": (32, 32, 32), "kind": kind}
    piece = piece_of(data)
    volume = voxome.create(uri, voxome.VolumeSpec.of((edge,) * 3, piece.dtype, **options))  # type: ignore[arg-type]
    for block in BlockGrid(volume.domain, (SHARD,) * 3):
        tile, inside = zip(*(divmod(n, PIECE) for n in block.write.start), strict=True)
        part = piece[tuple(slice(n, n + m) for n, m in zip(inside, block.write.shape, strict=True))]
        if data == "labels":
            number = int(np.ravel_multi_index(tile, (-(-edge // PIECE),) * 3))
            part = np.where(part, part + np.uint64(number << 32), 0)
        volume.source.write(block.write, part)


def handle(folder: Path, format: str, level: int) -> ts.TensorStore:
    """Open a level with tensorstore."""
    if format == "zarr":
        return ts.open({"driver": "zarr3", "kvstore": f"file://{folder}/{level}/"}).result()
    spec = {"driver": "neuroglancer_precomputed", "kvstore": f"file://{folder}/", "scale_index": level}
    return ts.open(spec).result()[..., 0]


def by_tensorstore(folder: Path, format: str, data: str, way: str) -> None:
    """Add the levels that voxome would add."""
    volume = voxome.open(f"{format}://{folder}", mode="r+", expect=voxome.Volume)
    method, level = "mode" if data == "labels" else "mean", 0
    while max(volume.shape) >> level > CHUNK:
        level += 1
        volume.source.create_level((2**level,) * 3)  # type: ignore[attr-defined]
        finer, target = ts.downsample(handle(folder, format, level - 1), [2] * 3, method), handle(folder, format, level)
        if way == "whole":
            target.write(finer).result()
            continue

        def write(box: Box, finer: Any = finer, target: Any = target) -> None:
            region = tuple(slice(a, b) for a, b in zip(box.start, box.stop, strict=True))
            target[region].write(finer[region]).result()

        with ThreadPoolExecutor(2) as pool:
            list(pool.map(write, (one.write for one in BlockGrid(Box.of_shape(target.shape), (SHARD,) * 3))))


def go(folder: Path, format: str, data: str, way: str) -> tuple[float, float, int]:
    """Return the wall seconds, CPU seconds and peak memory of one way."""
    began = time.perf_counter()
    before = resource.getrusage(resource.RUSAGE_SELF)
    if way == "voxome":
        voxome.downsample(f"{format}://{folder}", state=folder.parent / "state")
    else:
        by_tensorstore(folder, format, data, way)
    used = resource.getrusage(resource.RUSAGE_SELF)
    cpu = used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - began, cpu, peak_bytes()


def run(source: Path, format: str, data: str, way: str) -> tuple[float, float, int]:
    """Do as `go`, in a new process and on a copy of the volume that shares the files of level 0."""
    copy = source.parent / "copy"
    shutil.copytree(source, copy, copy_function=os.link)
    command = [sys.executable, __file__, "--folder", str(copy), "--one", format, data, way]
    try:
        done = subprocess.run(command, check=True, capture_output=True, text=True)
    finally:
        for folder in (copy, copy.parent / "state"):
            shutil.rmtree(folder, ignore_errors=True)
    seconds, cpu, peak = json.loads(done.stdout)
    return seconds, cpu, peak


def measure(folder: Path, edge: int, repeats: int, chosen: list[str], formats: list[str]) -> None:
    """Print a table."""
    print(f"{edge}^3 voxels, median of {repeats}")
    print(f"{'':20}{'way':8}{'s':>8}{'ratio':>8}{'CPU s':>9}{'ratio':>8}{'memory':>10}")
    for data in chosen:
        for format in formats:
            source = folder / f"{data}.{format}"
            if not source.exists():
                make(f"{format}://{source}", data, edge)
            found = [{way: run(source, format, data, way) for way in WAYS} for _ in range(repeats)]
            for way in WAYS:
                seconds, cpu = (statistics.median(one[way][i] for one in found) for i in (0, 1))
                ratios = [statistics.median(one[way][i] / one["voxome"][i] for one in found) for i in (0, 1)]
                peak = max(one[way][2] for one in found) / 1e6
                row = f"{seconds:8.1f}{ratios[0]:8.2f}{cpu:9.1f}{ratios[1]:8.2f}{peak:7.0f} MB"
                print(f"{f'{data} {format}':20}{way:8}{row}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="folder to create, and to remove at the end")
    parser.add_argument("--edge", type=int, default=1024)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--keep", action="store_true", help="keep the volumes, and use those of an earlier call")
    parser.add_argument("--data", choices=DATA, nargs="*", default=DATA)
    parser.add_argument("--formats", choices=FORMATS, nargs="*", default=FORMATS)
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        print(json.dumps(go(given.folder, *given.one)))
        return
    if given.folder.exists() and not given.keep:
        parser.error(f"{given.folder} is there: name a folder that can be made, and removed at the end")
    given.folder.mkdir(parents=True, exist_ok=True)
    try:
        measure(given.folder, given.edge, given.repeats, given.data, given.formats)
    finally:
        if not given.keep:
            shutil.rmtree(given.folder)


if __name__ == "__main__":
    main()
