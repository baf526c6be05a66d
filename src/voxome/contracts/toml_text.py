"""TOML files."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from voxome.errors import InvalidInput


def read_toml(file: Path) -> dict[str, Any]:
    """Return the values in a TOML file.

    Raises
    ------
    InvalidInput
        If it is not TOML, is not in UTF-8, or has too many levels or digits.
    OSError
        If it cannot be read.
    """
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"{file} is not a TOML file: {error}") from error
