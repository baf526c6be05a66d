"""The pipeline on real data: FIB-25, scored on sections that the network was not trained on.

    python benchmarks/fib25.py OUT [--figure docs/fib25.png]

The pipeline runs on sections 100-124, with raw around them, and fragments and neurons are scored against the truth. The
network was trained on sections 0-99; the shipped network was trained further from it, on 0-124.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import numpy as np
from PIL import Image

import voxome
from voxome.geometry import Box
from voxome.reports import score
from voxome.reports.pictures import neuron_colour
from voxome.workflow.verbs import run

ROOT = Path(__file__).parent.parent
SHARED = (ROOT / os.environ.get("VOXOME_SHARED", "../shared")).resolve()
FILE = SHARED / "data" / "fib25" / "fib25.h5"
MODEL = Path(__file__).parent / "fib25-z0-99.json"
BOX = Box((100, 0, 0), (125, 250, 250))


def main() -> None:
    """Run, score and draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--figure", type=Path)
    parser.add_argument("--model", default=str(MODEL), help="card or name of the network")
    parser.add_argument("--box", type=Box.parse, default=BOX, help="box to segment")
    parser.add_argument("--scored", type=Box.parse, default=BOX, help="box to score")
    parser.add_argument("--block", default="64,128,128")
    arguments = parser.parse_args()
    raw, truth = f"hdf5://{FILE}/volumes/raw", f"hdf5://{FILE}/volumes/labels/neuron_ids"
    z, y, x = (int(n) for n in arguments.block.split(","))
    inputs = {"raw": raw, "model": arguments.model}
    record = run(
        ROOT / "pipelines/em/connectome.cwl", inputs, out=arguments.out, workers=2, block=(z, y, x), box=arguments.box
    )
    keys = {step["name"]: step["key"] for step in record["steps"]}
    fragments = arguments.out / ".voxome/steps" / f"segment.apply-{keys['segment.apply']}" / "fragments.zarr"
    for name, result in (("fragments", fragments), ("neurons", arguments.out / "neurons.zarr")):
        found = score.segmentation(truth, str(result), arguments.scored)
        total = found.voi_split + found.voi_merge
        print(
            f"{name:10} adapted Rand error {found.adapted_rand_error:.4f}  VOI split {found.voi_split:.4f} "
            f"merge {found.voi_merge:.4f} sum {total:.4f}"
        )
    if arguments.figure:
        draw(arguments.out, raw, arguments.scored, arguments.figure)


def draw(folder: Path, raw: str, box: Box, path: Path) -> None:
    """Draw raw, membranes and neurons of the middle section, side by side."""
    middle = (box.start[0] + box.stop[0]) // 2
    plane = Box((middle, *box.start[1:]), (middle + 1, *box.stop[1:]))
    grey = voxome.open(raw).cutout(plane)[0]
    membranes = voxome.open(str(folder / "membranes.zarr")).cutout(plane)[0]
    labels = voxome.open(str(folder / "neurons.zarr")).cutout(plane)[0]
    ids, places = np.unique(labels, return_inverse=True)
    neurons = np.array([neuron_colour(int(i)) for i in ids])[places].reshape(*labels.shape, 3)
    blended = (0.45 * grey[..., None] + 0.55 * neurons).astype(np.uint8)
    panels = [np.repeat(image[..., None], 3, axis=2) for image in (grey, membranes)] + [blended]
    gap = np.full((grey.shape[0], 6, 3), 255, np.uint8)
    picture = np.concatenate([panels[0], gap, panels[1], gap, panels[2]], axis=1)
    Image.fromarray(picture).resize(
        (picture.shape[1] * 3 // 2, picture.shape[0] * 3 // 2), Image.Resampling.LANCZOS
    ).save(path, optimize=True)


if __name__ == "__main__":
    main()
