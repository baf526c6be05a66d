"""Exceptions raised by voxome.

    VoxomeError
    ├── InvalidInput (ValueError)          an argument, file or document is invalid
    │   ├── NegativeLabel                  a label volume has a negative label
    │   ├── InvalidUri                     a URI cannot be parsed
    │   ├── TooManyFound                   a search finds more than was allowed
    │   ├── InvalidBox                     a box is malformed or exceeds the domain
    │   ├── UnknownName (LookupError)      no scheme, tool, step, parameter … has this name
    │   ├── WrongCall (TypeError)          an argument is missing, or the function has none of that name
    │   └── PlanError                      a plan cannot be run; lists every problem
    ├── NotFound (FileNotFoundError)       nothing is stored at a URI or path
    ├── AlreadyExists (FileExistsError)    something is already stored at a URI or path
    ├── UnsupportedFormat (ValueError)     stored in a way that voxome does not support
    ├── CorruptData (OSError)              stored bytes cannot be decoded
    ├── ReadOnly (PermissionError)         a write without write access
    ├── AccessDenied (PermissionError)     the store refuses the token or the request
    ├── StoreError (OSError)               the store or its disk failed
    │   └── RelayLoop                      a relay reads from itself
    ├── OutOfMemory (MemoryError)          voxels, or a command, do not fit into memory
    │   └── MemoryLimit                    a command needed more memory than its limit
    ├── TimeLimit (TimeoutError)           a command ran longer than it may
    ├── EnvironmentFailed (RuntimeError)   the engine of containers failed
    ├── MissingExtra (ImportError)         an optional package is not installed; names the extra
    ├── PluginError (RuntimeError)         a plug-in cannot be loaded, or failed; names it
    ├── ProgramFailed (RuntimeError)       a foreign program ended with an error; the message has what it printed
    ├── EditConflict (RuntimeError)        another editor has changed or locked a segment
    ├── RunLocked (RuntimeError)           another process is using the run folder
    └── RunFailed (RuntimeError)           jobs of a run failed; names them and their logs

A message states what happened, what was expected and what to do next. Each exception also inherits from the
builtin that a caller would expect.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Self

from voxome.redaction import redact

_CLOSE = 0.55
"""How similar a name must be to be suggested, from 0 to 1."""
_LISTED = 8
"""Values of an array that a message lists."""
_SHOWN = 80
"""Length of a value in a message."""


def describe_value(value: Any) -> str:
    """Return a value as text for a message: on one line, not long, and of an array its dtype and shape only.

    Examples
    --------
    >>> describe_value("1:2"), describe_value(list(range(99)))[-6:]
    ("'1:2'", '26, 2…')
    """
    dtype, shape = getattr(value, "dtype", None), getattr(value, "shape", None)
    if dtype is not None and shape and math.prod(shape) > _LISTED:
        return f"{type(value).__name__} of {dtype} and shape {tuple(shape)}"
    text = " ".join(repr(value).split())
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"


def suggest(name: object, known: Iterable[str], spell: Callable[[str], object] = str) -> str:
    """Return the end of a sentence that suggests the closest of the known names; empty if none is close.

    Parameters
    ----------
    name : str
        The unknown name.
    known : iterable of str
        Valid names.
    spell : function of a name
        Returns what is suggested, if that is not the name itself.

    Examples
    --------
    >>> suggest("lvel", ["level", "box"])
    "; did you mean 'level'?"
    """
    near = difflib.get_close_matches(str(name), list(known), n=1, cutoff=_CLOSE)
    return f"; did you mean {spell(near[0])!r}?" if near else ""


def unknown(what: str, name: object, known: Iterable[str], owner: str = "") -> str:
    """Return the sentence for an unknown name; see `UnknownName.of`."""
    choices = sorted(known)
    hint = suggest(name, choices) or "."
    where = f" of {owner}" if owner else ""
    return f"Unknown {what} {describe_value(name)}{where}{hint} Known: {', '.join(choices) or 'none'}"


class VoxomeError(Exception):
    """Base class of all exceptions raised by voxome; passwords and tokens in a message are replaced.

    Attributes
    ----------
    status : int or None
        HTTP status code, if the error comes from a server's response.
    """

    status: int | None = None

    def __init__(self, *args: object) -> None:
        super().__init__(*(redact(one) if isinstance(one, str) else one for one in args))


class InvalidInput(VoxomeError, ValueError):
    """An argument, file or document is invalid."""


class NegativeLabel(InvalidInput):
    """A label volume has a negative label."""


class InvalidUri(InvalidInput):
    """A URI cannot be parsed."""


class TooManyFound(InvalidInput):
    """A search finds more than was allowed."""


class InvalidBox(InvalidInput):
    """A box is malformed or exceeds the domain of its volume."""


class UnknownName(InvalidInput, LookupError):
    """No scheme, tool, step or parameter has this name; the message suggests the closest match."""

    @classmethod
    def of(cls, what: str, name: object, known: Iterable[str], owner: str = "") -> UnknownName:
        """Return the error for an unknown `name`.

        Parameters
        ----------
        what : str
            What `name` should name, as in "scheme" or "workflow input".
        name : str
            The unknown name; anything else is unknown too.
        known : iterable of str
            Valid names.
        owner : str
            What has these names, as in "engine 'local'"; empty if that is clear.
        """
        return cls(unknown(what, name, known, owner))


class WrongCall(InvalidInput, TypeError):
    """A function was called without an argument that it needs, or with one that it does not have."""


class PlanError(InvalidInput):
    """A plan cannot be run.

    Parameters
    ----------
    problems : sequence of str
        Everything that is wrong, one sentence each.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(map(redact, problems))
        lines = "\n".join(f"  - {problem}" for problem in self.problems)
        count = "1 problem" if len(self.problems) == 1 else f"{len(self.problems)} problems"
        super().__init__(f"Cannot start: {count}\n{lines}")

    def __reduce__(self) -> tuple[type[PlanError], tuple[tuple[str, ...]]]:
        return type(self), (self.problems,)


