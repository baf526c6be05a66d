"""``voxome convert``: copy a volume with its grey values scaled to another data type."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from voxome.cli.complete import uris
from voxome.cli.console import Json, print_stderr, show_json, size_text
from voxome.cli.options import BOX, Workers
from voxome.cli.transfer import Drop
from voxome.cli.values import parse_as, parse_box, parse_count, parse_index, parse_shape


def convert(
    src: Annotated[str, typer.Argument(help="URI or path of the source.", autocompletion=uris)],
    dst: Annotated[str, typer.Argument(help="URI of the destination, such as zarr://PATH.", autocompletion=uris)],
    dtype: Annotated[str, typer.Option(metavar="uint8|uint16", help="Data type of the destination.")] = "uint8",
    window: Annotated[
        str | None,
        typer.Option(
            metavar="LO:HI|P%:Q%",
            help="Values that become 0 and the maximum, or percentiles of them, such as 0.5%:99.5%; the rest is "
            "clipped. Only booleans need none.",
        ),
    ] = None,
    box: Annotated[
        str | None,
        typer.Option(parser=parse_box, metavar=BOX, help="Box to copy, in the coordinates of the level."),
    ] = None,
    level: Annotated[
        int, typer.Option(parser=parse_index, metavar="N", help="Pyramid level of the source; 0 is the finest.")
    ] = 0,
    levels: Annotated[
        int, typer.Option(parser=parse_count, metavar="N", help="Number of levels of the destination.")
    ] = 1,
    workers: Workers = 1,
    chunk: Annotated[
        Any | None, typer.Option(parser=parse_shape, metavar="Z,Y,X", help="Chunk shape of the destination.")
    ] = None,
    drop: Annotated[
        list[Any] | None,
        typer.Option(
            parser=parse_as(Drop),
            metavar="|".join(Drop),
            help="Property to leave out, if the format cannot store it. Repeatable.",
        ),
    ] = None,
    state: Annotated[
        Path | None, typer.Option(help="Folder for progress; default: VOXOME_STATE or a cache folder.")
    ] = None,
    json: Json = False,
) -> None:
    """Copy a volume with its grey values scaled to uint8 or uint16. Rerun the same command to resume."""
    from voxome.cli.progress import progress_bars
    from voxome.services.convert import convert as run_convert

    with progress_bars(["copy", *(f"level {number}" for number in range(1, levels))]) as progress:
        report = run_convert(
            src,
            dst,
            dtype=dtype,
            window=window,
            box=box,
            level=level,
            levels=levels,
            workers=workers,
            chunk=chunk,
            drop=[one.value for one in drop or ()],
            state=state,
            progress=progress,
        )
    if json:
        show_json(asdict(report))
    else:
        print_stderr(
            f"{report.destination} is complete: {size_text(report.bytes)} in {report.seconds:.1f} s, from "
            f"{report.source}"
        )
