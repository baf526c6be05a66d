"""Names and order of axes."""

from __future__ import annotations

from collections.abc import Sequence

STANDARD = "tczyx"
"""The order into which named axes are brought."""


def default_axes(ndim: int) -> tuple[str, ...]:
    """Return names for the axes of an array that has none: the last of t, c, z, y, x, preceded by d0, d1, … if more.

    Examples
    --------
    >>> default_axes(3), default_axes(6)
    (('z', 'y', 'x'), ('d0', 't', 'c', 'z', 'y', 'x'))
    """
    extra = max(0, ndim - len(STANDARD))
    return (*(f"d{i}" for i in range(extra)), *STANDARD[max(0, len(STANDARD) - ndim) :])


def standard_order(axes: Sequence[str]) -> tuple[int, ...]:
    """Return the permutation that brings `axes` into the order t, c, z, y, x; unknown names come first, in their order.

    Examples
    --------
    >>> standard_order(("x", "y", "z", "c"))
    (3, 2, 1, 0)
    """
    rank = {name: i for i, name in enumerate(STANDARD)}
    return tuple(sorted(range(len(axes)), key=lambda i: (rank.get(axes[i], -1), i if axes[i] not in rank else 0)))
