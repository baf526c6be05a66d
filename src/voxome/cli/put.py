"""``voxome put``: write a file into a store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from voxome.cli.complete import uris
from voxome.cli.console import Json, print_stderr, show_json
from voxome.cli.copy_progress import block_progress
from voxome.cli.values import indices, lengths_nm, parse_as, sizes

if TYPE_CHECKING:
    from voxome.contracts.source import VolumeSource


class Kind(StrEnum):
    """Meaning of voxels."""

    image = "image"
    labels = "labels"
    probability = "probability"


def put(
    file: Annotated[str, typer.Argument(metavar="FILE", help="Path or URI of a volume.", autocompletion=uris)],
    uri: Annotated[str, typer.Argument(help="Destination, such as zarr://PATH.", autocompletion=uris)],
    voxel_size: Annotated[
        Any | None,
        typer.Option(parser=lengths_nm, metavar="Z,Y,X", help="Voxel size in nm; overrides that of the file."),
    ] = None,
    dtype: Annotated[str | None, typer.Option(help="Data type of the new volume; values must not change.")] = None,
    kind: Annotated[
        Any | None,
        typer.Option(
            parser=parse_as(Kind), metavar="|".join(Kind), help="Meaning of the voxels; overrides that of the file."
        ),
    ] = None,
    chunk: Annotated[
        Any | None, typer.Option(parser=sizes, metavar="Z,Y,X", help="Chunk shape of the new volume.")
    ] = None,
    at: Annotated[
        Any | None,
        typer.Option(parser=indices, metavar="Z,Y,X", help="Write into an existing volume, starting at this index."),
    ] = None,
    json: Json = False,
) -> None:
    """Write a file, or any volume, into a store: as a new volume, or --at an index of an existing one."""
    new = {"voxel_size_nm": voxel_size, "dtype": dtype, "kind": kind and kind.value, "read_chunk": chunk}
    if at is not None and (unused := [name for name, value in new.items() if value is not None]):
        raise typer.BadParameter(f"--at writes into an existing volume, but {', '.join(unused)} would need a new one")
    from voxome.resources.open import open_source
    from voxome.services.blockwise_copy import copy

    source = open_source(file)
    spec, size = source.spec, source.spec.domain.size * source.spec.dtype.itemsize
    with (
        _target(source, uri, at, new) as target,
        block_progress(uri, size) as progress,
    ):
        copy(source, spec.domain, target, at or target.spec.domain.start, progress)
    shape = spec.domain.shape
    if json:
        show_json({"uri": uri, "shape": list(shape), "dtype": str(target.spec.dtype)})
    else:
        print_stderr(f"Wrote {' x '.join(map(str, shape))} voxels to {uri}")


@contextmanager
def _target(
    source: VolumeSource, uri: str, corner: tuple[int, ...] | None, new: dict[str, Any]
) -> Iterator[VolumeSource]:
    """Yield the volume to write: a new one, or an existing one."""
    from voxome.services.ingest import open_target, spec_like
    from voxome.services.rollback import created_or_removed

    if corner is None:
        with created_or_removed(uri, spec_like(source.spec, **new)) as target:
            yield target
        return
    target = open_target(uri, source, corner)
    try:
        yield target
    except BaseException as error:
        error.add_note(f"{uri} is partly written; rerun the same command to complete it")
        raise
