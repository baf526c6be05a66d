"""Tools that are Python functions of arrays."""

from __future__ import annotations

import inspect
import re
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from voxome.contracts.context import BlockContext, Context, Group, Region
from voxome.contracts.cwl_type import cwl_type
from voxome.contracts.frame import Frame
from voxome.contracts.kinds import Kind, Parameters
from voxome.contracts.parameter import REQUIRED, Parameter
from voxome.contracts.source_digest import source_digest
from voxome.contracts.tool import Check, Defaults, Examine, HaloLike, HaloOf, Input, Invariance, Scope, ToolSpec
from voxome.errors import InvalidInput

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_CONTEXTS: tuple[type, ...] = (BlockContext, Region, Group, Frame)
_MARKUP = re.compile(r"(?::\w+:)?(`{1,2})([^`]+)\1")


@dataclass(frozen=True)
class PythonTool:
    """A function of arrays and its spec; it can be called like the function.

    Attributes
    ----------
    spec : ToolSpec
        Inputs, parameters and outputs.
    function : callable
        The function.
    injected : mapping of str to type
        Arguments annotated `BlockContext`, `Region`, `Group` or `Frame` → which of them.
    """

    spec: ToolSpec
    function: Callable[..., Any]
    injected: Mapping[str, type] = field(default_factory=dict)

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        return self.function(*args, **kwargs)

    @cached_property
    def digest(self) -> str:
        """Digest of the function's source and of what it imports from its own package; see `source_digest`."""
        return source_digest(self.function)

    def call(self, inputs: Mapping[str, object], parameters: Parameters, context: Context | None) -> dict[str, Any]:
        """Call the function; see `voxome.contracts.tool.Tool.call`."""
        injected = {argument: _context_as(annotation, context) for argument, annotation in self.injected.items()}
        result = self.function(**inputs, **parameters, **injected)
        names = list(self.spec.outputs)
        if names == ["result"]:
            return {"result": result}
        if not isinstance(result, Mapping) or set(result) != set(names):
            raise InvalidInput(f"{self.spec.name} must return a mapping of {names}, not {_shown(result)}")
        return dict(result)


def tool(
    name: str,
    *,
    outputs: Kind | Mapping[str, Kind],
    version: str = "1",
    scope: Scope = "block",
    halo: HaloLike | HaloOf = 0,
    grid: int = 1,
    invariance: Invariance = "exact",
    check: Check | None = None,
    examine: Examine | None = None,
    defaults: Defaults | None = None,
    memory: Callable[[int, Parameters], int] | None = None,
    content: Callable[[Parameters], str] | None = None,
    cpus: int = 1,
    gpus: int = 0,
) -> Callable[[Callable[..., Any]], PythonTool]:
    """Turn a function into a tool.

    Arguments annotated with a kind are its inputs (optional if they default to None; the first volume is the frame),
    arguments annotated `BlockContext`, `Region`, `Group` or `Frame` are injected, all others are parameters, with any
    name. A single output is called ``result``; a function with several returns a mapping of their names.

    Raises
    ------
    InvalidInput
        If the name, an argument or an output of the function cannot be one of a tool; when the function is decorated.

    Examples
    --------
    >>> from typing import Annotated
    >>> import numpy as np
    >>> from annotated_types import Interval
    >>> from voxome import kinds
    >>> @tool("demo.threshold", outputs=kinds.Image("uint8"))
    ... def threshold(
    ...     image: Annotated[np.ndarray, kinds.Image()], *, at: Annotated[float, Interval(ge=0, le=1)] = 0.5
    ... ) -> np.ndarray:
    ...     return (image > at).astype("uint8")
    >>> threshold.spec.bind({"at": "0.25"})
    {'at': 0.25}
    >>> str(threshold.spec.parameters["at"].range)
    '0 to 1'
    """

    def describe(function: Callable[..., Any]) -> PythonTool:
        _require_form(name, outputs)
        hints = _hints(name, function)
        docs = _parameter_docs(function)
        inputs: dict[str, Input] = {}
        parameters: dict[str, Parameter] = {}
        injected: dict[str, type] = {}
        for argument, signature in inspect.signature(function).parameters.items():
            annotation = _annotation(name, signature, hints)
            kind, context = _kind_of(annotation), _context_of(annotation)
            if kind is not None:
                inputs[argument] = Input(argument, kind, signature.default is REQUIRED)
            elif context is not None:
                injected[argument] = context
            else:
                _require_type(name, argument, annotation)
                parameters[argument] = Parameter(argument, annotation, signature.default, docs.get(argument, ""))
        _require_grid(name, grid, scope, outputs)
        spec = ToolSpec(
            name=name,
            version=version,
            scope=scope,
            inputs=inputs,
            parameters=parameters,
            outputs=dict(outputs) if isinstance(outputs, Mapping) else {"result": outputs},
            halo=halo,
            grid=grid,
            invariance=invariance,
            check=check,
            examine=examine,
            defaults=defaults,
            memory=memory,
            content=content,
            cpus=cpus,
            gpus=gpus,
            summary=_plain_text((inspect.getdoc(function) or "").partition("\n")[0]),
        )
        return PythonTool(spec, function, injected)

    return describe


