"""Nuclei as instances (``VOXOME_SHARED``) by a trained network, beside a seeded watershed of the grey values.

``python benchmarks/nuclei.py DIR plant-1135 plant-1136 synthetic``: the first volume is trained on, the others are
scored. Two are of plant tissue, halved along y and x, which makes their voxels nearly cubic; one is synthetic, has no
voxel size, and gets one of about the same nuclei. Both paths make a foreground, which
``common.instance_basins`` parts by a seeded watershed; their settings are those with the best mean average precision on
the first volume. Scores are those of the true labels in full resolution, fragments at faces counted. Repeat the
command to go on with the training.
"""

from __future__ import annotations

import argparse
import itertools
import os
import time
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import tifffile
from numpy.typing import NDArray
from scipy import ndimage
from skimage.filters import threshold_otsu

import voxome
from voxome.contracts.context import BlockContext
from voxome.contracts.frame import Frame
from voxome.geometry import Box
from voxome.metrics.instances import InstanceScore, score_instances
from voxome.metrics.segmentation import contingency
from voxome.models.cards import Model, load
from voxome.models.infer import predict
from voxome.models.train.networks.config import NetworkConfig
from voxome.models.train.networks.tasks import NUCLEI
from voxome.models.train.task import Call
from voxome.tools.common.instance_basins import instance_basins

FOLDER = Path(os.environ.get("VOXOME_SHARED", "../shared")) / "data" / "nuclei"
SYNTHETIC_NM = (250.0, 250.0, 250.0)
SETTINGS: dict[str, Any] = {
    "network": {"widths": (8, 16, 24, 32), "units": 1},
    "patch": (24, 40, 40),
    "learning_rate": 3e-3,
    "threads": 1,
    "checkpoint_minutes": 2,
    "card": {"name": "nuclei", "licence": "MIT", "attribution": "Vijayan et al. 2024"},
}
SMOOTHING_UM, BACKGROUND_UM = (0.25, 0.5, 0.75), 5.0
CONTRASTS = (0.6, 0.8, 1.0, 1.2)
"""Thresholds of the smoothed grey value, in those of Otsu; with ``local`` those of its ratio to its surroundings."""
THRESHOLDS = (0.2, 0.35, 0.5, 0.65)
SIGMAS_UM, MIN_VOLUMES_UM3 = (0.15, 0.3, 0.6), (0.0, 1.0, 3.0)
MAX_RADIUS_UM = 4.0
Array = NDArray[Any]
Size = tuple[float, float, float]


