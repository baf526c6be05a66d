"""The file of a chunk in the cache, ready to be sent."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.responses import Response

from voxome.geometry import Box
from voxome.relay.answer import Answer
from voxome.relay.cache.array import CachedArray
from voxome.relay.cache.entry import CachedChunk

RECORD_BYTES = 2048
"""Memory of a file besides its content, about."""


@dataclass(frozen=True)
class KeptFile:
    """A chunk as a file of a format, kept as long as its voxels.

    Attributes
    ----------
    source : str
        Name of the source.
    names : int
        Number of names that were served when it was kept; with another one its path may mean something else.
    array : CachedArray
        The array of the chunk.
    index : int
        Number of the chunk in it.
    box : Box
        Where its voxels are.
    chunk : CachedChunk
        The voxels.
    answer : Answer
        The file.
    response : Response
        The answer to GET without conditions.
    nbytes : int
        Bytes of memory besides those of the voxels.
    """

    source: str
    names: int
    array: CachedArray
    index: int
    box: Box
    chunk: CachedChunk
    answer: Answer
    response: Response
    nbytes: int
