"""Labelarrays, which DVID had before labelmaps, as volumes."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from voxome.geometry import Box
from voxome.remotes.dvid.label_blocks import split_blocks
from voxome.remotes.dvid.tiling import block_box
from voxome.remotes.dvid.volumes import RawSource


class LabelarraySource(RawSource):
    """Volume of a labelarray.

    Voxels are read and written as those of other types. But a write must say whether it changes a block: without
    ``mutate``, the server keeps the old labels of the block in its index, and with it, a new block fails.
    """

    def _post_raw(self, box: Box, data: NDArray[Any], *, mutate: bool = True) -> None:
        indices = self._block_indices(box)
        stored = self._stored_blocks(box)
        if len(stored) in (0, len(indices)):
            super()._post_raw(box, data, mutate=bool(stored))
            return
        for index in indices:
            block = block_box(index, self._block)
            super()._post_raw(block, data[block.within(box)], mutate=index in stored)

    def _stored_blocks(self, aligned: Box) -> set[tuple[int, int, int]]:
        """Return the indices (z, y, x) of the blocks of an aligned box that exist."""
        params = {"compression": "blocks", **self._params}
        body = self._node.get(self._instance, "blocks", *self._box_path(aligned), **params).content
        return {index for index, _ in split_blocks(body)}
