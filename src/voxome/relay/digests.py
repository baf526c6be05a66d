"""Digests of contents, computed once for each chunk in the cache: most of the time of a warm read was in them."""

from __future__ import annotations

import hashlib
import weakref

import numpy as np

_DIGESTS: dict[tuple[int, int, int], tuple[weakref.ref[np.ndarray], str]] = {}
"""Id of an array that is never written, address and size of a part → the array, and the digest of the part."""


def digest_of(content: bytes | bytearray | memoryview) -> str:
    """Return the MD5 of a content, in hexadecimal digits; of a part of a chunk in the cache it is remembered.

    Parameters
    ----------
    content : bytes-like
        What is digested. It is remembered only if it is part of an array that nobody can write, while that lives.
    """
    owner = _owner(content)
    if owner is None:
        return _md5(content)
    part = np.asarray(content)
    key = (id(owner), part.__array_interface__["data"][0], part.nbytes)
    known = _DIGESTS.get(key)
    if known is not None and known[0]() is owner:
        return known[1]
    digest = _md5(content)
    _DIGESTS[key] = (weakref.ref(owner, lambda _: _DIGESTS.pop(key, None) and None), digest)
    return digest


def _md5(content: bytes | bytearray | memoryview) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def _owner(content: bytes | bytearray | memoryview) -> np.ndarray | None:
    """Return the array of which a content is a contiguous part; None if its bytes may change, or it has none."""
    array = content.obj if isinstance(content, memoryview) and content.c_contiguous else None
    if not isinstance(array, np.ndarray):
        return None
    while isinstance(array.base, np.ndarray):
        array = array.base
    return None if array.flags.writeable or not isinstance(array.base, bytes | None) else array
