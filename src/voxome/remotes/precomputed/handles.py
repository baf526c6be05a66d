"""tensorstore handles of precomputed scales, in our order of axes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tensorstore as ts

from voxome.remotes.precomputed.info import has_channels
from voxome.remotes.tensorstore import reorder_axes


def oriented(store: ts.TensorStore, info: Mapping[str, Any]) -> ts.TensorStore:
    """A store with axes x, y, z, channel as z, y, x, or as c, z, y, x if the volume has channels."""
    view = reorder_axes(store, (3, 2, 1, 0))
    return view if has_channels(info) else view[0]


def shard_of(store: ts.TensorStore) -> tuple[int, ...]:
    """The smallest piece (z, y, x) that is safe to write beside others: a shard, or else a chunk."""
    x, y, z, _ = (n or 1 for n in store.chunk_layout.write_chunk.shape or (1, 1, 1, 1))
    return (z, y, x)
