"""A tool is a function of arrays; the decorator only describes it."""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, Protocol, Union, get_args, get_origin, get_type_hints

from voxome.contracts.frame import ASSUMED_NM, Frame
from voxome.contracts.kinds import File, Image, Kind, Labels, RegionTable, Rows, Table
from voxome.contracts.spec import VolumeSpec
from voxome.errors import PlanError, UnknownName
from voxome.geometry import Box
from voxome.geometry.grid import Halo

Scope = Literal["block", "regions", "whole"]
Invariance = Literal["exact", "none"]
HaloLike = int | Sequence[int] | tuple[Sequence[int], Sequence[int]]
HaloOf = Callable[[Mapping[str, Any], tuple[float, float, float]], HaloLike]
"""Halo from the parameters and the voxel size in nm."""
INJECTED = frozenset({"block", "region", "frame"})
REQUIRED = inspect.Parameter.empty


@dataclass(frozen=True)
class BlockContext:
    """Where a tool is at work: injected as its argument ``block``."""

    write: Box
    read: Box
    frame: Frame


class RegionParts(Protocol):
    """The rows that a tool of regions has put out so far; also what a tool gets as such an input."""

    @property
    def levels(self) -> int:
        """How many levels the tree has; the last has one region."""

    def rows(self, output: str, level: int, index: int) -> Rows:
        """The rows of region `index` of `level`."""

    def index_at(self, level: int, point: Sequence[int]) -> int:
        """The region of `level` that holds the voxel `point`."""


@dataclass(frozen=True)
class Region:
    """One region of a tree: a block at level 0, above it two of the level below along every axis; ``region``."""

    level: int
    box: Box
    children: tuple[int, ...]
    parts: RegionParts
    frame: Frame


@dataclass(frozen=True)
class Input:
    """A volume or table that a tool takes."""

    name: str
    kind: Kind
    required: bool


@dataclass(frozen=True)
class Parameter:
    """A setting of a tool."""

    name: str
    annotation: Any
    default: Any
    summary: str = ""


def _triple(value: int | Sequence[int]) -> tuple[int, ...]:
    return (value,) * 3 if isinstance(value, int) else tuple(int(n) for n in value)


def normal_halo(halo: HaloLike) -> Halo:
    """A number, a triple or a (low, high) pair of triples, as a pair of triples."""
    if not isinstance(halo, int) and len(halo) == 2:
        low, high = halo
        return _triple(low), _triple(high)
    both = _triple(halo)
    return both, both


