"""Calls of public functions and classes with wrong arguments, explained in a sentence."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ParamSpec, TypeVar

from voxome.errors import WrongCall, unknown

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")


class _Any:
    def __repr__(self) -> str:
        return "…"


_ANY = _Any()
"""Stands for the default of an argument."""


def explain_calls(function: Callable[P, R]) -> Callable[P, R]:
    """Explain calls without an argument that a function needs, or with one that it does not have.

    Examples
    --------
    >>> @explain_calls
    ... def crop(volume, *, box): ...
    >>> crop("em.zarr", bax="0:4")
    Traceback (most recent call last):
    voxome.errors.WrongCall: Unknown argument 'bax' of crop(); did you mean 'box'? Known: box, volume
    """

    @functools.wraps(function)
    def call(*arguments: P.args, **options: P.kwargs) -> R:
        try:
            return function(*arguments, **options)
        except TypeError:
            problem = call_problem(function, arguments, options)
            if problem is None:
                raise
        raise problem

    return call


def explain_construction(cls: type[T]) -> type[T]:
    """Explain wrong calls of the constructor of a class, as `explain_calls` does."""
    cls.__init__ = explain_calls(cls.__init__)  # type: ignore[method-assign]
    return cls


def call_problem(
    function: Callable[..., Any], arguments: Sequence[object], options: Mapping[str, object]
) -> WrongCall | None:
    """Return what is wrong with the names and the number of the arguments; None if nothing is."""
    signature = inspect.signature(function)
    try:
        signature.bind(*arguments, **options)
    except TypeError as error:
        reason = str(error)
    else:
        return None
    is_method = next(iter(signature.parameters), None) in ("self", "cls")
    parameters = list(signature.parameters.values())[is_method:]
    name = function.__qualname__.rpartition("<locals>.")[2].removesuffix(".__init__")
    known = [one.name for one in parameters if one.kind not in (one.VAR_KEYWORD, one.VAR_POSITIONAL)]
    for option in options:
        if option not in known:
            return WrongCall(unknown("argument", option, known, f"{name}()"))
    names = {*known[: len(arguments) - is_method], *options}
    missing = [
        one.name for one in parameters if one.default is one.empty and one.name in known and one.name not in names
    ]
    if missing:
        return WrongCall(f"{name}() needs {' and '.join(missing)}; expected {name}{_shown(parameters)}")
    return WrongCall(f"{name}() was called with {reason}; expected {name}{_shown(parameters)}")


def _shown(parameters: Sequence[inspect.Parameter]) -> str:
    """Return the names of the arguments as in a definition, with ``…`` for defaults."""
    plain = [
        one.replace(annotation=one.empty, default=one.default if one.default is one.empty else _ANY)
        for one in parameters
    ]
    return str(inspect.Signature(plain))
