"""``voxome gc``: keep caches and intermediate data below a number of bytes."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from voxome.cli.console import Json, print_stderr, show_json, size_text
from voxome.cli.table import show_table
from voxome.cli.values import parse_bytes


def gc(
    where: Annotated[
        str,
        typer.Argument(
            metavar="DIR|URI", help="Cache, run folder, store of runs, or a folder with such directly in it."
        ),
    ],
    *,
    nbytes: Annotated[
        Any, typer.Option("--bytes", parser=parse_bytes, metavar="N", help="Bytes that may stay, such as 0 or 50GB.")
    ],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Remove; without it, only list what would go.")] = False,
    json: Json = False,
) -> None:
    """Remove what can be computed again: results in caches, intermediate data of runs, the least recently used first.

    Results of runs stay, and so does what a run in progress uses. Without --yes, nothing is removed.
    """
    from voxome.workflow.garbage import find_garbage

    garbage = find_garbage(where)
    chosen = garbage.beyond(nbytes)
    removed, kept = [], list(garbage.kept)
    for one in chosen:
        if not yes or one.remove():
            removed.append(one)
        else:
            kept.append(f"{one.name} stays: it is in use, or cannot be locked on this file system")
    freed = sum(one.nbytes for one in removed)
    if json:
        show_json(
            {
                "removed": [one.name for one in removed],
                "freed_bytes": freed,
                "left_bytes": garbage.nbytes - freed,
                "warnings": kept,
                "dry_run": not yes,
            }
        )
        return
    if removed:
        show_table(["path", "size"], [[one.name, size_text(one.nbytes)] for one in removed])
    for sentence in kept:
        print_stderr(sentence)
    left = size_text(garbage.nbytes - freed)
    if yes:
        print_stderr(f"Removed {size_text(freed)}; {left} left")
    else:
        print_stderr(f"Would remove {size_text(freed)}, and leave {left}; add --yes to remove")
