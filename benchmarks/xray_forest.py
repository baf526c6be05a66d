"""Cells in X-ray volume V2 (``VOXOME_SHARED``) by a random forest, then spheres; compare with ``xray_cells.py``.

``python benchmarks/xray_forest.py``. The forest sees the contrast to the section around a voxel, as ``xray_cells.py``
does, and is trained on the masks of cells with x < 120 (the first stored axis) of sections 0 to 49. The settings of the
spheres are those of the pipeline. Cells with x < 120 are scored on probabilities of two forests of which each has seen
the other half only, and cells with x ≥ 120 on those of a forest of all of x < 120, with the metric and tolerance of
``xray_cells.py``; two of these 25 reach across x = 120, so that 90 of their voxels are in training.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from xray_cells import (
    FOLDER,
    NM,
    SECTION,
    SECTIONS,
    SPHERES,
    SPLIT,
    Points,
    find_components,
    read_nifti,
    show_scores,
)

import voxome
from voxome.geometry import Box
from voxome.models.pixels.classifier import load_classifier
from voxome.models.pixels.config import LabelledImage, PixelTraining
from voxome.models.pixels.extension import extend
from voxome.models.pixels.place import Place
from voxome.models.pixels.train import train_pixels
from voxome.tools.common.spherical.search import SphereParams, search

SIZE_NM = (NM, NM, NM)
SIGMAS_UM = (0.65, 1.3, 2.6, 5.2, 9.1)
CONTRAST = {"polarity": "bright", "low": -5.0, "high": 3.0, "smoothing_um": 0.0}
"""Local standard deviations that are grey values 0 and 255 of what the forest sees."""
MIN_SCORE = 0.45


def measure_contrast(raw: NDArray[np.uint8], folder: Path) -> NDArray[np.uint8]:
    """Return the contrast of voxels to those around them in the same section."""
    image = np.ascontiguousarray(raw.transpose(2, 1, 0))
    tiles = {"image": image, "tile_z_um": SECTION["tile_z_um"]}
    moments = voxome.tool("common.tile_moments", tiles, out=folder, voxel_size_nm=SIZE_NM)["moments"]
    inputs = {"image": image, "moments": moments, **SECTION, **CONTRAST}
    found = voxome.tool("common.local_contrast", inputs, out=folder, voxel_size_nm=SIZE_NM)["probability"]
    return np.ascontiguousarray(np.asarray(voxome.open(found.uri)[...]).transpose(2, 1, 0))


def train(folder: Path, raw: str, labels: str, first: int, last: int, shape: tuple[int, ...]) -> Path:
    """Train a forest on the voxels from x = `first` to `last`, and return its card."""
    box = str(Box((first, 0, 0), (last, *shape[1:])))
    config = PixelTraining(
        name=f"cells-{first}-{last}", classes={"cells": 1, "other": 2}, sigmas_um=SIGMAS_UM, least_leaf=10,
        data=(LabelledImage(raw=raw, labels=labels, box=box),), labels_per_class=20_000,
    )  # fmt: skip
    return train_pixels(config, folder)


def classify(card: Path, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the probability of cells."""
    forest, box = load_classifier(str(card)), Box.of_shape(image.shape)
    reach = forest.reach(SIZE_NM)
    grey = extend(image, np.ones(image.shape, bool), box, box.grow(reach), reach)
    return forest.predict(grey, Place(box, box, SIZE_NM), forest.find_class("cells"))


def find_cells(probability: NDArray[np.uint8]) -> Points:
    """Return the centres of cells in voxels."""
    box = Box.of_shape(probability.shape)
    rows = search(probability, box, box, SphereParams.of(SPHERES, SIZE_NM)).rows
    kept = rows["total"] >= MIN_SCORE * 255 * rows["voxels"]
    return np.stack([rows[name][kept] for name in "zyx"], axis=-1).astype(float)


def main() -> None:
    if not FOLDER.exists():
        raise SystemExit(f"{FOLDER} does not exist; set VOXOME_SHARED to the folder with the data")
    raw = read_nifti(FOLDER / "v2_raw.nii")[:, :, :SECTIONS]
    mask = read_nifti(FOLDER / "Nmap_V2_A2_A3_z0-49.nii.gz") > 0
    truth = find_components("Nmap_V2_A2_A3_z0-49.nii.gz")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        image = measure_contrast(raw, folder)
        uris = [f"zarr://{folder / one}.zarr" for one in ("raw", "labels")]
        for uri, array in zip(uris, (image, np.where(mask, 1, 2).astype(np.uint8)), strict=True):
            spec = voxome.VolumeSpec.of(array.shape, array.dtype, voxel_size_nm=SIZE_NM)
            voxome.create(uri, spec)[...] = array
        half = SPLIT // 2
        halves = np.empty((SPLIT, *image.shape[1:]), np.uint8)
        halves[half:] = classify(train(folder, *uris, 0, half, image.shape), image)[half:SPLIT]
        halves[:half] = classify(train(folder, *uris, half, SPLIT, image.shape), image)[:half]
        probability = classify(train(folder, *uris, 0, SPLIT, image.shape), image)
    for part, of, found in (
        ("x < ", np.less, find_cells(halves)),
        ("x >= ", np.greater_equal, find_cells(probability)),
    ):
        show_scores(f"{part}{SPLIT}", truth[of(truth[:, 0], SPLIT)], found[of(found[:, 0], SPLIT)])
    shares, inside = probability[SPLIT:] / 255, mask[SPLIT:]
    means = f"{shares[inside].mean():.2f} in cells, {shares[~inside].mean():.2f} beside"
    print(f"voxels with x >= {SPLIT}: mean probability {means}")


if __name__ == "__main__":
    main()
