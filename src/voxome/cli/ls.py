"""``voxome ls``: what lies under a place."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from voxome.cli.complete import uris
from voxome.cli.console import Json, say, show_json, show_table


def ls(
    uri: Annotated[
        str, typer.Argument(help="A URI, such as bossdb://COLLECTION, or a folder.", autocompletion=uris)
    ] = ".",
    recursive: Annotated[bool, typer.Option("--recursive", "-r", help="Look into what is found too.")] = False,
    json: Json = False,
) -> None:
    """List the volumes under a place, and what holds volumes."""
    from voxome.resources.listing import listing

    found = list(listing(uri, deep=recursive))
    if json:
        show_json([asdict(info) for info in found])
    elif not found:
        say(f"no volume is found in {uri}")
    else:
        show_table(["uri", "type", ""], [[info.uri, info.type, info.description] for info in found])
