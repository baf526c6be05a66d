"""Half-open boxes of voxels, in any number of dimensions."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import eq, ge, le
from typing import Any

from voxome.calls import explain_construction
from voxome.errors import InvalidBox, describe_value

_CLOSED = "write both ends of every range, as Z0:Z1,Y0:Y1,X0:X1"
_OPEN = "write it as Z0:Z1,Y0:Y1,X0:X1, or without some ends, as 10:,:,:200"
"""What to write, without and with a volume that has the ends which are left out."""


@explain_construction
@dataclass(frozen=True, slots=True)
class Box:
    """Index ranges ``start <= i < stop`` along every axis; any sign, no axis names.

    Parameters
    ----------
    start, stop : tuple of int
        First index and one past the last along every axis. A range may be empty, never reversed.

    Raises
    ------
    InvalidBox
        If they are not whole numbers, the lengths differ, or a range is reversed.
    """

    start: tuple[int, ...]
    stop: tuple[int, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "start", parse_indices("start", self.start))
        object.__setattr__(self, "stop", parse_indices("stop", self.stop))
        if len(self.start) != len(self.stop):
            raise InvalidBox(f"a box needs as many starts as stops, not {self.start} and {self.stop}")
        if not all(map(le, self.start, self.stop)):
            raise InvalidBox(f"box {self} is reversed: every start must be at most its stop")

    @classmethod
    def of_shape(cls, shape: Iterable[int], start: Sequence[int] | None = None) -> Box:
        """Return the box of `shape` that starts at `start` (the origin if None)."""
        extent = parse_indices("shape", shape)
        origin = (0,) * len(extent) if start is None else parse_indices("start", start)
        if len(origin) != len(extent):
            raise InvalidBox(f"a box of shape {extent} needs as many starts, not {origin}")
        return cls(origin, tuple(a + n for a, n in zip(origin, extent, strict=True)))

    @classmethod
    def of(cls, box: Box | str, domain: Box | None = None) -> Box:
        """Return `box`, parsed if it is text; ends that it leaves out are those of `domain`.

        Raises
        ------
        InvalidBox
            If it is neither a box nor the text of one.
        """
        if isinstance(box, Box):
            return box
        if isinstance(box, str):
            return cls.parse(box, domain)
        raise _not_a_box(box)

    @classmethod
    def parse(cls, text: str, domain: Box | None = None) -> Box:
        """Parse ``"Z0:Z1,Y0:Y1,X0:X1"``, the form that `str` returns.

        Parameters
        ----------
        text : str
            One range for each axis.
        domain : Box, optional
            Ends that may be left out, as in ``"10:,:,100:200"``, are those of this box.

        Raises
        ------
        InvalidBox
            If it has another form, another number of axes than `domain`, or an end is left out without a `domain`.

        Examples
        --------
        >>> str(Box.parse("2:,:", Box((0, 0), (9, 5))))
        '2:9,0:5'
        """
        if domain is not None and not isinstance(domain, Box):
            raise _not_a_box(domain)
        ranges = _parse_ranges(text, _CLOSED if domain is None else _OPEN)
        if domain is None:
            if any(None in ends for ends in ranges):
                raise InvalidBox(f"the box {text!r} has open ends; {_CLOSED}")
            domain = cls((0,) * len(ranges), (0,) * len(ranges))
        if len(ranges) != domain.ndim:
            count = f"{len(ranges)} range{'s'[: len(ranges) != 1]}"
            raise InvalidBox(f"the box {text!r} has {count}, needs {domain.ndim}: one for each axis, inside {domain}")
        ends = list(zip(ranges, domain.start, domain.stop, strict=True))
        start = tuple(low if first is None else first for (first, _), low, _ in ends)
        stop = tuple(high if last is None else last for (_, last), _, high in ends)
        if any(None in given and a > b for given, a, b in zip(ranges, start, stop, strict=True)):
            raise InvalidBox(f"the box {text!r} is outside {domain}; choose one inside")
        return cls(start, stop)

    @staticmethod
    def parse_ranges(text: str) -> list[tuple[int | None, int | None]]:
        """Parse the ranges of a box, with None for an end that is left out.

        Raises
        ------
        InvalidBox
            If the text has another form.
        """
        return _parse_ranges(text, _OPEN)

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.start)

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of voxels along every axis."""
        return tuple(b - a for a, b in zip(self.start, self.stop, strict=True))

    @property
    def size(self) -> int:
        """Number of voxels."""
        return math.prod(self.shape)

    @property
    def empty(self) -> bool:
        """Whether the box has no voxel."""
        return any(map(eq, self.start, self.stop))

    def _same_rank(self, other: Box | Sequence[int]) -> None:
        if not isinstance(other, Box) and not hasattr(other, "__len__"):
            raise _not_a_box(other)
        rank = other.ndim if isinstance(other, Box) else len(other)
        if rank != self.ndim:
            raise InvalidBox(f"box {self} has {self.ndim} axes, but {other} has {rank}")

    def __and__(self, other: Box) -> Box:
        """Return the overlap of two boxes; empty where they do not meet."""
        if not isinstance(other, Box):
            raise _not_a_box(other)
        self._same_rank(other)
        start, stop = tuple(map(max, self.start, other.start)), tuple(map(min, self.stop, other.stop))
        return Box(start, tuple(map(max, start, stop)))

    def __contains__(self, other: Box | Sequence[int]) -> bool:
        """Return whether a point, or every voxel of a box, is inside."""
        self._same_rank(other)
        if isinstance(other, Box):
            return other.empty or (all(map(le, self.start, other.start)) and all(map(ge, self.stop, other.stop)))
        return all(a <= i < b for a, i, b in zip(self.start, other, self.stop, strict=True))

    def __str__(self) -> str:
        return ",".join(f"{a}:{b}" for a, b in zip(self.start, self.stop, strict=True))

    def grow(self, low: Sequence[int], high: Sequence[int] | None = None) -> Box:
        """Return the box grown by `low` before and `high` (`low` if None) after, along every axis."""
        before = parse_indices("low", low)
        after = before if high is None else parse_indices("high", high)
        self._same_rank(before)
        self._same_rank(after)
        return Box(
            tuple(a - n for a, n in zip(self.start, before, strict=True)),
            tuple(b + n for b, n in zip(self.stop, after, strict=True)),
        )

    def shift(self, by: Sequence[int]) -> Box:
        """Return the box moved by `by`."""
        steps = parse_indices("by", by)
        self._same_rank(steps)
        return Box(
            tuple(a + n for a, n in zip(self.start, steps, strict=True)),
            tuple(b + n for b, n in zip(self.stop, steps, strict=True)),
        )

    def coarsen(self, factors: Sequence[int]) -> Box:
        """Return the smallest box of voxels `factors` times as long that covers this one.

        Voxel *i* of the coarser array covers the indices from ``i * factor`` up to ``(i + 1) * factor``.

        Parameters
        ----------
        factors : sequence of int
            Indices of this box along one coarser voxel, at least 1 along every axis.

        Examples
        --------
        >>> str(Box((3, -1), (9, 4)).coarsen((4, 2)))
        '0:3,-1:2'
        """
        self._check_factors(factors)
        start = tuple(a // f for a, f in zip(self.start, factors, strict=True))
        ranges = zip(self.start, self.stop, start, factors, strict=True)
        return Box(start, tuple(-(-b // f) if b > a else low for a, b, low, f in ranges))

    def refine(self, factors: Sequence[int]) -> Box:
        """Return the box that this one covers in an array whose voxels are `factors` times as short.

        Examples
        --------
        >>> str(Box((0, -1), (3, 2)).refine((4, 2)))
        '0:12,-2:4'
        """
        self._check_factors(factors)
        return Box(
            tuple(a * f for a, f in zip(self.start, factors, strict=True)),
            tuple(b * f for b, f in zip(self.stop, factors, strict=True)),
        )

    def snap(self, grid: Sequence[int]) -> Box:
        """Return the smallest box that holds this one and whose faces lie at multiples of `grid`.

        Examples
        --------
        >>> str(Box((3, -1), (9, 4)).snap((4, 2)))
        '0:12,-2:4'
        """
        return self.coarsen(grid).refine(grid)

    def _check_factors(self, factors: Sequence[int]) -> None:
        self._same_rank(parse_indices("factors", factors))
        if any(f < 1 for f in factors):
            raise InvalidBox(f"factors {tuple(factors)} must be whole numbers of at least 1")

    def within(self, outer: Box) -> tuple[slice, ...]:
        """Return the slices that cut this box out of an array of `outer`.

        Raises
        ------
        InvalidBox
            If the box is not inside `outer`.
        """
        if not isinstance(outer, Box):
            raise _not_a_box(outer)
        if self not in outer:
            raise InvalidBox(f"box {self} is not inside {outer}")
        return tuple(slice(a - o, b - o) for a, b, o in zip(self.start, self.stop, outer.start, strict=True))


def parse_indices(name: str, values: Iterable[Any]) -> tuple[int, ...]:
    """Return whole numbers of any type as integers."""
    try:
        known = tuple(values)
        return known if set(map(type, known)) <= _PLAIN else tuple(map(_index, known))
    except TypeError:
        expected = "whole numbers, one for each axis, as (0, 64, 64)"
        raise InvalidBox(f"{name} is {describe_value(values)}; expected {expected}") from None


_PLAIN = {int}


def _index(value: Any) -> int:
    return int(value) if isinstance(value, float) and value.is_integer() else operator.index(value)


def _not_a_box(value: object) -> InvalidBox:
    return InvalidBox(
        f"{describe_value(value)} is not a box; use voxome.Box((0, 0, 0), (64, 64, 64)) or '0:64,0:64,0:64'"
    )


def _parse_ranges(text: str, advice: str) -> list[tuple[int | None, int | None]]:
    """Return the ranges of a box, with None for an end that is left out; an error ends in the advice."""
    if not isinstance(text, str):
        raise _not_a_box(text)
    ranges = []
    for part in text.split(","):
        start, colon, stop = part.strip().partition(":")
        try:
            ends = (int(start) if start else None, int(stop) if stop else None)
        except ValueError:
            colon = ""
        if not colon:
            raise InvalidBox(f"cannot read the box {text!r}; {advice}")
        ranges.append(ends)
    return ranges
