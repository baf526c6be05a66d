"""Sparse volumes of 10^15 voxels: time to open one, to read at its far corner, and to plan a workflow over it.

``python benchmarks/huge.py [--edge 100000]``. The volumes are empty, in zarr and in precomputed, with chunks of 64^3;
the workflow is that of ``planning.py``, in blocks of 512^3. Each line is the second of two measurements, after imports.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable

from planning import chain

import voxome
from voxome.blocks.memory import peak_bytes, reset_peak
from voxome.workflow.options import RunOptions
from voxome.workflow.plan import make_plan


def seconds(call: Callable[[], object]) -> float:
    """Return how long a call takes, the second time."""
    call()
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def measure(uri: str, edge: int) -> tuple[float, float, float, int]:
    """Return seconds to open, to read 64^3 voxels at the far corner and to plan, and the growth of memory in bytes."""
    spec = voxome.VolumeSpec.of((edge,) * 3, "uint8", chunk=(64, 64, 64), voxel_size_nm=(8, 8, 8))
    voxome.create(uri, spec)
    corner = (slice(edge - 64, edge),) * 3
    before = reset_peak() or peak_bytes()
    opening = seconds(lambda: voxome.open(uri))
    volume = voxome.open(uri)
    reading = seconds(lambda: volume[corner])
    planning = seconds(lambda: make_plan(chain(), {"raw": uri}, RunOptions(block=(512, 512, 512), force=True)))
    return opening, reading, planning, peak_bytes() - before


def main() -> None:
    """Print a row for each format."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--edge", type=int, default=100_000, help="edge of the volumes in voxels")
    edge = parser.parse_args().edge
    print(f"{edge**3:.1e} voxels\nformat       open ms  read ms  plan ms  memory MB")
    for scheme in ("zarr", "precomputed"):
        with tempfile.TemporaryDirectory() as folder:
            *times, memory = measure(f"{scheme}://{folder}/volume", edge)
        print(f"{scheme:12} {times[0] * 1e3:7.1f} {times[1] * 1e3:8.1f} {times[2] * 1e3:8.1f} {memory / 1e6:10.1f}")


if __name__ == "__main__":
    main()
