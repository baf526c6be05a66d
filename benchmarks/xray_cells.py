"""Cells in X-ray volume V2 (``VOXOME_SHARED``) by the classical path: local contrast, then spheres.

``python benchmarks/xray_cells.py``. Truth are the components of the cell masks of sections 0 to 49, of which those with
a centroid below x = 120 (the first stored axis) were used to choose the settings below, and the others are scored. A
detection counts for the part in which it is. Pairs are within 6.5 µm, most pairs first, then the least distance; cells
at borders count. The interval is that of 2,000 samples, with replacement, of truth cells and of detections without
a cell. Volumes are read as the crop that is scored, because no truth exists beyond it.
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
from scipy.optimize import linear_sum_assignment

from voxome.geometry import Box
from voxome.tools.common.spherical.search import SphereParams, search

FOLDER = Path(os.environ.get("VOXOME_SHARED", "../shared")) / "data" / "xray"
VOXEL_UM, TOLERANCE_UM, SPLIT, SECTIONS = 0.65, 6.5, 120, 50
SMOOTHING_UM, BACKGROUND_UM = 1.5 * VOXEL_UM, 20 * VOXEL_UM
DARKNESS = (7.0, 57.0)
"""Grey values below the background that are probabilities of 0 and of 1."""
SPHERES = {"radii_um": (5.2, 6.5), "gap_um": 1.3, "threshold": 0.2, "stop": 0.35}
MIN_SCORE = 0.5
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
    darkness = ndimage.gaussian_filter(smooth, BACKGROUND_UM / VOXEL_UM) - smooth
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


def count_hits(truth: Points, found: Points) -> NDArray[np.bool_]:
    """Return which truth cells have a detection, one to one."""
    distance = VOXEL_UM * np.linalg.norm(truth[:, None] - found[None], axis=-1)
    near = distance <= TOLERANCE_UM * (1 + 1e-6)
    rows, columns = linear_sum_assignment(np.where(near, distance - 1e6, 0.0))
    hits = np.zeros(len(truth), bool)
    hits[rows] = near[rows, columns]
    return hits


def show_scores(name: str, truth: Points, found: Points) -> None:
    hits = count_hits(truth, found)
    extra = len(found) - int(hits.sum())
    rng, scores = np.random.default_rng(0), []
    events = np.concatenate([np.where(hits, 1, 0), np.full(extra, 2)])
    for _ in range(2000):
        drawn = rng.choice(events, len(events))
        right, missed, wrong = ((drawn == kind).sum() for kind in (1, 0, 2))
        scores.append(2 * right / max(2 * right + missed + wrong, 1))
    low, high = np.percentile(scores, (2.5, 97.5))
    score = 2 * hits.sum() / (len(truth) + len(found))
    print(
        f"{name}: F1 {score:.3f} ({low:.2f} to {high:.2f}), precision {hits.sum() / max(len(found), 1):.3f}, recall "
        f"{hits.mean():.3f}, {len(truth)} cells, {len(found)} detections"
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
