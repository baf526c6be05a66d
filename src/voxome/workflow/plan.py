"""Bind a workflow to its inputs and blocks: everything is checked and sized before anything runs."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from voxome.blocks.pyramid import pyramid_steps
from voxome.blocks.sizes import block_memory_bytes, block_voxels
from voxome.blocks.step import Step
from voxome.contracts.frame import ASSUMED_NM, Frame
from voxome.contracts.handle import STORE, Handle
from voxome.contracts.kinds import Kind
from voxome.contracts.ports import HOST_PORTS
from voxome.contracts.spec import VolumeSpec
from voxome.contracts.tool import Input, Tool, ToolSpec
from voxome.errors import InvalidInput, PlanError, UnknownName, VoxomeError
from voxome.geometry import Box
from voxome.registry import load
from voxome.workflow.cwl import Constant, FromInput, FromStep, Graph, Node, Source
from voxome.workflow.inputs import bind_external, mismatches
from voxome.workflow.options import RunOptions

_PUBLISHED = re.compile(r"_(table|graph)$")


@dataclass(frozen=True)
class Plan:
    """A workflow that can be run.

    Attributes
    ----------
    workflow : str
        Its name.
    steps : tuple of Step
        In an order in which they can run; the pyramids of the arrays among the outputs come last.
    outputs : mapping of str to Handle
        The workflow's outputs.
    inputs : mapping of str to JSON values
        What the workflow's inputs were set to, with the version of each volume.
    warnings : tuple of str
        What a person should know.
    """

    workflow: str
    steps: tuple[Step, ...]
    outputs: Mapping[str, Handle]
    inputs: Mapping[str, Any]
    warnings: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "schema_version": 1,
            "workflow": self.workflow,
            "inputs": dict(self.inputs),
            "warnings": list(self.warnings),
            "steps": [{**step.to_json(), **sizes(step)} for step in self.steps],
            "outputs": {name: handle.to_json() for name, handle in self.outputs.items()},
        }

    @property
    def key(self) -> str:
        """What decides the result of the run."""
        text = json.dumps([[step.name, step.key] for step in self.steps])
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def sizes(step: Step) -> dict[str, Any]:
    """Blocks of a step, voxels that it reads, and memory of a job in bytes (None where that depends on the objects)."""
    grid, voxels = step.phases[0], block_voxels(step)
    volumes = sum(one.kind.is_volume for one in step.spec.inputs.values() if one.name in step.inputs)
    return {
        "key": step.key,
        "blocks": step.total,
        "voxels_read": None if grid is None or voxels is None else voxels * len(grid) * volumes,
        "memory_bytes": block_memory_bytes(step),
    }


def published_name(output: str) -> str:
    """The file name, without extension, of a workflow output: ``neurons_table`` is the table beside ``neurons``."""
    return _PUBLISHED.sub("", output)


def make_plan(graph: Graph, given: Mapping[str, Any], options: RunOptions) -> Plan:
    """Bind `graph`.

    Parameters
    ----------
    graph : Graph
        The workflow.
    given : mapping of str to values
        The workflow's inputs: URIs, paths, handles, numbers.
    options : RunOptions
        Blocks, box, level, voxel size.

    Raises
    ------
    PlanError
        With all that is wrong.
    """
    return _Planner(graph, dict(given), options).plan()


class _Planner:
    def __init__(self, graph: Graph, given: dict[str, Any], options: RunOptions) -> None:
        self.graph, self.given, self.options = graph, given, options
        self.problems: list[str] = []
        self.warnings: list[str] = []
        self.steps: dict[str, Step] = {}
        self.specs: dict[str, VolumeSpec] = {}
        self.handles: dict[str, Handle] = {}
        self.failed: set[str] = set()

    def plan(self) -> Plan:
        self._check_names()
        for node in self.graph.steps:
            try:
                self._add(node)
            except PlanError as error:
                self._fail(node, *error.problems)
            except VoxomeError as error:
                self._fail(node, str(error))
        if self.problems:
            raise PlanError(list(dict.fromkeys(self.problems)))
        outputs = {
            name: self.steps[source.step].output(source.output)
            for name, source in self.graph.outputs.items()
            if isinstance(source, FromStep)
        }
        inputs = {**self.given, **{name: handle.to_json() for name, handle in self.handles.items()}}
        steps = (*self.steps.values(), *self._pyramids(outputs))
        return Plan(self.graph.name, steps, outputs, inputs, tuple(dict.fromkeys(self.warnings)))

    def _pyramids(self, outputs: Mapping[str, Handle]) -> Iterator[Step]:
        """The steps that make the coarser levels of the arrays that are published."""
        for name, handle in outputs.items():
            if handle.key in self.specs and self.options.home != STORE:
                yield from pyramid_steps(name, published_name(name), handle, self.specs[handle.key], self.options.home)

    def _fail(self, node: Node, *faults: str) -> None:
        self.failed.add(node.name)
        self.problems.extend(faults)

    def _check_names(self) -> None:
        for name in self.given:
            if name not in self.graph.inputs:
                self.problems.append(str(UnknownName.of("workflow input", name, self.graph.inputs)))
        for name, wanted in self.graph.inputs.items():
            if wanted.required and name not in self.given and name not in HOST_PORTS:
                self.problems.append(f"the workflow needs the input {name!r}; give it with --set {name}=…")
        for name in self.options.blocks:
            if name not in {node.name for node in self.graph.steps}:
                self.problems.append(str(UnknownName.of("step", name, [node.name for node in self.graph.steps])))

    def _value(self, source: Source) -> Any:
        """What a source gives: a handle of a step, or a value; None if it was not given or the step failed."""
        if isinstance(source, Constant):
            return source.value
        if isinstance(source, FromStep):
            return None if source.step in self.failed else self.steps[source.step].output(source.output)
        default = self.graph.inputs[source.name].default if source.name in self.graph.inputs else None
        found = self.given.get(source.name, default)
        return found if found is not None else source.default

    def _add(self, node: Node) -> None:
        loaded: Tool = load("voxome.tools", node.tool)
        tool = loaded.spec
        self._compare_versions(node, tool)
        sources = {tool.ports.get(port, port): s for port, s in node.inputs.items() if port not in HOST_PORTS}
        settings = {port: self._value(source) for port, source in sources.items() if port not in tool.inputs}
        bound = self._bind(tool, {port: value for port, value in settings.items() if value is not None})
        inputs, lacking = self._inputs(node, tool, sources)
        volumes = self._volumes(tool, inputs)
        faults = [
            problem
            for name, handle in inputs.items()
            for problem in mismatches(node.name, tool.inputs[name], handle, volumes.get(name))
        ]
        if bound is not None and not faults and not any(kind.is_volume for kind in lacking.values()):
            faults = self._own_faults(node, tool, volumes, bound)
        if bound is None or lacking or faults:
            self._fail(node, *faults)
            return
        frame = self._frame(inputs, volumes) if volumes else _frame_of_tables(inputs)
        block = self.options.blocks.get(node.name, self.options.block)
        published = {
            source.output: published_name(name)
            for name, source in self.graph.outputs.items()
            if isinstance(source, FromStep) and source.step == node.name
        }
        home, published = self.options.home, published if self.options.home != STORE else {}
        step = Step(
            node.name,
            node.tool,
            tool.version_of(bound),
            bound,
            inputs,
            frame,
            block,
            home,
            published,
            digest=loaded.digest,
        )
        self.steps[node.name] = step
        if frame is not None:
            for name, kind in tool.outputs.items():
                spec = kind.output_spec(frame, block, bound)
                if spec is not None:
                    self.specs[step.output(name).key] = spec

    def _bind(self, tool: ToolSpec, parameters: Mapping[str, Any]) -> dict[str, Any] | None:
        try:
            return tool.bind(parameters)
        except PlanError as error:
            self.problems.extend(error.problems)
            return None

    def _compare_versions(self, node: Node, tool: ToolSpec) -> None:
        if node.version != tool.version:
            self.warnings.append(
                f"step {node.name} was written for {node.tool} {node.version}; {tool.version} is installed and runs"
            )

    def _inputs(
        self, node: Node, tool: ToolSpec, sources: Mapping[str, Source]
    ) -> tuple[dict[str, Handle], dict[str, Kind]]:
        """A handle for every input that can be had, and the kinds of those that are needed and cannot."""
        found: dict[str, Handle] = {}
        lacking: dict[str, Kind] = {}
        for name, wanted in tool.inputs.items():
            value = self._value(sources[name]) if name in sources else None
            if value is not None:
                try:
                    found[name] = self._handle(sources[name], value, wanted)
                except VoxomeError as error:
                    self.problems.append(str(error))
                    lacking[name] = wanted.kind
            elif wanted.required or isinstance(sources.get(name), FromStep):
                lacking[name] = wanted.kind
                if not self._is_told(sources.get(name)):
                    self.problems.append(f"step {node.name} needs {name}")
        return found, lacking

    def _is_told(self, source: Source | None) -> bool:
        """Whether a source is a step that failed or a workflow input that was not given: that is told already."""
        return isinstance(source, FromStep) or (isinstance(source, FromInput) and source.name not in self.given)

    def _handle(self, source: Source, value: Any, wanted: Input) -> Handle:
        if isinstance(value, Handle):
            return value
        name = source.name if isinstance(source, FromInput) else str(value)
        if name not in self.handles:
            self.handles[name] = self._external(value, wanted)
        return self.handles[name]

    def _external(self, value: Any, wanted: Input) -> Handle:
        """A handle of an input from outside, with what the run is asked for."""
        handle, spec = bind_external(value, wanted, self.options.level)
        if spec is None:
            return handle
        self.specs[handle.key] = spec
        box, size = self.options.box, self.options.voxel_size_nm
        return replace(handle, box=handle.box if box is None else str(box), voxel_size_nm=size or handle.voxel_size_nm)

    def _volumes(self, tool: ToolSpec, inputs: Mapping[str, Handle]) -> dict[str, VolumeSpec]:
        """The specs of the inputs that are volumes."""
        found: dict[str, VolumeSpec] = {}
        for name, handle in inputs.items():
            kind = tool.inputs[name].kind
            if kind.is_volume and handle.type == kind.type:
                spec = self.specs[handle.key] if handle.key in self.specs else kind.spec(handle)
                if spec is not None:
                    found[name] = self.specs[handle.key] = spec
        return found

    def _frame(self, inputs: Mapping[str, Handle], volumes: Mapping[str, VolumeSpec]) -> Frame:
        first = next(iter(volumes))
        handle, spec = inputs[first], volumes[first]
        domain = spec.frame
        box = handle.asked or domain
        if box.ndim != 3 or box.empty or box not in domain:
            raise InvalidInput(
                f"the box {box} is no part of {handle.uri}: give Z0:Z1,Y0:Y1,X0:X1 inside {domain}, none empty"
            )
        size = handle.voxel_size_nm or spec.voxel_size_nm
        if size is None and STORE not in handle.uri:
            self.warnings.append(
                f"{handle.uri} says no voxel size: lengths in nm stay empty, and parameters in nm take voxels of "
                f"{ASSUMED_NM[0]:g} nm for granted; give it with --voxel-size Z,Y,X"
            )
        for name, other in list(volumes.items())[1:]:
            found = other.frame
            if found != domain:
                raise InvalidInput(
                    f"{name} ({inputs[name].uri}) spans {found}, but {first} ({handle.uri}) spans {domain}: both must "
                    "have the same voxels"
                )
            theirs = inputs[name].voxel_size_nm or other.voxel_size_nm
            if size and theirs and not all(math.isclose(a, b, rel_tol=1e-3) for a, b in zip(size, theirs, strict=True)):
                raise InvalidInput(f"{name} has voxels of {theirs} nm, but {first} of {size} nm (z, y, x)")
        return Frame(domain, box, size, spec.offset_nm)

    def _own_faults(
        self, node: Node, tool: ToolSpec, volumes: Mapping[str, VolumeSpec], parameters: Mapping[str, Any]
    ) -> list[str]:
        """What the tool's own check finds."""
        sized = {
            name: spec.replace(voxel_size_nm=self.options.voxel_size_nm or spec.voxel_size_nm)
            for name, spec in volumes.items()
        }
        own = [f"step {node.name}: {fault}" for fault in (tool.check(sized, parameters) if tool.check else ())]
        if self.options.force:
            self.warnings.extend(own)
            return []
        return [f"{fault} (--force runs it all the same)" for fault in own]


def _frame_of_tables(inputs: Mapping[str, Handle]) -> Frame | None:
    """The frame of the volume that the first table tells of."""
    for handle in inputs.values():
        if handle.domain is not None:
            domain = Box.parse(handle.domain)
            return Frame(domain, handle.asked or domain, handle.voxel_size_nm, handle.offset_nm or (0.0, 0.0, 0.0))
    return None
