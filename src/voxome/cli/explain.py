"""``voxome explain``: show what reading a box costs."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from voxome.cli.complete import uris
from voxome.cli.console import Json, print_stderr, show_json, size_text
from voxome.cli.options import BOX
from voxome.cli.table import show_facts
from voxome.cli.values import parse_box, parse_index
from voxome.contracts.read_cost import ratio_text
from voxome.geometry.notation import comma_text


def explain(
    uri: Annotated[str, typer.Argument(help="URI or path of a volume.", autocompletion=uris)],
    box: Annotated[
        str | None,
        typer.Option(parser=parse_box, metavar=BOX, help="Box to read, in the coordinates of the level."),
    ] = None,
    level: Annotated[
        int, typer.Option(parser=parse_index, metavar="N", help="Level of the pyramid; 0 is the finest.")
    ] = 0,
    json: Json = False,
) -> None:
    """Show what reading a box costs: chunks, requests, bytes read for bytes wanted, and time; reads a few chunks."""
    from voxome.services.explain import explain as explain_reads

    cost = explain_reads(uri, box=box, level=level)
    for warning in cost.warnings:
        print_stderr(f"warning: {warning}")
    if json:
        show_json(asdict(cost))
        return
    show_facts(
        {
            "uri": cost.uri,
            "box": cost.box,
            "chunk shape": _shape(cost.chunk, "not divided into chunks"),
            "shard shape": _shape(cost.shard, "no shards"),
            "chunks": f"{cost.chunks:,}" + (f" in {_count(cost.shards, 'shard')}" if cost.shard else ""),
            "requests": f"{cost.requests:,}",
            "bytes wanted": size_text(cost.wanted_bytes),
            "bytes read": f"{size_text(cost.read_bytes)}, {ratio_text(cost.amplification)} for each byte wanted",
            "estimated time": f"{cost.estimated_s:.3g} s, from reading {_count(cost.sampled_chunks, 'chunk')}",
        }
    )


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _shape(shape: tuple[int, ...] | None, without: str) -> str:
    return without if shape is None else comma_text(shape)
