"""Cells in X-ray volume V2 (``VOXOME_SHARED``) by a random forest, then spheres; compare with ``xray_cells.py``.

``python benchmarks/xray_forest.py``. The forest is trained on the masks of cells with x < 120 (the first stored axis)
of sections 0 to 49. The settings of the spheres are those with the best F1 there, on probabilities of two
forests of which each has seen the other half only. Cells with x ≥ 120 are scored, with the metric and tolerance of
``xray_cells.py``; two of these 25 reach across x = 120, so that 90 of their voxels are in training.
"""

from __future__ import annotations

import itertools
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from xray_cells import FOLDER, SECTIONS, SPLIT, TOLERANCE_UM, VOXEL_UM, Points, read_nifti, show_scores

import voxome
from voxome.geometry import Box
from voxome.metrics.cells import Cells, score_cells
from voxome.models.pixels.classifier import load_classifier
from voxome.models.pixels.config import LabelledImage, PixelTraining
from voxome.models.pixels.extension import extend
from voxome.models.pixels.place import Place
from voxome.models.pixels.train import train_pixels
from voxome.tools.common.spherical.search import SphereParams, search

SIZE_NM = (VOXEL_UM * 1000,) * 3
SIGMAS_UM = (0.65, 1.3, 2.6, 5.2, 9.1)
RADII_UM = ((5.2, 6.5), (5.2, 6.5, 8.0), (6.5,), (5.85, 7.15))
THRESHOLDS, STOPS = (0.2, 0.35, 0.5), (0.3, 0.4)
MIN_SCORES = (0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7)


def train(folder: Path, raw: str, labels: str, first: int, last: int, shape: tuple[int, ...]) -> Path:
    """Train a forest on the voxels from x = `first` to `last`, and return its card."""
    box = str(Box((first, 0, 0), (last, *shape[1:])))
    config = PixelTraining(
        name=f"cells-{first}-{last}", classes={"cells": 1, "other": 2}, sigmas_um=SIGMAS_UM, least_leaf=10,
        data=(LabelledImage(raw=raw, labels=labels, box=box),), labels_per_class=20_000,
    )  # fmt: skip
    return train_pixels(config, folder)


def classify(card: Path, raw: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the probability of cells."""
    forest, box = load_classifier(str(card)), Box.of_shape(raw.shape)
    reach = forest.reach(SIZE_NM)
    grey = extend(raw, np.ones(raw.shape, bool), box, box.grow(reach), reach)
    return forest.predict(grey, Place(box, box, SIZE_NM), forest.find_class("cells"))


def find_spheres(probability: NDArray[np.uint8], radii: tuple[float, ...], threshold: float, stop: float) -> Any:
    """Return centres of spheres in voxels, and their mean probabilities."""
    settings = {"radii_um": radii, "gap_um": 1.3, "z_stretch": 1.0, "threshold": threshold, "stop": stop}
    box = Box.of_shape(probability.shape)
    rows = search(probability, box, box, SphereParams.of(settings, SIZE_NM)).rows
    return np.stack([rows[name] for name in "zyx"], axis=-1).astype(float), rows["total"] / (255 * rows["voxels"])


def tune(probability: NDArray[np.uint8], truth: Points) -> tuple[Any, ...]:
    """Return the settings with the best F1 of the cells with x < 120."""
    best: tuple[Any, ...] = (-1.0,)
    nm = 1000 * VOXEL_UM
    for radii, threshold, stop in itertools.product(RADII_UM, THRESHOLDS, STOPS):
        places, scores = find_spheres(probability, radii, threshold, stop)
        for least in MIN_SCORES:
            found = places[scores >= least]
            if len(found):
                f1 = score_cells(Cells(nm * truth), Cells(nm * found), TOLERANCE_UM).f1
                best = max(best, (f1, radii, threshold, stop, least))
    print(f"settings of the best F1 ({best[0]:.3f}) with x < {SPLIT}: radii, threshold, stop, least score {best[1:]}")
    return best[1:]


def main() -> None:
    if not FOLDER.exists():
        raise SystemExit(f"{FOLDER} does not exist; set VOXOME_SHARED to the folder with the data")
    raw = np.ascontiguousarray(read_nifti(FOLDER / "v2_raw.nii")[:, :, :SECTIONS])
    mask = read_nifti(FOLDER / "Nmap_V2_A2_A3_z0-49.nii.gz") > 0
    components, count = ndimage.label(mask)
    truth = np.array(ndimage.center_of_mass(mask, components, range(1, count + 1)))
    near = truth[truth[:, 0] < SPLIT]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        uris = [f"zarr://{folder / one}.zarr" for one in ("raw", "labels")]
        for uri, array in zip(uris, (raw, np.where(mask, 1, 2).astype(np.uint8)), strict=True):
            spec = voxome.VolumeSpec.of(array.shape, array.dtype, voxel_size_nm=SIZE_NM)
            voxome.create(uri, spec)[...] = array
        half = SPLIT // 2
        tuned = np.empty((SPLIT, *raw.shape[1:]), np.uint8)
        tuned[half:] = classify(train(folder, *uris, 0, half, raw.shape), raw)[half:SPLIT]
        tuned[:half] = classify(train(folder, *uris, half, SPLIT, raw.shape), raw)[:half]
        radii, threshold, stop, least = tune(tuned, near)
        probability = classify(train(folder, *uris, 0, SPLIT, raw.shape), raw)
    places, scores = find_spheres(probability, radii, threshold, stop)
    found = places[scores >= least]
    show_scores(f"scored, x >= {SPLIT}", truth[truth[:, 0] >= SPLIT], found[found[:, 0] >= SPLIT])
    shares, inside = probability[SPLIT:] / 255, mask[SPLIT:]
    means = f"{shares[inside].mean():.2f} in cells, {shares[~inside].mean():.2f} beside"
    print(f"voxels with x >= {SPLIT}: mean probability {means}")


if __name__ == "__main__":
    main()
