"""How many jobs of a step may fail: a number of jobs, or a share of them."""

from __future__ import annotations

import re
from decimal import Decimal
from fractions import Fraction

_BUDGET = re.compile(r"(\d+(?:\.\d+)?(?=%)|\d+)(%?)")


def parse_failures(text: str) -> tuple[Fraction, bool]:
    """Parse a number of jobs that may fail, or their share.

    Parameters
    ----------
    text : str
        A number of any size, or a share of the jobs in per cent.

    Returns
    -------
    Fraction, bool
        The number, or the per cent, exactly; and whether it is a share.

    Raises
    ------
    ValueError
        If the text is neither; the message says what was expected.

    Examples
    --------
    >>> parse_failures("3"), parse_failures("0.5%")
    ((Fraction(3, 1), False), (Fraction(1, 2), True))
    """
    match = _BUDGET.fullmatch(text.strip())
    number = Fraction(0) if match is None else Fraction(Decimal(match[1]))
    if match is None or (match[2] and number > 100):
        raise ValueError("expected a number of jobs, or a share of those of a step from 0% to 100%")
    return number, bool(match[2])
