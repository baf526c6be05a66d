"""Numbers in the names of sections: those that are missing, and those of channels or tiles."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


def describe_gaps(files: Sequence[Path]) -> str | None:
    """Return what is unusual about the numbers in the names of sections, or None.

    Sections follow each other by a number that differs in all names, in steps that most of them have; a larger step is
    a gap. Where no number does, but each combination of several ones stands for a file, they may be those of
    channels or tiles, unless there are decimals.

    Parameters
    ----------
    files : sequence of Path
        Sections in their order.

    Examples
    --------
    >>> describe_gaps([Path(f"z{number}.png") for number in (1, 2, 3, 6)])
    '2 sections are missing, between z3.png and z6.png; the others are read as if they were next to each other'
    >>> describe_gaps([Path(f"s{number}.png") for number in (10, 20, 30)])
    """
    found = [re.findall(r"\d+", file.stem) for file in files]
    if len(files) < 3 or len({re.sub(r"\d+", "0", file.stem) for file in files}) > 1:
        return None
    numbers = np.array(found, np.float64).reshape(len(files), -1)
    counts = [len(np.unique(column)) for column in numbers.T]
    own = [column for column, count in enumerate(counts) if count == len(files)]
    varying = [count for count in counts if count > 1]
    if own:
        steps = [np.abs(np.diff(numbers[:, column])) for column in own]
        if any((one == one[0]).all() for one in steps):
            return None
        return next((gap for one in steps if (gap := _find_gap(files, one))), None)
    if len(varying) > 1 and math.prod(varying) == len(files) and not re.search(r"\d\.\d", files[0].stem):
        shown = " × ".join(map(str, varying))
        return (
            f"the names count {shown} files; all are read as sections along z: if they are of several channels or "
            "tiles, give these one by one"
        )
    return None


def _find_gap(files: Sequence[Path], steps: NDArray[np.float64]) -> str | None:
    values, counts = np.unique(steps, return_counts=True)
    step = float(values[counts.argmax()])
    wide = np.flatnonzero(steps > step)
    if not len(wide) or counts.max() < max(2, len(steps) / 2):
        return None
    missing = int((steps[wide] / step - 1).round().sum())
    first = int(wide[0])
    places = f" and {len(wide) - 1} more" if len(wide) > 1 else ""
    many = f"{missing} sections are" if missing != 1 else "1 section is"
    return (
        f"{many} missing, between {files[first].name} and {files[first + 1].name}{places}; the others are read as if "
        "they were next to each other"
    )
