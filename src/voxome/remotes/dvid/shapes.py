"""Where bodies are: sparse volumes, coarse volumes, indices, and how near two bodies come."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from voxome.contracts.kinds import Rows
from voxome.errors import InvalidInput, NotFound
from voxome.geometry import Box
from voxome.remotes.dvid.indices import LabelIndex, decode_compressed, decode_index
from voxome.remotes.dvid.instance import WORKERS, as_labels, batches, block_shape, given
from voxome.remotes.dvid.lookups import Lookups, checked_label
from voxome.remotes.dvid.sparse import Runs, decode_coarse, decode_rles
from voxome.remotes.http import fan_out

INDICES = 500
"""Label indices asked for at once."""


class Shapes(Lookups):
    """Sparse volumes and indices of labels."""

    def runs(self, label: int, *, box: Box | None = None, scale: int = 0, supervoxel: bool = False) -> Runs:
        """The voxels of a body (or supervoxel).

        Parameters
        ----------
        label : int
            The body.
        box : Box, optional
            Only what is in it (z, y, x, in voxels of `scale`).
        scale : int
            Level of the pyramid; 0 is the finest.
        supervoxel : bool
            Take `label` as a supervoxel.

        Returns
        -------
        Runs
            In voxels of `scale`: a table by ``.table``, a mask by ``.mask(box)``.

        Raises
        ------
        NotFound
            If there is no such body.
        """
        params: dict[str, Any] = given(scale=scale, supervoxels=supervoxel)
        if box is not None and scale == 0:
            params |= _bounds(box)
        try:
            with self._naming(label, supervoxel):
                data = self._get("sparsevol", checked_label(label), **params)
        except NotFound:
            if box is None or not self.sizes([label], supervoxels=supervoxel)[0]:
                raise
            return Runs.of([])
        runs = decode_rles(data, f"{self.name}: sparse volume of {label}")
        return runs if box is None else runs.within(box)

    def blocks(self, label: int, *, supervoxel: bool = False) -> Runs:
        """The blocks that hold voxels of a body, in blocks.

        Raises
        ------
        NotFound
            If there is no such body.
        """
        with self._naming(label, supervoxel):
            data = self._get("sparsevol-coarse", checked_label(label), **given(supervoxels=supervoxel))
        return decode_rles(data, f"{self.name}: coarse volume of {label}")

    def blocks_between(self, first: int, last: int) -> dict[int, Runs]:
        """The blocks of all bodies from `first` to `last`, both included."""
        data = self._get("sparsevols-coarse", checked_label(first), checked_label(last))
        return dict(decode_coarse(data, f"{self.name}: coarse volumes from {first} to {last}"))

    def index(self, label: int) -> LabelIndex:
        """Voxels of each supervoxel of a body in each block.

        Raises
        ------
        NotFound
            If there is no such body.
        """
        with self._naming(label):
            data = self._get("index", checked_label(label))
        return decode_index(data, f"{self.name}: index of {label}")

    def indices(self, labels: Iterable[int]) -> dict[int, LabelIndex]:
        """The indices of several bodies; those that are not there are left out.

        Examples
        --------
        >>> found = labels.indices([1004, 1005])                        # doctest: +SKIP
        >>> absent = {1004, 1005} - set(found)                          # doctest: +SKIP
        """

        def ask(part: list[int]) -> list[tuple[int, LabelIndex | None]]:
            data = self._ask("indices-compressed", body=part).content
            return list(decode_compressed(data, f"{self.name}: indices"))

        wanted = as_labels(labels).tolist()
        parts = fan_out(ask, batches(wanted, INDICES), workers=WORKERS)
        return {label: index for part in parts for label, index in part if index is not None}

    def index_version(self, label: int) -> str:
        """UUID of the version that last changed a body's index.

        Raises
        ------
        NotFound
            If there is no such body.
        """
        with self._naming(label):
            return self._get("index-version", checked_label(label)).decode().strip()

    def proximity(self, label: int, others: Iterable[int]) -> Rows:
        """How near other bodies come to one, in each block that holds both.

        Computed here from sparse volumes: the request that DVID documents for it is refused by its server.

        Returns
        -------
        table
            ``other, block_z, block_y, block_x`` (in blocks) and ``distance``, the smallest between voxel centres, in
            voxels; sorted.

        Raises
        ------
        NotFound
            If one of the bodies is not there.
        """
        from scipy.spatial import KDTree

        rows: list[tuple[int, ...]] = []
        distances: list[float] = []
        mine, held = self.runs(label), self.blocks(label)
        shape = block_shape(self.info)
        for other in sorted(set(as_labels(others).tolist())):
            if other == label:
                raise InvalidInput(f"body {label} is among the others as well")
            theirs, shared = self.runs(other), self.blocks(other)
            for block in shared.outside(shared.outside(held)).points():
                box = Box.of_shape(shape, tuple(block * shape))
                distance, _ = KDTree(mine.within(box).points()).query(theirs.within(box).points())
                rows.append((other, *block.tolist()))
                distances.append(float(distance.min()))
        columns = np.array(rows, np.uint64).reshape(-1, 4) if not rows else np.array(rows, object)
        return {
            "other": columns[:, 0].astype(np.uint64),
            **{f"block_{axis}": columns[:, at].astype(np.int64) for at, axis in enumerate("zyx", 1)},
            "distance": np.array(distances, np.float64),
        }


def _bounds(box: Box) -> dict[str, int]:
    """A box as DVID's bounds: both ends included."""
    if box.empty:
        raise InvalidInput(f"{box} is empty")
    low = {f"min{axis}": start for axis, start in zip("zyx", box.start, strict=True)}
    high = {f"max{axis}": stop - 1 for axis, stop in zip("zyx", box.stop, strict=True)}
    return low | high
