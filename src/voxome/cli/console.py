"""What the command line prints: results on standard output, all else on standard error."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Annotated, Any

import typer

_WIDE = 4096
"""Width off a terminal, where lines are not wrapped."""

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def show_json(data: Any) -> None:
    """Print JSON values on standard output."""
    print(json.dumps(data, indent=1, default=str))


def show_table(
    columns: Sequence[str], rows: Iterable[Sequence[object]], *, title: str | None = None, heads: bool = True
) -> None:
    """Print a table on standard output."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left", show_header=heads)
    for name in columns:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*(str(cell) for cell in row))
    Console(width=None if sys.stdout.isatty() else _WIDE, highlight=False, markup=False).print(table)


def show_facts(facts: Mapping[str, object]) -> None:
    """Print names and values, one a line, on standard output."""
    if sys.stdout.isatty():
        show_table(("", ""), facts.items(), heads=False)
        return
    width = max(len(name) for name in facts)
    for name, value in facts.items():
        print(f"{name:<{width}}  {value}")


def say(message: str) -> None:
    """Tell something on standard error."""
    print(message, file=sys.stderr, flush=True)


def asked(question: str) -> bool:
    """Whether a person says yes, on standard input, to a question on standard error; no answer is a no."""
    print(f"{question} [y/N]: ", end="", file=sys.stderr, flush=True)
    answer = sys.stdin.readline()
    if not answer.endswith("\n"):
        say("")
    return answer.strip().lower() in ("y", "yes")


@contextmanager
def if_interrupted(then: str) -> Iterator[None]:
    """What is told, beside that it was so, when a person interrupts what goes on inside."""
    try:
        yield
    except KeyboardInterrupt as stop:
        stop.add_note(then)
        raise


def size_text(count: float | None) -> str:
    """A number of bytes for people to read."""
    if count is None:
        return "?"
    units = ["B", "kB", "MB", "GB", "TB", "PB"]
    while count >= 1000 and len(units) > 1:
        count /= 1000
        units.pop(0)
    return f"{count:.3g} {units[0]}"