class Nuclei:
    """One volume: image, labels and voxel size, as the network sees the first, and in full resolution."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.size_nm: Size
        if name == "synthetic":
            self.raw, self.labels = (tifffile.imread(FOLDER / f"{one}3d.tif") for one in ("img", "mask"))
            self.truth, self.size_nm, self.factors = self.labels, SYNTHETIC_NM, (1, 1, 1)
            return
        with h5py.File(FOLDER / f"{name.removeprefix('plant-')}_mini.h5") as file:
            raw, self.truth = file["raw"][()], file["label"][()]
            size = 1000 * file["raw"].attrs["element_size_um"]
        z, y, x = raw.shape
        self.factors = (1, 2, 2)
        self.size_nm = (float(size[0]), 2 * float(size[1]), 2 * float(size[2]))
        mean = raw.reshape(z, y // 2, 2, x // 2, 2).mean((2, 4))
        self.raw, self.labels = np.rint(4 * mean).astype(np.uint16), self.truth[:, ::2, ::2]

    def write(self, folder: Path) -> dict[str, str]:
        """Write image and labels, and return their URIs."""
        uris = {}
        for name, array in (("raw", self.raw), ("labels", self.labels.astype(np.uint16))):
            uris[name] = f"zarr://{folder.absolute()}/{self.name}-{name}.zarr"
            if not (folder / f"{self.name}-{name}.zarr").exists():
                spec = voxome.VolumeSpec.of(array.shape, array.dtype, voxel_size_nm=self.size_nm)
                voxome.create(uris[name], spec)[...] = array
        return uris

    def score(self, found: Array) -> InstanceScore:
        """Score labels in the resolution of the image against the truth in its own."""
        for axis, factor in enumerate(self.factors):
            found = np.repeat(found, factor, axis)
        return score_instances(contingency(self.truth, found))


def part(probability: NDArray[np.uint8], size_nm: Size, *, min_volume_um3: float, **settings: float) -> Array:
    """Return the labels of nuclei of a probability map, as the tools from ``common.instance_basins`` on do."""
    box = Box.of_shape(probability.shape)
    context = BlockContext(box, box, Frame(box, box, size_nm, (0.0, 0.0, 0.0)))
    basins = instance_basins(probability=probability, max_radius_um=MAX_RADIUS_UM, **settings, block=context)["basins"]
    ids, numbers, voxels = np.unique(basins, return_inverse=True, return_counts=True)
    kept = (ids != 0) & (voxels * np.prod(size_nm) >= 1e9 * min_volume_um3)
    return np.where(kept, np.cumsum(kept), 0)[numbers.reshape(basins.shape)]


def by_grey_values(nuclei: Nuclei, smoothing_um: float, local: bool, contrast: float) -> NDArray[np.uint8]:
    """Return 255 where the image is bright, globally or compared with its surroundings."""
    um = np.array(nuclei.size_nm) / 1000
    smooth = ndimage.gaussian_filter(nuclei.raw.astype(np.float32), smoothing_um / um)
    if local:
        smooth = smooth / (ndimage.gaussian_filter(smooth, BACKGROUND_UM / um) + 1e-3 * smooth.max())
    mask = smooth > contrast * threshold_otsu(smooth)
    return np.where(mask, 255, 0).astype(np.uint8)


def by_network(nuclei: Nuclei, model: Model) -> NDArray[np.uint8]:
    """Return the probability of nuclei."""
    box, grey = Box.of_shape(nuclei.raw.shape), nuclei.raw.astype(np.float64)
    return predict(nuclei.raw, box, box, box, model, mean=float(grey.mean()), std=float(grey.std()))[0]


def choose(name: str, nuclei: Nuclei, settings: Iterable[Any], find: Callable[..., Array]) -> Any:
    """Return the settings with the best mean average precision on the volume that was trained on."""
    scored = [(nuclei.score(find(nuclei, *one)).average_precision, one) for one in settings]
    best = max(scored, key=lambda pair: pair[0])
    print(f"{name}: settings {best[1]}, mean AP {best[0]:.3f} on {nuclei.name}, which they were chosen on", flush=True)
    return best[1]


def show(name: str, nuclei: Nuclei, found: Array) -> None:
    score = nuclei.score(found)
    by_iou = {round(one.iou, 2): one for one in score.thresholds}
    half = by_iou[0.5]
    print(
        f"{name} on {nuclei.name}: AP {half.average_precision:.3f} at IoU 0.5, {by_iou[0.75].average_precision:.3f} at "
        f"0.75, {score.average_precision:.3f} from 0.5 to 0.95; at 0.5 {half.true_positives} found, "
        f"{half.false_positives} false, {half.false_negatives} missed",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="nuclei.py", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("train")
    parser.add_argument("score", nargs="+")
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--minutes", type=float)
    options = parser.parse_args()
    if not FOLDER.exists():
        raise SystemExit(f"{FOLDER} does not exist; set VOXOME_SHARED to the folder with the data")
    options.folder.mkdir(parents=True, exist_ok=True)
    volume = Nuclei(options.train)
    config = NetworkConfig.model_validate(SETTINGS | {"data": [volume.write(options.folder)], "steps": options.steps})
    start = time.process_time()
    result = NUCLEI.train(config, Call(options.folder.absolute(), options.minutes))
    minutes = (time.process_time() - start) / 60
    print(
        f"trained on {options.train}: step {result.facts['step']}, {minutes:.1f} CPU minutes in this call", flush=True
    )
    model = load(result.card)

    @cache
    def estimate(nuclei: Nuclei) -> NDArray[np.uint8]:
        return by_network(nuclei, model)

    def find_by_grey_values(
        nuclei: Nuclei, smoothing: float, local: bool, contrast: float, sigma: float, least: float
    ) -> Array:
        mask = by_grey_values(nuclei, smoothing, local, contrast)
        return part(mask, nuclei.size_nm, sigma_um=sigma, min_volume_um3=least)

    def find_by_network(nuclei: Nuclei, threshold: float, sigma: float, least: float) -> Array:
        return part(estimate(nuclei), nuclei.size_nm, threshold=threshold, sigma_um=sigma, min_volume_um3=least)

    grey = itertools.product(SMOOTHING_UM, (False, True), CONTRASTS, SIGMAS_UM, MIN_VOLUMES_UM3)
    paths = (
        ("network", find_by_network, itertools.product(THRESHOLDS, SIGMAS_UM, MIN_VOLUMES_UM3)),
        ("watershed", find_by_grey_values, grey),
    )
    for name, find, settings in paths:
        best = choose(name, volume, settings, find)
        for one in map(Nuclei, options.score):
            show(name, one, find(one, *best))


if __name__ == "__main__":
    main()
