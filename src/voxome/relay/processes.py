"""What the processes of a relay say of themselves to each other: for its status page."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from voxome.relay.cache.generations import PROCESSES

_PID, _STARTED, _MEMORY = range(3)
_SHAPE = (PROCESSES, 3)


@dataclass(frozen=True)
class Process:
    """One process of a relay.

    Attributes
    ----------
    pid : int
        Its number in the system.
    started : float
        When it has started, in s since 1970.
    memory_bytes : int
        Bytes of the chunks that it has in memory.
    """

    pid: int
    started: float
    memory_bytes: int


class ProcessTable:
    """Processes of a relay, by their numbers.

    Parameters
    ----------
    file : Path, optional
        Memory-mapped file that they share, created if it does not exist; in memory if None.
    number : int
        Number of this process.
    """

    def __init__(self, file: Path | None = None, number: int = 0) -> None:
        self._table: NDArray[np.float64] = np.zeros(_SHAPE) if file is None else _open(file)
        self._table[number] = (os.getpid(), time.time(), 0)
        self.gauge = self._table[number, _MEMORY:]

    def alive(self) -> list[Process]:
        """Return the processes that live, in the order in which they have started."""
        found = [Process(int(row[_PID]), float(row[_STARTED]), int(row[_MEMORY])) for row in self._table if row[_PID]]
        return sorted((one for one in found if _is_alive(one.pid)), key=lambda one: one.started)


def _open(file: Path) -> NDArray[np.float64]:
    with file.open("ab") as opened:
        if not opened.tell():
            opened.write(bytes(8 * _SHAPE[0] * _SHAPE[1]))
    return np.memmap(file, np.float64, "r+", shape=_SHAPE)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
