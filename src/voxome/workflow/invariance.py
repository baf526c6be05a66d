"""Whether the results of a tool depend on the blocks: it is run on a small part with several block shapes."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.blocks.step import Step
from voxome.contracts.handle import STORE, Handle
from voxome.contracts.ports import port_of
from voxome.contracts.tool import Tool, ToolSpec
from voxome.errors import InvalidInput
from voxome.geometry import Box
from voxome.registry import TOOLS, load
from voxome.resources.open import open_source
from voxome.resources.table import TableFile
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
        values = store_arrays(inputs, Path(scratch) / "inputs")
        options = RunOptions.of(None, box, level, voxel_size_nm, force)
        step = _planned(tool.spec, values, options)
        frame = step.frame
        if frame is None:
            raise InvalidInput(f"{name} has no volume among these inputs, and so no blocks; give one")
        part = frame.box if box is not None else _middle(frame.box)
        whole, *others = _shapes(frame.domain, part)
        runs = [
            run_tool(
                name,
                values,
                store=Path(scratch) / str(number),
                options=replace(options, block=shape, box=part),
                engine="sequential",
            )
            for number, shape in enumerate((whole, whole, *others))
        ]
        halo = step.spec.compute_halo(step.parameters, frame.scale_nm)
        differences: list[str] = []
        not_compared: list[str] = []
        for output in tool.spec.outputs:
            handles = [run[output] for run in runs]
            reference = _content(handles[0], frame.domain, part)
            if reference is None:
                not_compared.append(output)
                continue
            contents = [_content(handle, frame.domain, part) for handle in handles[1:]]
            if _differs(reference, contents[0]):
                differences.append(f"{output!r} differs between two runs with the same block: seed its random numbers")
                continue
            for shape, content in zip(others, contents[1:], strict=True):
                differences += _explained(output, reference, content, (frame.domain, part, shape, halo))
        return InvarianceReport(
            name, tool.spec.invariance, part, (whole, *others), tuple(differences), tuple(not_compared)
        )


def _planned(spec: ToolSpec, values: Mapping[str, Any], options: RunOptions) -> Step:
    by_port = {port_of(name): value for name, value in values.items()}
    return make_plan(graph_of(spec), by_port, replace(options, home=STORE)).steps[0]


def _middle(box: Box) -> Box:
    """Return the middle of a box, of at most `CROP` voxels."""
    shape = [min(n, most) for n, most in zip(box.shape, CROP, strict=True)]
    return Box.of_shape(shape, [a + (n - m) // 2 for a, n, m in zip(box.start, box.shape, shape, strict=True)])


def _shapes(domain: Box, part: Box) -> tuple[_Shape, ...]:
    """Return block shapes: one block over everything, then about two and three blocks along every axis of `part`."""
    halves, thirds = ([max(1, -(-n // count)) for n in part.shape] for count in (2, 3))
    z, y, x = domain.shape
    return (z, y, x), (halves[0], halves[1], halves[2]), (thirds[0], thirds[1], thirds[2])


def _content(handle: Handle, domain: Box, part: Box) -> NDArray[Any] | dict[str, NDArray[Any]] | None:
    """Return the voxels or rows of an output; None if it has neither, or other voxels than the inputs."""
    if handle.type == "volume":
        volume = open_source(handle.uri)
        if volume.spec.frame != domain:
            return None
        return np.asarray(volume.read(_with_channels(part, volume.spec.domain)))
    if handle.uri.endswith(".parquet"):
        return dict(TableFile(handle.uri).read())
    return None


def _with_channels(part: Box, domain: Box) -> Box:
    """Return `part` with the axes of `domain` besides z, y, x, which come first."""
    extra = domain.ndim - part.ndim
    return Box((*domain.start[:extra], *part.start), (*domain.stop[:extra], *part.stop))


def _differs(one: Any, other: Any) -> bool:
    if isinstance(one, dict):
        return any(not _equal(one[name], other[name]).all() for name in one) if _lengths_agree(one, other) else True
    return not _equal(one, other).all()


def _lengths_agree(one: Mapping[str, NDArray[Any]], other: Mapping[str, NDArray[Any]]) -> bool:
    return all(len(one[name]) == len(other[name]) for name in one)


def _equal(one: NDArray[Any], other: NDArray[Any]) -> NDArray[np.bool_]:
    """Compare element by element; NaN is equal to NaN."""
    same: NDArray[np.bool_] = one == other
    return same | ((one != one) & (other != other)) if one.dtype.kind in "fc" else same


def _explained(
    output: str, reference: Any, content: Any, blocks: tuple[Box, Box, _Shape, tuple[tuple[int, ...], ...]]
) -> Iterator[str]:
    """Yield how an output with some block shape differs from that with one block, and the halo that may be missing."""
    domain, part, shape, halo = blocks
    if not _differs(reference, content):
        return
    cut = ",".join(map(str, shape))
    if isinstance(reference, dict):
        yield f"{output!r} has other rows with blocks of {cut} than with one block"
        return
    wrong = ~_equal(reference, content)
    places = np.argwhere(wrong)[:, -3:]
    depth = _depths(places, domain, part, shape)
    count = (
        f"{len(places):,} of {wrong.size:,} voxels of {output!r} differ with blocks of {cut} from one block over all"
    )
    first = ",".join(str(int(n) + a) for n, a in zip(places[0], part.start, strict=True))
    if depth.max() + 1 < min(n for n, size in zip(shape, part.shape, strict=True) if n < size) / 2:
        need = int(depth.max()) + 1
        declared = max(map(max, halo))
        yield (
            f"{count}, all within {need} of a face between blocks, the first at {first}: the halo of {declared} is too "
            f"small; try halo={declared + need} in the decorator"
        )
    else:
        yield (
            f"{count}, also far from the faces between blocks, the first at {first}: the result depends on the whole "
            "block, such as its mean or its position; compute that over the whole volume in a tool before"
        )


def _depths(places: NDArray[np.int64], domain: Box, part: Box, shape: _Shape) -> NDArray[np.int64]:
    """Return how many voxels lie between each place, relative to `part`, and the nearest face between two blocks."""
    nearest = np.full(len(places), np.iinfo(np.int64).max)
    for axis, size in enumerate(shape):
        first = part.start[axis] - domain.start[axis]
        faces = np.arange(-(-(first + 1) // size) * size, first + part.shape[axis], size)
        for face in faces:
            position = places[:, axis] + first
            nearest = np.minimum(nearest, np.where(position >= face, position - face, face - 1 - position))
    return nearest
