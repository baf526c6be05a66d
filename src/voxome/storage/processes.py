"""Identity of processes: which computer they run on, when they were started, and whether they have ended."""

from __future__ import annotations

import os
import socket
from functools import cache
from pathlib import Path


@cache
def host_name() -> str:
    """Return the name of this computer and, where they are known, the ids of its boot and of the container."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{socket.gethostname()} {boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return socket.gethostname()


def start_time(process: int) -> str:
    """Return when a process of this computer was started, in ticks since its boot; empty where this is unknown."""
    try:
        status = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return status.rpartition(")")[2].split()[19]


def has_ended(process: int, started: str) -> bool:
    """Return whether a process of this computer has ended, whose number another may have now.

    One whose start is not known, as where ``/proc`` hides the processes of other users, may be running.

    Parameters
    ----------
    process : int
        Number of the process.
    started : str
        What `start_time` returned for it.
    """
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):
        pass
    return start_time(process) not in ("", started)
