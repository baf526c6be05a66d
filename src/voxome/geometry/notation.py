"""Shapes, positions and voxel sizes as text, as options of the command line take them."""

from __future__ import annotations

from collections.abc import Iterable


def comma_text(numbers: Iterable[object]) -> str:
    """Return numbers or names with commas between them and no spaces.

    Examples
    --------
    >>> comma_text((64, 128, 128)), comma_text((33.5, 8.0, 8.0))
    ('64,128,128', '33.5,8,8')
    """
    return ",".join(f"{number:.10g}" if isinstance(number, float) else str(number) for number in numbers)


def parse_shape(text: str) -> tuple[int, int, int]:
    """Parse three numbers of voxels, z, y and x.

    Raises
    ------
    ValueError
        If they are not three whole numbers of at least 1.

    Examples
    --------
    >>> parse_shape("64,128,128")
    (64, 128, 128)
    """
    try:
        z, y, x = (int(part) for part in text.split(","))
    except ValueError:
        z = y = x = 0
    if min(z, y, x) < 1:
        raise ValueError(f"{text!r}: expected three whole numbers of at least 1, such as 64,128,128")
    return z, y, x
