"""What reading a box costs: the chunks that it touches, their size, and the time that it takes."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

from voxome.contracts.abilities import SupportsRequests, ability
from voxome.contracts.read_cost import WARN_ABOVE, ReadCost, box_cost, chunk_origin, cost_warning
from voxome.contracts.source import VolumeSource
from voxome.geometry import Box
from voxome.resources.volume_like import VolumeLike, as_volume
from voxome.services.blockwise_copy import resolve_box

SAMPLE_BYTES = 16 << 20
"""Maximum size of the chunks that are read to estimate the time; at least one is."""
SAMPLE_CHUNKS = 8
"""Maximum number of these chunks."""


@dataclass(frozen=True)
class Explanation:
    """Cost of reading a box.

    Attributes
    ----------
    uri : str
        URI of the volume; empty if it has none.
    box : str
        The box.
    chunk : tuple of int or None
        Chunk shape; None if the array is not divided.
    shard : tuple of int or None
        Shape of the shards that contain the chunks; None if there are none.
    chunks, shards : int
        Number of chunks and of shards that the box touches.
    requests : int
        Number of requests: to a server as its client divides the box, otherwise one per chunk, and one more per shard
        for its index.
    wanted_bytes : int
        Size of the box, uncompressed.
    read_bytes : int
        Size of the chunks, uncompressed.
    amplification : float
        Bytes read for each byte wanted.
    estimated_s : float
        Estimated time of the read, from that of reading a sample of the chunks.
    sampled_chunks : int
        Number of chunks read.
    warnings : tuple of str
        What is unfavourable about it.
    """

    uri: str
    box: str
    chunk: tuple[int, ...] | None
    shard: tuple[int, ...] | None
    chunks: int
    shards: int
    requests: int
    wanted_bytes: int
    read_bytes: int
    amplification: float
    estimated_s: float
    sampled_chunks: int
    warnings: tuple[str, ...]


def explain(volume: VolumeLike, *, box: Box | str | None = None, level: int = 0) -> Explanation:
    """Return what reading a box costs; a few of its chunks are read to estimate the time.

    Parameters
    ----------
    volume : str, path, Volume or array
        What would be read.
    box : Box or str, optional
        Part to read, in the coordinates of the level, along z, y, x or all axes; everything if None.
    level : int
        Level of the pyramid; 0 is the finest.

    Returns
    -------
    Explanation
        With ``chunks``, ``requests``, ``wanted_bytes``, ``read_bytes``, ``amplification`` and ``estimated_s``.

    Raises
    ------
    InvalidBox
        If the box is empty, or not inside the volume.

    Examples
    --------
    >>> import voxome
    >>> volume = voxome.create("memory://explained", voxome.VolumeSpec.of((64, 64, 64), "uint8", chunk=(32, 32, 32)))
    >>> voxome.explain(volume, box="0:1,:,:").amplification
    32.0
    """
    opened = as_volume(volume, level=level)
    source, spec = opened.source, opened.spec
    region = resolve_box(spec, box)
    served, origin = ability(source, SupportsRequests), chunk_origin(source)
    cost = box_cost(spec, region, origin)
    shard = spec.write_chunk if spec.write_chunk != spec.read_chunk else None
    shards = 0 if shard is None else box_cost(spec.replace(read_chunk=shard), region, origin).chunks
    costly, name = cost.amplification > WARN_ABOVE, opened.uri or "the array"
    seconds, sampled = _time(source, region, cost, origin)
    return Explanation(
        uri=opened.uri,
        box=str(region),
        chunk=spec.read_chunk,
        shard=shard,
        chunks=cost.chunks,
        shards=shards,
        requests=cost.chunks + shards if served is None else served.count_requests(region),
        wanted_bytes=cost.wanted_bytes,
        read_bytes=cost.read_bytes,
        amplification=cost.amplification,
        estimated_s=seconds,
        sampled_chunks=sampled,
        warnings=(cost_warning(name, f"boxes such as {region}", spec, cost.amplification),) if costly else (),
    )


def _time(source: VolumeSource, box: Box, cost: ReadCost, origin: tuple[int, ...]) -> tuple[float, int]:
    """Return the estimated time of reading `box`, and the number of chunks that were read for it."""
    sample = _sample(source, box)
    read = box_cost(source.spec, sample, origin)
    start = time.perf_counter()
    source.read(sample)
    return (time.perf_counter() - start) * cost.read_bytes / read.read_bytes, read.chunks


def _sample(source: VolumeSource, box: Box) -> Box:
    """Return a part of `box` that touches few chunks, longest along the last axes."""
    spec = source.spec
    chunk = spec.read_chunk or tuple(min(64, n) for n in box.shape)
    room = min(SAMPLE_CHUNKS, max(1, SAMPLE_BYTES // (math.prod(chunk) * spec.dtype.itemsize)))
    shape = []
    for n, length in zip(reversed(chunk), reversed(box.shape), strict=True):
        count = min(room, -(-length // n))
        shape.append(min(length, count * n))
        room //= count
    return Box.of_shape(shape[::-1], box.start)
