"""``voxome phantom``: generate a phantom."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from voxome.cli.console import print_stderr


def phantom(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Output folder.")],
    shape: Annotated[str, typer.Option(metavar="Z,Y,X", help="Shape in voxels.")] = "128,128,128",
    seed: Annotated[int, typer.Option(min=0, help="Random seed; the same seed gives the same phantom.")] = 0,
) -> None:
    """Generate a neuropil phantom with ground truth: image, labels, membranes, synapses and connectome."""
    try:
        z, y, x = (int(part) for part in shape.split(","))
    except ValueError:
        raise typer.BadParameter(f"--shape {shape}: expected three integers, such as 128,128,128") from None
    from voxome.data.phantom.spec import PhantomSpec
    from voxome.data.phantom.write import write_phantom

    write_phantom(folder, PhantomSpec((z, y, x), seed))
    print_stderr(f"Wrote a phantom of {z} x {y} x {x} voxels to {folder}")
