"""Cutouts with `Volume` compared with tensorstore, on local zarr v3, N5 and precomputed volumes.

``python benchmarks/reading.py [--folder DIR] [--large 30] [--small 400]``. A volume of 512^3 uint8 voxels in chunks of
64^3, noise that compresses about 2:1, is created once per format. Both ways read the same boxes in turn, and the first
one alternates; tensorstore has its default options (also without a cache) and a handle transposed to z, y, x, read in C
order. Results are medians over pairs, so that other work on the machine affects both: the time of tensorstore divided
by that of `Volume`, and the overhead of `Volume` in microseconds. Files are in the page cache.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tensorstore as ts
from numpy.typing import NDArray

import voxome

EDGE, CHUNK = 512, 64
DRIVERS = {"zarr": "zarr3", "n5": "n5", "precomputed": "neuroglancer_precomputed"}
FINEST = {"zarr": "0", "n5": "s0", "precomputed": ""}
Read = Callable[[tuple[int, int, int], int], NDArray[Any]]


def make(scheme: str, folder: Path) -> str:
    """Return the URI of a volume of `scheme`, created if it does not exist."""
    uri = f"{scheme}://{folder}/{scheme}"
    if not (folder / scheme).exists():
        chunk = (CHUNK,) * 3
        made = voxome.create(uri, voxome.VolumeSpec.of((EDGE,) * 3, "uint8", chunk=chunk, voxel_size_nm=(8, 8, 8)))
        rng = np.random.default_rng(0)
        for z in range(0, EDGE, CHUNK):
            made[z : z + CHUNK] = rng.normal(128, 3, (CHUNK, EDGE, EDGE)).astype(np.uint8)
    return uri


def direct(scheme: str, folder: Path) -> Read:
    """Return a reader that uses tensorstore, transposed to z, y, x."""
    path = folder / scheme / FINEST[scheme]
    spec = {"driver": DRIVERS[scheme], "kvstore": {"driver": "file", "path": f"{path}/"}}
    store = ts.open(spec).result()
    if scheme == "precomputed":
        store = store[..., 0]
    if scheme != "zarr":
        store = store.T

    def read(at: tuple[int, int, int], edge: int) -> NDArray[Any]:
        z, y, x = at
        found: NDArray[Any] = store[z : z + edge, y : y + edge, x : x + edge].read(order="C").result()
        return found

    return read


def ours(uri: str) -> Read:
    """Return a reader that uses `Volume`."""
    volume = voxome.open(uri)

    def read(at: tuple[int, int, int], edge: int) -> NDArray[Any]:
        z, y, x = at
        return volume[z : z + edge, y : y + edge, x : x + edge]

    return read


def timed(read: Read, at: tuple[int, int, int], edge: int) -> tuple[float, NDArray[Any]]:
    """Return the seconds of a cutout, and the cutout."""
    began = time.perf_counter()
    found = read(at, edge)
    return time.perf_counter() - began, found


def pairs(first: Read, second: Read, edge: int, count: int) -> list[tuple[float, float]]:
    """Return the seconds of both readers for `count` boxes that are not aligned to chunks."""
    rng = np.random.default_rng(edge)
    found = []
    for turn in range(count):
        z, y, x = (int(n) for n in rng.integers(0, EDGE - edge, 3))
        ways = (first, second) if turn % 2 else (second, first)
        results = {way: timed(way, (z, y, x), edge) for way in ways}
        (a, one), (b, other) = results[first], results[second]
        if not np.array_equal(one, other):
            raise AssertionError(f"the two ways differ at {(z, y, x)}")
        found.append((a, b))
    return found[count // 10 :]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, help="folder of the volumes; a temporary one by default")
    parser.add_argument("--large", type=int, default=30, help="pairs of cutouts of 256^3")
    parser.add_argument("--small", type=int, default=400, help="pairs of cutouts of 32^3")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.folder or Path(temporary)
        print(f"{'':12}{'cutout':>8}{'tensorstore':>13}{'Volume':>11}{'ratio':>8}{'added':>11}")
        for scheme in DRIVERS:
            volume = ours(make(scheme, folder))
            for edge, count in ((256, given.large), (32, given.small)):
                found = pairs(direct(scheme, folder), volume, edge, count)
                a, b = (statistics.median(times) * 1e3 for times in zip(*found, strict=True))
                ratio = statistics.median(one / other for one, other in found)
                added = statistics.median(other - one for one, other in found) * 1e6
                print(f"{scheme:12}{edge:>6}^3{a:10.2f} ms{b:8.2f} ms{ratio:8.2f}{added:8.0f} us", flush=True)


if __name__ == "__main__":
    main()
