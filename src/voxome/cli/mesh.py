"""``voxome mesh``: mesh every object of a segmentation into a store."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from voxome.cli.shapes import Labels, RunMapping, shapes_verb
from voxome.cli.values import parse_count, parse_not_negative


@shapes_verb("meshes", ("common.mesh_pieces", "common.meshes"))
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
    run: RunMapping,
) -> Any:
    """Mesh every object of a segmentation, block by block; rerun the same command to resume."""
    from voxome.workflow.shapes import write_meshes

    return write_meshes(labels, out, max_error_nm=max_error, levels=levels, min_volume_nm3=min_volume, **run)
