"""``voxome phantom``: generate a phantom."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from voxome.cli.console import Json, print_stderr, show_json, voxels_text
from voxome.cli.copy_progress import block_progress
from voxome.cli.values import parse_index, parse_shape


def phantom(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Output folder.")],
    shape: Annotated[Any, typer.Option(parser=parse_shape, metavar="Z,Y,X", help="Shape in voxels.")] = "128,128,128",
    seed: Annotated[
        int, typer.Option(parser=parse_index, metavar="N", help="Random seed; the same seed gives the same phantom.")
    ] = 0,
    modality: Annotated[
        str, typer.Option(metavar="NAME", help="em (neuropil), xrm or lm (cells and vessels; X-ray, fluorescence).")
    ] = "em",
    density: Annotated[
        str | None, typer.Option(metavar="NAME", help="Cells of xrm and lm: dense (default) or sparse.")
    ] = None,
    json: Json = False,
) -> None:
    """Generate a phantom with ground truth.

    Neuropil: image, labels, membranes, synapses and connectome. Cells and vessels: image, labels, mask and graph of the
    vessels, tables of cells and vessels, and densities.
    """
    from voxome.data import phantoms
    from voxome.resources.open import open_source
    from voxome.services.describe import spec_facts

    with block_progress(str(folder)) as progress:
        files = phantoms.phantom(folder, shape=shape, seed=seed, modality=modality, density=density, progress=progress)
    facts = spec_facts(open_source(str(files.raw)).spec)
    if json:
        paths = {name: str(path.resolve()) for name, path in asdict(files).items() if path is not None}
        show_json({**paths, "seed": seed, **facts})
    else:
        print_stderr(f"Wrote a phantom of {voxels_text(facts)}, to {folder}")
