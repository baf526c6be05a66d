"""Labels on their way into and out of foreign programs: dense ids for narrow dtypes, distinct ids for blocks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.errors import InvalidInput
from voxome.geometry import Box
from voxome.tools.common.voxel_ids import pack

Ids = NDArray[np.uint64]
EXACT_FLOAT = {2: 1 << 11, 4: 1 << 24, 8: 1 << 53}
"""Bytes of a float dtype → the largest whole number up to which it has all of them."""


@dataclass(frozen=True)
class GivenLabels:
    """Labels that a program was given.

    Attributes
    ----------
    ids : array of uint64
        Ids of the block, sorted; with 0, which is background.
    is_dense : bool
        Whether the program saw their positions in `ids` instead.
    """

    ids: Ids
    is_dense: bool

    def restore(self, labels: Ids, what: str, source: str) -> Ids:
        """Return the ids that the program means by `labels`.

        Parameters
        ----------
        labels : array of uint64
            Labels, or a column of them, from the program.
        what, source : str
            Name of the output, and of the input that had the labels.

        Raises
        ------
        InvalidInput
            If one of them was not given to the program.
        """
        if self.is_dense:
            unknown = labels >= len(self.ids)
        else:
            position = np.searchsorted(self.ids, labels).clip(max=len(self.ids) - 1)
            unknown = self.ids[position] != labels
        if unknown.any():
            raise InvalidInput(
                f"{what} has the label {labels[unknown].flat[0]}, which is not one of those of the input {source!r}; "
                "if the program makes new labels, replace ids by stitch in the hint"
            )
        return self.ids[labels] if self.is_dense else labels


def give_labels(labels: NDArray[Any], dtype: np.dtype[Any], name: str) -> tuple[NDArray[Any], GivenLabels]:
    """Return labels as a program takes them, and how to get their ids back.

    Labels of a dtype that cannot hold every label are numbered from 1 on, in the order of their ids.

    Parameters
    ----------
    labels : (z, y, x) array of integers
        Labels of the block; 0 is background.
    dtype : dtype
        Data type of the file.
    name : str
        Name of the input.

    Raises
    ------
    InvalidInput
        If the block has more labels than the dtype can tell apart, or one is negative.
    """
    if labels.dtype.kind == "i" and labels.size and labels.min() < 0:
        raise InvalidInput(f"the input {name!r} has the label {labels.min()}; expected labels of at least 0")
    ids, position = np.unique(labels.astype(np.uint64, copy=False), return_inverse=True)
    if not len(ids) or ids[0] != 0:
        ids, position = np.concatenate([np.zeros(1, np.uint64), ids]), position + 1
    if dtype == np.uint64 or (dtype.kind in "iu" and np.can_cast(labels.dtype, dtype, "safe")):
        return labels.astype(dtype), GivenLabels(ids, is_dense=False)
    most = EXACT_FLOAT[dtype.itemsize] if dtype.kind == "f" else 1 if dtype.kind == "b" else int(np.iinfo(dtype).max)
    if len(ids) - 1 > most:
        raise InvalidInput(
            f"the input {name!r} has {len(ids) - 1} labels in one block, but {dtype} can tell only {most} apart; use "
            "smaller blocks"
        )
    return position.reshape(labels.shape).astype(dtype), GivenLabels(ids, is_dense=True)


def whole_labels(values: NDArray[Any], what: str) -> Ids:
    """Return labels of any dtype as uint64.

    Raises
    ------
    InvalidInput
        If one is negative, no whole number, or too large for its dtype to have it exactly.
    """
    if values.dtype.kind == "f":
        most = EXACT_FLOAT[min(values.dtype.itemsize, 8)]
        if not np.isfinite(values).all() or (values != np.floor(values)).any():
            raise InvalidInput(f"{what} has labels that are no whole numbers, as {values.dtype}")
        if values.size and values.max() >= most:
            raise InvalidInput(
                f"{what} has the label {values.max():.0f}, as {values.dtype}, which cannot tell whole numbers from "
                f"{most} on apart; have the program write integers"
            )
    if values.size and values.min() < 0:
        raise InvalidInput(f"{what} has the label {values.min()}; expected labels of at least 0, which is background")
    return values.astype(np.uint64)


def distinct_labels(labels: Ids, read: Box, write: Box, domain: Box) -> tuple[Ids, NDArray[np.uint32], Ids]:
    """Return labels of a block with ids that no other block has: that of the first voxel of each in the write box.

    Parameters
    ----------
    labels : (z, y, x) array of uint64
        Labels of `read`, new in this block.
    read, write, domain : Box
        Box of `labels`, write box of the block, domain of the volume.

    Returns
    -------
    voxels : (z, y, x) array of uint64
        Distinct ids of the write box.
    ranks : (z, y, x) array of uint32
        Labels of the read box, numbered from 1 on; 0 for those that have no voxel in the write box.
    ids : array of uint64
        Distinct id of each number; 0 for 0.
    """
    inner = write.within(read)
    own = labels[inner]
    found, first, position = np.unique(own, return_index=True, return_inverse=True)
    points = np.stack(np.unravel_index(first, own.shape), axis=-1) + np.array(write.start)
    ids = pack(points, domain)
    ids[found == 0] = 0
    voxels = ids[position].reshape(own.shape)
    kept, kept_ids = found[found != 0], np.concatenate([np.zeros(1, np.uint64), ids[found != 0]])
    if not len(kept):
        return voxels, np.zeros(labels.shape, np.uint32), kept_ids
    rank = np.searchsorted(kept, labels).clip(max=len(kept) - 1)
    ranks = np.where(kept[rank] == labels, rank + 1, 0).astype(np.uint32)
    return voxels, ranks, kept_ids
