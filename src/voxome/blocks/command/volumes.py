"""Volumes in the files of a block: cut from the read box for the program, checked and cropped when they come back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.blocks.command.axes import file_shape, from_file_axes, to_file_axes
from voxome.blocks.command.formats import ARRAY_FORMATS, read_array
from voxome.blocks.command.labels import GivenLabels, Ids, distinct_labels, give_labels, whole_labels
from voxome.blocks.command.spec import OVERLAP
from voxome.contracts.command_tool import VolumeFile, VolumeOutput
from voxome.contracts.context import BlockContext
from voxome.errors import InvalidInput


def write_volume(voxels: NDArray[Any], file: VolumeFile, path: Path, name: str) -> GivenLabels | None:
    """Write the voxels of a read box to a file, and return the ids of labels.

    Parameters
    ----------
    voxels : (z, y, x) or (c, z, y, x) array
        Voxels of the read box.
    file : VolumeFile
        What the program expects.
    path : path
        File to write.
    name : str
        Name of the input.

    Raises
    ------
    InvalidInput
        If the dtype of the file cannot hold a value, or the volume has other axes.
    """
    dtype, given = np.dtype(file.dtype or voxels.dtype), None
    if file.kind == "labels":
        converted, given = give_labels(voxels, dtype, name)
    else:
        converted = voxels.astype(dtype, copy=False)
        if dtype != voxels.dtype and not np.array_equal(converted.astype(voxels.dtype), voxels, equal_nan=True):
            raise InvalidInput(f"the input {name!r} has values of {voxels.dtype} that {dtype} cannot hold exactly")
    ARRAY_FORMATS[file.format].write(path, to_file_axes(converted, file.axes), file.dataset)
    return given


def read_volume(
    name: str, output: VolumeOutput, path: Path, block: BlockContext, given: dict[str, GivenLabels]
) -> dict[str, object]:
    """Return what a program has written for a block: the voxels of the write box, and the labels of the overlap.

    Parameters
    ----------
    name : str
        Name of the output.
    output : VolumeOutput
        What the hint says of it.
    path : path
        Its file.
    block : BlockContext
        The block.
    given : dict of str to GivenLabels
        Labels of the inputs.

    Raises
    ------
    InvalidInput
        If the file has another shape or dtype, or labels that cannot be kept.
    """
    box = block.read if output.extent == "read" else block.write
    expected = file_shape(box.shape, output.axes, output.channels)
    array = read_array(output.format, path, output.dataset, expected)
    if array.shape != expected:
        raise InvalidInput(
            f"output {name!r} has shape {array.shape} along {output.axes}, but the {output.extent} box of the block "
            f"has {expected}; mend axes or extent in the hint, or the program"
        )
    if output.dtype is not None and array.dtype != np.dtype(output.dtype):
        raise InvalidInput(f"output {name!r} is {array.dtype}, but the hint says {output.dtype}; mend one of them")
    voxels = from_file_axes(array, output.axes)
    if output.kind != "labels":
        z, y, x = block.write.within(box)
        return {name: voxels[..., z, y, x]}
    labels = whole_labels(voxels, f"output {name!r}")
    if output.stitch is None:
        restored = given[str(output.ids)].restore(labels, f"output {name!r}", str(output.ids))
        return {name: restored[block.write.within(box)]}
    return _distinct(name, output.stitch.rule == "overlap", labels, box, block)


def _distinct(name: str, is_overlap: bool, labels: Ids, box: Any, block: BlockContext) -> dict[str, object]:
    own, ranks, ids = distinct_labels(labels, box, block.write, block.frame.domain)
    overlap = {f"{name}{OVERLAP}": {"ranks": ranks, "ids": ids, "start": np.array(box.start, np.int64)}}
    return {name: own, **(overlap if is_overlap else {})}
