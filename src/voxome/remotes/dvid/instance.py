"""Data instances of a version: what all data types share."""

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
from voxome.remotes.dvid.parsing import Parser, parse_json
from voxome.remotes.http import fan_out


class Sliceable(Protocol):
    """List or array."""

    def __len__(self) -> int: ...

    def __getitem__(self, span: slice, /) -> Any: ...


T = TypeVar("T")
S = TypeVar("S", bound=Sliceable)
L = TypeVar("L", bound=Sized)

WORKERS = 8
"""Number of concurrent requests."""


class Instance:
    """One data instance at one version.

    Parameters
    ----------
    node : Node
        The version.
    name : str
        Name of the instance.
    """

    def __init__(self, node: Node, name: str) -> None:
        self.node, self.name = node, name

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.node!r}, {self.name!r})"

    @cached_property
    def info(self) -> Mapping[str, Any]:
        """The server's description of the instance: ``Base`` and ``Extended``."""
        return self._get_json("info", parse=lambda reply: {"Base": reply["Base"], "Extended": reply["Extended"]})

    def _get(self, *parts: object, **params: Any) -> bytes:
        return self.node.get(self.name, *parts, **params).content

    def _get_json(self, *parts: object, parse: Parser[T], **params: Any) -> T:
        return parse_json(self.node.get(self.name, *parts, **params), parse)

    def _query(self, *parts: object, body: Any, **params: Any) -> httpx.Response:
        """Send a GET with a JSON body, as DVID's bulk requests are."""
        return self.node.api.send("GET", self.node.path(self.name, *parts), params=params, json=body)

    def _query_json(self, *parts: object, body: Any, parse: Parser[T], **params: Any) -> T:
        return parse_json(self._query(*parts, body=body, **params), parse)

    def _post(self, *parts: object, **options: Any) -> httpx.Response:
        return self.node.post(self.name, *parts, **options)

    def _post_json(self, *parts: object, parse: Parser[T], **options: Any) -> T:
        return parse_json(self._post(*parts, **options), parse)

    def _in_batches(self, request: Callable[[S], L], items: S, size: int) -> list[L]:
        """Return the results of `request` for batches of `size` items; each must have one result per item."""

        def checked_request(batch: S) -> L:
            results = request(batch)
            if len(results) != len(batch):
                raise CorruptData(f"{self.name}: the server sent {len(results)} results for {len(batch)} items")
            return results

        return fan_out(checked_request, batches(items, size), workers=WORKERS)


def parse_block_shape(info: Mapping[str, Any]) -> tuple[int, int, int]:
    """Return the voxels of a block along z, y, x, from the server's description of an instance.

    Raises
    ------
    CorruptData
        If it is malformed.
    """
    try:
        x, y, z = map(int, info["Extended"]["BlockSize"])
    except (LookupError, TypeError, ValueError) as error:
        raise CorruptData(f"the server sent a malformed block size: {error!r}") from error
    if min(x, y, z) < 1:
        raise CorruptData(f"the server sent a block size of {x},{y},{z} voxels")
    return z, y, x


def is_absent(error: NotFound) -> bool:
    """Return whether the item itself is missing, rather than its instance or version."""
    return error.status == 404


def as_labels(labels: Iterable[int] | NDArray[Any]) -> NDArray[np.uint64]:
    """Convert labels to uint64.

    Raises
    ------
    InvalidInput
        If one is not an integer, or out of range.
    """
    try:
        return np.array([operator.index(label) for label in labels], np.uint64)
    except (TypeError, OverflowError) as error:
        raise InvalidInput(f"labels are integers from 0 to 2^64 - 1: {error}") from error


def as_points(points: ArrayLike) -> NDArray[np.int64]:
    """Convert points to rows of z, y, x.

    Raises
    ------
    InvalidInput
        If they are not integers, or not three to a row.
    """
    rows = np.asarray(points)
    if rows.size == 0:
        return np.empty((0, 3), np.int64)
    if rows.ndim != 2 or rows.shape[1] != 3 or rows.dtype.kind not in "iu":
        raise InvalidInput(f"points are rows of three integers z, y, x, not {rows.dtype} of shape {rows.shape}")
    return rows.astype(np.int64)


def batches(items: S, size: int) -> list[S]:
    """Split a sequence into batches of at most `size` items."""
    return [items[at : at + size] for at in range(0, len(items), size)]


def query_params(**options: Any) -> dict[str, str]:
    """Return query parameters in DVID's spelling, without those that are false or 0, DVID's defaults."""
    return {name: "true" if value is True else str(value) for name, value in options.items() if value}


def join_xyz(zyx: Iterable[int]) -> str:
    """Return a point or shape (z, y, x) as DVID writes it in a path: ``x_y_z``."""
    return "_".join(str(int(number)) for number in reversed(tuple(zyx)))
