"""``voxome get``: export a volume to a file."""

from __future__ import annotations

from typing import Annotated

import typer

from voxome.cli.complete import uris
from voxome.cli.console import Json, print_stderr, show_json, voxels_text
from voxome.cli.copy_progress import block_progress
from voxome.cli.options import BOX, Unfinished
from voxome.cli.values import parse_box, parse_index


def get(
    uri: Annotated[str, typer.Argument(help="URI or path of a volume.", autocompletion=uris)],
    out: Annotated[
        str,
        typer.Argument(
            metavar="OUT",
            help="Output: FILE.npy, FILE.h5 or FILE.h5/DATASET, FILE.tif, FILE.png (one section), FOLDER/ "
            "(PNG sections), FOLDER.zarr, FOLDER.n5, FILE.nii, FILE.nii.gz.",
        ),
    ],
    box: Annotated[
        str | None,
        typer.Option(parser=parse_box, metavar=BOX, help="Box to export, in the coordinates of the level."),
    ] = None,
    level: Annotated[
        int, typer.Option(parser=parse_index, metavar="N", help="Level of the pyramid; 0 is the finest.")
    ] = 0,
    force: Unfinished = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what is stored at OUT.")] = False,
    json: Json = False,
) -> None:
    """Export a volume, or a box of it, to a file for other programs."""
    from voxome.resources.volume_like import as_volume
    from voxome.services import verbs
    from voxome.services.blockwise_copy import resolve_box
    from voxome.services.describe import spec_facts

    volume = as_volume(uri, level=level)
    region = resolve_box(volume.spec, box)
    facts = spec_facts(volume.spec.replace(domain=region))
    with block_progress(out, facts["bytes"]) as progress:
        verbs.get(volume, out, box=region, force=force, overwrite=overwrite, progress=progress)
    if json:
        show_json({"source": volume.uri, "destination": out, "box": str(region), **facts})
    else:
        print_stderr(f"{out}: {voxels_text(facts)}")
