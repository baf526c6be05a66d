"""Libraries that only some stores need, and that are installed on demand."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from voxome.errors import UnsupportedFormat


def library(module: str, extra: str) -> Any:
    """Import `module`, which the optional `extra` of voxome brings.

    Raises
    ------
    UnsupportedFormat
        If it is not installed; the message says how to.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise UnsupportedFormat(f"this store needs {module}: pip install 'voxome[{extra}]'") from error