class NotFound(VoxomeError, FileNotFoundError):
    """Nothing is stored at a URI or path."""


class AlreadyExists(VoxomeError, FileExistsError):
    """Something is already stored at a URI or path."""


class UnsupportedFormat(VoxomeError, ValueError):
    """Data are stored in a way that voxome does not support; the message names it."""


class CorruptData(VoxomeError, OSError):
    """Stored bytes cannot be decoded."""


class ReadOnly(VoxomeError, PermissionError):
    """A write was attempted without write access."""


class AccessDenied(VoxomeError, PermissionError):
    """The store refuses the token or the request."""


class StoreError(VoxomeError, OSError):
    """The store, or the disk under it, failed."""


class RelayLoop(StoreError):
    """A relay reads from itself."""


class OutOfMemory(VoxomeError, MemoryError):
    """Voxels do not fit into the memory of this machine, or a command does not into its memory limit."""

    def __new__(cls, *args: object) -> Self:
        return Exception.__new__(cls, *args)  # that of MemoryError refuses the layout of other exceptions


class MemoryLimit(OutOfMemory):
    """A command needed more memory than its limit, as it would again."""


LESS_MEMORY = "smaller blocks (--block) or fewer workers (--workers), or more memory"
"""What needs less memory, as the end of a sentence."""


def describe_lack_of_memory(error: MemoryError) -> str:
    """Return what a lack of memory means, as the begin of a sentence.

    Examples
    --------
    >>> describe_lack_of_memory(MemoryError("Unable to allocate 8 GiB")), describe_lack_of_memory(MemoryError())
    ('out of memory: Unable to allocate 8 GiB', 'out of memory')
    """
    if isinstance(error, OutOfMemory):
        return str(error)
    return f"out of memory: {error}" if str(error) else "out of memory"


class TimeLimit(VoxomeError, TimeoutError):
    """A command ran longer than it may."""


class EnvironmentFailed(VoxomeError, RuntimeError):
    """The engine of containers failed to start or to keep a command."""


class MissingExtra(VoxomeError, ImportError):
    """An optional package is not installed; the message has the command that installs it."""


class PluginError(VoxomeError, RuntimeError):
    """A plug-in cannot be loaded, or failed unexpectedly; the message names it."""


class ProgramFailed(VoxomeError, RuntimeError):
    """A foreign program ended with an error; the message has the end of what it printed."""


class EditConflict(VoxomeError, RuntimeError):
    """Another editor has changed a segment since the version that an edit is based on, or has locked it."""


class RunLocked(VoxomeError, RuntimeError):
    """Another process is using the run folder.

    Parameters
    ----------
    message : str
        What is in use, and what to do.
    holder : str
        The process: ``process 12``, if its number is known.
    """

    def __init__(self, message: str, *, holder: str = "another process") -> None:
        super().__init__(message)
        self.holder = holder


class RunFailed(VoxomeError, RuntimeError):
    """Jobs of a run failed; the message names them and their logs.

    Parameters
    ----------
    message : str
        What failed, and what to do.
    error_types : mapping of int to str, optional
        Job number → name of the class of its error; empty if its worker died.
    errors : mapping of int to str, optional
        Job number → message of its error.
    """

    def __init__(
        self, message: str, *, error_types: Mapping[int, str] | None = None, errors: Mapping[int, str] | None = None
    ) -> None:
        super().__init__(message)
        self.error_types = dict(error_types or {})
        self.errors = dict(errors or {})
