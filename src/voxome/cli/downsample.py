"""``voxome downsample``: add coarser levels to a volume."""

from __future__ import annotations

from typing import Annotated, Any, get_args

import typer

from voxome.cli.complete import uris
from voxome.cli.console import Json, print_stderr, show_json, size_text
from voxome.cli.options import EngineName, NewChunk, Records, State, Unfinished, Workers
from voxome.cli.values import parse_as, parse_count, parse_number, parse_shape
from voxome.contracts.downsampling import Method


def downsample(
    volume: Annotated[str, typer.Argument(help="URI or path of the volume.", autocompletion=uris)],
    out: Annotated[
        str | None,
        typer.Option("--out", metavar="URI", help="Write a copy with levels, and leave the volume as it is."),
    ] = None,
    method: Annotated[
        Any,
        typer.Option(
            parser=parse_as(Method),
            metavar="|".join(get_args(Method)),
            help="How voxels become one; default: mode for labels, mean for everything else.",
        ),
    ] = None,
    no_data: Annotated[
        Any,
        typer.Option(
            parser=parse_number,
            metavar="VALUE",
            help="Value that does not count; with 0, the background of labels loses against any id.",
        ),
    ] = None,
    levels: Annotated[
        int | None,
        typer.Option(
            parser=parse_count,
            metavar="N",
            help="Number of levels, the finest included; default: until one fits into a chunk.",
        ),
    ] = None,
    factors: Annotated[
        list[Any] | None,
        typer.Option(
            parser=parse_shape,
            metavar="Z,Y,X",
            help="Factors from each level to the next; several are for one level each. Default: halve the finest axes.",
        ),
    ] = None,
    service: Annotated[
        str | None,
        typer.Option(metavar="own|local|NAME", help="Who computes the levels: the store, voxome, or another package."),
    ] = None,
    existing: Annotated[bool, typer.Option("--existing", help="Compute levels that there are again.")] = False,
    workers: Workers = 1,
    chunk: NewChunk = None,
    shard: Annotated[
        Any | None, typer.Option(parser=parse_shape, metavar="Z,Y,X", help="Shard shape of the destination.")
    ] = None,
    state: State = None,
    engine: EngineName = None,
    records: Records = None,
    force: Unfinished = False,
    json: Json = False,
) -> None:
    """Add coarser levels to a volume. Rerun the same command to resume."""
    from voxome.cli.progress import progress_bars
    from voxome.services.downsample.run import downsample as run_downsample

    with progress_bars([]) as progress:
        report = run_downsample(
            volume,
            out=out,
            method=method,
            no_data=no_data,
            levels=levels,
            factors=None if not factors else factors[0] if len(factors) == 1 else factors,
            service=service,
            existing=existing,
            workers=workers,
            chunk=chunk,
            shard=shard,
            state=state,
            engine=engine,
            records=records,
            force=force,
            progress=progress,
        )
    if json:
        show_json(report.to_json())
        return
    print_stderr(
        f"{report.destination} has {len(report.levels)} levels: {size_text(report.bytes)} in {report.wall_s:.1f} s; "
        f"{report.run:,} blocks computed, {report.reused:,} computed earlier"
    )
    for level, ids in report.lost_ids.items():
        if len(ids):
            print_stderr(f"level {level} has lost {len(ids):,} {'id' if len(ids) == 1 else 'ids'} (listed by --json)")
