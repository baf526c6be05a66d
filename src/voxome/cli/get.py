"""``voxome get``: a volume as a file."""

from __future__ import annotations

from typing import Annotated

import typer

from voxome.cli.complete import uris
from voxome.cli.console import Json, say, show_json, size_text
from voxome.cli.copy_progress import block_progress


def get(
    uri: Annotated[str, typer.Argument(help="A URI or path of a volume.", autocompletion=uris)],
    out: Annotated[
        str,
        typer.Argument(
            metavar="OUT",
            help="What is written: FILE.npy, FILE.h5 or FILE.h5/DATASET, FILE.tif, FILE.png (one section), FOLDER/ "
            "(PNG sections), FOLDER.zarr, FILE.nii.",
        ),
    ],
    box: Annotated[
        str | None,
        typer.Option(metavar="Z0:Z1,Y0:Y1,X0:X1", help="The part to get, in the volume's coordinates at its level."),
    ] = None,
    level: Annotated[int, typer.Option(min=0, help="Level of the pyramid; 0 is the finest.")] = 0,
    json: Json = False,
) -> None:
    """Write a volume, or a part of it, as a file that other programs read."""
    from voxome.geometry import Box
    from voxome.resources.open import open_source
    from voxome.services.export import asked, export

    source = open_source(uri, level=level or None)
    whole = asked(source.spec, None if box is None else Box.parse(box))
    size = whole.size * source.spec.dtype.itemsize
    with block_progress(out, size) as told:
        export(source, whole, out, told)
    if json:
        show_json({"out": out, "box": str(whole), "shape": list(whole.shape), "dtype": str(source.spec.dtype)})
    else:
        shape = " x ".join(map(str, whole.shape))
        say(f"{out}: {shape} voxels of {source.spec.dtype}, {size_text(size)}")
