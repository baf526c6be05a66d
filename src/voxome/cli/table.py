"""Tables: columns on a terminal, tab-separated text elsewhere."""

from __future__ import annotations

import re
import shutil
import sys
import textwrap
from collections.abc import Iterable, Mapping, Sequence

from voxome.cli.console import print_stderr, visible_text

_GAP = "  "
_PROSE_WIDTH = 14
"""Least width of a column of prose or lists, which may be wrapped between words; numbers, names and URIs never are."""
_NUMBERS = re.compile(r"[\d\s.,:;x+-]+( ?[A-Za-z/]{1,4})?")
_NUMBER = re.compile(r"[-+]?[\d,]+(\.\d+)?( ?[kMGTP]?B(/s)?| m?s)?|")


def on_terminal() -> bool:
    """Return whether standard output is a terminal."""
    return sys.stdout.isatty()


def show_table(
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    title: str | None = None,
    least: Sequence[str] = (),
) -> None:
    """Print a table on standard output, without secrets and control characters.

    On a terminal it fits the width: prose is wrapped between words, then columns of `least` are left out, and named
    below; a table that is still too wide is printed as one paragraph for each row, with all columns. Elsewhere it is
    tab-separated, with a header line, for other programs.

    Parameters
    ----------
    columns : sequence of str
        Names of the columns.
    rows : iterable of sequences
        Cells; None is an empty one.
    title : str, optional
        Line above the table, on a terminal only.
    least : sequence of str
        Columns that may be left out, the first one first.
    """
    cells = [["" if cell is None else visible_text(str(cell)) for cell in row] for row in rows]
    if not on_terminal():
        for row in (columns, *cells):
            print("\t".join(" ".join(cell.split()) for cell in row))
        return
    if title is not None:
        print(title)
    width = shutil.get_terminal_size().columns
    for count in range(len(least) + 1):
        shown = [number for number, name in enumerate(columns) if name not in least[:count]]
        names, values = [columns[number] for number in shown], [[row[number] for number in shown] for row in cells]
        widths = _column_widths(names, values, width)
        if widths is not None:
            print("\n".join(_lines(names, values, widths)))
            if count:
                print_stderr(f"left out, since they do not fit: {', '.join(least[:count])}; --json has all")
            return
    print("\n".join(_paragraphs(columns, cells, width)))


def show_facts(facts: Mapping[str, object]) -> None:
    """Print names and values, one pair a line, on standard output, without secrets and control characters."""
    texts = {name: "" if value is None else visible_text(str(value)) for name, value in facts.items()}
    if on_terminal():
        print("\n".join(_facts(texts, shutil.get_terminal_size().columns)))
    else:
        for name, text in texts.items():
            print(f"{name}\t{' '.join(text.split())}")


def _column_widths(columns: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> list[int] | None:
    """Return the widths with which the table fits; None if it cannot without breaking a word."""
    by_column = list(zip(*rows, strict=True)) or [()] * len(columns)
    widths = [max(map(len, (name, *cells))) for name, cells in zip(columns, by_column, strict=True)]
    least = [
        max(_longest_word(name), *map(_least_width, cells), 1) for name, cells in zip(columns, by_column, strict=True)
    ]
    spare = width - len(_GAP) * (len(columns) - 1) - sum(least)
    if spare < 0:
        return None
    for _ in range(min(spare, sum(widths) - sum(least))):
        shortest = max(range(len(columns)), key=lambda column: widths[column] - least[column])
        least[shortest] += 1
    return least


def _least_width(cell: str) -> int:
    """Return the width of a cell below which something would be broken that must not be."""
    if _NUMBERS.fullmatch(cell):
        return len(cell)
    return max(_longest_word(cell), min(len(cell), _PROSE_WIDTH))


def _longest_word(text: str) -> int:
    return max(map(len, text.split()), default=0)


def _lines(columns: Sequence[str], rows: Sequence[Sequence[str]], widths: Sequence[int]) -> Iterable[str]:
    right = [all(_NUMBER.fullmatch(cell) for cell in cells) for cells in zip(*rows, strict=True)] or [False] * len(
        widths
    )
    for row in (columns, ["─" * width for width in widths], *rows):
        wrapped = [_wrap(cell, width) for cell, width in zip(row, widths, strict=True)]
        for number in range(max(map(len, wrapped))):
            parts = [lines[number] if number < len(lines) else "" for lines in wrapped]
            padded = [
                part.rjust(width) if number_column else part.ljust(width)
                for part, width, number_column in zip(parts, widths, right, strict=True)
            ]
            yield _GAP.join(padded).rstrip()


def _paragraphs(columns: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> Iterable[str]:
    for number, row in enumerate(rows):
        if number:
            yield ""
        yield from _facts(dict(zip(columns, row, strict=True)), width)


def _facts(facts: Mapping[str, str], width: int) -> Iterable[str]:
    names = max(map(len, facts))
    for name, text in facts.items():
        first, *others = _wrap(text, max(width - names - len(_GAP), _PROSE_WIDTH))
        yield f"{name.ljust(names)}{_GAP}{first}".rstrip()
        yield from (" " * (names + len(_GAP)) + line for line in others)


def _wrap(text: str, width: int) -> list[str]:
    """Wrap between words only; a longer word keeps a line of its own."""
    if len(text) <= width:
        return [text]
    return textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False) or [""]
