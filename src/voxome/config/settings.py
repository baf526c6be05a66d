"""Settings of one process: an argument beats the environment, which beats these defaults."""

from __future__ import annotations

import os

from voxome.errors import InvalidInput


def text_setting(name: str, default: str) -> str:
    """The text in the environment variable ``VOXOME_<NAME>``, or `default` where there is none."""
    return os.environ.get(f"VOXOME_{name}") or default


def setting(name: str, default: int) -> int:
    """The number in the environment variable ``VOXOME_<NAME>``, or `default`."""
    text = os.environ.get(f"VOXOME_{name}")
    if text is None:
        return default
    if not text.isdigit():
        raise InvalidInput(f"VOXOME_{name} is {text!r}; set it to a whole number")
    return int(text)
