"""Locks on files: held by one thread of all processes of a relay, and freed by the system when a process dies."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from voxome.relay.threads import waiting

_FLAGS = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC


@contextmanager
def locked_file(path: Path, *, shared: bool = False) -> Iterator[int]:
    """Wait until nobody else has locked a file, then hold it locked inside the context, which gets the open file.

    A request has no slot meanwhile: who waits for a lock with a slot may keep it from the one who has the lock.

    Parameters
    ----------
    path : Path
        The file, created for its owner only if it does not exist.
    shared : bool
        Whether others that want it `shared` may hold it too.

    Raises
    ------
    OSError
        If it cannot be opened or locked.
    StoreError
        If too many requests wait for it.
    """
    with waiting(f"lock {path}"):
        file = os.open(path, _FLAGS, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
            yield file
        finally:
            try:
                with suppress(OSError):
                    fcntl.flock(file, fcntl.LOCK_UN)  # also if a map or a child has the same file
            finally:
                os.close(file)


def claim_file(path: Path) -> int | None:
    """Lock a file, created for its owner only if it does not exist, and return it; None if another has locked it.

    The lock is held until the file is closed, by `os.close`, or this process ends.

    Raises
    ------
    OSError
        If it cannot be opened.
    """
    file = os.open(path, _FLAGS, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
        return None
    except OSError:
        os.close(file)
        raise
    return file


@contextmanager
def claimed_file(path: Path) -> Iterator[bool]:
    """Hold a file locked inside the context, which gets whether that was possible: nobody else has locked it."""
    file = claim_file(path)
    try:
        yield file is not None
    finally:
        if file is not None:
            os.close(file)
