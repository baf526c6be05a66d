"""An engine that fails to start."""

from __future__ import annotations


def open_clumsy(**arguments: object) -> None:
    raise KeyError("no scheduler")
