"""Commands of foreign programs, and the environments in which they run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable


@dataclass(frozen=True)
class Mount:
    """A file or folder of the host that a command may see.

    Attributes
    ----------
    source : str
        Absolute path on the host; it must exist when the command starts.
    target : str
        Absolute path at which the command sees it. Natively both are the same.
    is_writable : bool
        Whether the command may change it.
    """

    source: str
    target: str
    is_writable: bool = False


@dataclass(frozen=True)
class Command:
    """One call of a foreign program, in JSON values.

    Attributes
    ----------
    argv : tuple of str
        Program and arguments. A program without a slash is looked up on the PATH of the environment.
    folder : str
        Work folder, as the command sees it; in one of the writable mounts.
    mounts : tuple of Mount
        All that a command sees of the host; natively it sees everything.
    variables : mapping of str to str
        Its environment variables, besides HOME, TMPDIR, USER, LOGNAME and PATH, which the environment sets unless they
        are given here. Variables of the host are not passed on.
    image : str or None
        Image of containers, as `Environment.prepare` returned it; None natively.
    network : bool
        Whether it may use the network.
    memory_bytes : int or None
        Limit of its memory; None is no limit.
    cpus : float or None
        Limit of its processor time, in cores; None is no limit.
    gpus : int
        Graphics cards that it may use.
    run : str
        Id of the run that it belongs to, by which `Environment.clear` finds what a killed runner left behind.
    """

    argv: tuple[str, ...]
    folder: str
    mounts: tuple[Mount, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    image: str | None = None
    network: bool = False
    memory_bytes: int | None = None
    cpus: float | None = None
    gpus: int = 0
    run: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the command as JSON values."""
        mounts = [dict(vars(mount)) for mount in self.mounts]
        return {**vars(self), "argv": list(self.argv), "mounts": mounts, "variables": dict(self.variables)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Command:
        """Return the command that `to_json` wrote."""
        mounts = tuple(Mount(**mount) for mount in data["mounts"])
        return cls(**{**data, "argv": tuple(data["argv"]), "mounts": mounts})


@dataclass(frozen=True)
class Launch:
    """What is started on the host for a command.

    Attributes
    ----------
    arguments : tuple of str
        Program, by its absolute path, and arguments.
    variables : mapping of str to str
        Whole environment of the process.
    folder : str
        Its work folder.
    stop : tuple of str
        Program and arguments that end and remove what the process leaves to somebody else, such as a container; empty
        if all belongs to the process. They are called after every end, also if the caller was killed.
    """

    arguments: tuple[str, ...]
    variables: Mapping[str, str]
    folder: str
    stop: tuple[str, ...] = ()


@dataclass(frozen=True)
class LimitsKept:
    """Limits of a command that an environment keeps on this machine.

    Attributes
    ----------
    memory, cpus : bool
        Whether `Command.memory_bytes` and `Command.cpus` are kept.
    network : bool
        Whether a command without a network has none.
    files : bool
        Whether a command sees and changes nothing but its mounts.
    reason : str
        Why not all of them are kept, as the end of a sentence; empty if they are.
    """

    memory: bool = True
    cpus: bool = True
    network: bool = True
    files: bool = True
    reason: str = ""

    def unkept(self, command: Command) -> Iterator[str]:
        """Yield a sentence for each limit of `command` that is not kept, those of resources first."""
        yield from self.unkept_resources(command.memory_bytes, command.cpus)
        for is_kept, is_wanted, what in (
            (self.network, not command.network, "no network"),
            (self.files, True, "no files but its own"),
        ):
            if is_wanted and not is_kept:
                yield f"Not kept: {what}; {self.reason}"

    def unkept_resources(self, memory_bytes: int | None, cpus: float | None) -> Iterator[str]:
        """Yield a sentence for a limit of memory (ramMax) or cores (coresMax) that is not kept."""
        if memory_bytes is not None and not self.memory:
            yield f"Not kept: memory of at most {memory_bytes} bytes (ramMax); {self.reason}"
        if cpus is not None and not self.cpus:
            yield f"Not kept: at most {cpus:g} cores (coresMax); {self.reason}"


EndCheck = Callable[[int, str], None]
"""Takes the exit status of a command and the last lines of its standard error, and raises what they mean."""


@runtime_checkable
class Environment(Protocol):
    """Where the software of a command comes from, and what separates the command from its host.

    An environment is found by name in the registry group ``voxome.environments``, whose entries are functions
    ``(**options: str) -> Environment``. `voxome.environments.call.call` runs a command in one, and
    `voxome.testing.EnvironmentContract` tests one.
    """

    @property
    def name(self) -> str:
        """Environment name."""

    def prepare(self, image: str, *, may_pull: bool = False) -> str:
        """Make sure that an image is there, and return its id for `Command.image`.

        Parameters
        ----------
        image : str
            Name, or id.
        may_pull : bool
            Whether an image that is not on this machine is pulled from a registry.

        Returns
        -------
        str
            Digest of the image's configuration, ``sha256:…``, which is the same in all engines.

        Raises
        ------
        NotFound, InvalidInput
            If the image is not there, or is one of another architecture; if the engine is missing.
        """

    def launch(self, command: Command, scratch: Path) -> Launch:
        """Return what to start on the host.

        Parameters
        ----------
        command : Command
            What to run.
        scratch : path
            Folder of the call, with the empty folders ``home`` and ``tmp``; it is removed afterwards.

        Raises
        ------
        InvalidInput, NotFound
            If the command cannot run in this environment.
        """

    def observe(self, command: Command, launch: Launch) -> AbstractContextManager[EndCheck]:
        """Observe a command from before its start until before `Launch.stop` is called.

        The context gives a function that takes the exit status and the last lines of standard error, and raises
        MemoryLimit if the memory limit ended the command or one of its processes, EnvironmentFailed or InvalidInput if
        the command did not start.
        """

    def limits_kept(self) -> LimitsKept:
        """Return which limits this environment keeps on this machine."""

    def passed_variables(self) -> Mapping[str, str]:
        """Return the variables of this process that commands see: they may decide a result, as inputs do."""

    def clear(self, run: str) -> int:
        """End and remove what commands of a run have left on this machine, and return how many there were.

        A runner that resumes a run calls it before anything starts; nobody else may be running the same run.
        """
