"""``voxome build``: build and pin images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from voxome.cli.console import Json, print_stderr, show_json

Sources = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="DIR|FILE.cwl|IMAGE…",
        help="Folders with a Dockerfile or with CWL documents, CWL documents, images; default: this folder.",
        show_default=False,
    ),
]
Tag = Annotated[
    str | None, typer.Option("--tag", metavar="NAME", help="Name of the image; default: localhost/FOLDER:latest.")
]
EnvironmentName = Annotated[
    str | None,
    typer.Option("--environment", metavar="NAME", help="podman, docker or apptainer; default: the first installed."),
]
Lock = Annotated[
    Path | None, typer.Option("--lock", help="Lock file; default: voxome.lock.json in the folder of each source.")
]
Network = Annotated[
    bool, typer.Option("--allow-network", help="Let builds use the network, and pull images from registries.")
]


def build(
    sources: Sources = None,
    tag: Tag = None,
    environment: EnvironmentName = None,
    lock: Lock = None,
    allow_network: Network = False,
    json: Json = False,
) -> None:
    """Build images of tools from Dockerfiles, and pin the ids of images in a lock file, which runs keep to."""
    from voxome.workflow.images import build_images

    images = build_images(*(sources or ()), tag=tag, environment=environment, lock=lock, allow_network=allow_network)
    for one in images:
        if one.entry_point:
            words = " ".join(one.entry_point)
            print_stderr(f"{one.image} has an entry point, {words}, which gets commands as its arguments")
    if json:
        show_json([{**vars(one), "entry_point": list(one.entry_point)} for one in images])
        return
    for one in images:
        print(f"{one.image}\t{one.id}")
    for path in dict.fromkeys(one.lock for one in images):
        print_stderr(f"Pinned in {path}")
