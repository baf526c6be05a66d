"""Cells in X-ray volume V2 (``VOXOME_SHARED``) by a trained network, beside the pipeline, as in ``xray_cells.py``.

``python benchmarks/xray_network.py DIR --minutes 60``. The network is trained on x < 70 (axes as stored) and validated
on 93 ≤ x < 120; copies in DIR end at x = 120, so that nothing beyond is seen. Threshold and scale of the probabilities
are those with the best F1 of x < 120. Repeat the command to go on with the training.
"""

from __future__ import annotations

import argparse
import itertools
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xray_cells import (
    FOLDER,
    NM,
    SECTIONS,
    SPHERES,
    SPLIT,
    TOLERANCE_UM,
    Points,
    detect,
    find_components,
    read_nifti,
    show_scores,
)

import voxome
from voxome.geometry import Box
from voxome.metrics.cells import Cells, score_cells
from voxome.models.cards import load
from voxome.models.infer import predict
from voxome.models.train.networks.config import NetworkConfig
from voxome.models.train.networks.tasks import CELLS
from voxome.models.train.task import Call
from voxome.tools.common.spherical.search import SphereParams, search

TRUTH = "Nmap_V2_A2_A3_z0-49.nii.gz"
TRAINED, VALIDATED = "0:50,0:200,0:70", "0:50,0:200,93:120"
SETTINGS: dict[str, Any] = {
    "network": {"widths": (8, 16, 24, 32), "units": 1},
    "augmentation": {"reach": 4},
    "patch": (32, 48, 48),
    "learning_rate": 3e-3,
    "threads": 2,
    "workers": 1,
    "checkpoint_minutes": 3,
    "card": {"name": "xray-cells", "licence": "Apache-2.0", "attribution": "Dyer et al. 2017"},
}
PARTS = {
    "trained on, x < 70": (0, 70),
    "validation, 93 <= x < 120": (93, SPLIT),
    "tuned on, x < 120": (0, SPLIT),
    "scored, x >= 120": (SPLIT, 200),
}
SCALES, THRESHOLDS, STOPS = (0.7, 1.0, 1.5, 2.0), (0.2, 0.3, 0.4, 0.5), (0.3, 0.4, 0.5, 0.6)


def train(raw: NDArray[np.uint8], mask: NDArray[np.bool_], folder: Path, steps: int, minutes: float) -> Path:
    """Train on copies of what is below `SPLIT`, and return the card."""
    uris = {}
    for name, array in (("raw", raw), ("labels", mask.astype(np.uint8))):
        voxels = array[:SPLIT].transpose(2, 1, 0)
        spec = voxome.VolumeSpec.of(voxels.shape, "uint8", voxel_size_nm=(NM, NM, NM))
        uris[name] = f"zarr://{folder}/{name}.zarr"
        if not (folder / f"{name}.zarr").exists():
            voxome.create(uris[name], spec)[...] = voxels
    settings = {
        "data": [uris | {"box": TRAINED}],
        "validation": [uris | {"box": VALIDATED}],
        "steps": steps,
        "validate_steps": max(1, steps // 20),
    }
    config = NetworkConfig.model_validate(SETTINGS | settings)
    return CELLS.train(config, Call(folder, minutes)).card


def find_cells(probability: NDArray[np.uint8], scale: float, threshold: float, stop: float) -> Points:
    """Return the centres of cells in voxels."""
    scaled = np.minimum(np.rint(scale * probability), 255).astype(np.uint8)
    box = Box.of_shape(scaled.shape)
    params = SphereParams.of(SPHERES | {"threshold": threshold, "stop": stop}, (NM, NM, NM))
    rows = search(scaled, box, box, params).rows
    return np.stack([rows[name] for name in "zyx"], axis=-1).astype(np.float64)


def main() -> None:
    parser = argparse.ArgumentParser(prog="xray_network.py", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--minutes", type=float, default=60.0)
    options = parser.parse_args()
    raw = read_nifti(FOLDER / "v2_raw.nii")[:, :, :SECTIONS]
    mask, truth = read_nifti(FOLDER / TRUTH) > 0, find_components(TRUTH)
    options.folder.mkdir(parents=True, exist_ok=True)
    model = load(train(raw, mask, options.folder.absolute(), options.steps, options.minutes))
    volume = np.ascontiguousarray(raw.transpose(2, 1, 0))
    box = Box.of_shape(volume.shape)
    found = predict(volume, box, box, box, model, mean=float(raw.mean()), std=float(raw.std()))
    probability = np.ascontiguousarray(found[0].transpose(2, 1, 0))
    inside = truth[truth[:, 0] < SPLIT]

    def f1(choice: tuple[float, float, float]) -> float:
        found = find_cells(probability, *choice)
        return score_cells(Cells(NM * inside), Cells(NM * found[found[:, 0] < SPLIT]), TOLERANCE_UM).f1

    best = max(itertools.product(SCALES, THRESHOLDS, STOPS), key=f1)
    print(f"{model.card.training.strip()}; scale, threshold and stop {best}; {model.card.scores}")
    for name, found in (("network", find_cells(probability, *best)), ("pipeline", detect(raw))):
        for part, (first, stop) in PARTS.items():
            true, ours = (points[(points[:, 0] >= first) & (points[:, 0] < stop)] for points in (truth, found))
            show_scores(f"{name}, {part}", true, ours)


if __name__ == "__main__":
    main()
