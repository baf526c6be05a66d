"""Pages of the documentation whose code blocks are run."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from voxome.cli.main import app

_FENCE = re.compile(r"^```(\w+)\n(.*?)^```", re.DOTALL | re.MULTILINE)
_SHOWN = re.compile(r"  # (.+)$")


@dataclass(frozen=True)
class Block:
    """One block of code, and where it begins.

    Attributes
    ----------
    language : str
        ``python`` or ``sh``.
    text : str
        Its lines.
    page : str
        Name of the page.
    line : int
        Line of the page on which it begins.
    section : str
        Heading of the second level above it.
    """

    language: str
    text: str
    page: str
    line: int
    section: str = ""


def blocks_of(page: Path) -> list[Block]:
    """Return the voxome blocks of a page: ``python`` and ``sh``, not ``py``."""
    text = page.read_text(encoding="utf-8")
    headings = [(match.start(), match[1]) for match in re.finditer(r"^## (.+)$", text, re.MULTILINE)]
    return [
        Block(
            fence[1],
            fence[2],
            page.name,
            text.count("\n", 0, fence.start()) + 1,
            next((name for at, name in reversed(headings) if at < fence.start()), ""),
        )
        for fence in _FENCE.finditer(text)
        if fence[1] in ("python", "sh")
    ]


def run_python(block: Block, names: dict[str, Any], words: Mapping[str, str]) -> None:
    """Run a block; the value of an expression must be that in the comment after it."""
    text = replaced(block.text, words)
    lines = text.splitlines()
    for statement in ast.parse(text, block.page).body:
        line = block.line + statement.lineno
        source = ast.get_source_segment(text, statement) or ""
        gives = isinstance(statement, ast.Expr)
        exec(compile("\n" * (line - 1) + (f"_ = {source}" if gives else source), block.page, "exec"), names)
        shown = _SHOWN.search(lines[(statement.end_lineno or 1) - 1])
        if gives and shown is not None:
            seen = (str(names["_"]), repr(names["_"]))
            assert shown[1] in seen, f"{block.page}:{line} shows {shown[1]}, and it is {seen[1]}"


def run_commands(block: Block, names: dict[str, Any], words: Mapping[str, str]) -> None:
    """Run each voxome command of a block."""
    for line in replaced(block.text, words).splitlines():
        name, *arguments = shlex.split(line)
        assert name == "voxome", line
        done = CliRunner().invoke(app, arguments)
        assert done.exit_code == 0, f"{block.page}:{block.line}: {line}: {done.output} {done.exception!r}"


def replaced(text: str, words: Mapping[str, str]) -> str:
    """Return `text` with other words put for some of the page."""
    for word, instead in words.items():
        text = text.replace(word, instead)
    return text
