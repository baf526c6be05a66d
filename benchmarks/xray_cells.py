"""Cells in X-ray volume V2 (``VOXOME_SHARED``) by the classical path: local contrast, then spheres.

``python benchmarks/xray_cells.py``. Truth are the components of the cell masks of sections 0 to 49, of which those with
a centroid below x = 120 (the first stored axis) were used to choose the settings below, and the others are scored. A
detection counts for the part in which it is. Scores are those of `voxome.metrics.cells`, borders counted. Only the
sections with truth are read.
"""

from __future__ import annotations

import gzip
import os
import struct
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from voxome.geometry import Box
from voxome.metrics.cells import Cells, score_cells
from voxome.tools.common.spherical.search import SphereParams, search

FOLDER = Path(os.environ.get("VOXOME_SHARED", "../shared")) / "data" / "xray"
VOXEL_UM, TOLERANCE_UM, SPLIT, SECTIONS = 0.65, 6.5, 120, 50
SMOOTHING_UM, BACKGROUND_UM = 1.0 * VOXEL_UM, 20 * VOXEL_UM
DARKNESS = (0.3, 2.0)
"""Local standard deviations below the local mean that are probabilities of 0 and of 1."""
SPHERES = {"radii_um": (5.2, 6.5), "gap_um": 1.3, "z_stretch": 1.0, "threshold": 0.2, "stop": 0.3}
MIN_SCORE = 0.45
Points = NDArray[np.float64]


def read_nifti(path: Path) -> NDArray[np.uint8]:
    """Return the uint8 voxels (x, y, z) of a file whose unit code is unknown, so that `voxome.open` wants a size."""
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    shape = struct.unpack("<8h", data[40:56])[1:4]
    start = int(struct.unpack("<f", data[108:112])[0])
    return np.frombuffer(data, np.uint8, int(np.prod(shape)), start).reshape(shape, order="F")


def estimate_probability(raw: NDArray[Any]) -> NDArray[np.uint8]:
    """Return how dark voxels are, compared with their surroundings."""
    grey = raw.astype(np.float32)
    smooth = ndimage.gaussian_filter(grey, SMOOTHING_UM / VOXEL_UM)
    mean, squares = (ndimage.gaussian_filter(one, BACKGROUND_UM / VOXEL_UM) for one in (smooth, smooth**2))
    darkness = (mean - smooth) / np.sqrt(np.maximum(squares - mean**2, 1))
    low, high = DARKNESS
    values: NDArray[np.uint8] = np.rint(255 * np.clip((darkness - low) / (high - low), 0, 1)).astype(np.uint8)
    return values


def detect(raw: NDArray[Any]) -> Points:
    """Return the centres of cells in voxels."""
    box = Box.of_shape(raw.shape)
    params = SphereParams.of(SPHERES, (VOXEL_UM * 1000,) * 3)
    rows = search(estimate_probability(raw), box, box, params).rows
    kept = rows["total"] >= MIN_SCORE * 255 * rows["voxels"]
    return np.stack([rows[name][kept] for name in "zyx"], axis=-1).astype(np.float64)


def show_scores(name: str, truth: Points, found: Points) -> None:
    nm = 1000 * VOXEL_UM
    score = score_cells(Cells(nm * truth), Cells(nm * found), TOLERANCE_UM)
    print(
        f"{name}: F1 {score.f1:.3f} ({score.f1_low:.2f} to {score.f1_high:.2f}), precision {score.precision:.3f}, "
        f"recall {score.recall:.3f}, {len(truth)} cells, {len(found)} detections"
    )


def main() -> None:
    if not FOLDER.exists():
        raise SystemExit(f"{FOLDER} does not exist; set VOXOME_SHARED to the folder with the data")
    raw = read_nifti(FOLDER / "v2_raw.nii")[:, :, :SECTIONS]
    mask = read_nifti(FOLDER / "Nmap_V2_A2_A3_z0-49.nii.gz") > 0
    labels, count = ndimage.label(mask)
    truth = np.array(ndimage.center_of_mass(mask, labels, range(1, count + 1)))
    found = detect(raw)
    for name, of in (("tuned on, x < 120", np.less), ("scored, x >= 120", np.greater_equal)):
        show_scores(name, truth[of(truth[:, 0], SPLIT)], found[of(found[:, 0], SPLIT)])


if __name__ == "__main__":
    main()
