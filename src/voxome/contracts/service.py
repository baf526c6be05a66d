"""Operations on a volume, found by name as ``volume.NAME``."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, ParamSpec, Protocol, TypeVar, runtime_checkable

from voxome.calls import call_problem
from voxome.contracts.abilities import ability
from voxome.errors import UnsupportedFormat

A = TypeVar("A")
P = ParamSpec("P")
R = TypeVar("R")

GROUP = "voxome.services"
"""Group of the registry: name of a service → a `Service`, or a plain function of a volume."""


@dataclass(frozen=True)
class Requirement(Generic[A]):
    """An ability of its source without which a volume cannot have a service.

    Attributes
    ----------
    ability : type
        Protocol that `voxome.contracts.abilities.ability` finds.
    missing : str
        Sentence for a volume without it: what its store lacks, and what would help.
    """

    ability: type[A]
    missing: str

    def find(self, source: object, uri: str) -> A:
        """Return the ability of `source`.

        Raises
        ------
        UnsupportedFormat
            If it does not have it; the message names `uri`.
        """
        found = ability(source, self.ability)
        if found is None:
            raise UnsupportedFormat(f"{uri or 'the array'}: {self.missing}")
        return found


@runtime_checkable
class Service(Protocol):
    """A callable whose first argument is a `voxome.Volume`; its docstring is the help of ``volume.NAME``."""

    @property
    def requires(self) -> Sequence[Requirement[Any]]:
        """What the source of the volume must be able to do; the service checks it when it is called."""

    def __call__(self, volume: Any, /, *arguments: Any, **options: Any) -> object:
        """Run the operation."""


class FunctionService(Generic[P, R]):
    """A function of a volume, with what it requires; see `service`."""

    def __init__(self, function: Callable[P, R], requires: Sequence[Requirement[Any]]) -> None:
        self.function, self.requires = function, tuple(requires)
        functools.update_wrapper(self, function)

    def __call__(self, *arguments: P.args, **options: P.kwargs) -> R:
        """Call the function.

        Raises
        ------
        UnsupportedFormat
            If the source of the volume lacks what the function requires.
        WrongCall
            If an argument is missing, or the function has none of that name.
        """
        if (problem := call_problem(self.function, arguments, options)) is not None:
            raise problem
        bound = inspect.signature(self.function).bind(*arguments, **options)
        volume: Any = next(iter(bound.arguments.values()))
        for requirement in self.requires:
            requirement.find(volume.source, volume.uri)
        return self.function(*arguments, **options)


def service(*requires: Requirement[Any]) -> Callable[[Callable[P, R]], FunctionService[P, R]]:
    """Make a service of a function of a volume.

    Examples
    --------
    >>> @service()
    ... def brightness(volume):
    ...     "Return the mean of all voxels."
    ...     return float(volume[...].mean())
    >>> brightness.__name__, brightness.requires
    ('brightness', ())
    """
    return lambda function: FunctionService(function, requires)
