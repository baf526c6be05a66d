"""``voxome rm``: remove a volume."""

from __future__ import annotations

from typing import Annotated

import typer

from voxome.cli.complete import uris
from voxome.cli.console import Json, confirm, print_stderr, show_json, voxels_text


def rm(
    uri: Annotated[str, typer.Argument(help="URI or path of a volume.", autocompletion=uris)],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Remove without asking.")] = False,
    json: Json = False,
) -> None:
    """Remove a volume and all its levels, after asking. Anything that is not a volume is kept."""
    from voxome.services.delete import delete, require_deletable
    from voxome.services.describe import spec_facts

    located, spec = require_deletable(uri)
    facts = spec_facts(spec)
    if not (yes or confirm(f"Remove {located}: {voxels_text(facts)}?")):
        print_stderr("Nothing was removed; use --yes to remove without asking")
        raise typer.Exit(1)
    delete(located)
    if json:
        show_json({"uri": str(located), **facts})
    else:
        print_stderr(f"Removed {located}")
