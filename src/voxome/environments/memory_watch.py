"""Whether the kernel ended processes of a container for its memory limit.

The exit status does not tell: a process may ignore that a child was killed, and status 137 may have other reasons.
The counters of the control group do, while the container is there; podman's ``OOMKilled`` is not set by all of its
runtimes.
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_POLL_S = 0.005
_ATTACH_TIMEOUT_S = 60.0


@contextmanager
def watching_memory(pid_file: Path, root: Path = Path("/")) -> Iterator[Callable[[], bool]]:
    """Watch a container that is about to start.

    Parameters
    ----------
    pid_file : path
        File to which its engine writes the id of its first process, before the command starts.
    root : path
        Root of the file system, under which ``proc`` and ``sys`` are.

    Yields
    ------
    function
        Returns whether a process was killed for the memory limit; to be called when the container has ended.
    """
    watch = _Watch(pid_file, root)
    thread = threading.Thread(target=watch.run, daemon=True)
    thread.start()

    def has_killed() -> bool:
        watch.end()
        thread.join()
        return watch.has_killed

    try:
        yield has_killed
    finally:
        watch.end()
        thread.join()


class _Watch:
    def __init__(self, pid_file: Path, root: Path) -> None:
        self.has_killed = False
        self._pid_file, self._root = pid_file, root
        self._ended, self._end = os.pipe()
        self._lock = threading.Lock()
        self._is_over = False

    def end(self) -> None:
        """Let the watch end."""
        with self._lock:
            if not self._is_over:
                self._is_over = True
                os.close(self._end)

    def run(self) -> None:
        """Watch until `end` is called, or the container is gone."""
        try:
            group = self._group()
            if group is not None:
                with contextlib.suppress(OSError):
                    self._watch(group)
        finally:
            os.close(self._ended)

    def _group(self) -> Path | None:
        """Return the folder of the memory control group, as soon as the container has one."""
        deadline = time.monotonic() + _ATTACH_TIMEOUT_S
        while not self._is_over and time.monotonic() < deadline:
            with contextlib.suppress(OSError, ValueError):
                pid = int(self._pid_file.read_text(encoding="ascii"))
                return memory_group((self._root / f"proc/{pid}/cgroup").read_text(encoding="utf-8"), self._root)
            time.sleep(_POLL_S)
        return None

    def _watch(self, group: Path) -> None:
        version1, version2 = group / "memory.oom_control", group / "memory.events"
        with (version2 if version2.exists() else version1).open("rb") as file, contextlib.ExitStack() as stack:
            poll = select.poll()
            poll.register(self._ended, select.POLLIN)
            if version2.exists():
                poll.register(file, select.POLLPRI)
            else:
                number = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
                stack.callback(os.close, number)
                (group / "cgroup.event_control").write_text(f"{number} {file.fileno()}", encoding="ascii")
                poll.register(number, select.POLLIN)
            while not self.has_killed:
                self.has_killed = _kills(file.fileno()) > 0
                if self.has_killed or self._ended in {one for one, _ in poll.poll()}:
                    break
                if not version2.exists():
                    # The end of the group is an event as well, and comes when its files are gone.
                    self.has_killed = os.eventfd_read(number) > 1 or version1.exists()


def memory_group(listed: str, root: Path) -> Path | None:
    """Return the folder of the memory control group that ``/proc/PID/cgroup`` lists, None without one.

    Parameters
    ----------
    listed : str
        Content of the file.
    root : path
        Root of the file system.
    """
    groups = root / "sys/fs/cgroup"
    for line in listed.splitlines():
        number, controllers, path = line.split(":", 2)
        if "memory" in controllers.split(","):
            return groups / "memory" / path.lstrip("/")
        if number == "0" and (groups / path.lstrip("/") / "memory.events").exists():
            return groups / path.lstrip("/")
    return None


def _kills(number: int) -> int:
    """Return how many processes of a group were killed, from its file of counters."""
    found = re.search(rb"^oom_kill (\d+)", os.pread(number, 4096, 0), re.MULTILINE)
    return int(found[1]) if found else 0
