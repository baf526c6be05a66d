"""Blocks are read back, and compared with what was written."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.source import VolumeSource
from voxome.errors import CorruptData
from voxome.geometry import Box
from voxome.services.transfer.choices import Verify

_SAMPLE_EVERY = 16
NEW = ("what was written", "check its disk or server, and rerun the same command")
EARLIER = (
    "its source",
    "one of them was changed or is damaged; rerun the same command to copy these voxels again",
)
"""What a block differs from, and what to do: a block that was just written, or by an earlier call."""


class BlockDiffers(CorruptData):
    """A block that is read back differs from what it should be, or cannot be decoded."""


def is_verified(verify: Verify, seed: int, index: int, count: int) -> bool:
    """Return whether block `index` of `count` is read back; a sample has the first, the last and one in 16 others."""
    if verify != "sampled":
        return verify == "all"
    return index in (0, count - 1) or zlib.crc32(f"{seed}/{index}".encode()) % _SAMPLE_EVERY == 0


def require_equal(
    name: str,
    target: VolumeSource,
    box: Box,
    data: NDArray[Any],
    *,
    written: bool,
    out: NDArray[Any] | None = None,
) -> None:
    """Read a block back, and compare it with what it should be.

    Parameters
    ----------
    name : str
        URI of the target.
    target : VolumeSource
        The target, opened again.
    box : Box
        The block.
    data : array
        Its voxels.
    written : bool
        Whether an earlier call has written it.
    out : array, optional
        Memory to read into.

    Raises
    ------
    BlockDiffers
        If it differs, or cannot be decoded.
    """
    expected, remedy = EARLIER if written else NEW
    try:
        stored = target.read(box, out=out)
    except CorruptData as error:
        raise BlockDiffers(f"{error}; {remedy}") from error
    if stored.dtype != data.dtype or not np.array_equal(raw_words(stored), raw_words(data)):
        wrong = int((stored != data).sum())
        raise BlockDiffers(f"{name} differs from {expected} at {box}, in {wrong:,} of {box.size:,} voxels; {remedy}")


def raw_words(data: NDArray[Any]) -> NDArray[Any]:
    """Return the bytes of an array as 64-bit words, or as bytes if they do not divide; NaNs compare bit by bit."""
    flat = np.ascontiguousarray(data).reshape(-1).view(np.uint8)
    return flat if flat.size % 8 else flat.view(np.uint64)