def _hints(name: str, function: Callable[..., Any]) -> dict[str, Any]:
    """Return the annotations of the arguments, evaluated."""
    try:
        return get_type_hints(function, include_extras=True)
    except (NameError, TypeError, SyntaxError) as error:
        raise InvalidInput(
            f"The annotations of the tool {name} cannot be evaluated: {error}; import the names that they use"
        ) from error


def _annotation(name: str, argument: inspect.Parameter, hints: Mapping[str, Any]) -> Any:
    """Return the annotation of an argument, which must be one that can be passed by name."""
    if argument.kind not in (argument.POSITIONAL_OR_KEYWORD, argument.KEYWORD_ONLY):
        raise InvalidInput(f"The tool {name} has the argument {argument}; expected arguments that are passed by name")
    if argument.name not in hints:
        raise InvalidInput(
            f"The argument {argument.name!r} of the tool {name} has no annotation; expected a kind, as in "
            "Annotated[NDArray[np.uint8], kinds.Image()], for an input, or a type, such as int, for a parameter"
        )
    return hints[argument.name]


def _require_type(name: str, argument: str, annotation: Any) -> None:
    """Check that CWL and the command line have a type for a parameter."""
    try:
        cwl_type(annotation)
    except TypeError as error:
        raise InvalidInput(f"The parameter {argument!r} of the tool {name} cannot be set: {error}") from error


def _require_form(name: str, outputs: Kind | Mapping[str, Kind]) -> None:
    """Check the name of a tool, and that its outputs are kinds."""
    if not _NAME.fullmatch(name):
        raise InvalidInput(
            f"The name of a tool is {name!r}; expected letters, digits, '_', '-' and '.', as in lab.median"
        )
    for output, kind in outputs.items() if isinstance(outputs, Mapping) else [("result", outputs)]:
        if not isinstance(kind, Kind):
            raise InvalidInput(f"The output {output!r} of the tool {name} is {kind!r}; expected a kind: kinds.Image()")


def _require_grid(name: str, grid: int, scope: Scope, outputs: Kind | Mapping[str, Kind]) -> None:
    """Check that blocks may start at multiples of `grid`: those of volumes start where their chunks do."""
    if grid < 1:
        raise InvalidInput(f"The grid of the tool {name} is {grid}; expected a number of voxels of at least 1")
    volumes = any(kind.is_volume for kind in (outputs.values() if isinstance(outputs, Mapping) else [outputs]))
    if grid > 1 and (scope != "block" or volumes):
        raise InvalidInput(
            f"The tool {name} of scope {scope!r} has a grid of {grid} voxels; expected a tool of blocks that returns "
            "no volumes"
        )


def _context_as(annotation: type, context: Context | None) -> Context | None:
    """Return the context that an argument is annotated with: of a block, region or group also the frame."""
    if annotation is Frame and isinstance(context, BlockContext | Region | Group):
        return context.frame
    return context


def _context_of(annotation: Any) -> type | None:
    """Return the context class of an annotation, alone or in a union with None."""
    alternatives = get_args(annotation) if get_origin(annotation) in (Union, types.UnionType) else (annotation,)
    return next((one for one in alternatives if one in _CONTEXTS), None)


def _kind_of(annotation: Any) -> Kind | None:
    """Return the kind in ``Annotated[…, kind]``, alone or in a union with None."""
    if get_origin(annotation) in (Union, types.UnionType):
        return next((kind for kind in map(_kind_of, get_args(annotation)) if kind is not None), None)
    if get_origin(annotation) is Annotated:
        return next((one for one in annotation.__metadata__ if isinstance(one, Kind)), None)
    return None


def _parameter_docs(function: Callable[..., Any]) -> dict[str, str]:
    """Return the description of every parameter in a numpydoc docstring, on one line."""
    docs: dict[str, str] = {}
    name = ""
    for line in (inspect.getdoc(function) or "").splitlines():
        if line and not line.startswith(" ") and " : " in line:
            name = line.partition(" : ")[0].strip()
        elif name and line.startswith("    "):
            docs[name] = f"{docs.get(name, '')} {line.strip()}".lstrip()
        else:
            name = ""
    return {name: _plain_text(text) for name, text in docs.items()}


def _plain_text(text: str) -> str:
    """Return text without the markup of docstrings, which the help and CWL would show as it is."""
    return _MARKUP.sub(r"\2", text)


def _shown(result: object) -> str:
    return str(sorted(map(str, result))) if isinstance(result, Mapping) else type(result).__name__
