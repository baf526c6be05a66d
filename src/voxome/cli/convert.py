"""``voxome convert``: copy a volume with its grey values scaled to another data type."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from voxome.cli.console import Json, print_stderr, show_json, size_text
from voxome.cli.options import CopyBox, Destination, Dropped, NewChunk, NewLevels, Source, SourceLevel, State, Workers


def convert(
    src: Source,
    dst: Destination,
    dtype: Annotated[str, typer.Option(metavar="uint8|uint16", help="Data type of the destination.")] = "uint8",
    window: Annotated[
        str | None,
        typer.Option(
            metavar="LO:HI|P%:Q%",
            help="Values that become 0 and the maximum, or percentiles of them, such as 0.5%:99.5%; the rest is "
            "clipped. Only booleans need none.",
        ),
    ] = None,
    box: CopyBox = None,
    level: SourceLevel = 0,
    levels: NewLevels = 1,
    workers: Workers = 1,
    chunk: NewChunk = None,
    drop: Dropped = None,
    state: State = None,
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
            drop=drop or (),
            state=state,
            progress=progress,
        )
    if json:
        show_json(asdict(report))
    else:
        print_stderr(
            f"{report.destination} is complete: {size_text(report.bytes)} in {report.wall_s:.1f} s, from "
            f"{report.source}"
        )
