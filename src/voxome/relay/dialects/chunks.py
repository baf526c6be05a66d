"""Shape of the chunks that dialects of files serve."""

from __future__ import annotations

import math
from collections.abc import Collection

from voxome.contracts.spec import VolumeSpec

FEWEST_BYTES, MOST_BYTES = 2**15, 2**22
"""A chunk of fewer bytes is not worth a request; one of more keeps a viewer waiting."""

_EDGES = {1: 2**18, 2: 512}
_CUBE = 64


def served_chunk(spec: VolumeSpec, *, together: Collection[str] = (), most_bytes: int = MOST_BYTES) -> tuple[int, ...]:
    """Return the shape of the chunks in which a level is served.

    That is the shape of the chunks of its store, where these have 32 KiB to `most_bytes`; else a cube of 64 voxels
    (a square of 512 without z), halved until it has at most so many bytes.

    Parameters
    ----------
    spec : VolumeSpec
        The level.
    together : collection of str
        Names of axes that no chunk divides.
    most_bytes : int
        Bytes of the largest chunk.

    Examples
    --------
    >>> served_chunk(VolumeSpec.of((500, 500, 500), "uint8", chunk=(16, 128, 128)))
    (16, 128, 128)
    >>> served_chunk(VolumeSpec.of((500, 500, 500), "uint8", chunk=(1, 500, 500)))
    (1, 500, 500)
    >>> served_chunk(VolumeSpec.of((3, 500, 500, 50), "float32", axes="czyx"), together="c")
    (3, 64, 64, 50)
    """
    shape = tuple(max(1, n) for n in spec.domain.shape)
    whole = [axis in together for axis in spec.axes]
    if spec.read_chunk is not None:
        chunk = [n if all_of else min(n, c) for n, c, all_of in zip(shape, spec.read_chunk, whole, strict=True)]
        if FEWEST_BYTES <= math.prod(chunk) * spec.dtype.itemsize <= most_bytes:
            return tuple(chunk)
    edge = _EDGES.get(len(spec.spatial), _CUBE)
    chunk = [n if whole[i] else min(n, edge) if i in spec.spatial else 1 for i, n in enumerate(shape)]
    while math.prod(chunk) * spec.dtype.itemsize > most_bytes and max(chunk[i] for i in spec.spatial) > 1:
        longest = max(spec.spatial, key=chunk.__getitem__)
        chunk[longest] = -(-chunk[longest] // 2)
    return tuple(chunk)
