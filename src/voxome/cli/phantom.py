"""``voxome phantom``: generate a phantom."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from voxome.cli.console import print_stderr
from voxome.cli.copy_progress import block_progress
from voxome.cli.values import parse_index, parse_shape


def phantom(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Output folder.")],
    shape: Annotated[Any, typer.Option(parser=parse_shape, metavar="Z,Y,X", help="Shape in voxels.")] = "128,128,128",
    seed: Annotated[
        int, typer.Option(parser=parse_index, metavar="N", help="Random seed; the same seed gives the same phantom.")
    ] = 0,
) -> None:
    """Generate a neuropil phantom with ground truth: image, labels, membranes, synapses and connectome."""
    from voxome.data.phantom import write

    with block_progress(str(folder)) as progress:
        write.phantom(folder, shape=shape, seed=seed, progress=progress)
    print_stderr(f"Wrote a phantom of {' x '.join(map(str, shape))} voxels to {folder}")
