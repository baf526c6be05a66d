"""``voxome put``: a file into a store."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from voxome.cli.blocks import block_progress
from voxome.cli.complete import uris
from voxome.cli.console import Json, say, show_json


class Kind(StrEnum):
    """What voxels mean."""

    image = "image"
    labels = "labels"
    probability = "probability"


def put(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A path or URI of a volume.", autocompletion=uris)],
    uri: Annotated[str, typer.Argument(help="What is made, such as zarr://PATH.", autocompletion=uris)],
    voxel_size: Annotated[
        str | None, typer.Option(metavar="Z,Y,X", help="Voxel size in nm, in place of what the file says.")
    ] = None,
    dtype: Annotated[str | None, typer.Option(help="Of the new volume; no voxel may change its value.")] = None,
    kind: Annotated[Kind | None, typer.Option(help="What the voxels mean, in place of what the file says.")] = None,
    chunk: Annotated[str | None, typer.Option(metavar="Z,Y,X", help="Chunk of the new volume.")] = None,
    at: Annotated[
        str | None, typer.Option(metavar="Z,Y,X", help="Write into the volume that is there, with this corner.")
    ] = None,
    json: Json = False,
) -> None:
    """Put a file, or any volume, into a store: as a new volume, or --at a place of one that is there."""
    sizes, chunks, corner = (_numbers(*one) for one in (("voxel-size", voxel_size), ("chunk", chunk), ("at", at)))
    new = {"voxel_size_nm": sizes, "dtype": dtype, "kind": kind and kind.value, "read_chunk": chunks and _whole(chunks)}
    if corner is not None and (given := [name for name, value in new.items() if value is not None]):
        raise typer.BadParameter(f"--at writes into a volume that is there; {', '.join(given)} would be of a new one")
    from voxome.resources.open import open_source
    from voxome.services.copying import copy
    from voxome.services.ingest import new_volume, place_for

    source = open_source(file)
    target = new_volume(source, uri, **new) if corner is None else place_for(source, uri, _whole(corner))
    try:
        with block_progress(uri) as told:
            copy(source, source.spec.domain, target, _whole(corner or target.spec.domain.start), told)
    except BaseException:
        say(f"{uri} is incomplete: write it again, or remove it by voxome rm")
        raise
    shape = source.spec.domain.shape
    if json:
        show_json({"uri": uri, "shape": list(shape), "dtype": dtype or str(source.spec.dtype)})
    else:
        say(f"{uri}: {' x '.join(map(str, shape))} voxels are written")


def _numbers(option: str, text: str | None) -> tuple[float, ...] | None:
    if text is None:
        return None
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise typer.BadParameter(f"--{option} {text}: write numbers as 8,8,8") from None


def _whole(numbers: tuple[float, ...]) -> tuple[int, ...]:
    if any(number != int(number) for number in numbers):
        raise typer.BadParameter(f"{numbers}: whole numbers of voxels were expected")
    return tuple(int(number) for number in numbers)
