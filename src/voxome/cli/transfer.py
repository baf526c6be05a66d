"""``voxome transfer``: copy a volume from one store to another."""

from __future__ import annotations

import json as json_module
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from voxome.cli.complete import uris
from voxome.cli.console import Json, say, show_json, size_text
from voxome.cli.options import voxels


class Verify(StrEnum):
    """Which blocks are read back."""

    none = "none"
    sampled = "sampled"
    all = "all"


class Drop(StrEnum):
    """What a destination need not keep."""

    start = "start"
    voxel_size = "voxel_size"
    offset = "offset"
    attributes = "attributes"


def transfer(
    src: Annotated[str, typer.Argument(help="URI or path of a volume.", autocompletion=uris)],
    dst: Annotated[str, typer.Argument(help="URI of what is made, such as zarr://PATH.", autocompletion=uris)],
    box: Annotated[
        str | None,
        typer.Option(metavar="Z0:Z1,Y0:Y1,X0:X1", help="The part to copy, in the source's coordinates at its level."),
    ] = None,
    level: Annotated[int, typer.Option(min=0, help="Level of the source's pyramid; 0 is the finest.")] = 0,
    levels: Annotated[int, typer.Option(min=1, help="How many levels the destination is to have.")] = 1,
    dtype: Annotated[str | None, typer.Option(help="Of the destination; no voxel may change its value.")] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes at a time; the result does not depend on it.")] = 1,
    verify: Annotated[
        Verify, typer.Option(help="Which blocks are read back: a sample has the first, the last and one of 16.")
    ] = Verify.sampled,
    seed: Annotated[int, typer.Option(help="Of the sample that is read back.")] = 0,
    existing: Annotated[bool, typer.Option("--existing", help="Write into an array that is there and fits.")] = False,
    chunk: Annotated[str | None, typer.Option(metavar="Z,Y,X", help="Chunk of the destination.")] = None,
    shard: Annotated[str | None, typer.Option(metavar="Z,Y,X", help="Shard of the destination.")] = None,
    codec: Annotated[str | None, typer.Option(help="Compression of the destination, by the format's own name.")] = None,
    encoding: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="Another option of the format, such as format=zarr2. Repeatable."),
    ] = None,
    drop: Annotated[
        list[Drop] | None,
        typer.Option(help="What the destination need not keep; formats refuse what they cannot hold. Repeatable."),
    ] = None,
    state: Annotated[
        Path | None, typer.Option(help="Where is kept what is done: VOXOME_STATE, or a cache folder, if not given.")
    ] = None,
    json: Json = False,
) -> None:
    """Copy a volume, or a part of it, to another store; interrupted, the same command goes on."""
    from voxome.cli.progress import progress_bars
    from voxome.services.transfer.run import transfer as run_transfer

    names = ["copy", *(f"level {number}" for number in range(1, levels))]
    with progress_bars(names) as progress:
        report = run_transfer(
            src,
            dst,
            box=box,
            level=level,
            dtype=dtype,
            levels=levels,
            workers=workers,
            verify=verify.value,
            seed=seed,
            existing=existing,
            chunk=None if chunk is None else voxels("--chunk", chunk),
            shard=None if shard is None else voxels("--shard", shard),
            encoding=_encoding(dst.partition("://")[0], codec, encoding),
            drop=[one.value for one in drop or ()],
            state=state,
            progress=progress,
        )
    if json:
        show_json(asdict(report))
        return
    say(
        f"{report.destination} is complete: {size_text(report.bytes)} in {report.seconds:.1f} s, "
        f"{size_text(report.bytes_per_s)}/s; {_count(report.run)} copied, {report.verified:,} of them read back, "
        f"{report.reused:,} copied before"
    )


def _encoding(scheme: str, codec: str | None, options: list[str] | None) -> dict[str, Any] | None:
    from voxome.services.transfer.target import CODEC_OPTION

    found: dict[str, Any] = {} if codec is None else {CODEC_OPTION.get(scheme, "codec"): codec}
    for text in options or ():
        name, equals, value = text.partition("=")
        if not equals:
            raise typer.BadParameter(f"--encoding {text}: write NAME=VALUE, such as format=zarr2")
        found[name] = _value(value)
    return found or None


def _value(text: str) -> Any:
    """A number, true, false or anything else that is JSON; text where it is not."""
    try:
        return json_module.loads(text)
    except ValueError:
        return text


def _count(number: int) -> str:
    return "1 block" if number == 1 else f"{number:,} blocks"
