"""``voxome phantom``: make a phantom."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from voxome.cli.console import say


def phantom(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where it is written.")],
    shape: Annotated[str, typer.Option(metavar="Z,Y,X", help="Voxels.")] = "128,128,128",
    seed: Annotated[int, typer.Option(min=0, help="The same seed makes the same phantom.")] = 0,
) -> None:
    """Make a phantom of neuropil with its truth: raw, labels and membranes, synapses and connectome."""
    try:
        z, y, x = (int(part) for part in shape.split(","))
    except ValueError:
        raise typer.BadParameter(f"--shape {shape}: write three whole numbers of voxels, such as 128,128,128") from None
    from voxome.datasets.phantom.spec import PhantomSpec
    from voxome.datasets.phantom.write import write_phantom

    write_phantom(folder, PhantomSpec((z, y, x), seed))
    say(f"a phantom of {z} x {y} x {x} voxels is in {folder}")
