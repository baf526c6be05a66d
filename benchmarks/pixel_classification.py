"""Pixel classification by a random forest, compared with a straightforward version.

``python benchmarks/pixel_classification.py [--edge 96] [--trees 100] [--wrong 0.1]``. The volume is noise with dark
balls; labels are two thousand voxels inside and outside of them, of which some are wrong, so that trees are deep.
Features are those of ilastik at five scales: Gaussian, Laplacian of Gaussian, gradient magnitude, difference of
Gaussians, eigenvalues of the structure tensor and of the Hessian. The straightforward version computes them with SciPy
and scikit-image, and predicts with scikit-learn; the forest is the same. CPU seconds on one thread, the best of
`--repeats`, after the kernels were compiled.
"""

from __future__ import annotations

import argparse
import itertools
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.feature import hessian_matrix_eigvals, structure_tensor_eigenvalues
from sklearn.ensemble import RandomForestClassifier

from voxome.geometry import Box
from voxome.models.pixels.card import FeatureChoice, ForestCard
from voxome.models.pixels.extension import extend
from voxome.models.pixels.features import NAMES
from voxome.models.pixels.forest import Forest
from voxome.models.pixels.place import Place
from voxome.models.pixels.trees import Trees

SIGMAS = (0.7, 1.0, 1.6, 3.5, 5.0)
"""Scales in voxels."""
VOXEL_NM = (1000.0, 1000.0, 1000.0)


def make_volume(edge: int, seed: int = 0) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return a volume with dark balls, and labels: 1 inside, 2 outside, 0 elsewhere."""
    rng = np.random.default_rng(seed)
    marks = np.ones((edge,) * 3, bool)
    marks[tuple(rng.integers(0, edge, (3, max(edge**3 // 15_000, 2))))] = False
    inside = ndimage.distance_transform_edt(marks) < 7
    grey = 150 - 60 * ndimage.gaussian_filter(inside.astype(np.float32), 1.2) + rng.normal(0, 25, inside.shape)
    labels = np.zeros(inside.shape, np.uint8)
    for value, where in ((1, inside), (2, ~inside)):
        labels.flat[rng.choice(np.flatnonzero(where), min(1000, int(where.sum())), replace=False)] = value
    return grey.clip(0, 255).astype(np.uint8), labels


def compute_features(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the features of every voxel, (voxels, features)."""
    grey = image.astype(np.float32) / 255
    maps: list[NDArray[Any]] = []
    for sigma in SIGMAS:
        first = [sigma * ndimage.gaussian_filter(grey, sigma, order=np.eye(3, dtype=int)[axis]) for axis in range(3)]
        maps.append(ndimage.gaussian_filter(grey, sigma))
        maps.append(sigma**2 * ndimage.gaussian_laplace(grey, sigma))
        maps.append(sigma * ndimage.gaussian_gradient_magnitude(grey, sigma))
        maps.append(maps[-3] - ndimage.gaussian_filter(grey, 0.66 * sigma))
        pairs = list(itertools.combinations_with_replacement(range(3), 2))
        tensor = [ndimage.gaussian_filter(first[a] * first[b], sigma / 2) for a, b in pairs]
        maps.extend(structure_tensor_eigenvalues(tensor))
        orders = [np.bincount(pair, minlength=3) for pair in pairs]
        hessian = [sigma**2 * ndimage.gaussian_filter(grey, sigma, order=order) for order in orders]
        maps.extend(hessian_matrix_eigvals(hessian))
    return np.stack([one.ravel() for one in maps], axis=1).astype(np.float32)


def train(features: NDArray[np.float32], labels: NDArray[np.uint8], trees: int) -> RandomForestClassifier:
    """Return a forest trained on the labelled voxels."""
    known = labels.ravel() > 0
    forest = RandomForestClassifier(trees, random_state=0)
    return forest.fit(features[known], labels.ravel()[known])


def as_forest(forest: RandomForestClassifier) -> Forest:
    """Return a forest of scikit-learn, trained on the features of `compute_features`, as one of voxome."""
    choice = tuple(FeatureChoice(name=name, sigma_um=sigma) for sigma in SIGMAS for name in NAMES)
    card = ForestCard(
        name="benchmark", file="", sha256="", classes=("inside", "outside"), features=choice, dimensions=3,
        voxel_size_nm=VOXEL_NM, dtype="uint8", intensity_range=(0, 255),
    )  # fmt: skip
    return Forest(card, Trees.of(forest.estimators_))


def classify(image: NDArray[np.uint8], forest: Forest) -> NDArray[np.uint8]:
    """Return the probability of the first class, as `common.pixels` computes it for one block."""
    box, reach = Box.of_shape(image.shape), forest.reach(VOXEL_NM)
    grey = extend(image, np.ones(image.shape, bool), box, box.grow(reach), reach)
    return forest.predict(grey, Place(box, box, VOXEL_NM), 0)


def best_of(repeats: int, function: Callable[[], Any]) -> tuple[float, Any]:
    """Return the least CPU time of some calls, and the result."""
    seconds, result = [], None
    for _ in range(repeats):
        start = time.process_time()
        result = function()
        seconds.append(time.process_time() - start)
    return min(seconds), result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--edge", type=int, default=96)
    parser.add_argument("--trees", type=int, default=100)
    parser.add_argument("--wrong", type=float, default=0.1, help="share of wrong labels")
    parser.add_argument("--repeats", type=int, default=2)
    arguments = parser.parse_args()
    image, labels = make_volume(arguments.edge)
    wrong = np.random.default_rng(1).random(labels.shape) < arguments.wrong
    labels = np.where(wrong & (labels > 0), 3 - labels, labels).astype(np.uint8)
    slow_features, features = best_of(arguments.repeats, lambda: compute_features(image))
    model = train(features, labels, arguments.trees)
    slow_prediction, shares = best_of(arguments.repeats, lambda: model.predict_proba(features)[:, 0])
    forest = as_forest(model)
    classify(image[:20, :20, :20], forest)
    fast, found = best_of(arguments.repeats, lambda: classify(image, forest))
    tracemalloc.start()
    classify(image, forest)
    peak = tracemalloc.get_traced_memory()[1]
    inner = tuple(slice(n, -n) for n in forest.reach(VOXEL_NM))
    apart = np.abs(np.rint(255 * shares).reshape(image.shape) - found)[inner]
    us = 1e6 / image.size
    print(f"straightforward: features {slow_features * us:.2f} µs a voxel, prediction {slow_prediction * us:.2f} µs")
    print(f"voxome: both {fast * us:.2f} µs a voxel, {(slow_features + slow_prediction) / fast:.1f} times as fast")
    print(f"memory: {peak / 1e6:.0f} MB, of the straightforward features alone {features.nbytes / 1e6:.0f} MB")
    print(f"difference of probabilities, 255 being 1: mean {apart.mean():.2f}, largest {apart.max():.0f}")


if __name__ == "__main__":
    main()
