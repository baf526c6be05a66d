"""Speed of decoding and encoding DVID's native label blocks, on one core.

``taskset -c 0 python benchmarks/dvid_label_blocks.py LABELS [--tries 5]``. LABELS is a crackle file
(``connectomics.npy.ckl.gz``, 512^3; PyPI ``crackle-codec``) or a URI that voxome opens; it is cut into blocks of 64^3.
Decoding writes each block into one array of the whole volume. The result is voxels per second in the best of several
tries over all blocks, with and without gzip, which compresses the blocks in transit.
"""

from __future__ import annotations

import argparse
import gzip
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import voxome
from voxome.remotes.dvid.label_blocks import compress, decode, decompress, encode

EDGE = 64
SHAPE = (EDGE, EDGE, EDGE)


def labels_of(source: str) -> NDArray[np.uint64]:
    """Return the labels at `source`, a URI or a file of crackle."""
    if not source.endswith(".ckl.gz"):
        return np.ascontiguousarray(voxome.open(source)[:], np.uint64)
    found = import_module("crackle").decompress(gzip.decompress(Path(source).read_bytes()))
    return np.ascontiguousarray(found.T, np.uint64)


def blocks_of(labels: NDArray[np.uint64]) -> list[NDArray[np.uint64]]:
    """Return views of all whole blocks."""
    starts = [range(0, n - EDGE + 1, EDGE) for n in labels.shape]
    return [labels[z : z + EDGE, y : y + EDGE, x : x + EDGE] for z in starts[0] for y in starts[1] for x in starts[2]]


def best(work: Callable[[], object], tries: int) -> float:
    """Return the seconds of the fastest try."""
    times = []
    for _ in range(tries):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("labels")
    options.add_argument("--tries", type=int, default=5)
    chosen = options.parse_args()
    labels = labels_of(chosen.labels)
    views = blocks_of(labels)
    native = [encode(view) for view in views]
    packed = [compress(block) for block in native]
    out = np.zeros_like(labels)
    targets = blocks_of(out)

    def fill(unpacking: bool) -> None:
        for target, block in zip(targets, packed if unpacking else native, strict=True):
            decode(decompress(block) if unpacking else block, target, shape=SHAPE)

    fill(True)
    if not np.array_equal(out, labels):
        raise SystemExit("what was decoded is not what was encoded")
    million = len(views) * EDGE**3 / 1e6
    sizes = f"{sum(map(len, native)) / 2**20:.1f} MiB native, {sum(map(len, packed)) / 2**20:.1f} MiB packed"
    print(f"{len(views)} blocks of {EDGE}^3, {labels.nbytes / 2**20:.0f} MiB of labels: {sizes}")
    for name, work in {
        "decode": lambda: fill(False),
        "gunzip and decode": lambda: fill(True),
        "encode": lambda: [encode(view) for view in views],
        "encode and gzip": lambda: [compress(encode(view)) for view in views],
    }.items():
        print(f"{name:18} {million / best(work, chosen.tries):6.0f} Mvoxel/s")


if __name__ == "__main__":
    main()
