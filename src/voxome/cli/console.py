"""Output of the command line: results on standard output, everything else on standard error."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from voxome.contracts.json_text import json_text
from voxome.geometry.notation import comma_text
from voxome.redaction import redact

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Characters by which names and messages of others could change what a terminal shows, or that it cannot encode."""

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


def show_json(data: Any, *, secret: bool = False) -> None:
    """Print data as JSON on standard output; without secrets, unless the result is one."""
    text = json_text(data, "the output", indent=1)
    print(text if secret else redact(text))


def id_texts(data: Any) -> Any:
    """Return ids, in lists and mappings too, as texts of digits: many readers of JSON round numbers above 2⁵³.

    Examples
    --------
    >>> id_texts({"id": 2**53 + 1, "supervoxels": [1]})
    {'id': '9007199254740993', 'supervoxels': ['1']}
    """
    if isinstance(data, Mapping):
        return {name: id_texts(one) for name, one in data.items()}
    return [id_texts(one) for one in data] if isinstance(data, list) else str(data)


def print_stderr(message: str) -> None:
    """Print a message on standard error, without secrets and control characters."""
    print(visible_text(message), file=sys.stderr, flush=True)


def confirm(question: str) -> bool:
    """Ask a question on standard error; return whether the answer on standard input is yes."""
    print(f"{visible_text(question)} [y/N]: ", end="", file=sys.stderr, flush=True)
    answer = sys.stdin.readline()
    if not answer.endswith("\n"):
        print_stderr("")
    return answer.strip().lower() in ("y", "yes")


def visible_text(text: str) -> str:
    """Return a text without secrets, and with control characters, which a terminal would obey, as escapes."""
    return _CONTROL.sub(lambda found: repr(found[0])[1:-1], redact(text))


@contextmanager
def note_on_interrupt(note: str) -> Iterator[None]:
    """Add a note to the message printed after Ctrl-C in the body of the ``with`` statement."""
    try:
        yield
    except KeyboardInterrupt as interrupt:
        interrupt.add_note(note)
        raise


def size_text(count: float | None) -> str:
    """Return a number of bytes as readable text."""
    if count is None:
        return "?"
    units = ["B", "kB", "MB", "GB", "TB", "PB"]
    while count >= 1000 and len(units) > 1:
        count /= 1000
        units.pop(0)
    return f"{count:.3g} {units[0]}"


def voxels_text(facts: Mapping[str, Any]) -> str:
    """Return shape, dtype and size of a volume, of facts as `voxome.info` has them, as readable text."""
    return f"{comma_text(facts['shape'])} voxels of {facts['dtype']}, {size_text(facts['bytes'])}"
