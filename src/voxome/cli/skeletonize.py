"""``voxome skeletonize``: skeletons of every object of a segmentation, into a store."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from voxome.cli.shapes import Labels, RunMapping, shapes_verb
from voxome.cli.values import parse_not_negative


@shapes_verb("skeletons", ("common.skeleton_pieces", "common.skeletons"))
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
    cross_sections: Annotated[
        bool, typer.Option("--cross-sections", help="Give nodes the area of the cross-section there, in nm².")
    ] = False,
    points: Annotated[
        str | None,
        typer.Option(
            "--points",
            metavar="FILE.parquet",
            help="Roots and targets: columns id, z_nm, y_nm, x_nm and kind, which is root or target.",
        ),
    ] = None,
    run: RunMapping,
) -> Any:
    """Skeletonize every object of a segmentation, block by block; rerun the same command to resume."""
    from voxome.workflow.shapes import write_skeletons

    return write_skeletons(
        labels,
        out,
        scale=scale,
        const_nm=const,
        soma_radius_nm=soma_radius,
        min_volume_nm3=min_volume,
        cross_sections=cross_sections,
        points=points,
        **run,
    )
