"""One data instance of a version: what all kinds of data share."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping, Sized
from functools import cached_property
from typing import Any, Protocol, TypeVar

import httpx
import numpy as np
from numpy.typing import ArrayLike, NDArray

from voxome.errors import CorruptData, InvalidInput, NotFound
from voxome.remotes.dvid.node import Node
from voxome.remotes.dvid.parsing import Read, understood
from voxome.remotes.http import fan_out


class Sliced(Protocol):
    """A list or an array."""

    def __len__(self) -> int: ...

    def __getitem__(self, span: slice, /) -> Any: ...


T = TypeVar("T")
S = TypeVar("S", bound=Sliced)
L = TypeVar("L", bound=Sized)

WORKERS = 8
"""Requests side by side."""


class Instance:
    """One data instance, seen from one version.

    Parameters
    ----------
    node : Node
        The version.
    name : str
        Of the instance.
    """

    def __init__(self, node: Node, name: str) -> None:
        self.node, self.name = node, name

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.node!r}, {self.name!r})"

    @cached_property
    def info(self) -> Mapping[str, Any]:
        """What the server says of the instance: ``Base`` and ``Extended``."""
        return self._json("info", read=lambda said: {"Base": said["Base"], "Extended": said["Extended"]})

    def _get(self, *parts: object, **params: Any) -> bytes:
        return self.node.get(self.name, *parts, **params).content

    def _json(self, *parts: object, read: Read[T], **params: Any) -> T:
        """What `read` makes of the JSON of an answer."""
        return understood(self.node.get(self.name, *parts, **params), read)

    def _ask(self, *parts: object, body: Any, **params: Any) -> httpx.Response:
        """A GET with a JSON body: how DVID is asked of many things at once."""
        return self.node.api.send("GET", self.node.path(self.name, *parts), params=params, json=body)

    def _asked(self, *parts: object, body: Any, read: Read[T], **params: Any) -> T:
        return understood(self._ask(*parts, body=body, **params), read)

    def _post(self, *parts: object, **options: Any) -> httpx.Response:
        return self.node.post(self.name, *parts, **options)

    def _posted(self, *parts: object, read: Read[T], **options: Any) -> T:
        return understood(self._post(*parts, **options), read)

    def _each(self, ask: Callable[[S], L], items: S, size: int) -> list[L]:
        """What `ask` answers to so many items at a time; one answer to each is expected."""

        def checked(part: S) -> L:
            answers = ask(part)
            if len(answers) != len(part):
                raise CorruptData(f"{self.name}: {len(answers)} answers to {len(part)} questions")
            return answers

        return fan_out(checked, batches(items, size), workers=WORKERS)


def block_shape(info: Mapping[str, Any]) -> tuple[int, int, int]:
    """Voxels of a block along z, y, x, from what the server says of an instance of blocks.

    Raises
    ------
    CorruptData
        If it makes no sense.
    """
    try:
        x, y, z = map(int, info["Extended"]["BlockSize"])
    except (LookupError, TypeError, ValueError) as error:
        raise CorruptData(f"what the server says of the blocks of an instance makes no sense: {error!r}") from error
    if min(x, y, z) < 1:
        raise CorruptData(f"the server says that blocks are {x} x {y} x {z} voxels large")
    return z, y, x


def is_absent(error: NotFound) -> bool:
    """Whether an error says that the thing asked for is not there, rather than its instance or its version."""
    return error.status == 404


def as_labels(labels: Iterable[int] | NDArray[Any]) -> NDArray[np.uint64]:
    """Labels as uint64.

    Raises
    ------
    InvalidInput
        If one is no integer, or does not fit.
    """
    try:
        return np.array([operator.index(label) for label in labels], np.uint64)
    except (TypeError, OverflowError) as error:
        raise InvalidInput(f"labels are integers from 0 to 2^64 - 1: {error}") from error


def as_points(points: ArrayLike) -> NDArray[np.int64]:
    """Points as rows of z, y, x.

    Raises
    ------
    InvalidInput
        If they are no integers, or not three a row.
    """
    rows = np.asarray(points)
    if rows.size == 0:
        return np.empty((0, 3), np.int64)
    if rows.ndim != 2 or rows.shape[1] != 3 or rows.dtype.kind not in "iu":
        raise InvalidInput(f"points are rows of three integers z, y, x, not {rows.dtype} of shape {rows.shape}")
    return rows.astype(np.int64)


def batches(items: S, size: int) -> list[S]:
    """The same items, so many at a time."""
    return [items[at : at + size] for at in range(0, len(items), size)]


def underscored(point: Iterable[int]) -> str:
    """A point or a size (z, y, x) as it is written in a path: ``x_y_z``."""
    return "_".join(str(int(number)) for number in reversed(tuple(point)))


def given(**options: Any) -> dict[str, str]:
    """Options as DVID takes them, without those that are off or 0, which is what they are if nothing is said."""
    return {name: "true" if value is True else str(value) for name, value in options.items() if value}
