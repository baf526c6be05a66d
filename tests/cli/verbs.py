"""The verbs of the command line, as Click has them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer

from voxome.cli.main import app


def _verbs(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, one in getattr(command, "commands", {}).items():
        yield (*path, name), one
        yield from _verbs(one, (*path, name))


VERBS = dict(_verbs(typer.main.get_command(app)))
"""Path of a verb → verb, those below others too; tools, which are loaded when they are needed, are left out."""
