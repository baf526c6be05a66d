"""``voxome bench``: measure the speed of stores."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from voxome.cli.complete import uris
from voxome.cli.console import Json, print_stderr, show_json, size_text
from voxome.cli.copy_progress import block_progress
from voxome.cli.logs import Verbs
from voxome.cli.table import show_table
from voxome.cli.values import parse_count, parse_index, parse_sizes, parse_whole
from voxome.contracts.read_cost import ratio_text

app = Verbs(help="Measure the speed of stores.", no_args_is_help=True)


@app.command("read")
def read(
    uri: Annotated[str, typer.Argument(help="URI or path of a volume.", autocompletion=uris)],
    edges: Annotated[
        Any | None,
        typer.Option(
            "--sizes",
            parser=parse_sizes,
            metavar="N,N,…",
            help="Edge lengths of the cubes to read, in voxels; default: those of 32,64,128,256,512 that fit.",
        ),
    ] = None,
    concurrency: Annotated[
        int,
        typer.Option(
            parser=parse_count, metavar="N", help="Number of simultaneous requests, compared with one at a time."
        ),
    ] = 4,
    repeats: Annotated[
        int, typer.Option(parser=parse_count, metavar="N", help="Number of consecutive requests of each size.")
    ] = 3,
    level: Annotated[
        int, typer.Option(parser=parse_index, metavar="N", help="Level of the pyramid; 0 is the finest.")
    ] = 0,
    seed: Annotated[
        int, typer.Option(parser=parse_whole, metavar="N", help="Random seed for the positions to read.")
    ] = 0,
    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Folder for read.json and the plot read.png.")
    ] = None,
    json: Json = False,
) -> None:
    """Read cubes of several sizes, aligned to chunks and not, one at a time and concurrently."""
    from voxome.resources.open import locate, open_source
    from voxome.services.bench import cost_warnings, read_sweep

    name = str(locate(uri))
    source = open_source(uri, level=level or None)
    with block_progress(name, unit="readings") as progress:
        readings = read_sweep(source, edges, concurrency=concurrency, repeats=repeats, seed=seed, progress=progress)
    report = {"uri": name, "level": level, "readings": [asdict(reading) for reading in readings]}
    if out is not None:
        from voxome.records.folder import write_json
        from voxome.services.bench import draw

        out.mkdir(parents=True, exist_ok=True)
        write_json(out / "read.json", report)
        draw(readings, name, out / "read.png")
        print_stderr(f"Wrote {out / 'read.json'} and {out / 'read.png'}")
    for warning in cost_warnings(name, source.spec, readings):
        print_stderr(f"warning: {warning}")
    if json:
        show_json(report)
        return
    rows = [
        [
            reading.edge,
            size_text(reading.bytes),
            "aligned" if reading.aligned else "unaligned",
            reading.concurrency,
            f"{reading.median_s * 1000:.1f} ms",
            f"{size_text(reading.bytes_per_s)}/s",
            ratio_text(reading.amplification),
        ]
        for reading in readings
    ]
    show_table(["edge", "request", "chunks", "concurrency", "median time", "throughput", "read/wanted"], rows)
