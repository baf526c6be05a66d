"""Natural order of the names of sections: z2 before z10, and z-1 before z0."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

_FLIPPED = {"-": "+", "+": "-"}


def natural_sort(paths: Iterable[Path]) -> list[Path]:
    """Return paths in natural order, compared part by part: a text, then the number that follows it.

    A ``-`` before a number is a sign where the same text also stands before numbers without it (z-1, z0), and a
    separator elsewhere (z-1, z-2, and 2020-01-31).

    Examples
    --------
    >>> [str(path) for path in natural_sort(map(Path, ["b1", "a10", "a2", "z1", "z0", "z-1"]))]
    ['a2', 'a10', 'b1', 'z-1', 'z0', 'z1']
    """
    parts = {path: re.findall(r"(\D*)(\d*)", str(path)) for path in paths}
    texts = {text for found in parts.values() for text, digits in found if digits}
    signed = {text for text in texts if text[-1:] in _FLIPPED and {text[:-1], text[:-1] + _FLIPPED[text[-1]]} & texts}

    def key(path: Path) -> tuple[list[tuple[str, int]], str]:
        numbers: list[tuple[str, int]] = []
        for at, (text, digits) in enumerate(parts[path]):
            signs = bool(digits) and text in signed and (at == 0 or len(text) > 1)
            value = int(digits or 0)
            numbers.append((text[:-1], -value if text[-1] == "-" else value) if signs else (text, value))
        return numbers, str(path)

    return sorted(parts, key=key)
