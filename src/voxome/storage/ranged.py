"""A file of a key-value store, read by ranges."""

from __future__ import annotations

import io
from collections.abc import Callable

from voxome.errors import InvalidBox

TAIL_BYTES = 1 << 16
"""How much of the end of a file is read when it is opened."""
_BUFFER_BYTES = 1 << 18
_END = 1 << 60

ReadRange = Callable[[int | None, int | None], bytes]
"""Returns the bytes from start to stop, counted as slices do: a negative start counts from the end, None is open.

It raises InvalidBox where the file is shorter.
"""


class RangedFile(io.RawIOBase):
    """A read-only file over a store that does not report file sizes.

    It behaves like a file of 2**60 bytes: positions in its upper half count from the end, so that formats with a
    footer, such as Parquet, can be read without knowing the length.

    Parameters
    ----------
    read_range : function of start and stop
        Reads from the store.
    tail : bytes
        The last bytes of the file.
    """

    def __init__(self, read_range: ReadRange, tail: bytes) -> None:
        self._read_range, self._tail, self._position = read_range, tail, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: _END}[whence]
        self._position = base + offset
        return self._position

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        count = min(len(buffer), _END - self._position)
        data = self._bytes(self._position, self._position + count) if count > 0 else b""
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)

    def _bytes(self, start: int, stop: int) -> bytes:
        if start < _END // 2:
            try:
                return self._read_range(start, stop)
            except InvalidBox:
                return self._read_range(start, None)
        back, end = _END - start, _END - stop
        tail = self._tail if back <= len(self._tail) else self._read_range(-back, None)
        return tail[len(tail) - back : len(tail) - end]


def open_ranged(read_range: ReadRange, tail: bytes) -> io.BufferedReader:
    """Return a buffered file over `read_range`; parameters as of `RangedFile`."""
    return io.BufferedReader(RangedFile(read_range, tail), _BUFFER_BYTES)
