"""Calls of the programs that manage containers."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence

from voxome.errors import EnvironmentFailed, InvalidInput

_TIMEOUT_S = 120.0


def find_program(name: str, instead: str) -> str:
    """Return the path of a program.

    Parameters
    ----------
    name : str
        The program.
    instead : str
        What to use without it, for the message.

    Raises
    ------
    InvalidInput
        If it is not installed.
    """
    path = shutil.which(name)
    if path is None:
        raise InvalidInput(
            f"The environment {name} needs the program {name}, which is not on the path; install it, or use {instead}"
        )
    return path


def ask(arguments: Sequence[str], *, timeout_s: float | None = _TIMEOUT_S) -> subprocess.CompletedProcess[str]:
    """Run a program that manages containers, and return its end, whatever its status.

    Raises
    ------
    EnvironmentFailed
        If it does not end in time.
    """
    try:
        return subprocess.run(
            arguments,
            env=dict(os.environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise EnvironmentFailed(
            f"{' '.join(arguments[:3])} did not answer within {timeout_s:g} s; check that its engine is alive"
        ) from None


def output_of(arguments: Sequence[str], *, timeout_s: float | None = _TIMEOUT_S) -> str:
    """Return what a program that manages containers prints.

    Raises
    ------
    EnvironmentFailed
        If it fails.
    """
    ended = ask(arguments, timeout_s=timeout_s)
    if ended.returncode:
        raise EnvironmentFailed(
            f"{' '.join(arguments[:3])} ended with status {ended.returncode}: {message_of(ended)}; expected 0"
        )
    return ended.stdout


def message_of(ended: subprocess.CompletedProcess[str]) -> str:
    """Return what a program wrote to its standard error, in one line."""
    return " ".join((ended.stderr or ended.stdout).split())
