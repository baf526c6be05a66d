"""Runs of tools on arrays, block by block, without the block runner."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.context import BlockContext
from voxome.contracts.frame import Frame
from voxome.contracts.kinds import Rows
from voxome.contracts.python_tool import PythonTool
from voxome.geometry import BlockGrid, Box
from voxome.kinds.block_arrays import BlockArrays, BlockParts
from voxome.resources.rows import combine, concatenate
from voxome.resources.table import TableFile, write_table


def frame_of(
    shape: tuple[int, ...], voxel_size_nm: tuple[float, float, float] | None = (1000.0, 1000.0, 1000.0),
    start: tuple[int, int, int] = (3, -5, 7),
) -> Frame:  # fmt: skip
    domain = Box.of_shape(shape, start)
    return Frame(domain, domain, voxel_size_nm, (0.0, 0.0, 0.0))


class ArraysOfBlocks:
    """Arrays of blocks in memory, in place of those in files."""

    def __init__(self) -> None:
        self.blocks: list[tuple[Box, Mapping[str, NDArray[Any]]]] = []

    def parts(self, box: Box) -> BlockParts:
        return [(own, arrays) for own, arrays in self.blocks if not (own & box).empty]


def run_blocks(
    tool: PythonTool, volumes: Mapping[str, NDArray[Any]], block: tuple[int, int, int], frame: Frame, **others: Any
) -> dict[str, Any]:
    """Return the outputs: arrays of the domain, rows that are folded, arrays of blocks."""
    parameters = {name: others[name] for name in tool.spec.parameters if name in others}
    halo = tool.spec.compute_halo(tool.spec.bind(parameters), frame.scale_nm)
    arrays: dict[str, NDArray[Any]] = {}
    parts: dict[str, list[Rows]] = {}
    stored: dict[str, ArraysOfBlocks] = {}
    for one in BlockGrid(frame.domain, block, halo=halo):
        read = one.read.within(frame.domain)
        context = BlockContext(one.write, one.read, frame)
        found = tool(**{name: array[read] for name, array in volumes.items()}, **others, block=context)
        named = isinstance(found, dict) and found.keys() == tool.spec.outputs.keys()
        for name, value in (found if named else {"result": found}).items():
            if isinstance(value, np.ndarray):
                out = arrays.setdefault(name, np.zeros(frame.domain.shape, value.dtype))
                out[one.write.within(frame.domain)] = value
            elif isinstance(tool.spec.outputs[name], BlockArrays):
                stored.setdefault(name, ArraysOfBlocks()).blocks.append((one.write, value))
            else:
                parts.setdefault(name, []).append(value)
    folded = {}
    for name, rows in parts.items():
        kind: Any = tool.spec.outputs[name]
        folded[name] = combine(concatenate(rows, kind.columns), kind.key, kind.fold)
    return {**arrays, **folded, **stored}


def as_file(path: Path, rows: Rows, columns: Mapping[str, str], row_group: int = 100) -> TableFile:
    """Return a table as a file."""
    write_table(path, rows, columns, row_group=row_group)
    return TableFile(path)
