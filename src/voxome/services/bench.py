"""How fast a volume is read, by size and alignment of the requests, and by how many are made at once.

The sweep of Figure 2 of the paper on intern (Matelsky et al.): time and throughput against the size of a cutout,
aligned to the store's chunks and not.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import product

import numpy as np

from voxome.contracts.source import VolumeSource
from voxome.contracts.spec import VolumeSpec
from voxome.errors import InvalidInput
from voxome.geometry import Box
from voxome.services.blockwise_copy import ProgressCallback, silent

EDGES = (32, 64, 128, 256, 512)
"""Edge lengths of the cubes that are asked for, in voxels, if nothing else is said."""
LARGEST_BYTES = 512 << 20
"""Larger requests are left out of a sweep."""
_CHUNK = 64


@dataclass(frozen=True)
class Reading:
    """Requests of one size.

    Attributes
    ----------
    edge : int
        Of the cube, in voxels.
    bytes : int
        Of one request; less than a cube where the volume is thinner.
    aligned : bool
        Whether requests start on the store's chunks; the others lie astride their borders.
    at_once : int
        Requests under way at a time.
    seconds : float
        One request takes: the median.
    bytes_per_s : float
        Of all of them together.
    """

    edge: int
    bytes: int
    aligned: bool
    at_once: int
    seconds: float
    bytes_per_s: float


def read_sweep(
    source: VolumeSource,
    edges: Sequence[int] = EDGES,
    *,
    at_once: int = 4,
    repeats: int = 3,
    seed: int = 0,
    told: ProgressCallback = silent,
) -> list[Reading]:
    """Read cubes at random places, each size aligned and unaligned, one at a time and several.

    Parameters
    ----------
    source : VolumeSource
        With axes z, y, x; of others the first index is read.
    edges : sequence of int
        Edge lengths in voxels; those that would exceed `LARGEST_BYTES` are left out.
    at_once : int
        Requests under way at a time, in the second half of the sweep.
    repeats : int
        Requests one after the other.
    seed : int
        Of the places.
    told : callable
        Called after each result with the results that there are, and how many there will be.

    Returns
    -------
    list of Reading
        Caches on the way (of the system, of a server) are not emptied: a small volume is soon in them.

    Raises
    ------
    InvalidInput
        If no size is left.
    """
    spec, random = source.spec, np.random.default_rng(seed)
    sizes = {edge: _bytes(spec, edge) for edge in sorted(set(edges))}
    kept = [edge for edge, size in sizes.items() if size <= LARGEST_BYTES]
    if not kept or kept[0] < 1:
        raise InvalidInput(f"sizes {list(edges)}: none is of 1 to {LARGEST_BYTES:,} bytes a request")
    source.read(next(_places(spec, kept[0], True, random)))
    found: list[Reading] = []
    asked = list(product(kept, (True, False), sorted({1, at_once})))
    for edge, aligned, count in asked:
        places = _places(spec, edge, aligned, random)
        boxes = [next(places) for _ in range(repeats * count)]
        found.append(_measured(source, edge, aligned, count, boxes))
        told(len(found), len(asked))
    return found


def _measured(source: VolumeSource, edge: int, aligned: bool, at_once: int, boxes: Sequence[Box]) -> Reading:
    def timed(box: Box) -> float:
        began = time.perf_counter()
        source.read(box)
        return time.perf_counter() - began

    size = boxes[0].size * source.spec.dtype.itemsize
    with ThreadPoolExecutor(at_once) as pool:
        list(pool.map(time.sleep, [0.001] * at_once))
        began = time.perf_counter()
        times = list(pool.map(timed, boxes))
        whole = time.perf_counter() - began
    return Reading(edge, size, aligned, at_once, statistics.median(times), size * len(boxes) / whole)


def _bytes(spec: VolumeSpec, edge: int) -> int:
    return int(np.prod([min(edge, extent) for extent in spec.frame.shape])) * spec.dtype.itemsize


def _places(spec: VolumeSpec, edge: int, aligned: bool, random: np.random.Generator) -> Iterator[Box]:
    """Cubes in the volume that start where chunks do, at random, or that lie astride the borders of chunks."""
    frame = spec.frame
    chunks = [(spec.read_chunk or (_CHUNK,) * spec.domain.ndim)[axis] for axis in spec.spatial]
    while True:
        start = []
        for first, extent, chunk in zip(frame.start, frame.shape, chunks, strict=True):
            room = max(0, extent - edge)
            astride = chunk // 2 if edge >= chunk else chunk - edge // 2
            off = 0 if aligned else min(astride, room)
            start.append(first + off + int(random.integers((room - off) // chunk + 1)) * chunk)
        shape = [min(edge, extent) for extent in frame.shape]
        yield _lifted(spec, Box.of_shape(shape, start))


def _lifted(spec: VolumeSpec, box: Box) -> Box:
    """`box` in all axes, at the first index of those that are not z, y or x."""
    whole = spec.lift(box)
    stop = [
        b if axis in spec.spatial else a + 1 for axis, (a, b) in enumerate(zip(whole.start, whole.stop, strict=True))
    ]
    return Box(whole.start, tuple(stop))
