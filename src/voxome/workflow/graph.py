"""A workflow as a flat graph of tools: inputs, steps in order, outputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from numbers import Integral, Real
from pathlib import PurePath
from types import UnionType

from voxome.contracts.ports import HOST_PORTS
from voxome.workflow.command_line import CommandTemplate
from voxome.workflow.hint import RunHint

_RUN_PORTS = ("store", "workers")


@dataclass(frozen=True)
class FromInput:
    """The workflow input `name`, or `default` if it is not set; None leaves it to the tool."""

    name: str
    default: object = None


@dataclass(frozen=True)
class FromStep:
    """The output `output` of the step `step`."""

    step: str
    output: str


@dataclass(frozen=True)
class Constant:
    """A value in the workflow itself."""

    value: object


_READERS: Mapping[str, Callable[[str], object]] = {
    "boolean": lambda text: {"true": True, "false": False}[text.lower()],
    "int": int,
    "long": int,
    "float": float,
    "double": float,
}

_TYPES: Mapping[str, type | UnionType] = {
    "boolean": bool,
    "int": Integral,
    "long": Integral,
    "float": Real,
    "double": Real,
    "string": str | PurePath,
    "enum": str,
    "array": list | tuple,
}

Source = FromInput | FromStep | Constant


@dataclass(frozen=True)
class GraphInput:
    """An input of a workflow.

    Attributes
    ----------
    types : tuple of str
        Its CWL types, without ``null``: ``File``, ``string``, ``double``, ``enum``, ``array``, …
    required : bool
        Whether it must be set: it is not optional and has no default.
    items : tuple of str
        Types of the items of an array, if these have names.
    """

    name: str
    types: tuple[str, ...]
    required: bool
    default: object = None
    doc: str = ""
    items: tuple[str, ...] = ()

    def read(self, text: str) -> object:
        """Parse `text` as one of its types; return `text` itself if none fits, for the plan to report."""
        if not self.types or set(self.types) - _READERS.keys():
            return text.split(",") if self.types == ("array",) else text
        for name in self.types:
            try:
                return _READERS[name](text)
            except (ValueError, KeyError):
                continue
        return text

    def takes(self, value: object) -> bool:
        """Whether `value` has one of its types, as far as those of CWL are types of Python too."""
        if not self.types or set(self.types) - _TYPES.keys():
            return True
        if isinstance(value, bool):
            return "boolean" in self.types
        return any(isinstance(value, _TYPES[name]) for name in self.types)


@dataclass(frozen=True)
class Node:
    """One step; those of a sub-workflow are called ``outer.inner``.

    Attributes
    ----------
    tool, version : str
        Name and version of the tool, from its hint.
    inputs : mapping of str to Source
        Sources of the ports that have one: inputs, parameters, ``store``, ``block`` and ``workers``.
    command : CommandTemplate, optional
        The tool, if it is a foreign program; `tool` is then only its name.
    blocks_of : str
        Step before it that has the same blocks; empty if it has blocks of its own.
    """

    name: str
    tool: str
    version: str
    inputs: Mapping[str, Source]
    command: CommandTemplate | None = None
    blocks_of: str = ""


@dataclass(frozen=True)
class PendingStep:
    """A step that is known only during a run: it is not of voxome, or depends on what others compute.

    Attributes
    ----------
    name : str
        Its name; those of a sub-workflow are called ``outer.inner``.
    tool : str
        Name of the tool, or of the document that it runs.
    runs_as : {"blocks", "command", "expression"}
        Whether it runs block by block, as a command, or in the process of the run.
    after : tuple of str
        Steps whose results it takes.
    scatter : tuple of str
        Inputs over which it, or a sub-workflow around it, scatters.
    is_conditional : bool
        Whether it may be skipped.
    takes : tuple of str
        Inputs of the workflow that it takes.
    """

    name: str
    tool: str
    runs_as: str
    after: tuple[str, ...] = ()
    scatter: tuple[str, ...] = ()
    is_conditional: bool = False
    takes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Graph:
    """A workflow with its sub-workflows flattened; every step comes after those that it needs.

    Attributes
    ----------
    name : str
        Its name.
    inputs : mapping of str to GraphInput
        Its inputs.
    steps : tuple of Node
        Steps of voxome that can be planned before a run.
    outputs : mapping of str to Source
        Outputs of these steps that are outputs of the workflow.
    hint : RunHint
        Report, scorer and file names of the results.
    pending : tuple of PendingStep
        The other steps.
    deliveries : mapping of (str, str) to str
        Step and output of a tool of voxome → output of the workflow that it is, also of pending steps.
    document : str
        Where the workflow was read from, if it has pending steps.
    secrets : tuple of str
        Inputs that commands may get, and that are never written.
    """

    name: str
    inputs: Mapping[str, GraphInput]
    steps: tuple[Node, ...]
    outputs: Mapping[str, Source]
    hint: RunHint = field(default_factory=RunHint)
    pending: tuple[PendingStep, ...] = ()
    deliveries: Mapping[tuple[str, str], str] = field(default_factory=dict)
    document: str = ""
    secrets: tuple[str, ...] = ()

    @cached_property
    def _ports_of_inputs(self) -> dict[str, set[str]]:
        """Inputs that are used → the ports of steps that take them."""
        ports: dict[str, set[str]] = {}
        for node in self.steps:
            for port, source in node.inputs.items():
                if isinstance(source, FromInput):
                    ports.setdefault(source.name, set()).add(port)
        return ports

    def may_be_unset(self, name: str) -> bool:
        """Whether an input that CWL requires need not be set, since it is only for other CWL runners or for blocks."""
        return name in self.run_options or self._ports_of_inputs.get(name) == {"block"}

    @cached_property
    def run_options(self) -> dict[str, str]:
        """Inputs that only CWL runners need → the option of a run that stands for them.

        They are passed on to steps as ``store`` or ``workers`` and as nothing else, or have the name of such a port and
        are not used.
        """
        ports = self._ports_of_inputs
        options = {name: name for name in HOST_PORTS if name not in ports}
        return options | {name: port for name, used in ports.items() for port in _RUN_PORTS if used == {port}}
