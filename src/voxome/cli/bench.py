"""``voxome bench``: how fast stores are."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from voxome.cli.complete import uris
from voxome.cli.console import Json, say, show_json, show_table, size_text
from voxome.cli.copy_progress import block_progress

app = typer.Typer(help="Measure how fast stores are.", no_args_is_help=True)


@app.command("read")
def read(
    uri: Annotated[str, typer.Argument(help="A URI or path of a volume.", autocompletion=uris)],
    sizes: Annotated[
        str, typer.Option(metavar="N,N,…", help="Edge lengths of the cubes that are read, in voxels.")
    ] = "32,64,128,256,512",
    at_once: Annotated[int, typer.Option(min=1, help="Requests under way at a time, beside one at a time.")] = 4,
    repeats: Annotated[int, typer.Option(min=1, help="Requests of each size, one after the other.")] = 3,
    level: Annotated[int, typer.Option(min=0, help="Level of the pyramid; 0 is the finest.")] = 0,
    seed: Annotated[int, typer.Option(help="Of the places that are read.")] = 0,
    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Where read.json and the figure read.png are written.")
    ] = None,
    json: Json = False,
) -> None:
    """Read cubes of several sizes, aligned to chunks and not, one at a time and several at once."""
    try:
        edges = [int(part) for part in sizes.split(",")]
    except ValueError:
        raise typer.BadParameter(f"--sizes {sizes}: write whole numbers of voxels, as 64,128,256") from None
    from voxome.resources.open import locate, open_source
    from voxome.services.bench import read_sweep

    name = str(locate(uri))
    source = open_source(uri, level=level or None)
    with block_progress(name, unit="readings") as progress:
        found = read_sweep(source, edges, at_once=at_once, repeats=repeats, seed=seed, told=progress)
    told = {"uri": name, "level": level, "readings": [asdict(reading) for reading in found]}
    if out is not None:
        from voxome.records.folder import write_json
        from voxome.services.bench_figure import draw

        out.mkdir(parents=True, exist_ok=True)
        write_json(out / "read.json", told)
        draw(found, name, out / "read.png")
        say(f"{out / 'read.png'} and {out / 'read.json'} are written")
    if json:
        show_json(told)
        return
    rows = [
        [
            reading.edge,
            size_text(reading.bytes),
            "aligned" if reading.aligned else "unaligned",
            reading.at_once,
            f"{reading.seconds * 1000:.1f} ms",
            f"{size_text(reading.bytes_per_s)}/s",
        ]
        for reading in found
    ]
    show_table(["edge", "request", "to chunks", "at once", "time of one", "throughput"], rows)
