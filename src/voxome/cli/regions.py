"""``voxome regions``: measure the segments of a volume."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer

from voxome.cli.complete import uris
from voxome.cli.console import Json, print_stderr, show_json
from voxome.cli.options import BoxText, CoreWorkers, EngineName, Level, Records, VoxelSize, read_options
from voxome.cli.tool import Block


def regions(
    labels: Annotated[str, typer.Argument(help="URI or path of the labels.", metavar="LABELS", autocompletion=uris)],
    *,
    out: Annotated[
        str, typer.Option("--out", metavar="FILE", help="Table of the segments, .parquet or .csv: path, or address.")
    ],
    image: Annotated[
        str | None,
        typer.Option("--image", metavar="URI", help="Volume whose values under every segment are measured."),
    ] = None,
    contacts: Annotated[
        str | None,
        typer.Option("--contacts", metavar="FILE", help="Table of the contacts between segments, .parquet or .csv."),
    ] = None,
    segment_properties: Annotated[
        str | None,
        typer.Option(
            "--segment-properties",
            metavar="URI",
            help="Folder for the main measures as Neuroglancer lists them, in 32-bit numbers: "
            "precomputed://SEGMENTATION/FOLDER.",
        ),
    ] = None,
    block: Block = None,
    box: BoxText = None,
    level: Level = 0,
    voxel_size: VoxelSize = None,
    workers: CoreWorkers = None,
    engine: EngineName = None,
    records: Records = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace existing tables and segment properties.")
    ] = False,
    json: Json = False,
) -> None:
    """Measure the segments of a volume, block by block and exactly; rerun the same command to resume.

    Sizes, centroids, boxes, surfaces, principal axes, values of an image, contacts.
    """
    from voxome.cli.progress import progress_bars
    from voxome.workflow.region_tables import write_regions

    blocks: Any = None if block is None else [("", block)]
    steps = ["common.region_sums", "common.regions", *(["common.contacts"] if contacts else [])]
    with progress_bars(steps) as progress:
        report = write_regions(
            labels,
            out,
            image=image,
            contacts=contacts,
            segment_properties=segment_properties,
            options=read_options(blocks, box, level, voxel_size, False),
            workers=workers,
            engine=engine,
            records=records,
            progress=progress,
            overwrite=overwrite,
        )
    if json:
        show_json(asdict(report))
        return
    if report.reused:
        print_stderr("Already finished by the same command; nothing was computed. --overwrite measures again.")
    print_stderr(f"{report.regions}: {report.segments:,} segments")
    if report.contacts is not None:
        print_stderr(f"{report.contacts}: {report.touching:,} contacts")
    if report.properties is not None:
        print_stderr(f"{report.properties}: segment properties")
