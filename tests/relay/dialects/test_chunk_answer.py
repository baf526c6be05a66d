"""The file of a chunk is read when it is needed, beside others."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.volume_files import ChunkFile
from voxome.geometry import Box
from voxome.relay.dialects.chunk_answer import ChunkAnswer

BOX = Box.of_shape((2, 3))


class Meeting:
    """A source, and its files, whose reads end when two of them are under way."""

    def __init__(self) -> None:
        self.count = 0
        self._both = Barrier(2)

    def read(self, name: str, box: Box, *, level: int) -> NDArray[Any]:
        self._both.wait(100)
        self.count += 1
        return np.zeros(box.shape, "uint8")

    def encode(self, chunk: ChunkFile, voxels: NDArray[Any]) -> bytes:
        return voxels.tobytes()


def test_two_chunks_are_read_at_the_same_time_and_each_once() -> None:
    both: Any = Meeting()
    answers = [ChunkAnswer(both, "em", both, ChunkFile(0, BOX)) for _ in range(2)]
    with ThreadPoolExecutor(2) as threads:
        contents = list(threads.map(lambda one: (one.etag, one.content), answers))
    assert [content for _, content in contents] == [bytes(6), bytes(6)]
    assert both.count == 2
