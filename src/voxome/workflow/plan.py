"""Bind a workflow to its inputs and blocks: everything is checked and sized before anything runs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import PurePath
from typing import Any, cast

from voxome.blocks.pyramid import pyramid_steps
from voxome.blocks.step import Step
from voxome.contracts.formats import PLAN
from voxome.contracts.handle import STORE, Handle
from voxome.contracts.ports import HOST_PORTS
from voxome.contracts.report import Result, Results
from voxome.contracts.run_record import JsonValue
from voxome.contracts.source_digest import UNPINNED
from voxome.contracts.spec import UNKNOWN_VOXEL_SIZE, VolumeSpec
from voxome.contracts.tool import Tool, ToolSpec
from voxome.errors import InvalidInput, PlanError, VoxomeError
from voxome.geometry import Box
from voxome.geometry.notation import parse_shape
from voxome.redaction import HIDDEN
from voxome.registry import load
from voxome.workflow.bindings import Bindings, BoundInputs
from voxome.workflow.checks import (
    cost_warnings,
    input_problems,
    join_problems,
    name_problems,
    tool_problems,
    type_problems,
    unfinished_problems,
    version_warnings,
    voxel_warnings,
)
from voxome.workflow.cwl_files import file_address, is_file
from voxome.workflow.destinations import Destination, DestinationPlanner
from voxome.workflow.frames import frame_of_tables, frame_of_volumes, overlap_warnings, size_warnings
from voxome.workflow.graph import FromInput, FromStep, Graph, Node, Source
from voxome.workflow.hint import RunHint
from voxome.workflow.input_names import Names, input_names, with_input_names, with_input_of_parameter
from voxome.workflow.options import DEFAULT_BLOCK, RunOptions
from voxome.workflow.pending import PendingWork, pending_work
from voxome.workflow.placement import limit_warnings
from voxome.workflow.results import file_names, file_problems, report_problems
from voxome.workflow.sizes import sizes


@dataclass(frozen=True)
class Plan:
    """A workflow that can be run.

    Attributes
    ----------
    workflow : str
        Its name.
    steps : tuple of Step
        In an order in which they can run, the pyramids of the output arrays last.
    outputs : mapping of str to Handle
        The workflow's outputs.
    inputs : mapping of str to JSON values
        Values of the workflow's inputs, with the version of each volume.
    results : mapping of str to Result
        The outputs with the voxels that they cover; their URIs have ``{store}``.
    warnings : tuple of str
        What the user should know.
    hint : RunHint
        Report, scorer and file names of the results.
    destinations : tuple of Destination
        Volumes in other stores, into which results are copied at the end.
    pending : PendingWork, optional
        Steps that are known only during the run.
    names : mapping of str to Names
        Step → its inputs and parameters, and the inputs of the workflow that set them.
    """

    workflow: str
    steps: tuple[Step, ...]
    outputs: Mapping[str, Handle]
    inputs: Mapping[str, JsonValue]
    results: Results
    warnings: tuple[str, ...] = ()
    hint: RunHint = field(default_factory=RunHint)
    destinations: tuple[Destination, ...] = ()
    pending: PendingWork | None = None
    names: Mapping[str, Names] = field(default_factory=dict)

    @property
    def secrets(self) -> tuple[str, ...]:
        """Values of inputs that are never written."""
        return () if self.pending is None else self.pending.secrets

    def to_json(self) -> dict[str, Any]:
        """Return the plan as JSON values, marked with their format."""
        content = {
            "workflow": self.workflow,
            "key": self.key,
            "inputs": dict(self.inputs),
            "warnings": list(self.warnings),
            "steps": [{**step.to_json(), **sizes(step)} for step in self.steps],
            "outputs": {name: handle.to_json() for name, handle in self.outputs.items()},
            "into": [one.to_json() for one in self.destinations],
            "pending": [asdict(step) for step in self.pending.graph.pending] if self.pending is not None else [],
        }
        return PLAN.stamp(content)

    @property
    def key(self) -> str:
        """Digest of what decides the results."""
        keys = [[step.name, step.key] for step in self.steps]
        text = json.dumps(keys if self.pending is None else [*keys, self.pending.key])
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def make_plan(graph: Graph, values: Mapping[str, object], options: RunOptions) -> Plan:
    """Bind a workflow to its inputs.

    Parameters
    ----------
    graph : Graph
        The workflow.
    values : mapping of str to values
        The workflow's inputs: URIs, paths, handles, numbers.
    options : RunOptions
        Blocks, box, level, voxel size.

    Raises
    ------
    PlanError
        With all problems.
    """
    return _Planner(graph, dict(values), options).plan()


class _Planner:
    """Plans the steps of a workflow one by one, and collects their problems."""

    def __init__(self, graph: Graph, values: dict[str, object], options: RunOptions) -> None:
        self.graph, self.options = graph, options
        self.values: dict[str, object] = {name: _plain(value) for name, value in values.items()}
        self.pending = pending_work(graph, values, options)
        self.bindings = Bindings(graph, self.values, options)
        self.file_names = {} if options.home == STORE else file_names(graph)
        self.steps: dict[str, Step] = {}
        self.names: dict[str, Names] = {}
        self.origins: dict[str, str] = {}
        """Step → the volume from outside whose voxels it has."""
        self.problems: list[str] = [
            *name_problems(graph, values, options),
            *(self.pending.problems() if self.pending else ()),
        ]
        self.warnings: list[str] = [*(self.pending.warnings() if self.pending else ())]

    def plan(self) -> Plan:
        for node in self.graph.steps:
            try:
                self._add(node)
            except PlanError as error:
                self.problems += error.problems
            except VoxomeError as error:
                self.problems.append(with_input_names(str(error), self.names.get(node.name, {})))
        self.problems = self.problems or [*type_problems(self.graph, self.values, self.options)]
        self._raise_problems()
        sources = {name: one for name, one in self.graph.outputs.items() if isinstance(one, FromStep)}
        outputs = {name: self.steps[one.step].output(one.output) for name, one in sources.items()}
        results = {
            name: Result(handle.type, handle.uri, self.steps[sources[name].step].frame)
            for name, handle in outputs.items()
        }
        self.problems += file_problems(outputs)
        self.problems += report_problems(self.graph, results) if self.pending is None else ()
        destinations = tuple(self._destinations(outputs, sources))
        self._raise_problems()
        inputs: dict[str, JsonValue] = {name: _as_json(value) for name, value in self.values.items()}
        inputs |= {name: handle.to_json() for name, handle in self.bindings.handles.items()}
        inputs |= {name: HIDDEN for name in self.graph.secrets if inputs.get(name) is not None}
        steps = (*self.steps.values(), *self._pyramids(outputs))
        self.warnings += _unpinned_warnings(self.bindings.handles)
        warnings = tuple(dict.fromkeys([*self.bindings.notes, *self.warnings]))
        return Plan(
            self.graph.name, steps, outputs, inputs, results, warnings, self.graph.hint, destinations, self.pending,
            self.names,
        )  # fmt: skip

    def _raise_problems(self) -> None:
        if self.problems:
            raise PlanError(join_problems(self.problems))

    def _add(self, node: Node) -> None:
        """Plan a step, unless it or a step that it needs has problems."""
        loaded: Tool = load("voxome.tools", node.tool) if node.command is None else node.command.tool
        tool = loaded.spec
        self.warnings += version_warnings(node.name, node.version, tool)
        sources = {tool.ports.get(port, port): s for port, s in node.inputs.items() if port not in HOST_PORTS}
        names = self.names[node.name] = input_names(tool, sources, self.names)
        inputs = self.bindings.inputs(node.name, tool, sources)
        self.origins[node.name] = self._origin(sources, inputs)
        parameters = self._parameters(tool, sources, inputs.volumes, names)
        self.problems += inputs.problems
        problems = list(self._input_problems(node.name, tool, inputs, parameters))
        if parameters is None or inputs.missing or problems:
            self.problems += problems
            return
        step = self._step(node, loaded, parameters, inputs)
        self.steps[node.name] = step
        self.bindings.add_outputs(node.name, {name: step.output(name) for name in tool.outputs}, _output_specs(step))

    def _origin(self, sources: Mapping[str, Source], inputs: BoundInputs) -> str:
        """Return the volume from outside of which the first volume of a step has the voxels."""
        first = next(iter(inputs.volumes), "")
        source = sources.get(first)
        if isinstance(source, FromStep):
            return self.origins[source.step]
        name = source.name if isinstance(source, FromInput) else first
        return f"{name} ({inputs.handles[first].uri})" if first else ""

    def _parameters(
        self, tool: ToolSpec, sources: Mapping[str, Source], volumes: Mapping[str, VolumeSpec], names: Names
    ) -> dict[str, Any] | None:
        """Return the parameters of a step; None if one is invalid."""
        values = {name: self.bindings.value(source) for name, source in sources.items() if name not in tool.inputs}
        try:
            settings = {name: value for name, value in values.items() if value is not None}
            return tool.bind({**(tool.defaults(volumes, settings) if tool.defaults else {}), **settings})
        except PlanError as error:
            is_tool = self.options.home == STORE
            self.problems += [one if is_tool else with_input_of_parameter(one, names) for one in error.problems]
            return None

    def _input_problems(
        self, step: str, tool: ToolSpec, inputs: BoundInputs, parameters: Mapping[str, Any] | None
    ) -> Iterator[str]:
        """Yield the problems of the inputs of a step; the tool itself checks only inputs without other problems."""
        found = [
            problem
            for name, handle in inputs.handles.items()
            for problem in input_problems(step, tool.inputs[name], handle, inputs.volumes.get(name))
        ]
        names = self.names[step]
        yield from (with_input_names(problem, names) for problem in found)
        if found or parameters is None or any(kind.is_volume for kind in inputs.missing.values()):
            return
        rejected = [
            *unfinished_problems(step, inputs.handles, inputs.volumes),
            *self._tool_problems(step, tool, inputs.volumes, parameters),
        ]
        if self.options.force:
            self.warnings += rejected
        else:
            yield from (f"{problem} (use --force to run anyway)" for problem in rejected)

    def _tool_problems(
        self, step: str, tool: ToolSpec, volumes: Mapping[str, VolumeSpec], parameters: Mapping[str, Any]
    ) -> Iterator[str]:
        """Yield the problems that the tool of a step finds, with the names that the user knows."""
        for problem in tool_problems(step, tool, volumes, parameters, self.options):
            if problem.endswith(UNKNOWN_VOXEL_SIZE):
                yield problem.replace("the voxel size is", f"the voxel size of {self.origins[step]} is")
            else:
                yield with_input_names(problem, self.names[step])

    def _step(self, node: Node, tool: Tool, parameters: dict[str, Any], inputs: BoundInputs) -> Step:
        command = (
            None if node.command is None else node.command.bind(parameters, inputs.handles, self.options.environment)
        )
        tool = command or tool
        self.warnings += [] if command is None else limit_warnings(command.definition)
        frame = frame_of_tables(inputs.handles)
        if inputs.volumes and (frame is None or tool.spec.scope != "groups"):
            covering = [name for name in inputs.volumes if tool.spec.inputs[name].kind.covers_frame]
            frame = frame_of_volumes(inputs.handles, inputs.volumes, covering)
            self.warnings += size_warnings(inputs.handles[next(iter(inputs.volumes))], frame)
            self.warnings += overlap_warnings(inputs.handles, inputs.volumes, frame, covering)
            self.warnings += voxel_warnings(tool.spec, inputs.handles, frame, self.names[node.name], parameters)
        if tool.digest == UNPINNED:
            self.warnings.append(
                f"the tool {node.tool} has no Python source: results are reused even after its code is edited"
            )
        z, y, x = Box.of_shape(self._block(node)).snap(tool.spec.compute_scale(parameters)).shape
        step = Step(
            name=node.name,
            tool=node.tool,
            version=tool.spec.compute_version(parameters),
            parameters=parameters,
            inputs=inputs.handles,
            frame=frame,
            block=(z, y, x),
            home=self.options.home,
            published=self.file_names.get(node.name, {}),
            digest=tool.digest,
            program=None if command is None else command.definition.to_json(),
        )
        self.warnings += cost_warnings(step, inputs.handles, inputs.volumes)
        return step

    def _destinations(self, outputs: Mapping[str, Handle], sources: Mapping[str, FromStep]) -> Iterator[Destination]:
        """Yield the volumes in other stores into which results are copied."""
        planned = {name: _output_specs(self.steps[one.step]).get(one.output) for name, one in sources.items()}
        specs = {name: spec for name, spec in planned.items() if spec is not None}
        return DestinationPlanner(self.options, outputs, specs, self.bindings.handles).plan(self.problems)

    def _block(self, node: Node) -> tuple[int, int, int]:
        """Return the block shape of a step: of the options, or of its port ``block``, or the default.

        Raises
        ------
        InvalidInput
            If that of the workflow is not a shape.
        """
        if node.blocks_of:
            return self.steps[node.blocks_of].block
        shape = self.options.blocks.get(node.name, self.options.block)
        source = node.inputs.get("block")
        text = None if shape or source is None else self.bindings.value(source)
        try:
            return shape or (DEFAULT_BLOCK if text is None else parse_shape(str(text)))
        except ValueError as error:
            raise InvalidInput(f"step {node.name}: block {error}") from None

    def _pyramids(self, outputs: Mapping[str, Handle]) -> Iterator[Step]:
        """Yield the steps that compute the coarser levels of the arrays among the results."""
        for name, handle in outputs.items():
            spec = self.bindings.specs.get(handle.key)
            if spec is not None and self.options.home != STORE:
                yield from pyramid_steps(name, self.graph.hint.file_name(name), handle, spec, self.options.home)


def _plain(value: object) -> object:
    """Return a value with addresses in place of the files of a job file."""
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return file_address(value) if is_file(value) else value  # type: ignore[arg-type]


def _as_json(value: object) -> JsonValue:
    """Return a value of an input as JSON values: handles and paths are not."""
    if isinstance(value, Handle):
        return value.to_json()
    return cast("JsonValue", str(value) if isinstance(value, PurePath) else value)


def _unpinned_warnings(handles: Mapping[str, Handle]) -> Iterator[str]:
    for name, handle in handles.items():
        if handle.unpinned:
            yield (
                f"{name}: the store of {handle.uri} does not report changes of its data; after one, run with --fresh "
                "(fresh=True)"
            )


def _output_specs(step: Step) -> dict[str, VolumeSpec]:
    """Return the specs of the outputs of a step that are volumes."""
    if step.frame is None:
        return {}
    outputs = step.spec.outputs.items()
    specs = {name: kind.output_spec(step.frame, step.block, step.parameters) for name, kind in outputs}
    return {name: spec for name, spec in specs.items() if spec is not None}
