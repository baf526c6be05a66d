"""Whether the results of a tool depend on the blocks: it is run on a small part with several block shapes."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.blocks.step import Step
from voxome.contracts.frame import Frame
from voxome.contracts.handle import STORE
from voxome.contracts.kinds import Arrays, Kind
from voxome.contracts.ports import port_of
from voxome.contracts.tool import Tool, ToolSpec
from voxome.errors import InvalidInput
from voxome.geometry import Box
from voxome.geometry.grid import Halo
from voxome.registry import TOOLS, load
from voxome.storage.find import storage_at
from voxome.workflow.array_inputs import store_arrays
from voxome.workflow.options import RunOptions
from voxome.workflow.plan import make_plan
from voxome.workflow.run_tool import graph_of, run_tool

CROP = (48, 96, 96)
"""Largest part that is compared, in voxels (z, y, x)."""

_Shape = tuple[int, int, int]


@dataclass(frozen=True)
class InvarianceReport:
    """How the results of a tool with several block shapes differ.

    Attributes
    ----------
    tool, declared : str
        Name of the tool, and the invariance that it declares.
    box : Box
        The voxels on which it was run.
    blocks : tuple of (z, y, x)
        The block shapes; the first is one block over everything.
    differences : tuple of str
        One sentence for each output and block shape that differ; empty if the results are equal.
    not_compared : tuple of str
        Outputs that were not compared.
    """

    tool: str
    declared: str
    box: Box
    blocks: tuple[_Shape, ...]
    differences: tuple[str, ...]
    not_compared: tuple[str, ...] = ()

    @property
    def is_consistent(self) -> bool:
        """Whether the results are equal, or the tool declares that they need not be."""
        return not self.differences or self.declared == "none"


def check_invariance(
    name: str,
    inputs: Mapping[str, object],
    *,
    box: Box | str | None = None,
    level: int = 0,
    voxel_size_nm: Sequence[float] | None = None,
    force: bool = False,
) -> InvarianceReport:
    """Run a tool on a part of a volume with one block, with one block again, and with two other shapes; compare.

    Parameters
    ----------
    name : str
        Name of the tool.
    inputs : mapping of str to values
        Inputs and parameters, as for `voxome.tool`.
    box : Box or str, optional
        The part; by default the middle of the volume, of at most 48×96×96 voxels.
    level, voxel_size_nm, force : optional
        See `voxome.run`.

    Raises
    ------
    UnknownName, InvalidInput, PlanError, RunFailed
        If the tool does not run on blocks, or as for `voxome.tool`.
    """
    tool: Tool = load(TOOLS, name)
    if tool.spec.scope != "block":
        raise InvalidInput(f"{name} runs on {tool.spec.scope}, not on blocks; only tools of blocks can be checked")
    with tempfile.TemporaryDirectory(prefix="voxome-invariance-") as scratch:
        values = store_arrays(inputs, storage_at(scratch) / "inputs")
        options = RunOptions.of(None, box, level, voxel_size_nm, force)
        step = _planned(tool.spec, values, options)
        frame = step.frame
        if frame is None:
            raise InvalidInput(f"{name} has no volume among these inputs, and so no blocks; give one")
        part = frame.box if box is not None else _middle(frame.box)
        whole, *shapes = _shapes(part)
        runs = [
            run_tool(
                name,
                values,
                store=Path(scratch) / str(number),
                options=replace(options, block=shape, box=part),
                engine="sequential",
            )
            for number, shape in enumerate((whole, whole, *shapes))
        ]
        compared = replace(frame, box=part)
        halo = step.spec.compute_halo(step.parameters, frame.scale_nm)
        differences: list[str] = []
        not_compared: list[str] = []
        for output, kind in tool.spec.outputs.items():
            found = [kind.arrays(run[output], compared) for run in runs]
            arrays = [one for one in found if one is not None]
            if len(arrays) < len(found):
                not_compared.append(output)
                continue
            differences += _compare(output, kind, arrays, compared, shapes, halo)
        return InvarianceReport(
            name, tool.spec.invariance, part, (whole, *shapes), tuple(differences), tuple(not_compared)
        )


def _planned(spec: ToolSpec, values: Mapping[str, Any], options: RunOptions) -> Step:
    by_port = {port_of(name): value for name, value in values.items()}
    return make_plan(graph_of(spec), by_port, replace(options, home=STORE)).steps[0]


def _middle(box: Box) -> Box:
    """Return the middle of a box, of at most `CROP` voxels."""
    shape = [min(n, most) for n, most in zip(box.shape, CROP, strict=True)]
    return Box.of_shape(shape, [a + (n - m) // 2 for a, n, m in zip(box.start, box.shape, shape, strict=True)])


def _shapes(part: Box) -> tuple[_Shape, ...]:
    """Return block shapes: one block over everything, then about two and three blocks along every axis of `part`."""
    halves, thirds = ([max(1, -(-n // count)) for n in part.shape] for count in (2, 3))
    z, y, x = part.shape
    return (z, y, x), (halves[0], halves[1], halves[2]), (thirds[0], thirds[1], thirds[2])


def _compare(
    output: str, kind: Kind, results: Sequence[Arrays], frame: Frame, shapes: Sequence[_Shape], halo: Halo
) -> Iterator[str]:
    """Yield how an output differs: with one block twice, and then with blocks of each shape."""
    reference, again, *others = results
    if _differ(reference, again):
        yield f"{output!r} differs between two runs with the same block: seed its random numbers"
        return
    for shape, other in zip(shapes, others, strict=True):
        if not _differ(reference, other):
            continue
        if kind.is_volume:
            wrong = ~_equal(reference["voxels"], other["voxels"])
            yield _describe_voxels(output, wrong, frame, shape, halo)
        else:
            yield f"{output!r} has other rows with blocks of {_comma(shape)} than with one block"


def _differ(one: Arrays, other: Arrays) -> bool:
    return not all(_equal(values, other[name]).all() for name, values in one.items())


def _equal(one: NDArray[Any], other: NDArray[Any]) -> NDArray[np.bool_]:
    """Compare element by element; NaN is equal to NaN, and arrays of different shapes are not equal."""
    if one.shape != other.shape:
        return np.zeros(1, bool)
    same: NDArray[np.bool_] = one == other
    return same | ((one != one) & (other != other)) if one.dtype.kind in "fc" else same


def _describe_voxels(output: str, wrong: NDArray[np.bool_], frame: Frame, shape: _Shape, halo: Halo) -> str:
    """Return which voxels (…, z, y, x) are `wrong` with blocks of some shape, and the halo that may be missing."""
    part, places = frame.box, np.argwhere(wrong)[:, -3:]
    depth = _depths(places, part, shape)
    first = _comma(int(n) + a for n, a in zip(places[0], part.start, strict=True))
    count = (
        f"{len(places):,} of {wrong.size:,} voxels of {output!r} differ with blocks of {_comma(shape)} from one block "
        "over all"
    )
    if depth.max() + 1 < min(n for n, size in zip(shape, part.shape, strict=True) if n < size) / 2:
        need = int(depth.max()) + 1
        declared = max(map(max, halo))
        return (
            f"{count}, all within {need} of a face between blocks, the first at {first}: the halo of {declared} is too "
            f"small; try halo={declared + need} in the decorator"
        )
    return (
        f"{count}, also far from the faces between blocks, the first at {first}: the result depends on the whole "
        "block, such as its mean or its position; compute that over the whole volume in a tool before"
    )


def _comma(numbers: Iterable[int]) -> str:
    return ",".join(map(str, numbers))


def _depths(places: NDArray[np.int64], part: Box, shape: _Shape) -> NDArray[np.int64]:
    """Return how many voxels lie between each place, relative to `part`, and the nearest face between two blocks."""
    nearest = np.full(len(places), np.iinfo(np.int64).max)
    for position, size, length in zip(places.T, shape, part.shape, strict=True):
        for face in range(size, length, size):
            nearest = np.minimum(nearest, np.where(position >= face, position - face, face - 1 - position))
    return nearest
