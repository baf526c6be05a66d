"""``voxome ls``: list volumes."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from voxome.cli.complete import uris
from voxome.cli.console import Json, print_stderr, show_json
from voxome.cli.table import show_table


def ls(
    uri: Annotated[str, typer.Argument(help="Folder or URI, such as bossdb://COLLECTION.", autocompletion=uris)] = ".",
    recursive: Annotated[bool, typer.Option("--recursive", "-r", help="List nested volumes too.")] = False,
    json: Json = False,
) -> None:
    """List volumes, and folders or collections of volumes."""
    from voxome.resources.listing import ls as list_resources

    entries = list_resources(uri, recursive=recursive)
    if json:
        show_json([asdict(info) for info in entries])
    elif not entries:
        print_stderr(f"No volumes found in {uri}")
    else:
        show_table(["uri", "type", "description"], [[info.uri, info.type, info.description] for info in entries])
