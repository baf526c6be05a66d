"""``voxome put``: write a file into a store."""

from __future__ import annotations

from typing import Annotated, Any, get_args

import typer

from voxome.cli.complete import uris
from voxome.cli.console import Json, print_stderr, show_json, voxels_text
from voxome.cli.copy_progress import block_progress
from voxome.cli.options import Unfinished
from voxome.cli.values import parse_as, parse_indices, parse_lengths_nm, parse_sizes
from voxome.contracts.spec import VolumeKind


def put(
    file: Annotated[str, typer.Argument(metavar="FILE", help="Path or URI of a volume.", autocompletion=uris)],
    uri: Annotated[str, typer.Argument(help="Destination, such as zarr://PATH.", autocompletion=uris)],
    voxel_size: Annotated[
        Any | None,
        typer.Option(parser=parse_lengths_nm, metavar="Z,Y,X", help="Voxel size in nm; overrides that of the file."),
    ] = None,
    dtype: Annotated[str | None, typer.Option(help="Data type of the new volume; values must not change.")] = None,
    kind: Annotated[
        Any | None,
        typer.Option(
            parser=parse_as(VolumeKind),
            metavar="|".join(get_args(VolumeKind)),
            help="Meaning of the voxels; overrides that of the file.",
        ),
    ] = None,
    chunk: Annotated[
        Any | None, typer.Option(parser=parse_sizes, metavar="Z,Y,X", help="Chunk shape of the new volume.")
    ] = None,
    at: Annotated[
        Any | None,
        typer.Option(
            parser=parse_indices, metavar="Z,Y,X", help="Write into an existing volume, starting at this index."
        ),
    ] = None,
    force: Unfinished = False,
    json: Json = False,
) -> None:
    """Write a file, or any volume, into a store: as a new volume, or --at an index of an existing one."""
    new: dict[str, Any] = {"voxel_size_nm": voxel_size, "dtype": dtype, "kind": kind, "chunk": chunk}
    if at is not None and (unused := [name for name, value in new.items() if value is not None]):
        raise typer.BadParameter(f"--at writes into an existing volume, but {', '.join(unused)} would need a new one")
    from voxome.geometry import Box
    from voxome.resources.volume_like import as_volume
    from voxome.services import verbs
    from voxome.services.describe import spec_facts

    volume = as_volume(file)
    with block_progress(uri, volume.nbytes) as progress:
        written = verbs.put(volume, uri, **new, at=at, force=force, progress=progress)
    start = written.spec.domain.start if at is None else at
    facts = spec_facts(written.spec.replace(domain=Box.of_shape(volume.shape, start)))
    if json:
        show_json({"source": volume.uri, "destination": written.uri, **facts})
    else:
        print_stderr(f"Wrote {voxels_text(facts)} to {uri}")
