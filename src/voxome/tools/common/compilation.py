"""A line in the log before kernels are compiled, which takes a while and happens once on a machine."""

from __future__ import annotations

import logging
from functools import cache
from typing import Any

from numba.core import event

_LOG = logging.getLogger(__name__)


class _Announcement(event.Listener):
    """Logs the first compilation of a kernel of voxome in this process; those loaded from the cache are none."""

    def __init__(self) -> None:
        self._is_done = False

    def on_start(self, event: Any) -> None:
        kernel = event.data["dispatcher"].py_func
        if self._is_done or kernel.__module__.partition(".")[0] != "voxome":
            return
        self._is_done = True
        _LOG.info("compiling kernels: once on this machine, for each data type; this takes some 10 to 40 s")

    def on_end(self, event: Any) -> None:
        pass


@cache
def announce_compilation() -> None:
    """Log a line when a kernel is compiled, the first time in this process."""
    event.register("numba:compile", _Announcement())
