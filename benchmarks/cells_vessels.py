"""Cells, vessels and densities of a phantom, from raw to density: scores, speed, and the cores for 100 GB in 4 hours.

``python benchmarks/cells_vessels.py [--shape 200,200,200] [--seed 3] [--modality xrm] [--block 200,200,200]``. The
phantom is written first, into ``--folder``, unless it is there and complete; its time does not count. The speed is that
of the CPU time of this process and of its workers, so that it means something on a machine with other work.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import resource
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

import voxome
from voxome.data.vascular.spec import TissueSpec
from voxome.data.vascular.write import write_phantom
from voxome.errors import AlreadyExists
from voxome.resources.table import TableFile
from voxome.workflow.verbs import run

PIPELINES = Path(__file__).parents[1] / "pipelines"
WORKFLOWS = {"xrm": PIPELINES / "xrm" / "cells_vessels.cwl", "lm": PIPELINES / "lm" / "cells.cwl"}
GIGAVOXELS, HOURS = 100.0, 4.0
"""100 GB of uint8 in the "few hours" of the paper."""


def cpu_seconds() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def density_errors(out: Path, phantom: Path) -> dict[str, float]:
    """Return relative errors of the densities of the whole volume."""
    truth = json.loads((phantom / "truth.json").read_text(encoding="utf-8"))
    row = {name: values.sum() for name, values in TableFile(out / "region_densities.parquet").read().items()}
    true_mm3 = len(TableFile(phantom / "cells.parquet")) / float(row["tissue_mm3"])
    found = {"cells per mm3": (float(row["cells"]) / float(row["tissue_mm3"]), true_mm3)}
    if (out / "vessel_mask.zarr").exists():
        masks = [np.asarray(voxome.open(f"zarr://{one}/vessel_mask.zarr")[...]) > 0 for one in (out, phantom)]
        found["vessel fraction"] = (float(masks[0].mean()), float(masks[1].mean()))
    print("truth:", {name: value for name, value in truth.items() if isinstance(value, int | float)})
    return {name: value / true - 1 for name, (value, true) in found.items()}


def require_phantom(parser: argparse.ArgumentParser, folder: Path, spec: TissueSpec) -> None:
    """End if the phantom of a folder is another one."""
    truth = json.loads((folder / "truth.json").read_text(encoding="utf-8"))
    for name in ("shape", "seed", "modality", "density"):
        expected = getattr(spec, name)
        found = tuple(truth[name]) if name == "shape" else truth[name]
        if found != expected:
            parser.error(f"{folder} has a phantom of {name} {found}; expected {expected}: choose another --folder")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", default="200,200,200")
    parser.add_argument("--seed", type=int, default=3)
    parser.add_argument("--modality", choices=sorted(WORKFLOWS), default="xrm")
    parser.add_argument("--density", default="dense")
    parser.add_argument("--block", default="200,200,200")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    shape = tuple(map(int, options.shape.split(",")))
    z, y, x = shape
    folder = options.folder or Path(tempfile.mkdtemp())
    phantom = folder / "phantom"
    spec = TissueSpec((z, y, x), options.seed, options.modality, options.density)
    if not (phantom / "truth.json").exists():  # which is written last
        try:
            write_phantom(phantom, spec)
        except AlreadyExists as error:
            parser.error(str(error))
    require_phantom(parser, phantom, spec)
    inputs: dict[str, Any] = {"raw": phantom / "raw.zarr"}
    if options.modality == "lm":
        inputs |= {"background": phantom / "background.zarr", "offset": 100}
    before = cpu_seconds()
    engine = "sequential" if options.workers == 1 else None
    record = run(
        WORKFLOWS[options.modality], inputs, out=folder / "out", engine=engine, workers=options.workers,
        block=tuple(map(int, options.block.split(","))), truth=phantom,
    )  # fmt: skip
    seconds = cpu_seconds() - before
    steps = sorted(record["steps"], key=lambda step: -step["wall_s"])
    print(f"{options.modality}, {shape}, seed {options.seed}, load {os.getloadavg()[0]:.0f}")
    for group, scores in (record.get("scores") or {}).items():
        print(f"{group}: " + ", ".join(f"{name} {value:.4g}" for name, value in scores.items()))
    print({name: round(error, 4) for name, error in density_errors(folder / "out", phantom).items()}, "relative errors")
    print("steps by wall time: " + ", ".join(f"{step['name']} {step['wall_s']:.0f} s" for step in steps[:6]))
    mega = math.prod(shape) / 1e6
    cores = GIGAVOXELS * 1e3 / (mega / seconds) / (HOURS * 3600)
    peak = max(step["peak_bytes"] for step in steps) / 1e9
    print(f"{mega / seconds:.3f} Mvoxel a second of CPU time ({seconds:.0f} s); peak memory {peak:.2f} GB")
    print(f"{cores:.0f} cores for {GIGAVOXELS:.0f} Gvoxel in {HOURS:.0f} h")


if __name__ == "__main__":
    main()
