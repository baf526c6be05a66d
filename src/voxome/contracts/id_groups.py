"""Groups of ids: the shards of Neuroglancer's sharded format.

Format: https://github.com/google/neuroglancer/blob/master/src/datasource/precomputed/sharded.rst
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from voxome.errors import InvalidInput

HASH = "murmurhash3_x86_128"
"""The hash of ids, as the format calls it."""
MINISHARD_BITS = 6
"""The lowest bits of the hash number the minishard within a shard; the bits above them, the shard."""
_C1, _C2, _MASK = 0x239B961B, 0xAB0E9789, np.uint64(0xFFFFFFFF)


_VOXELS = 1 << 24
"""Voxels of a group, as long as there are not many groups: enough groups for all workers."""
_MANY, _MANY_VOXELS = 1024, 1 << 27
"""From so many groups on, each has at least so many voxels: its pieces and its shard, of about 100 MB, fit any disk."""
_MOST = 1 << 16
"""Groups at most, as every group reads a range of each part, of which there are some thousands."""


def count_groups(voxels: int) -> int:
    """Return the number of groups for the objects of so many voxels: one for about 256³, or for 512³ if there are many.

    The memory of a group does not depend on it, as objects are read one after the other; its temporary file does.

    Examples
    --------
    >>> count_groups(1000), count_groups(512**3), count_groups(10**11), count_groups(10**12), count_groups(10**15)
    (1, 8, 1024, 8192, 65536)
    """
    small, large = (_next_power_of_two(-(-voxels // size)) for size in (_VOXELS, _MANY_VOXELS))
    return min(max(min(small, _MANY), large), _MOST)


def _next_power_of_two(number: int) -> int:
    return 1 << max(0, (number - 1).bit_length())


def group_of(ids: NDArray[np.uint64], groups: int) -> NDArray[np.int64]:
    """Return the group of each id.

    Parameters
    ----------
    ids : (n,) array of uint64
        Ids of objects.
    groups : int
        Number of groups, a power of two.

    Returns
    -------
    (n,) array of int64
        0 to ``groups - 1``: the number of the shard of each id, if there are as many shards as groups, with the hash
        `HASH` and `MINISHARD_BITS`.

    Raises
    ------
    InvalidInput
        If `groups` is not a power of two.
    """
    if groups < 1 or groups & (groups - 1):
        raise InvalidInput(f"{groups} groups of ids; expected a power of two")
    return ((hash_ids(ids) >> np.uint64(MINISHARD_BITS)) & np.uint64(groups - 1)).astype(np.int64)


def hash_ids(ids: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return the low 64 bits of the hash of each id.

    Source: A. Appleby, MurmurHash3.cpp (public domain), ``MurmurHash3_x86_128`` of 8 bytes with seed 0.
    """
    keys = np.asarray(ids, np.uint64)
    low, high = keys & _MASK, keys >> np.uint64(32)
    first = _multiply(_rotate(_multiply(low, _C1), 15), _C2) ^ np.uint64(8)
    second = _multiply(_rotate(_multiply(high, _C2), 16), 0x38B34AE5) ^ np.uint64(8)
    eight = np.full_like(keys, 8)
    words = _mix([first, second, eight, eight])
    words = _mix([_finalize(word) for word in words])
    return words[0] | words[1] << np.uint64(32)


def _multiply(words: NDArray[np.uint64], by: int) -> NDArray[np.uint64]:
    return (words * np.uint64(by)) & _MASK


def _rotate(words: NDArray[np.uint64], by: int) -> NDArray[np.uint64]:
    return ((words << np.uint64(by)) | (words >> np.uint64(32 - by))) & _MASK


def _mix(words: list[NDArray[np.uint64]]) -> list[NDArray[np.uint64]]:
    total = (words[0] + words[1] + words[2] + words[3]) & _MASK
    return [total, *((word + total) & _MASK for word in words[1:])]


def _finalize(words: NDArray[np.uint64]) -> NDArray[np.uint64]:
    words = _multiply(words ^ words >> np.uint64(16), 0x85EBCA6B)
    words = _multiply(words ^ words >> np.uint64(13), 0xC2B2AE35)
    return words ^ words >> np.uint64(16)
