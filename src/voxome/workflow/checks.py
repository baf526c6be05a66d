"""Checks of a run before it starts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from voxome.blocks.step import Step
from voxome.contracts.frame import Frame
from voxome.contracts.handle import STORE, Handle
from voxome.contracts.kinds import Parameters
from voxome.contracts.ports import option_of
from voxome.contracts.read_cost import WARN_ABOVE, chunk_origin, cost_warning, grid_cost
from voxome.contracts.spec import VolumeSpec
from voxome.contracts.tool import Input, ToolSpec
from voxome.errors import UnknownName, VoxomeError
from voxome.geometry.notation import comma_text
from voxome.resources.open import open_source
from voxome.resources.sample import sample_blocks
from voxome.resources.unfinished import unfinished_problem
from voxome.workflow.graph import Graph
from voxome.workflow.options import RunOptions


def name_problems(graph: Graph, values: Mapping[str, object], options: RunOptions) -> Iterator[str]:
    """Yield unknown inputs and steps, and required inputs that are not set."""
    is_tool = options.home == STORE
    for name in values:
        if (option := graph.run_options.get(name)) is not None:
            yield f"{name!r} is for other CWL runners: leave it out, and give --{option} ({option}=)"
        elif name not in graph.inputs:
            owner = f"the tool {graph.name}" if is_tool else ""
            yield str(UnknownName.of("input or parameter" if is_tool else "workflow input", name, graph.inputs, owner))
    for name, one in graph.inputs.items():
        if one.required and name not in values and not graph.may_be_unset(name):
            if is_tool:
                yield f"the tool {graph.name} needs {name!r}; give it as inputs={{{name!r}: …}} ({option_of(name)})"
            else:
                yield f"the workflow needs the input {name!r}; set it with inputs={{{name!r}: …}} (--set {name}=…)"
    steps = [*(node.name for node in graph.steps), *(one.name for one in graph.pending)]
    for name in options.blocks:
        if name not in steps:
            yield str(UnknownName.of("step", name, steps))


_TYPES = {
    "boolean": "true or false",
    "int": "a whole number",
    "long": "a whole number",
    "float": "a number",
    "double": "a number",
    "string": "text",
    "enum": "text",
    "array": "a list",
}
"""CWL types in words."""


def type_problems(graph: Graph, values: Mapping[str, object], options: RunOptions) -> Iterator[str]:
    """Yield the values that are not of the types that the workflow or tool declares."""
    owner = f"parameter {{!r}} of {graph.name}" if options.home == STORE else "input {!r} of the workflow"
    for name, value in values.items():
        one = graph.inputs.get(name)
        if one is not None and value is not None and not one.takes(value):
            expected = " or ".join(dict.fromkeys(_TYPES.get(kind, kind) for kind in one.types))
            yield f"the {owner.format(name)} is {value!r}; expected {expected}"


_OF_STEP = re.compile(r"step (\S+): (.*)", re.DOTALL)


def join_problems(problems: Iterable[str]) -> list[str]:
    """Return problems, each once: those of several steps with the names of all of them.

    Examples
    --------
    >>> join_problems(["step a: image is no volume", "other", "step b: image is no volume"])
    ['steps a, b: image is no volume', 'other']
    """
    steps: dict[str, list[str]] = {}
    for problem in dict.fromkeys(problems):
        found = _OF_STEP.fullmatch(problem)
        steps.setdefault(found[2] if found else problem, []).extend([found[1]] if found else [])
    return [
        f"step{'s' if len(names) > 1 else ''} {', '.join(names)}: {problem}" if names else problem
        for problem, names in steps.items()
    ]


def input_problems(step: str, expected: Input, handle: Handle, spec: VolumeSpec | None) -> Iterator[str]:
    """Yield what prevents a step from taking the data of a handle."""
    where = "" if STORE in handle.uri else f" ({handle.uri})"
    if handle.type != expected.kind.type:
        yield f"step {step} needs a {expected.kind.type} as {expected.name}, but it is a {handle.type}{where}"
        return
    try:
        for problem in expected.kind.problems(handle, spec):
            yield f"step {step}: {expected.name}{where} {problem}"
    except VoxomeError as error:
        yield str(error)


def unfinished_problems(step: str, inputs: Mapping[str, Handle], volumes: Mapping[str, VolumeSpec]) -> Iterator[str]:
    """Yield the volumes from outside that an interrupted run has not finished."""
    for name in volumes:
        handle = inputs[name]
        problem = None if STORE in handle.uri else unfinished_problem(handle.uri)
        if problem is not None:
            yield f"step {step}: {name} ({handle.uri}) {problem}"


def tool_problems(
    step: str, tool: ToolSpec, volumes: Mapping[str, VolumeSpec], parameters: Parameters, options: RunOptions
) -> Iterator[str]:
    """Yield the problems that the tool finds with its inputs."""
    if tool.check is not None:
        size = options.voxel_size_nm
        sized = {name: spec.replace(voxel_size_nm=size or spec.voxel_size_nm) for name, spec in volumes.items()}
        yield from (f"step {step}: {problem}" for problem in tool.check(sized, parameters))


def version_warnings(step: str, version: str, tool: ToolSpec) -> Iterator[str]:
    """Yield the warning for a tool that has another version than the workflow was written for."""
    if version != tool.version:
        yield f"step {step} was written for {tool.name} {version}; version {tool.version} is installed and runs"


def voxel_warnings(
    tool: ToolSpec, handles: Mapping[str, Handle], frame: Frame, names: Mapping[str, str], parameters: Parameters
) -> Iterator[str]:
    """Yield what the tool finds unusual in a sample of the volumes from outside, in the box of the run.

    `names` are the inputs of the workflow by those of the tool.
    """
    if tool.examine is None:
        return
    for name, handle in handles.items():
        if not tool.inputs[name].kind.is_volume or STORE in handle.uri:
            continue
        shown = names.get(name) or name
        try:
            source = open_source(handle.uri)
            blocks = sample_blocks(source, source.spec.lift(frame.box))
            yield from (f"{shown} ({handle.uri}) {text}" for text in tool.examine(name, blocks, parameters))
        except VoxomeError as error:
            yield f"a sample of {shown} ({handle.uri}) cannot be read: {error}"


def cost_warnings(step: Step, handles: Mapping[str, Handle], volumes: Mapping[str, VolumeSpec]) -> Iterator[str]:
    """Yield the warnings for volumes from outside of which a step reads much more than it needs."""
    grid = step.phases[0]
    if grid is None or step.spec.scope == "groups":
        return
    for name, spec in volumes.items():
        if STORE in handles[name].uri or spec.read_chunk is None:
            continue
        chunk = tuple(spec.read_chunk[axis] for axis in spec.spatial)
        spatial = VolumeSpec(spec.frame, spec.dtype, read_chunk=chunk)
        what = f"the blocks of step {step.name}, {comma_text(step.block)} voxels with their halo,"
        try:
            origin = chunk_origin(open_source(handles[name].uri))
        except VoxomeError as error:
            yield f"what reading {name} ({handles[name].uri}) costs is unknown, as it cannot be opened: {error}"
            continue
        amplification = grid_cost(spatial, grid, [origin[axis] for axis in spec.spatial]).amplification
        if amplification > WARN_ABOVE:
            yield cost_warning(handles[name].uri, what, spatial, amplification)
