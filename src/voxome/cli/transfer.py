"""``voxome transfer``: copy a volume to another store."""

from __future__ import annotations

import json as json_module
from dataclasses import asdict
from typing import Annotated, Any, get_args

import typer

from voxome.cli.console import Json, print_stderr, show_json, size_text
from voxome.cli.options import (
    CopyBox,
    Destination,
    Dropped,
    EngineName,
    NewChunk,
    NewLevels,
    Records,
    Source,
    SourceLevel,
    State,
    Unfinished,
    Workers,
)
from voxome.cli.values import parse_as, parse_shape, parse_whole
from voxome.services.transfer.choices import Verify


def transfer(
    src: Source,
    dst: Destination,
    box: CopyBox = None,
    level: SourceLevel = 0,
    levels: NewLevels = 1,
    dtype: Annotated[str | None, typer.Option(help="Data type of the destination; values must not change.")] = None,
    workers: Workers = 1,
    verify: Annotated[
        Any,
        typer.Option(
            parser=parse_as(Verify),
            metavar="|".join(get_args(Verify)),
            help="Blocks to read back and compare; a sample has the first, the last and 1 in 16.",
        ),
    ] = "sampled",
    seed: Annotated[int, typer.Option(parser=parse_whole, metavar="N", help="Random seed of the sample.")] = 0,
    existing: Annotated[bool, typer.Option("--existing", help="Write into an existing array.")] = False,
    chunk: NewChunk = None,
    shard: Annotated[
        Any | None, typer.Option(parser=parse_shape, metavar="Z,Y,X", help="Shard shape of the destination.")
    ] = None,
    codec: Annotated[str | None, typer.Option(help="Codec of the destination, as its format names it.")] = None,
    encoding: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="Other option of the format, such as format=zarr2. Repeatable."),
    ] = None,
    drop: Dropped = None,
    state: State = None,
    engine: EngineName = None,
    records: Records = None,
    force: Unfinished = False,
    json: Json = False,
) -> None:
    """Copy a volume, or a box of it, to another store. Rerun the same command to resume."""
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
            verify=verify,
            seed=seed,
            force=force,
            existing=existing,
            chunk=chunk,
            shard=shard,
            encoding=_encoding(dst.partition("://")[0], codec, encoding),
            drop=drop or (),
            state=state,
            engine=engine,
            records=records,
            progress=progress,
        )
    if json:
        show_json(asdict(report))
        return
    print_stderr(
        f"{report.destination} is complete: {size_text(report.bytes)} in {report.wall_s:.1f} s, "
        f"{size_text(report.bytes_per_s)}/s; {_count(report.run)} copied, {report.verified:,} verified, "
        f"{report.reused:,} copied earlier"
    )


def _encoding(scheme: str, codec: str | None, options: list[str] | None) -> dict[str, Any] | None:
    from voxome.resources.open import format_traits

    encoding: dict[str, Any] = {} if codec is None else {format_traits(scheme).codec_option: codec}
    for text in options or ():
        name, equals, value = text.partition("=")
        if not equals:
            raise typer.BadParameter(f"--encoding {text}: expected NAME=VALUE, such as format=zarr2")
        encoding[name] = _value(value)
    return encoding or None


def _value(text: str) -> Any:
    """Parse a JSON value such as a number, true or false; other text is kept."""
    try:
        return json_module.loads(text)
    except ValueError:
        return text


def _count(number: int) -> str:
    return "1 block" if number == 1 else f"{number:,} blocks"
