"""``voxome train``: train the membrane network."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from voxome.cli.console import say
from voxome.errors import VoxomeError

BoxText = Annotated[str | None, typer.Option(metavar="Z0:Z1,Y0:Y1,X0:X1", help="The labelled part to learn from.")]
HeldOut = Annotated[
    str | None,
    typer.Option(metavar="Z0:Z1,Y0:Y1,X0:X1", help="A part kept aside, where the card's scores are measured."),
]
Others = Annotated[
    list[str] | None,
    typer.Option("--other", metavar="RAW,LABELS", help="A further volume, mixed in. Repeatable."),
]


def train(
    raw: Annotated[str, typer.Argument(help="URI of an electron micrograph, z, y, x.")],
    labels: Annotated[str, typer.Argument(help="URI of its labels; 0 is not learned from.")],
    out: Annotated[Path, typer.Option(help="Where the network, its card and the checkpoint are written.")],
    box: BoxText = None,
    held_out: HeldOut = None,
    other: Others = None,
    minutes: Annotated[float, typer.Option(min=0, help="Time to train.")] = 30.0,
    seed: Annotated[int, typer.Option(min=0, help="Of the weights and the patches.")] = 1,
    threads: Annotated[int, typer.Option(min=1, help="Threads of torch.")] = 2,
    device: Annotated[str, typer.Option(help="Where to compute, as torch names it: cpu, cuda.")] = "cpu",
    batch: Annotated[int, typer.Option(min=1, help="Patches a step.")] = 1,
    others_share: Annotated[float, typer.Option(min=0, max=1, help="Share of patches from --other volumes.")] = 0.25,
    rate: Annotated[float, typer.Option(min=0, help="Peak learning rate.")] = 2e-3,
    start: Annotated[Path | None, typer.Option(help="Checkpoint of another training to begin with.")] = None,
    name: Annotated[str, typer.Option(help="Name of the network.")] = "model",
    version: Annotated[str, typer.Option(help="Version of the network.")] = "1",
    licence: Annotated[str, typer.Option(help="Licence of the data, for the card.")] = "unknown",
    attribution: Annotated[str, typer.Option(help="Who made the data, for the card.")] = "",
) -> None:
    """Train the membrane network on labelled voxels; stopped, the same command goes on from its checkpoint."""
    pairs = [_pair(text) for text in other or ()]
    try:
        from voxome.models.train import loop
        from voxome.models.train import train as training
    except ModuleNotFoundError as error:
        raise VoxomeError(f"training needs {error.name}: pip install 'voxome[train]'") from error
    from voxome.geometry import Box

    made = training.train(
        training.Truth(raw, labels, None if box is None else Box.parse(box)),
        out,
        settings=loop.Settings(
            minutes=minutes,
            seed=seed,
            threads=threads,
            device=device,
            batch=batch,
            rate=rate,
            others_share=others_share,
            start=start,
        ),
        held_out=None if held_out is None else training.Truth(raw, labels, Box.parse(held_out)),
        others=[training.Truth(*pair) for pair in pairs],
        name=name,
        version=version,
        licence=licence,
        attribution=attribution,
        command=shlex.join(["voxome", *sys.argv[1:]]),
    )
    say(f"{made.path} and its card {made.path.with_suffix('.json')} are written; use it with --set model=CARD")


def _pair(text: str) -> tuple[str, str]:
    raw, comma, labels = text.partition(",")
    if not (comma and raw and labels):
        raise typer.BadParameter(f"--other {text}: write two URIs, RAW,LABELS")
    return raw, labels
