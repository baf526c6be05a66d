"""Values, handles and volume specs of a workflow while it is planned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from voxome.contracts.handle import Handle
from voxome.contracts.kinds import Kind
from voxome.contracts.placement import same_size
from voxome.contracts.spec import VolumeSpec
from voxome.contracts.tool import Input, ToolSpec
from voxome.errors import NotFound, VoxomeError
from voxome.geometry import Box
from voxome.geometry.notation import comma_text
from voxome.resources.resampled import grid_text
from voxome.workflow.graph import Constant, FromInput, FromStep, Graph, Source
from voxome.workflow.inputs import bind_external, window_notes
from voxome.workflow.options import RunOptions


@dataclass
class BoundInputs:
    """The inputs of one step.

    Attributes
    ----------
    handles : dict of str to Handle
        Inputs that are bound.
    volumes : dict of str to VolumeSpec
        The volumes among them.
    missing : dict of str to Kind
        Required inputs that could not be bound.
    problems : list of str
        Why not, unless that was reported before.
    """

    handles: dict[str, Handle] = field(default_factory=dict)
    volumes: dict[str, VolumeSpec] = field(default_factory=dict)
    missing: dict[str, Kind] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


class Bindings:
    """The inputs of a workflow and the outputs of the steps planned so far.

    Parameters
    ----------
    graph : Graph
        The workflow.
    values : mapping of str to values
        Its inputs: URIs, paths, handles, numbers.
    options : RunOptions
        Box, level and voxel size for volumes from outside.

    Attributes
    ----------
    handles : dict of str to Handle
        Inputs from outside bound so far, by the names of the workflow's inputs.
    specs : dict of str to VolumeSpec
        Specs of volumes by the keys of their handles.
    notes : list of str
        How the values of inputs are scaled.
    """

    def __init__(self, graph: Graph, values: Mapping[str, object], options: RunOptions) -> None:
        self.graph, self.values, self.options = graph, values, options
        self.handles: dict[str, Handle] = {}
        self._outputs: dict[str, dict[str, Handle]] = {}
        self.specs: dict[str, VolumeSpec] = {}
        self.notes: list[str] = []

    def add_outputs(self, step: str, outputs: Mapping[str, Handle], specs: Mapping[str, VolumeSpec]) -> None:
        """Add a planned step: its outputs, and the specs of the volumes among them."""
        self._outputs[step] = dict(outputs)
        self.specs.update((outputs[name].key, spec) for name, spec in specs.items())

    def value(self, source: Source) -> object:
        """Return the value or handle of a source; None if it has none, or its step could not be planned."""
        if isinstance(source, Constant):
            return source.value
        if isinstance(source, FromStep):
            return self._outputs.get(source.step, {}).get(source.output)
        default = self.graph.inputs[source.name].default if source.name in self.graph.inputs else None
        value = self.values.get(source.name, default)
        return value if value is not None else source.default

    def inputs(self, step: str, tool: ToolSpec, sources: Mapping[str, Source]) -> BoundInputs:
        """Bind the inputs of a step."""
        bound = BoundInputs()
        for name, one in tool.inputs.items():
            source = sources.get(name)
            value = None if source is None else self.value(source)
            if source is not None and value is not None:
                try:
                    frame = self._frame(tool, bound.handles) if one.kind.covers_frame else None
                    bound.handles[name] = self._handle(source, value, one, frame)
                except VoxomeError as error:
                    bound.problems.append(str(error))
                    bound.missing[name] = one.kind
            elif one.required or isinstance(source, FromStep):
                bound.missing[name] = one.kind
                if not self._is_reported(source):
                    bound.problems.append(f"step {step} needs {name}")
        bound.volumes = self._volumes(tool, bound.handles)
        return bound

    def _volumes(self, tool: ToolSpec, handles: Mapping[str, Handle]) -> dict[str, VolumeSpec]:
        """Return the specs of the inputs that are volumes."""
        volumes: dict[str, VolumeSpec] = {}
        for name, handle in handles.items():
            kind = tool.inputs[name].kind
            if kind.is_volume and handle.type == kind.type:
                spec = self.specs[handle.key] if handle.key in self.specs else kind.spec(handle)
                if spec is not None:
                    volumes[name] = self.specs[handle.key] = spec
        return volumes

    def _is_reported(self, source: Source | None) -> bool:
        """Whether a missing value is reported elsewhere: with the failed step or the workflow input."""
        return isinstance(source, FromStep) or (isinstance(source, FromInput) and source.name not in self.values)

    def _handle(self, source: Source, value: object, expected: Input, frame: VolumeSpec | None) -> Handle:
        if isinstance(value, Handle):
            return value
        name = source.name if isinstance(source, FromInput) else str(value)
        if name not in self.handles:
            self.handles[name] = self._external(value, expected, name, frame)
        return self.handles[name]

    def _external(self, value: object, expected: Input, name: str, frame: VolumeSpec | None) -> Handle:
        """Return the handle of an input from outside, with the box and voxel size of the run.

        Of one that covers a frame, and has voxels of another size, it opens a view with the voxels of the frame.
        """
        level = self._level(value, expected, frame)
        handle, spec = bind_external(value, expected, level)
        if spec is not None and frame is not None and (grid := self._grid(frame, spec)):
            edges = comma_text(spec.voxel_size_nm or ())
            self.notes.append(
                f"{name} ({handle.uri}) has voxels of {edges} nm (z, y, x): each voxel of the run has the value of the "
                "nearest of them"
            )
            handle, spec = bind_external(value, expected, level, {"grid": grid})
        if spec is None:
            return handle
        self.specs[handle.key] = spec
        self.notes += window_notes(name, handle.uri)
        box, size = self.options.box, self.options.voxel_size_nm
        part = handle.box if box is None or expected.kind.covers_frame else str(Box.of(box, spec.frame))
        return replace(handle, box=part, voxel_size_nm=size or handle.voxel_size_nm)

    def _level(self, value: object, expected: Input, frame: VolumeSpec | None) -> int:
        """Return the level of the run; 0 for what covers a frame and has no such level, or one with other voxels."""
        level = self.options.level
        if not level or not expected.kind.covers_frame:
            return level
        try:
            _, spec = bind_external(value, expected, level)
        except NotFound:
            return 0
        return 0 if frame is not None and spec is not None and self._grid(frame, spec) else level

    def _frame(self, tool: ToolSpec, handles: Mapping[str, Handle]) -> VolumeSpec | None:
        """Return the spec of the first of some volumes, with all voxels that it was computed from."""
        for name, spec in self._volumes(tool, handles).items():
            domain = handles[name].domain
            return spec if domain is None else spec.replace(domain=spec.lift(Box.parse(domain)))
        return None

    def _grid(self, frame: VolumeSpec, spec: VolumeSpec) -> str | None:
        """Return the grid of a frame, if a volume has other voxels, and another size of them."""
        size, own = self.options.voxel_size_nm or frame.voxel_size_nm, spec.voxel_size_nm
        if size is None or own is None or same_size(size, own) or spec.frame == frame.frame:
            return None
        return grid_text(size, frame.offset_nm)
