"""Output of the command line: results on standard output, everything else on standard error."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Annotated, Any

import typer

_PIPE_WIDTH = 4096
"""Width when output is not a terminal, so that lines are not wrapped."""

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def show_json(data: Any) -> None:
    """Print data as JSON on standard output."""
    print(json.dumps(data, indent=1, default=str))


def show_table(
    columns: Sequence[str], rows: Iterable[Sequence[object]], *, title: str | None = None, header: bool = True
) -> None:
    """Print a table on standard output."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left", show_header=header)
    for name in columns:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*(str(cell) for cell in row))
    Console(width=None if sys.stdout.isatty() else _PIPE_WIDTH, highlight=False, markup=False).print(table)


def show_facts(facts: Mapping[str, object]) -> None:
    """Print names and values, one per line, on standard output."""
    if sys.stdout.isatty():
        show_table(("", ""), facts.items(), header=False)
        return
    width = max(len(name) for name in facts)
    for name, value in facts.items():
        print(f"{name:<{width}}  {value}")


def print_stderr(message: str) -> None:
    """Print a message on standard error."""
    print(message, file=sys.stderr, flush=True)


def confirm(question: str) -> bool:
    """Ask a question on standard error; return whether the answer on standard input is yes."""
    print(f"{question} [y/N]: ", end="", file=sys.stderr, flush=True)
    answer = sys.stdin.readline()
    if not answer.endswith("\n"):
        print_stderr("")
    return answer.strip().lower() in ("y", "yes")


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
