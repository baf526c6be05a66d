"""``voxome rm``: remove a volume."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from voxome.cli.complete import uris
from voxome.cli.console import Json, confirm, print_stderr, show_json, size_text, voxels_text

if TYPE_CHECKING:
    from voxome.services.removal_list import RemovedFiles


def rm(
    uri: Annotated[str, typer.Argument(help="URI or path of a volume.", autocompletion=uris)],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Remove without asking.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be removed, and remove nothing.")] = False,
    json: Json = False,
) -> None:
    """Remove a volume and all its levels, after showing what goes and asking. What is not part of it is kept."""
    from voxome.services.delete import delete, require_deletable
    from voxome.services.describe import spec_facts
    from voxome.services.removal_list import list_removal

    located, spec = require_deletable(uri)
    facts = spec_facts(spec)
    removed = [] if yes and not (json or dry_run) else list_removal(located, spec)
    if dry_run or not yes:
        print_stderr(f"{located}: {voxels_text(facts)}")
        _show(removed)
    if not (dry_run or yes or confirm(f"Remove {located}?")):
        print_stderr("Nothing was removed; use --yes to remove without asking")
        raise typer.Exit(1)
    if not dry_run:
        delete(located if yes else require_deletable(uri)[0])  # files may have come meanwhile
    if json:
        show_json({"uri": str(located), **facts, "files": [asdict(one) for one in removed], "removed": not dry_run})
    else:
        print_stderr("Nothing was removed (--dry-run)" if dry_run else f"Removed {located}")


def _show(removed: Iterable[RemovedFiles]) -> None:
    """Print a line for each kind of what will be removed."""
    for one in removed:
        size = "" if one.bytes is None else f", {size_text(one.bytes)}"
        more = ", …" if one.files > len(one.first) else ""
        print_stderr(f"  {one.kind}: {one.files:,}{size}: {', '.join(one.first)}{more}")
