"""Attributes that are computed when they are first read, without a lock that instances share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, Self, TypeVar, overload

V = TypeVar("V")


class lazy(Generic[V]):
    """Do as `functools.cached_property` from Python 3.12 on; before, all instances share one lock.

    An instance that waits for a store then holds up all others. Threads that read an attribute for the first time at
    the same time may compute it more than once, and all get the same value.

    Parameters
    ----------
    compute : function
        Returns the value for an instance.
    """

    def __init__(self, compute: Callable[[Any], V]) -> None:
        self._compute, self._name, self.__doc__ = compute, compute.__name__, compute.__doc__

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(self, instance: object, owner: type) -> V: ...
    def __get__(self, instance: object | None, owner: type) -> Self | V:
        if instance is None:
            return self
        value: V = instance.__dict__.setdefault(self._name, self._compute(instance))
        return value
