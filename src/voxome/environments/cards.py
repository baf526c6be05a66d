"""Graphics cards of a command."""

from __future__ import annotations

import os

from voxome.errors import InvalidInput

VARIABLE = "CUDA_VISIBLE_DEVICES"
"""Variable by which engines say which cards of a machine a job may use."""


def visible_cards(count: int) -> list[str]:
    """Return the names of so many graphics cards, of those that CUDA_VISIBLE_DEVICES names if it is set.

    Raises
    ------
    InvalidInput
        If it names fewer.
    """
    text = os.environ.get(VARIABLE)
    if text is None:
        return [str(number) for number in range(count)]
    named = [name for name in text.split(",") if name]
    if len(named) < count:
        raise InvalidInput(
            f"A command needs {count} graphics cards, and {VARIABLE} is {text!r}; expected that many: let the engine "
            "reserve them for the job"
        )
    return named[:count]
