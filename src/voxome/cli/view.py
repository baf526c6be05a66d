"""``voxome view``: show volumes and runs in Neuroglancer."""

from __future__ import annotations

import sys
import webbrowser
from threading import Event
from typing import Annotated, Any

import typer

from voxome.cli.complete import uris
from voxome.cli.console import Json, show_json
from voxome.cli.values import parse_view_lengths_nm, parse_whole
from voxome.errors import InvalidInput


def view(
    targets: Annotated[
        list[str],
        typer.Argument(
            metavar="[NAME=]URI|RUN…", help="Volumes, annotations, or the folder of a run.", autocompletion=uris
        ),
    ],
    annotate: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[NAME=]FOLDER",
            help="Keep annotations that are drawn in the viewer, in the layer of this name, in this folder.",
        ),
    ] = None,
    proofread: Annotated[
        bool, typer.Option("--proofread", help="Edit the segments of proofread://STORE in the viewer.")
    ] = False,
    voxel_size: Annotated[
        Any | None,
        typer.Option(
            "--voxel-size",
            parser=parse_view_lengths_nm,
            metavar="[Z,]Y,X",
            help="Voxel size in nm of volumes that have none.",
        ),
    ] = None,
    port: Annotated[
        Any, typer.Option(parser=parse_whole, metavar="N", help="Port of the page; by default any free one.")
    ] = 0,
    browser: Annotated[bool, typer.Option(help="Whether to open the page in the browser.")] = True,
    json: Json = False,
) -> None:
    """Show volumes and runs in Neuroglancer, until interrupted."""
    from voxome.relay.local_view import view as show
    from voxome.viewer.contents import layer_name

    named = [_split(text) for text in targets]
    names = [name or layer_name(uri) for name, uri in named]
    drawn = _folders(annotate or [])
    options = {"annotate": drawn, "proofread": proofread, "voxel_size_nm": voxel_size, "port": port}
    with show(*(uri for _, uri in named), names=names, **options) as shown:
        if json:
            show_json({"url": shown.url})
            sys.stdout.flush()
        else:
            typer.echo(f"Viewer at {shown.url} (Ctrl+C ends it)")
        if browser:
            webbrowser.open(shown.url)
        Event().wait()


def _folders(texts: list[str]) -> str | dict[str, str] | None:
    """Return the folder of annotations, or those of several layers by name."""
    from voxome.viewer.contents import layer_name

    named = [_split(text) for text in texts]
    if len(named) < 2 and not any(name for name, _ in named):
        return named[0][1] if named else None
    names = [name or layer_name(folder) for name, folder in named]
    if len(set(names)) < len(names):
        raise InvalidInput(f"two layers of annotations would have one name of {', '.join(names)}; give NAME=FOLDER")
    return dict(zip(names, (folder for _, folder in named), strict=True))


def _split(text: str) -> tuple[str, str]:
    """Return the name of a layer, empty if there is none, and the address."""
    name, equals, uri = text.partition("=")
    return (name, uri) if equals and uri and not set(name) & set("/:?|") else ("", text)
