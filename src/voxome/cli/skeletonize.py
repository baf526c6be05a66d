"""``voxome skeletonize``: skeletons of every object of a segmentation, into a store."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from voxome.cli.console import Json, print_stderr, show_json
from voxome.cli.mesh import Labels, ObjectTable, PiecesStore
from voxome.cli.options import BoxText, CoreWorkers, EngineName, Level, Records, VoxelSize
from voxome.cli.tool import Block
from voxome.cli.values import parse_not_negative


def skeletonize(
    labels: Labels,
    *,
    out: Annotated[
        str,
        typer.Option(
            "--out",
            metavar="URI",
            help="precomputed://FOLDER (option: ?sharded=true|false), or swc://FOLDER for a file an object.",
        ),
    ],
    scale: Annotated[
        Any,
        typer.Option(
            "--scale",
            parser=parse_not_negative,
            metavar="NUMBER",
            help="A path covers what is within SCALE times its radius plus CONST; what none covers becomes a branch.",
        ),
    ] = 1.5,
    const: Annotated[
        Any, typer.Option("--const", parser=parse_not_negative, metavar="NM", help="See --scale; in nm.")
    ] = 300.0,
    soma_radius: Annotated[
        Any,
        typer.Option(
            "--soma-radius",
            parser=parse_not_negative,
            metavar="NM",
            help="An object as thick as this, in nm, has a soma, from whose middle branches leave straight.",
        ),
    ] = 2000.0,
    min_volume: Annotated[
        Any,
        typer.Option(
            "--min-volume",
            parser=parse_not_negative,
            metavar="NM3",
            help="Objects with less volume, in cubic nm, get no skeleton; the table lists them.",
        ),
    ] = 0.0,
    table: ObjectTable = None,
    block: Block = None,
    box: BoxText = None,
    level: Level = 0,
    voxel_size: VoxelSize = None,
    store: PiecesStore = None,
    workers: CoreWorkers = None,
    engine: EngineName = None,
    records: Records = None,
    json: Json = False,
) -> None:
    """Skeletonize every object of a segmentation, block by block; rerun the same command to resume.

    Skeletons depend on the blocks: in total by about 1 % of the cable, those of single objects by more.
    """
    from voxome.cli.progress import progress_bars
    from voxome.workflow.shapes import SKELETONS, write_skeletons

    with progress_bars(SKELETONS) as progress:
        skeletons = write_skeletons(
            labels,
            out,
            table=table,
            block=block,
            box=box,
            level=level,
            voxel_size_nm=voxel_size,
            store=store,
            workers=workers,
            engine=engine,
            records=records,
            progress=progress,
            scale=scale,
            const_nm=const,
            soma_radius_nm=soma_radius,
            min_volume_nm3=min_volume,
        )
    count = len(skeletons.ids())
    if json:
        show_json({"uri": skeletons.uri, "skeletons": count, "table": table})
        return
    print_stderr(f"{skeletons.uri}: {count:,} skeletons" + (f"; measures in {table}" if table else ""))
