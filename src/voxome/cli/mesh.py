"""``voxome mesh``: mesh every object of a segmentation into a store."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from voxome.cli.complete import uris
from voxome.cli.console import Json, print_stderr, show_json
from voxome.cli.options import BoxText, CoreWorkers, EngineName, Level, Records, VoxelSize
from voxome.cli.tool import Block
from voxome.cli.values import parse_count, parse_not_negative

Labels = Annotated[str, typer.Argument(help="URI or path of the labels.", metavar="LABELS", autocompletion=uris)]
ObjectTable = Annotated[
    str | None, typer.Option("--table", metavar="FILE.parquet", help="Table of the objects and their measures.")
]
PiecesStore = Annotated[
    str | None,
    typer.Option(
        "--store",
        metavar="DIR|URI",
        help="Where the pieces are kept in the meantime, for workers on other machines. Default: a cache folder.",
    ),
]


def mesh(
    labels: Labels,
    *,
    out: Annotated[
        str,
        typer.Option(
            "--out",
            metavar="URI",
            help="precomputed://FOLDER (options: ?format=multires|legacy, bits=16|10, sharded=true|false), or "
            "meshfiles://FOLDER?format=obj|ply|stl|glb for a file an object.",
        ),
    ],
    max_error: Annotated[
        Any,
        typer.Option(
            "--max-error",
            parser=parse_not_negative,
            metavar="NM",
            help="Largest distance between the mesh and the surface of the voxels, in nm; 0: that surface itself.",
        ),
    ] = 0.0,
    levels: Annotated[
        Any,
        typer.Option(
            "--levels",
            parser=parse_count,
            metavar="N",
            help="Levels of detail; each doubles the largest distance.",
        ),
    ] = 1,
    min_volume: Annotated[
        Any,
        typer.Option(
            "--min-volume",
            parser=parse_not_negative,
            metavar="NM3",
            help="Objects with less volume, in cubic nm, get no mesh; the table lists them.",
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
    """Mesh every object of a segmentation, block by block; rerun the same command to resume."""
    from voxome.cli.progress import progress_bars
    from voxome.workflow.shapes import MESHES, write_meshes

    with progress_bars(MESHES) as progress:
        meshes = write_meshes(
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
            max_error_nm=max_error,
            levels=levels,
            min_volume_nm3=min_volume,
        )
    count = len(meshes.ids())
    if json:
        show_json({"uri": meshes.uri, "meshes": count, "table": table})
        return
    print_stderr(f"{meshes.uri}: {count:,} meshes" + (f"; measures in {table}" if table else ""))
