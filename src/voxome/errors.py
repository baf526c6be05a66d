"""Every error that voxome raises on purpose.

    VoxomeError
    ├── InvalidInput (ValueError)          an argument, file or document is wrong
    │   ├── InvalidUri                     the URI cannot be understood
    │   ├── InvalidBox                     a box is malformed or leaves the domain
    │   ├── UnknownName (LookupError)      no scheme, tool, step, parameter … of that name
    │   └── PlanError                      a plan cannot be run; lists every fault at once
    ├── NotFound (FileNotFoundError)       nothing is stored there
    ├── AlreadyThere (FileExistsError)     something is stored there already
    ├── UnsupportedFormat (ValueError)     stored in a way that voxome does not read
    ├── CorruptData (OSError)              stored bytes that cannot be decoded
    ├── ReadOnly (PermissionError)         written to without write access
    ├── AccessDenied (PermissionError)     the store wants another token, or more rights
    ├── StoreError (OSError)               the store or its disk failed
    ├── RunLocked (RuntimeError)           another run holds the run folder
    └── RunFailed (RuntimeError)           jobs of a run failed; names them and their logs

A message says what was seen, what was expected and what to do next. Each error also inherits the builtin that a caller
would catch.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence


class VoxomeError(Exception):
    """The root of the tree; ``except VoxomeError`` catches all of them.

    Attributes
    ----------
    status : int or None
        The HTTP status, where a server's answer is the cause.
    """

    status: int | None = None


class InvalidInput(VoxomeError, ValueError):
    """An argument, a file or a document is wrong."""


class InvalidUri(InvalidInput):
    """A URI cannot be understood."""


class InvalidBox(InvalidInput):
    """A box is malformed, or leaves the domain of its volume."""


class UnknownName(InvalidInput, LookupError):
    """No such scheme, tool, step or parameter; the message names the nearest one."""

    @classmethod
    def of(cls, what: str, name: str, known: Iterable[str]) -> UnknownName:
        """Build the error for `name`, seen where one of `known` was expected."""
        choices = sorted(known)
        near = difflib.get_close_matches(name, choices, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]!r}? " if near else ""
        return cls(f"there is no {what} {name!r}; {hint}known: {', '.join(choices) or 'none'}")


class PlanError(InvalidInput):
    """A plan cannot be run; `faults` lists all that is wrong."""

    def __init__(self, faults: Sequence[str]) -> None:
        self.problems = tuple(faults)
        lines = "\n".join(f"  - {fault}" for fault in self.problems)
        count = "1 fault" if len(self.problems) == 1 else f"{len(self.problems)} faults"
        super().__init__(f"the run cannot start, {count}:\n{lines}")

    def __reduce__(self) -> tuple[type[PlanError], tuple[tuple[str, ...]]]:
        return type(self), (self.problems,)


class NotFound(VoxomeError, FileNotFoundError):
    """Nothing is stored there."""


class AlreadyThere(VoxomeError, FileExistsError):
    """Something is stored there already."""


class UnsupportedFormat(VoxomeError, ValueError):
    """Stored in a way that voxome does not read; the message names it."""


class CorruptData(VoxomeError, OSError):
    """Stored bytes that cannot be decoded."""


class ReadOnly(VoxomeError, PermissionError):
    """Written to without write access."""


class AccessDenied(VoxomeError, PermissionError):
    """The store does not let this user in, or not do this."""


class StoreError(VoxomeError, OSError):
    """The store, or the disk under it, failed."""


class RunLocked(VoxomeError, RuntimeError):
    """Another run holds the run folder."""


class RunFailed(VoxomeError, RuntimeError):
    """Jobs of a run failed; the message names them and their logs."""
