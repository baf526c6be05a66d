"""A threshold over a large zarr array: memory of workers and runner over time, and speed.

``python benchmarks/threshold.py --folder DIR [--shape 2560,2432,2432] [--block 64,128,128] [--workers 2]``. The volume
has 15 GB of uint8 voxels in chunks of 64^3: 64 chunks of noise, repeated as hard links to save space; every one is
still decoded, from the page cache. The output is written in full (some GB); the folder is removed at the end. The
memory of a worker is the peak of each job, by tenths of the run.
"""

from __future__ import annotations

import argparse
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import voxome
from voxome.blocks.memory import peak_bytes, reset_peak
from voxome.blocks.runner import run_step
from voxome.blocks.step import Step
from voxome.contracts.frame import Frame
from voxome.contracts.handle import Handle
from voxome.engines.local import LocalEngine
from voxome.geometry import BlockGrid, Box
from voxome.records.sql import SqlRecords

CHUNK = (64, 64, 64)
REPEATED = (256, 256, 256)
VOXEL_NM = (10.0, 10.0, 10.0)
Triple = tuple[int, int, int]


def triple(text: str) -> Triple:
    """Parse three numbers with commas."""
    z, y, x = (int(part) for part in text.split(","))
    return z, y, x


def chunk_files(shape: Triple) -> Iterator[tuple[str, str]]:
    """Yield every chunk of the volume, and the one that it repeats, as paths in an array."""
    own = BlockGrid(Box.of_shape(REPEATED), CHUNK).shape
    for cell in np.ndindex(BlockGrid(Box.of_shape(shape), CHUNK).shape):
        repeated = (i % n for i, n in zip(cell, own, strict=True))
        yield "c/" + "/".join(map(str, cell)), "c/" + "/".join(map(str, repeated))


def make_volume(folder: Path, shape: Triple) -> str:
    """Create a volume of `shape` that repeats 256^3 voxels; return its URI."""
    uri = f"zarr://{folder}/raw.zarr"
    made = voxome.create(uri, voxome.VolumeSpec.of(shape, "uint8", chunk=CHUNK, voxel_size_nm=VOXEL_NM))
    rng = np.random.default_rng(0)
    for z in range(0, REPEATED[0], CHUNK[0]):
        noise = rng.normal(128, 30, (CHUNK[0], *REPEATED[1:]))
        made[z : z + CHUNK[0], : REPEATED[1], : REPEATED[2]] = noise.clip(0, 255).astype(np.uint8)
    array = folder / "raw.zarr/0"
    for chunk, repeated in chunk_files(shape):
        if chunk != repeated:
            (array / chunk).parent.mkdir(parents=True, exist_ok=True)
            os.link(array / repeated, array / chunk)
    return uri


def measure(folder: Path, shape: Triple, block: Triple, workers: int) -> None:
    """Run the step and print its time and memory."""
    handle = Handle("volume", make_volume(folder, shape), "raw")
    domain = voxome.open(handle.uri).domain
    frame = Frame(domain, domain, VOXEL_NM, (0.0, 0.0, 0.0))
    step = Step(
        name="threshold",
        tool="common.threshold",
        version="1",
        parameters={"at": 100.0},
        inputs={"image": handle},
        frame=frame,
        block=block,
    )
    engine = LocalEngine(workers=workers, log=folder / "log")
    records = SqlRecords.in_file(folder / "run.sqlite")
    reset_peak()
    before = peak_bytes()
    try:
        report = run_step(step, str(folder), engine, records)
        jobs: list[Any] = list(records.query("jobs", {}))
    finally:
        engine.close()
        records.close()
    gigabytes = domain.size / 1e9
    print(f"{gigabytes:.2f} GB in {report.total} blocks of {block}, {len(jobs)} jobs, {workers} workers")
    print(f"{report.wall_s:.0f} s wall, {1e3 * gigabytes / report.wall_s:.0f} MB/s; {report.worker_s:.0f} s of workers")
    tenths = [max(job["peak_bytes"] for job in part) / 1e6 for part in np.array_split(np.array(jobs), 10)]
    print("worker, MB by tenths of the run:", " ".join(f"{peak:.0f}" for peak in tenths))
    print(f"runner, MB: {before / 1e6:.0f} before, {peak_bytes() / 1e6:.0f} at most")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="folder to create, and to remove at the end")
    parser.add_argument("--shape", type=triple, default=(2560, 2432, 2432))
    parser.add_argument("--block", type=triple, default=(64, 128, 128))
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    given.folder.mkdir(parents=True)
    try:
        measure(given.folder.resolve(), given.shape, given.block, given.workers)
    finally:
        shutil.rmtree(given.folder)


if __name__ == "__main__":
    main()
