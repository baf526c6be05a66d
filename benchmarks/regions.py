"""Measures of segments and contacts of an array, compared with scikit-image, connected-components-3d and SciPy.

``python benchmarks/regions.py LABELS [--edge 512] [--only NAME,…]``. LABELS is a crackle file
(``connectomics.npy.ckl.gz``, 512^3; PyPI ``crackle-codec``) or an ``.npy``, of which the corner of `edge` voxels is
measured. Every measurement runs in a process of its own, after the same call for a corner of 64^3 (which compiles the
kernels): CPU seconds, and the memory that it adds to the arrays. Rows named million are of a million segments of 5^3
voxels, with ids up to 2^63. connected-components-3d, which refuses large ids, gets renumbered ones; what that takes
does not count. Peers that are not installed are left out (scikit-image is no dependency; at 512^3 it takes 12 GB).
"""

from __future__ import annotations

import argparse
import gzip
import json
import subprocess
import sys
import time
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import voxome
from voxome.blocks.memory import peak_bytes, reset_peak

SIZE = (40.0, 32.0, 32.0)
Array = NDArray[Any]


def scikit(labels: Array, image: Array | None = None, *names: str) -> int:
    """Measure with scikit-image."""
    from skimage.measure import regionprops_table

    properties = ("label", "area", "bbox", "centroid", *names)
    return len(regionprops_table(labels, image, properties=properties, spacing=SIZE)["label"])


def cc3d_statistics(labels: Array, image: Array) -> int:
    import cc3d

    return int((cc3d.statistics(labels)["voxel_counts"][1:] > 0).sum())


def cc3d_contacts(labels: Array, image: Array) -> int:
    import cc3d

    return len(cc3d.contacts(labels, connectivity=6, anisotropy=SIZE[::-1]))


def scipy_values(labels: Array, image: Array) -> int:
    """Measure means, deviations and extremes with SciPy."""
    from scipy import ndimage

    ids = np.unique(labels)[1:]
    for measure in (ndimage.mean, ndimage.standard_deviation, ndimage.minimum, ndimage.maximum):
        measure(image, labels, ids)
    return len(ids)


AXES = ("axis_major_length", "axis_minor_length")
MEASURES: dict[str, tuple[str, Callable[[Array, Array], int]]] = {
    "regions": ("voxome.regions", lambda labels, image: len(voxome.regions(labels, voxel_size_nm=SIZE))),
    "regions with values": ("voxome.regions, float image", lambda labels, image: len(voxome.regions(labels, image))),
    "contacts": ("voxome.contacts", lambda labels, image: len(voxome.contacts(labels, voxel_size_nm=SIZE))),
    "ids": ("Volume.ids", lambda labels, image: len(volume_of(labels).ids())),
    "cc3d.statistics": ("cc3d", cc3d_statistics),
    "cc3d.contacts": ("cc3d", cc3d_contacts),
    "skimage sizes": ("skimage", lambda labels, image: scikit(labels)),
    "skimage axes": ("skimage", lambda labels, image: scikit(labels, None, *AXES)),
    "scipy values": ("scipy", scipy_values),
    "numpy.unique": ("numpy", lambda labels, image: len(np.unique(labels)) - 1),
}
PAIRS = (
    ("regions", "cc3d.statistics"),
    ("regions", "skimage sizes"),
    ("regions", "skimage axes"),
    ("regions with values", "scipy values"),
    ("contacts", "cc3d.contacts"),
    ("ids", "numpy.unique"),
)
"""Ours and the peer that does the most similar work."""


def volume_of(labels: Array) -> voxome.Volume:
    from voxome.resources.volume_like import ArraySource

    return voxome.Volume(ArraySource(labels))


def load(path: Path, edge: int) -> Array:
    if path.suffix == ".npy":
        labels = np.load(path)
    else:
        labels = import_module("crackle").decompress(gzip.decompress(path.read_bytes())).T
    return np.ascontiguousarray(labels[:edge, :edge, :edge])


def million() -> Array:
    """Return a million segments of 5^3 voxels."""
    ids = np.random.default_rng(1).permutation(10**6).astype(np.uint64).reshape(100, 100, 100) * np.uint64(2**43)
    for axis in range(3):
        ids = ids.repeat(5, axis)
    return ids + np.uint64(1)


def measure(name: str, labels: Array) -> dict[str, Any]:
    """Return count, CPU seconds and memory of a measurement."""
    image = np.random.default_rng(1).random(labels.shape, np.float32)
    if name == "cc3d.statistics":
        import fastremap

        labels = fastremap.renumber(labels)[0]
    call = MEASURES[name][1]
    corner = (slice(64),) * 3
    call(labels[corner].copy(), image[corner].copy())
    reset_peak()
    before, start, wall = peak_bytes(), time.process_time(), time.perf_counter()
    count = call(labels, image)
    return {
        "count": count,
        "cpu_s": time.process_time() - start,
        "wall_s": time.perf_counter() - wall,
        "bytes": peak_bytes() - before,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("labels", type=Path)
    parser.add_argument("--edge", type=int, default=512)
    parser.add_argument("--only", default="", help="names of measurements")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        name, _, many = given.one.partition("/")
        print(json.dumps(measure(name, million() if many else load(given.labels, given.edge))))
        return
    wanted = given.only.split(",") if given.only else [*MEASURES, "regions/million", "contacts/million"]
    found: dict[str, dict[str, Any]] = {}
    for name in wanted:
        what = MEASURES[name.partition("/")[0]][0]
        if what in ("cc3d", "skimage", "scipy") and find_spec(what) is None:
            continue
        command = [sys.executable, __file__, str(given.labels), "--edge", str(given.edge), "--one", name]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            print(f"{name:28} failed: {(done.stderr.strip().splitlines() or ['killed'])[-1]}")
            continue
        one = found[name] = json.loads(done.stdout)
        print(
            f"{name:28} {one['count']:>9,} rows {one['cpu_s']:7.2f} s CPU {one['wall_s']:7.2f} s "
            f"{one['bytes'] / 1e6:7.0f} MB",
            flush=True,
        )
    for ours, peer in PAIRS:
        if ours in found and peer in found:
            print(f"{peer} / {ours}: {found[peer]['cpu_s'] / found[ours]['cpu_s']:.1f}")


if __name__ == "__main__":
    main()