@dataclass(frozen=True)
class Tool:
    """A function of arrays with a name, typed inputs and parameters; call it as the function it is.

    Attributes
    ----------
    scope : {"block", "regions", "whole"}
        Arrays of a block → arrays and rows; a tree of neighbouring regions → rows; tables → tables and files.
    halo : halo, or function of the parameters and the voxel size
        Voxels that it needs to see around what it writes.
    invariance : {"exact", "none"}
        Whether the result is bitwise equal for any blocks and workers.
    check : function (specs of the volume inputs, parameters) → faults
        What makes the inputs unfit, found before any work; ``--force`` overrules it.
    memory : function (voxels read, parameters) → bytes
        Peak memory of one block.
    content : function of the parameters → digest
        Of the files that parameters name; part of the version.
    """

    name: str
    version: str
    scope: Scope
    function: Callable[..., Any]
    inputs: Mapping[str, Input]
    parameters: Mapping[str, Parameter]
    outputs: Mapping[str, Kind]
    halo: HaloLike | HaloOf = 0
    invariance: Invariance = "exact"
    check: Callable[[Mapping[str, VolumeSpec], Mapping[str, Any]], Iterable[str]] | None = None
    memory: Callable[[int, Mapping[str, Any]], int] | None = None
    content: Callable[[Mapping[str, Any]], str] | None = None
    injected: frozenset[str] = field(default_factory=frozenset)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(*args, **kwargs)

    @property
    def summary(self) -> str:
        """The first line of the docstring."""
        return (inspect.getdoc(self.function) or "").partition("\n")[0]

    def halo_of(self, parameters: Mapping[str, Any], scale_nm: tuple[float, float, float] = ASSUMED_NM) -> Halo:
        """The halo under `parameters` in voxels of `scale_nm`, as (low, high) triples."""
        return normal_halo(self.halo(parameters, scale_nm) if callable(self.halo) else self.halo)

    def version_of(self, parameters: Mapping[str, Any]) -> str:
        """The version, with the content of the files that `parameters` name."""
        return f"{self.version}+{self.content(parameters)[:12]}" if self.content else self.version

    def bind(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """All parameters, defaults filled in, values checked and brought to their types.

        Raises
        ------
        PlanError
            With every parameter that is unknown, missing or does not fit.
        """
        from pydantic import TypeAdapter, ValidationError

        bound: dict[str, Any] = {}
        what = f"{self.name} parameter"
        faults = [str(UnknownName.of(what, name, self.parameters)) for name in given if name not in self.parameters]
        for name, parameter in self.parameters.items():
            value = given.get(name, parameter.default)
            if value is REQUIRED:
                faults.append(f"{self.name} needs the parameter {name!r}")
                continue
            try:
                bound[name] = TypeAdapter(parameter.annotation).validate_python(value)
            except ValidationError as error:
                faults.append(f"parameter {name!r} of {self.name} is {value!r}: {error.errors()[0]['msg']}")
        if faults:
            raise PlanError(faults)
        return bound


def _kind_of(annotation: Any) -> Kind | None:
    """The kind in ``Annotated[…, kind]`` (or in a union with None)."""
    if get_origin(annotation) in (Union, types.UnionType):
        return next((k for k in map(_kind_of, get_args(annotation)) if k is not None), None)
    if get_origin(annotation) is Annotated:
        found = [m for m in annotation.__metadata__ if isinstance(m, Image | Table | RegionTable | File)]
        return found[0] if found else None
    return None


def _parameter_docs(function: Callable[..., Any]) -> dict[str, str]:
    """What the numpydoc docstring says of every parameter, on one line."""
    docs: dict[str, str] = {}
    name = ""
    for line in (inspect.getdoc(function) or "").splitlines():
        if line and not line.startswith(" ") and " : " in line:
            name = line.partition(" : ")[0].strip()
        elif name and line.startswith("    "):
            docs[name] = f"{docs.get(name, '')} {line.strip()}".lstrip()
        else:
            name = ""
    return docs


def tool(
    name: str,
    *,
    outputs: Kind | Mapping[str, Kind],
    version: str = "1",
    scope: Scope = "block",
    halo: HaloLike | HaloOf = 0,
    invariance: Invariance = "exact",
    check: Callable[[Mapping[str, VolumeSpec], Mapping[str, Any]], Iterable[str]] | None = None,
    memory: Callable[[int, Mapping[str, Any]], int] | None = None,
    content: Callable[[Mapping[str, Any]], str] | None = None,
) -> Callable[[Callable[..., Any]], Tool]:
    """Make a tool of a function.

    Arguments annotated with a kind are its inputs (optional if they default to None; the first volume is the frame),
    ``block`` and ``region`` are injected, all others are parameters. A single output is called ``result``; a function
    with several returns a mapping of their names.

    Examples
    --------
    >>> from typing import Annotated
    >>> import numpy as np
    >>> from voxome.contracts import kinds
    >>> @tool("demo.threshold", outputs=kinds.Image("uint8"))
    ... def threshold(image: Annotated[np.ndarray, kinds.Image()], *, at: float = 0.5) -> np.ndarray:
    ...     return (image > at).astype("uint8")
    >>> threshold.bind({"at": "0.25"})
    {'at': 0.25}
    """

    def describe(function: Callable[..., Any]) -> Tool:
        hints = get_type_hints(function, include_extras=True)
        docs = _parameter_docs(function)
        inputs: dict[str, Input] = {}
        parameters: dict[str, Parameter] = {}
        signature = inspect.signature(function).parameters
        for argument, found in signature.items():
            kind = _kind_of(hints.get(argument))
            if kind is not None:
                inputs[argument] = Input(argument, kind, found.default is REQUIRED)
            elif argument not in INJECTED:
                parameters[argument] = Parameter(argument, hints[argument], found.default, docs.get(argument, ""))
        return Tool(
            name=name,
            version=version,
            scope=scope,
            function=function,
            inputs=inputs,
            parameters=parameters,
            outputs=dict(outputs) if isinstance(outputs, Mapping) else {"result": outputs},
            halo=halo,
            invariance=invariance,
            check=check,
            memory=memory,
            content=content,
            injected=INJECTED & set(signature),
        )

    return describe


__all__ = [
    "BlockContext",
    "Input",
    "Labels",
    "Parameter",
    "Region",
    "RegionParts",
    "Tool",
    "normal_halo",
    "tool",
]
