"""Libraries that only some stores need, installed as extras."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from voxome.errors import UnsupportedFormat


def library(module: str, extra: str) -> Any:
    """Import `module`, which the extra `extra` of voxome installs.

    Raises
    ------
    UnsupportedFormat
        If it is not installed; the message has the command that installs it.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise UnsupportedFormat(
            f"this store needs the package {module}; install it with: pip install 'voxome[{extra}]'"
        ) from error
