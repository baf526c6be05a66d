"""The pipeline on phantoms: graph F1 from true membranes, and from the image.

python benchmarks/phantoms.py DIR --seeds 3 4 --shape 256,256,256
"""

from __future__ import annotations

import argparse
from pathlib import Path

from voxome.data.phantom.spec import PhantomSpec
from voxome.data.phantom.write import write_phantom
from voxome.workflow.verbs import run

PIPELINE = Path(__file__).parent.parent / "pipelines" / "em" / "connectome.cwl"


def main() -> None:
    """Generate each phantom, run the pipeline twice, and print one line per run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[3, 4])
    parser.add_argument("--shape", default="256,256,256")
    arguments = parser.parse_args()
    z, y, x = (int(n) for n in arguments.shape.split(","))
    for seed in arguments.seeds:
        truth = arguments.folder / f"phantom{seed}"
        if not (truth / "connectome.parquet").exists():
            write_phantom(truth, PhantomSpec((z, y, x), seed))
        for name, given in (("from true membranes", ("raw", "membranes")), ("from raw", ("raw",))):
            inputs = {volume: str(truth / f"{volume}.zarr") for volume in given}
            out = arguments.folder / f"run{seed}-{len(given)}"
            scores = run(PIPELINE, inputs, out=out, workers=2, truth=truth)["scores"]
            parts = scores["segmentation"]
            print(
                f"seed {seed}, {name:15}: "
                f"graph F1 {scores['graph']['f1']:.3f}  synapse F1 {scores['synapses']['f1']:.3f}  "
                f"adapted Rand error {parts['adapted_rand_error']:.3f}  "
                f"VOI split {parts['voi_split']:.3f} merge {parts['voi_merge']:.3f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
