"""``voxome put``: a file into a store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from voxome.cli.complete import uris
from voxome.cli.console import Json, say, show_json
from voxome.cli.copy_progress import block_progress
from voxome.cli.options import lengths

if TYPE_CHECKING:
    from voxome.contracts.source import VolumeSource


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
    chunks, corner = _whole("--chunk", chunk), _whole("--at", at)
    sizes = None if voxel_size is None else lengths("--voxel-size", voxel_size)
    new = {"voxel_size_nm": sizes, "dtype": dtype, "kind": kind and kind.value, "read_chunk": chunks}
    if corner is not None and (given := [name for name, value in new.items() if value is not None]):
        raise typer.BadParameter(f"--at writes into a volume that is there; {', '.join(given)} would be of a new one")
    from voxome.resources.open import open_source
    from voxome.services.blockwise_copy import copy

    source = open_source(file)
    spec, size = source.spec, source.spec.domain.size * source.spec.dtype.itemsize
    with (
        _target(source, uri, corner, new) as target,
        block_progress(uri, size) as told,
    ):
        copy(source, spec.domain, target, corner or target.spec.domain.start, told)
    shape = spec.domain.shape
    if json:
        show_json({"uri": uri, "shape": list(shape), "dtype": str(target.spec.dtype)})
    else:
        say(f"{uri}: {' x '.join(map(str, shape))} voxels are written")


@contextmanager
def _target(
    source: VolumeSource, uri: str, corner: tuple[int, ...] | None, new: dict[str, Any]
) -> Iterator[VolumeSource]:
    """What is written to: a new volume, or one that is there."""
    from voxome.services.ingest import place_for, spec_like
    from voxome.services.rollback import created_or_removed

    if corner is None:
        with created_or_removed(uri, spec_like(source.spec, **new)) as target:
            yield target
        return
    target = place_for(source, uri, corner)
    try:
        yield target
    except BaseException as error:
        error.add_note(f"{uri} is written in part: the same command writes all of it")
        raise


def _whole(option: str, text: str | None) -> tuple[int, ...] | None:
    if text is None:
        return None
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise typer.BadParameter(f"{option} {text}: write whole numbers of voxels, such as 8,8,8") from None
