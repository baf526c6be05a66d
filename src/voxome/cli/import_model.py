"""``voxome import-model``: take over a network that others trained."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from voxome.cli.console import Json, print_stderr, show_json


def import_model(
    source: Annotated[Path, typer.Argument(help="ONNX, TorchScript, or HDF5 weights of Keras 1.")],
    description: Annotated[Path, typer.Argument(help="What the file does not say (TOML): context, channels, …")],
    out: Annotated[Path, typer.Option(help="Output folder for the network and its card.")],
    values: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Value in place of the description's. Repeatable."),
    ] = None,
    json: Json = False,
) -> None:
    """Convert a network that others trained to ONNX, try it, and write its card.

    docs/training.md describes the description.
    """
    from voxome.models.imports.config import ModelImport
    from voxome.models.imports.importer import import_model as take_over
    from voxome.models.train.documents import read_config

    model = take_over(source, read_config(description, ModelImport, values or ()), out)
    card = model.path.with_suffix(".json")
    if json:
        show_json(
            {"network": str(model.path), "card": str(card), **model.card.model_dump(mode="json", include={"norm"})}
        )
    else:
        print_stderr(f"Wrote {model.path} and its card {card}; use it with --set model={card}")
