"""One call of a command in an environment."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from stat import S_ISREG

from voxome.contracts.environment import Command, Environment
from voxome.environments.supervision import End, Stream, supervising
from voxome.environments.supervisors import temporary_folder
from voxome.errors import EnvironmentFailed, InvalidInput, NotFound, TimeLimit

_TAIL_BYTES = 2000
FOLDERS = ("home", "tmp")
"""Folders of the scratch folder of a call."""


def call(
    environment: Environment,
    command: Command,
    *,
    stdin: Stream = None,
    stdout: Stream = None,
    stderr: Stream = None,
    limit_s: float | None = None,
    scratch: Path | None = None,
    on_start: Callable[[Callable[[], None]], None] | None = None,
    on_end: Callable[[End], None] | None = None,
) -> int:
    """Run a command to its end, and return its exit status.

    HOME and TMPDIR of the command are new folders, removed afterwards. All of its processes have ended when this
    returns or raises, also those that went to the background; they end as well if this process is killed.

    Parameters
    ----------
    environment : Environment
        Where it runs.
    command : Command
        What runs.
    stdin, stdout, stderr : file or file descriptor, optional
        Its streams. Without them, it reads nothing, and both others are this process's standard error.
    limit_s : float, optional
        Time limit in seconds.
    scratch : path, optional
        Folder in which its HOME and TMPDIR are created; one that is removed with this process if None.
    on_start : function, optional
        Is called with a function that ends the command, which other threads may call.
    on_end : function, optional
        Is called with how the command ended, and its peak of memory.

    Returns
    -------
    int
        Exit status; 128 and the number of the signal, if one ended it: see `describe_status`.

    Raises
    ------
    InvalidInput
        If the command is invalid, if its program or the engine of containers is missing, or if the environment
        cannot run it.
    NotFound
        If the image, or what is mounted, is not there.
    TimeLimit
        If it ran too long.
    MemoryLimit
        If its memory limit ended it or one of its processes.
    EnvironmentFailed
        If the engine of containers failed.
    """
    problem = next(_problems(command), None)
    if problem:
        raise InvalidInput(f"Cannot run {command.argv[0] if command.argv else 'a command'}: {problem}")
    for mount in command.mounts:
        if not Path(mount.source).exists():
            raise NotFound(
                f"{mount.source} is not there, which {command.argv[0]} should see; it was removed "
                "since the plan, or it is on another machine"
            )
    parent = temporary_folder() if scratch is None else scratch
    with tempfile.TemporaryDirectory(prefix="call-", dir=parent, ignore_cleanup_errors=True) as name:
        folder = Path(name).resolve()
        for one in FOLDERS:
            (folder / one).mkdir()
        launch = environment.launch(command, folder)
        before = _size(stderr)
        with (
            environment.observe(command, launch) as check_end,
            supervising(
                launch, folder, stdin=stdin, stdout=stdout, stderr=stderr, limit_s=limit_s, on_start=on_start
            ) as end,
        ):
            if on_end is not None:
                on_end(end)
            if end.is_late:
                raise TimeLimit(
                    f"{command.argv[0]} did not end within its time limit of {limit_s:g} s, and was ended with all its "
                    "processes; increase the limit, or find out what it waits for"
                )
            if end.is_signal and launch.stop:
                raise EnvironmentFailed(
                    f"{launch.arguments[0]} was killed by signal {end.status - 128} while {command.argv[0]} ran; its "
                    "container was ended and removed; rerun"
                )
            if not end.is_signal:
                check_end(end.status, _tail(stderr, before))
        return end.status


def describe_status(status: int) -> str:
    """Return what an exit status says, as the end of a sentence.

    Examples
    --------
    >>> describe_status(3)
    'exited with status 3'
    >>> describe_status(137)
    'was killed by signal 9 (SIGKILL), or exited with status 137'
    """
    try:
        name = signal.Signals(status - 128).name
    except ValueError:
        return f"exited with status {status}"
    return f"was killed by signal {status - 128} ({name}), or exited with status {status}"


def _size(stream: Stream) -> int | None:
    """Return the size of a stream that is a file; None if it is something else."""
    if stream is None or (isinstance(stream, int) and stream < 0):
        return None
    status = os.fstat(stream if isinstance(stream, int) else stream.fileno())
    return status.st_size if S_ISREG(status.st_mode) else None


def _tail(stream: Stream, start: int | None) -> str:
    """Return what was written to a file since it had the size `start`, at most the last of it."""
    if stream is None or start is None:
        return ""
    number = stream if isinstance(stream, int) else stream.fileno()
    try:
        with Path(f"/dev/fd/{number}").open("rb") as file:
            file.seek(max(start, os.fstat(number).st_size - _TAIL_BYTES))
            return file.read(_TAIL_BYTES).decode(errors="replace").strip()
    except OSError:
        return ""


def _problems(command: Command) -> Iterator[str]:
    """Yield what is wrong with a command, as ends of a sentence."""
    if not command.argv or not command.argv[0]:
        yield "it names no program"
    texts = [*command.argv, *command.variables, *command.variables.values(), command.folder]
    texts += [path for mount in command.mounts for path in (mount.source, mount.target)]
    if any("\0" in text for text in texts):
        yield "an argument, variable or path has a NUL character"
    for name in command.variables:
        if not name or "=" in name:
            yield f"a variable is called {name!r}; expected a name without '='"
    for path in [command.folder, *(path for mount in command.mounts for path in (mount.source, mount.target))]:
        if not path.startswith("/") or ".." in PurePosixPath(path).parts:
            yield f"{path!r} is not an absolute path without '..'"
    targets = [str(PurePosixPath(mount.target)) for mount in command.mounts]
    for target in {one for one in targets if targets.count(one) > 1}:
        yield f"two files or folders would be seen at {target}"
    writable = [mount.target for mount in command.mounts if mount.is_writable]
    if not any(PurePosixPath(command.folder).is_relative_to(target) for target in writable):
        listed = ", ".join(writable) or "none"
        yield f"its work folder {command.folder} is in none of the folders that it may write: {listed}"
    if command.memory_bytes is not None and command.memory_bytes <= 0:
        yield f"its memory limit is {command.memory_bytes} bytes; expected a positive number"
    if command.cpus is not None and not command.cpus > 0:
        yield f"its limit is {command.cpus} cores; expected a positive number"
    if command.gpus < 0:
        yield f"it needs {command.gpus} graphics cards; expected 0 or more"
