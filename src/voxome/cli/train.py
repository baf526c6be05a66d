"""``voxome train``: train the membrane network."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from voxome.cli.console import Json, print_stderr, show_json
from voxome.cli.options import BOX
from voxome.cli.values import parse_box, parse_count, parse_fraction, parse_index, parse_not_negative

BoxText = Annotated[str | None, typer.Option(parser=parse_box, metavar=BOX, help="Labelled box to train on.")]
HeldOut = Annotated[
    str | None,
    typer.Option(parser=parse_box, metavar=BOX, help="Box to hold out, for the scores in the model card."),
]
OtherPairs = Annotated[
    list[str] | None,
    typer.Option("--other", metavar="RAW,LABELS", help="Another volume to train on. Repeatable."),
]


def train(
    raw: Annotated[str, typer.Argument(help="URI of an electron microscopy volume (z, y, x).")],
    labels: Annotated[str, typer.Argument(help="URI of its labels; voxels with label 0 are ignored.")],
    out: Annotated[Path, typer.Option(help="Output folder for the network, its card and the checkpoint.")],
    box: BoxText = None,
    held_out: HeldOut = None,
    other: OtherPairs = None,
    minutes: Annotated[float, typer.Option(parser=parse_not_negative, metavar="MINUTES", help="Training time.")] = 30.0,
    seed: Annotated[
        int, typer.Option(parser=parse_index, metavar="N", help="Random seed for weights and patches.")
    ] = 1,
    threads: Annotated[int, typer.Option(parser=parse_count, metavar="N", help="Number of torch threads.")] = 2,
    device: Annotated[str, typer.Option(help="Torch device: cpu, cuda.")] = "cpu",
    batch: Annotated[int, typer.Option(parser=parse_count, metavar="N", help="Batch size.")] = 1,
    other_fraction: Annotated[
        float, typer.Option(parser=parse_fraction, metavar="0…1", help="Fraction of patches from --other volumes.")
    ] = 0.25,
    rate: Annotated[float, typer.Option(parser=parse_not_negative, metavar="RATE", help="Peak learning rate.")] = 2e-3,
    start: Annotated[Path | None, typer.Option(help="Checkpoint of another training to start from.")] = None,
    name: Annotated[str, typer.Option(help="Name of the network.")] = "model",
    version: Annotated[str, typer.Option(help="Version of the network.")] = "1",
    licence: Annotated[str, typer.Option(help="Licence of the training data, for the card.")] = "unknown",
    attribution: Annotated[str, typer.Option(help="Attribution of the training data, for the card.")] = "",
    json: Json = False,
) -> None:
    """Train the membrane network on labelled voxels. Rerun the same command to resume from its checkpoint."""
    pairs = [_pair(text) for text in other or ()]
    from voxome.models.train import loop
    from voxome.models.train import train as training

    network = training.train(
        training.Truth(raw, labels, box),
        out,
        settings=loop.Settings(
            minutes=minutes,
            seed=seed,
            threads=threads,
            device=device,
            batch=batch,
            rate=rate,
            other_fraction=other_fraction,
            start=start,
        ),
        held_out=None if held_out is None else training.Truth(raw, labels, held_out),
        others=[training.Truth(*pair) for pair in pairs],
        name=name,
        version=version,
        licence=licence,
        attribution=attribution,
        command=shlex.join(["voxome", *sys.argv[1:]]),
    )
    card = network.path.with_suffix(".json")
    if json:
        facts = network.card.model_dump(mode="json", include={"name", "version", "dtype", "voxel_size_nm", "scores"})
        show_json({"network": str(network.path), "card": str(card), **facts})
    else:
        print_stderr(f"Wrote {network.path} and its card {card}; use it with --set model={card}")


def _pair(text: str) -> tuple[str, str]:
    raw, comma, labels = text.partition(",")
    if not (comma and raw and labels):
        raise typer.BadParameter(f"--other {text}: expected two URIs, RAW,LABELS")
    return raw, labels
