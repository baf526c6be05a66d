"""Names of axes, and their order."""

from __future__ import annotations

from collections.abc import Sequence

STANDARD = "tczyx"
"""The order into which named axes are brought."""


def default_axes(ndim: int) -> tuple[str, ...]:
    """Names for the axes of an array that has none: the last of t, c, z, y, x; then d0, d1, … before them.

    Examples
    --------
    >>> default_axes(3), default_axes(6)
    (('z', 'y', 'x'), ('d0', 't', 'c', 'z', 'y', 'x'))
    """
    extra = max(0, ndim - len(STANDARD))
    return (*(f"d{i}" for i in range(extra)), *STANDARD[max(0, len(STANDARD) - ndim) :])


def standard_order(axes: Sequence[str]) -> tuple[int, ...]:
    """The permutation that brings `axes` into the order …, t, c, z, y, x; unknown names stay first, in their order.

    Examples
    --------
    >>> standard_order(("x", "y", "z", "c"))
    (3, 2, 1, 0)
    """
    rank = {name: i for i, name in enumerate(STANDARD)}
    return tuple(sorted(range(len(axes)), key=lambda i: (rank.get(axes[i], -1), i if axes[i] not in rank else 0)))
