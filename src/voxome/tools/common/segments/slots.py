"""Hash tables of numba code: open addressing, in arrays of slots that refer to rows."""

from __future__ import annotations

import numba
import numpy as np

FREE = -1
"""A slot without a row."""


@numba.njit(cache=True, nogil=True)
def mix(key: np.uint64) -> np.uint64:
    """Return a key with its bits mixed: the finalizer of MurmurHash3."""
    key ^= key >> np.uint64(33)
    key *= np.uint64(0xFF51AFD7ED558CCD)
    key ^= key >> np.uint64(33)
    key *= np.uint64(0xC4CEB9FE1A85EC53)
    return key ^ (key >> np.uint64(33))
