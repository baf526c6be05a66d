"""What a virtual layer is made of: a tool, its inputs and parameters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from voxome.contracts.parameter import Parameter
from voxome.contracts.tool import Tool, ToolSpec
from voxome.errors import PlanError, UnknownName, VoxomeError
from voxome.kinds import Image
from voxome.registry import TOOLS, load, load_all

_RUN = {
    "regions": "runs over a tree of regions of the whole volume",
    "groups": "runs on whole objects",
    "whole": "needs whole tables",
}


@dataclass(frozen=True)
class Recipe:
    """A tool over sources.

    Attributes
    ----------
    tool : str
        Name of the tool.
    inputs : mapping of str to str
        Input of the tool → name of a source, or address; the key ``""`` stands for the first volume.
    parameters : mapping of str to values
        Parameters of the tool; by default its own.
    output : str or None
        Output that is served; None if the tool has only one.
    vary : tuple of str, or None
        Parameters that clients may change; None for all that are numbers, choices, or true or false.
    """

    tool: str
    inputs: Mapping[str, str]
    parameters: Mapping[str, Any] = field(default_factory=dict)
    output: str | None = None
    vary: tuple[str, ...] | None = None


@dataclass(frozen=True)
class CheckedRecipe:
    """A recipe that can be served chunk by chunk, as far as that is known without its inputs.

    Attributes
    ----------
    tool : Tool
        The tool.
    inputs : mapping of str to str
        Input → name of a source, or address.
    parameters : mapping of str to values
        All of them; those that are set, of a tool whose defaults depend on its inputs.
    output : str
        Name of the output.
    variable : mapping of str to Parameter
        Parameters that clients may change.
    """

    tool: Tool
    inputs: Mapping[str, str]
    parameters: Mapping[str, Any]
    output: str
    variable: Mapping[str, Parameter]

    @property
    def spec(self) -> ToolSpec:
        """Inputs, parameters and outputs of the tool."""
        return self.tool.spec

    @property
    def volumes(self) -> dict[str, str]:
        """Those of the inputs that are volumes, in the order of the tool."""
        kinds = self.spec.inputs
        return {name: self.inputs[name] for name in kinds if name in self.inputs and kinds[name].kind.is_volume}


@contextmanager
def naming_input(layer: str, name: str) -> Iterator[None]:
    """Put a layer and the name of an input before the message of what is wrong with it."""
    try:
        yield
    except VoxomeError as error:
        error.args = (f"the virtual layer {layer}: input {name}: {error}",)
        raise


def check_recipe(name: str, recipe: Recipe) -> CheckedRecipe:
    """Return a recipe with all names resolved.

    Parameters
    ----------
    name : str
        Name of the layer, for messages.
    recipe : Recipe
        What it is made of.

    Raises
    ------
    UnknownName
        If there is no such tool.
    PlanError
        With all reasons why it cannot be served chunk by chunk.
    """
    try:
        tool = find_tool(recipe.tool)
    except UnknownName as error:
        raise UnknownName(f"the virtual layer {name}: {error}") from error
    spec = tool.spec
    problems = list(_tool_problems(spec))
    if not problems:
        inputs = _inputs(spec, recipe.inputs)
        problems = [
            *_input_problems(spec, inputs), *_output_problems(spec, recipe.output),
            *_parameter_problems(spec, recipe),
        ]  # fmt: skip
    if problems:
        raise PlanError([f"the virtual layer {name}: {problem}" for problem in problems])
    vary = [one.name for one in spec.parameters.values() if _is_variable(one)] if recipe.vary is None else recipe.vary
    parameters = dict(recipe.parameters) if spec.defaults else spec.bind(recipe.parameters)
    return CheckedRecipe(
        tool, inputs, parameters, recipe.output or next(iter(spec.outputs)),
        {one: spec.parameters[one] for one in vary},
    )  # fmt: skip


def find_tool(name: str) -> Tool:
    """Return a tool.

    Raises
    ------
    UnknownName
        If there is none of this name; the message has those that can be a layer.
    """
    try:
        tool: Tool = load(TOOLS, name)
    except UnknownName as error:
        known = [one for one, spec in _tools() if not any(_tool_problems(spec))]
        raise UnknownName.of("tool of layers", name, known) from error
    return tool


def _tool_problems(spec: ToolSpec) -> Iterator[str]:
    """Yield why a tool cannot be computed a chunk at a time."""
    instead = f"run it once, with `voxome run` or `voxome tool {spec.name}`, and serve its result"
    if spec.scope != "block":
        yield f"{spec.name} {_RUN[spec.scope]}: {instead}"
    elif spec.invariance != "exact":
        yield f"the result of {spec.name} depends on the blocks: {instead}"
    elif not _images(spec):
        yield f"{spec.name} returns {', '.join(spec.outputs)}, and no array: {instead}"
    elif not any(one.kind.is_volume for one in spec.inputs.values()):
        yield f"{spec.name} takes no volume, which says how large its result is: {instead}"


def _images(spec: ToolSpec) -> list[str]:
    return [name for name, kind in spec.outputs.items() if isinstance(kind, Image)]


def _inputs(spec: ToolSpec, given: Mapping[str, str]) -> dict[str, str]:
    """Return the inputs by the names of the tool; those that it does not know stay."""
    first = next(one.name for one in spec.inputs.values() if one.kind.is_volume)
    named = {first if name == "" else name: value for name, value in given.items()}
    return {spec.ports.get(name, name): value for name, value in named.items()}


def _input_problems(spec: ToolSpec, inputs: Mapping[str, str]) -> Iterator[str]:
    for name in inputs:
        if name not in spec.inputs:
            yield str(UnknownName.of("input", name, spec.inputs, f"the tool {spec.name}"))
    for one in spec.inputs.values():
        if not one.required or one.name in inputs:
            continue
        if one.kind.is_volume:
            yield f"{spec.name} needs {one.name}: give inputs = {{{one.name} = 'NAME or URI'}}"
            continue
        makers = [maker for maker, tool in _tools() if one.kind in tool.outputs.values()]
        how = f" of the whole volume, as `voxome tool {makers[0]}` makes it" if makers else ""
        yield f"{spec.name} needs {one.name}, a {one.kind.type}{how}: give inputs = {{{one.name} = 'ADDRESS'}}"


def _tools() -> Iterator[tuple[str, ToolSpec]]:
    return ((name, tool.spec) for name, tool in load_all(TOOLS))


def _output_problems(spec: ToolSpec, output: str | None) -> Iterator[str]:
    images = _images(spec)
    if output is None and len(spec.outputs) > 1:
        yield f"{spec.name} has several outputs: give output, one of {', '.join(images)}"
    elif output is not None and output not in images:
        yield str(UnknownName.of("output", output, images, f"the tool {spec.name}"))


def _parameter_problems(spec: ToolSpec, recipe: Recipe) -> Iterator[str]:
    for name in recipe.vary or ():
        if name not in spec.parameters:
            yield str(UnknownName.of("parameter in vary", name, spec.parameters, f"the tool {spec.name}"))
    if spec.defaults is None:  # else they are known when the inputs are open
        try:
            spec.bind(recipe.parameters)
        except PlanError as error:
            yield from error.problems


def _is_variable(parameter: Parameter) -> bool:
    """Return whether a stranger may choose a value: text may be the path of a file that the tool opens."""
    return parameter.choices != () or (parameter.expected is not None and "text" not in parameter.expected)
