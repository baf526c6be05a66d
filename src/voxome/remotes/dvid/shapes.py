"""Shapes of bodies: sparse and coarse volumes, indices, and distances between bodies."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import Any

import numpy as np

from voxome.contracts.kinds import Rows
from voxome.errors import InvalidInput, NotFound
from voxome.geometry import Box
from voxome.geometry.runs import Runs
from voxome.remotes.dvid.indices import LabelIndex, decode_index, decode_indices
from voxome.remotes.dvid.instance import WORKERS, as_labels, batches, parse_block_shape, query_params
from voxome.remotes.dvid.lookups import Lookups, check_label
from voxome.remotes.dvid.sparse import decode_coarse, decode_rles
from voxome.remotes.http import fan_out

INDICES = 500
"""Number of label indices per request."""


class Shapes(Lookups):
    """Shapes of labels: sparse volumes and indices."""

    @cached_property
    def block_shape(self) -> tuple[int, int, int]:
        """Block shape (z, y, x) in voxels."""
        return parse_block_shape(self.info)

    def runs(self, label: int, *, box: Box | None = None, scale: int = 0, supervoxel: bool = False) -> Runs:
        """Return the voxels of a body (or supervoxel).

        Parameters
        ----------
        label : int
            The body.
        box : Box, optional
            Only the voxels inside (z, y, x, in voxels of `scale`).
        scale : int
            Level of the pyramid; 0 is the finest.
        supervoxel : bool
            Whether `label` is a supervoxel.

        Returns
        -------
        Runs
            In voxels of `scale`; as a table with ``.table``, as a mask with ``.mask(box)``.

        Raises
        ------
        NotFound
            If the body does not exist.
        """
        bounds: dict[str, int] = _bounds(box) if box is not None and scale == 0 else {}
        params: dict[str, Any] = {**query_params(scale=scale, supervoxels=supervoxel), **bounds}
        try:
            with self._translate_not_found(label, supervoxel):
                data = self._get("sparsevol", check_label(label), **params)
        except NotFound:
            if box is None or not self.sizes([label], supervoxels=supervoxel)[0]:
                raise
            return Runs.from_table([])
        if bounds and not data:  # the server sends nothing, not even a header, if no voxel is inside
            return Runs.from_table([])
        runs = decode_rles(data, f"{self.name}: sparse volume of {label}")
        return runs if box is None else runs.clip(box)

    def blocks(self, label: int, *, supervoxel: bool = False) -> Runs:
        """Return the blocks that a body touches, in blocks.

        Raises
        ------
        NotFound
            If the body does not exist.
        """
        with self._translate_not_found(label, supervoxel):
            data = self._get("sparsevol-coarse", check_label(label), **query_params(supervoxels=supervoxel))
        return decode_rles(data, f"{self.name}: coarse volume of {label}")

    def blocks_between(self, first: int, last: int) -> dict[int, Runs]:
        """Return the blocks of all bodies from `first` to `last`, inclusive."""
        data = self._get("sparsevols-coarse", check_label(first), check_label(last))
        return dict(decode_coarse(data, f"{self.name}: coarse volumes from {first} to {last}"))

    def index(self, label: int) -> LabelIndex:
        """Return the number of voxels of each supervoxel of a body in each block.

        Raises
        ------
        NotFound
            If the body does not exist.
        """
        with self._translate_not_found(label):
            data = self._get("index", check_label(label))
        return decode_index(data, f"{self.name}: index of {label}")

    def indices(self, labels: Iterable[int]) -> dict[int, LabelIndex]:
        """Return the indices of several bodies; bodies that do not exist are omitted.

        Examples
        --------
        >>> found = labels.indices([1004, 1005])                        # doctest: +SKIP
        >>> absent = {1004, 1005} - set(found)                          # doctest: +SKIP
        """

        def request(batch: list[int]) -> list[tuple[int, LabelIndex | None]]:
            data = self._query("indices-compressed", body=batch).content
            return list(decode_indices(data, f"{self.name}: indices"))

        parts = fan_out(request, batches(as_labels(labels).tolist(), INDICES), workers=WORKERS)
        return {label: index for part in parts for label, index in part if index is not None}

    def index_version(self, label: int) -> str:
        """Return the UUID of the version that last changed a body's index.

        Raises
        ------
        NotFound
            If the body does not exist.
        """
        with self._translate_not_found(label):
            return self._get("index-version", check_label(label)).decode().strip()

    def proximity(self, label: int, others: Iterable[int]) -> Rows:
        """Return the distances of other bodies from one, in each block that they share.

        Computed from sparse volumes, because the server refuses the request that DVID documents for it.

        Returns
        -------
        table
            ``other, block_z, block_y, block_x`` (in blocks) and ``distance``, the smallest distance between
            voxel centres, in voxels; sorted.

        Raises
        ------
        NotFound
            If one of the bodies does not exist.
        """
        from scipy.spatial import KDTree

        rows: list[tuple[int, ...]] = []
        distances: list[float] = []
        runs, blocks = self.runs(label), self.blocks(label)
        shape = self.block_shape
        for other in sorted(set(as_labels(others).tolist())):
            if other == label:
                raise InvalidInput(f"body {label} is also among the others")
            other_runs, other_blocks = self.runs(other), self.blocks(other)
            for block in other_blocks.difference(other_blocks.difference(blocks)).points():
                box = Box.of_shape(shape, tuple(block * shape))
                distance, _ = KDTree(runs.clip(box).points()).query(other_runs.clip(box).points())
                rows.append((other, *block.tolist()))
                distances.append(float(distance.min()))
        columns = np.array(rows, np.uint64).reshape(-1, 4) if not rows else np.array(rows, object)
        return {
            "other": columns[:, 0].astype(np.uint64),
            **{f"block_{axis}": columns[:, at].astype(np.int64) for at, axis in enumerate("zyx", 1)},
            "distance": np.array(distances, np.float64),
        }


def _bounds(box: Box) -> dict[str, int]:
    """Return a box as DVID's bounds, both ends inclusive."""
    if box.empty:
        raise InvalidInput(f"the box {box} is empty")
    low = {f"min{axis}": start for axis, start in zip("zyx", box.start, strict=True)}
    high = {f"max{axis}": stop - 1 for axis, stop in zip("zyx", box.stop, strict=True)}
    return low | high
