"""A level of a virtual layer: its voxels are computed block by block, as the block runner computes them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.blocks.sizes import block_memory_bytes
from voxome.blocks.step import Step
from voxome.contracts.context import BlockContext
from voxome.contracts.frame import Frame
from voxome.contracts.handle import Handle
from voxome.contracts.kinds import Reader, Target
from voxome.contracts.source import Version
from voxome.contracts.spec import Scale, VolumeSpec
from voxome.errors import InvalidInput, PlanError, ReadOnly, StoreError
from voxome.geometry import BlockGrid, Box
from voxome.kinds.image import Image, ImageReader, ImageWriter
from voxome.relay.cache.array import CachedArray
from voxome.relay.lazy import lazy
from voxome.relay.virtual.recipe import CheckedRecipe, naming_input
from voxome.relay.virtual.slots import ComputeSlots
from voxome.resources.view_options import apply_view
from voxome.workflow.frames import frame_of_volumes
from voxome.workflow.options import DEFAULT_BLOCK


class ToolFailed(StoreError):
    """A tool cannot compute a chunk; the message is for the log.

    Parameters
    ----------
    tool : str
        Name of the tool.
    error : Exception
        What it has raised.
    box : Box
        Voxels that were to be computed.
    """

    def __init__(self, tool: str, error: BaseException, box: Box) -> None:
        super().__init__(f"the tool {tool} failed in {box}: {type(error).__name__}: {error}")
        self.reason = f"the tool {tool} failed there ({type(error).__name__})"


@dataclass(frozen=True)
class InputLevel:
    """A volume of a relay, as the input of a tool: a `VolumeSource`.

    Attributes
    ----------
    name : str
        Its name, for messages.
    array : CachedArray
        Its chunks.
    spec : VolumeSpec
        Shape and meaning.
    read_box : function
        Returns the voxels of a box.
    """

    name: str
    array: CachedArray
    spec: VolumeSpec
    read_box: Callable[[Box], NDArray[Any]]
    concurrent_writers: bool = False

    def read(self, box: Box, *, out: NDArray[Any] | None = None) -> NDArray[Any]:
        """Return the voxels of `box` in an array of their own, which a tool may change."""
        voxels = np.array(self.read_box(box), order="C")
        if out is None:
            return voxels
        out[...] = voxels
        return out

    def write(self, box: Box, data: NDArray[Any]) -> None:
        """Refuse to write."""
        raise ReadOnly(f"{self.name} is only read by a tool")

    def version(self) -> Version:
        """Return a version that says nothing."""
        return Version("", pinned=False)


@dataclass(frozen=True)
class PlannedLevel:
    """A tool bound to its inputs at one level.

    Attributes
    ----------
    step : Step
        As a run would plan it.
    kind : Image
        Kind of the output.
    target : Target
        The output, for messages.
    readers : mapping of str to Reader
        Inputs by name.
    inputs : tuple of InputLevel
        The volumes among them.
    slots : ComputeSlots
        Bound on computations.
    """

    step: Step
    kind: Image
    target: Target
    readers: Mapping[str, Reader]
    inputs: tuple[InputLevel, ...]
    slots: ComputeSlots

    @lazy
    def spec(self) -> VolumeSpec:
        """Spec of the array that a run would create, with the blocks as chunks."""
        spec = self.kind.output_spec(self._frame, self.step.block, self.step.parameters)
        chunk = [-(-n // s) for n, s in zip(self.step.block, self._scale, strict=True)]
        whole = [n for axis, n in enumerate(spec.domain.shape) if axis not in spec.spatial]
        shape = (*whole, *chunk)
        return spec.replace(read_chunk=shape, write_chunk=shape)

    @lazy
    def grid(self) -> BlockGrid:
        """Chunks of the output, each of which is a block."""
        spec, read_chunk = self.spec, self.spec.read_chunk
        assert read_chunk is not None
        anchor = [a // s for a, s in zip(self._blocks.anchor, self._scale, strict=True)]
        others = spec.domain.start[: spec.domain.ndim - 3]
        return BlockGrid(spec.domain, read_chunk, anchor=(*others, *anchor))

    @lazy
    def is_voxelwise(self) -> bool:
        """Whether each voxel depends on those at its place only: no halo, for any blocks, wherever the voxel is."""
        low, high = self.step.spec.compute_halo(self.step.parameters, self._frame.scale_nm)
        scales = self.step.spec.compute_scale(self.step.parameters)
        return not any((*low, *high)) and set(scales) == {1} and not getattr(self.step.tool_object, "injected", {})

    @lazy
    def memory_bytes(self) -> int:
        """Estimated peak memory of one block."""
        return block_memory_bytes(self.step) or 0

    def compute(self, box: Box) -> NDArray[Any]:
        """Return the voxels of a box of the output, which is a block of its grid or a part of it.

        Raises
        ------
        ToolFailed
            If the tool, or the view through which it sees an input, raises an error.
        StoreError, OSError
            If an input cannot be read.
        """
        block = self._blocks[self._blocks.index_of(self._fine(box).start)]
        tool = self.step.tool_object
        try:
            inputs = {name: reader.read(block.read) for name, reader in self.readers.items()}
        except InvalidInput as error:  # the box is not the caller's choice
            raise ToolFailed(tool.spec.name, error, block.read) from error
        with self.slots.hold(self.memory_bytes):
            try:
                context = BlockContext(block.write, block.read, self._frame)
                results = tool.call(inputs, self.step.parameters, context)
                written = _Written(self.spec)
                ImageWriter(written, self._scale, self.target).write(results[self.target.name], block)
            except (Exception, SystemExit) as error:
                raise ToolFailed(tool.spec.name, error, block.write) from error
        return written.voxels[box.within(written.box)]

    def read(self, box: Box) -> NDArray[Any]:
        """Return the voxels of any box, without a cache."""
        out = np.empty(box.shape, self.spec.dtype)
        for index in self.grid.touching(box):
            whole = self.grid[index].write
            part = whole & box
            out[part.within(box)] = self.compute(whole)[part.within(whole)]
        return out

    def origins(self, box: Box) -> list[tuple[CachedArray, Box]]:
        """Return the arrays, none of them computed, and their boxes on which the voxels of a box depend."""
        fine = self._fine(box)
        first = self._blocks[self._blocks.index_of(fine.start)]
        last = self._blocks[self._blocks.index_of([n - 1 for n in fine.stop])]
        read = Box(first.read.start, last.read.stop)
        return [origin for one in self.inputs for origin in one.array.origins_of(one.spec.lift(read) & one.spec.domain)]

    @property
    def _frame(self) -> Frame:
        assert self.step.frame is not None
        return self.step.frame

    @lazy
    def _scale(self) -> Scale:
        return self.kind.scale_for(self.step.parameters)

    @lazy
    def _blocks(self) -> BlockGrid:
        (grid,) = self.step.phases
        assert grid is not None
        return grid

    def _fine(self, box: Box) -> Box:
        """Return a box of the output in voxels of the frame."""
        return self.spec.spatial_box(box).refine(self._scale) & self._frame.box


class _Written:
    """A store of the block that is written last."""

    concurrent_writers = False
    box: Box
    voxels: NDArray[Any]

    def __init__(self, spec: VolumeSpec) -> None:
        self.spec = spec

    def read(self, box: Box, *, out: NDArray[Any] | None = None) -> NDArray[Any]:
        return self.voxels[box.within(self.box)]

    def write(self, box: Box, data: NDArray[Any]) -> None:
        self.box, self.voxels = box, data

    def version(self) -> Version:
        return Version("", pinned=False)


def plan_level(
    name: str,
    recipe: CheckedRecipe,
    volumes: Mapping[str, InputLevel],
    others: Mapping[str, Handle],
    slots: ComputeSlots,
) -> PlannedLevel:
    """Bind a tool to its inputs at one level, with the checks of a run.

    Parameters
    ----------
    name : str
        Name of the layer.
    recipe : CheckedRecipe
        Tool, parameters and output.
    volumes : mapping of str to InputLevel
        Inputs that are volumes.
    others : mapping of str to Handle
        All other inputs.
    slots : ComputeSlots
        Bound on computations, whose memory a block must not exceed.

    Raises
    ------
    PlanError
        With all problems of the inputs.
    InvalidInput
        If they do not fit each other, or a block needs too much memory.
    """
    tool = recipe.spec
    sources: dict[str, ImageReader] = {}
    handles = {one: Handle("volume", volume.name, volume.array.source) for one, volume in volumes.items()}
    for one, volume in volumes.items():
        kind = tool.inputs[one].kind
        view = kind.view_of(volume, volume.name) if isinstance(kind, Image) else {}
        sources[one] = ImageReader(apply_view(volume, view, volume.name) if view else volume)
    specs = {one: reader.source.spec for one, reader in sources.items()}
    parameters = tool.bind({**(tool.defaults(specs, recipe.parameters) if tool.defaults else {}), **recipe.parameters})
    problems = []
    for one, handle in [*handles.items(), *others.items()]:
        with naming_input(name, one):
            found = tool.inputs[one].kind.problems(handle, specs.get(one))
            problems += [f"{one} ({handle.uri}) {problem}" for problem in found]
    if not problems and tool.check is not None:
        problems = list(tool.check(specs, parameters))
    if problems:
        raise PlanError([f"the virtual layer {name}: {problem}" for problem in problems])
    step = Step(
        name=name, tool=tool.name, version=tool.compute_version(parameters), parameters=parameters,
        inputs={**handles, **others}, frame=frame_of_volumes(handles, specs), digest=recipe.tool.digest,
    )  # fmt: skip
    step = _sized(step, next(iter(volumes.values())), slots.memory_bytes)
    kind, target = next((kind, one) for kind, one in step.targets(name) if one.name == recipe.output)
    assert isinstance(kind, Image)
    readers = {**sources, **{one: tool.inputs[one].kind.open(handle) for one, handle in others.items()}}
    ordered = {one: readers[one] for one in tool.inputs if one in readers}
    return PlannedLevel(step, kind, target, ordered, tuple(volumes.values()), slots)


def _sized(step: Step, first: InputLevel, most_bytes: int) -> Step:
    """Return the step with blocks that fit the tool: chunks of its input if it has no halo, else those of a run.

    Raises
    ------
    InvalidInput
        If even a small block needs more memory than there is.
    """
    assert step.frame is not None
    low, high = step.spec.compute_halo(step.parameters, step.frame.scale_nm)
    scale = step.spec.compute_scale(step.parameters)
    chunk = [first.array.grid.block[axis] for axis in first.spec.spatial]
    z, y, x = DEFAULT_BLOCK if any((*low, *high)) else chunk
    block = _snapped((z, y, x), scale)
    while (block_memory_bytes(replace(step, block=block)) or 0) > most_bytes:
        smaller = _halved(block, scale)
        if smaller == block:
            raise InvalidInput(
                f"the virtual layer {step.name}: a block of {step.tool} needs more than the {most_bytes >> 20} MiB of "
                "compute_memory_mib; raise that, or choose other parameters"
            )
        block = smaller
    return replace(step, block=block)


def _snapped(block: Sequence[int], scale: Scale) -> tuple[int, int, int]:
    z, y, x = Box.of_shape(block).snap(scale).shape
    return z, y, x


def _halved(block: tuple[int, int, int], scale: Scale) -> tuple[int, int, int]:
    axis = max(range(3), key=lambda one: block[one] / scale[one])
    half = list(block)
    half[axis] = math.ceil(block[axis] / 2)
    return _snapped(half, scale)
