"""Pixel classification by a random forest: a straightforward version with scikit-image and scikit-learn.

``python benchmarks/pixel_classification.py [--edge 96] [--trees 100]``. The volume is noise with dark balls; labels are
two thousand voxels inside and outside of them. Features are those of ilastik at five scales: Gaussian, Laplacian of
Gaussian, gradient magnitude, difference of Gaussians, eigenvalues of the structure tensor and of the Hessian.
CPU seconds, on one thread.
"""

from __future__ import annotations

import argparse
import itertools
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.feature import hessian_matrix_eigvals, structure_tensor_eigenvalues
from sklearn.ensemble import RandomForestClassifier

SIGMAS = (0.7, 1.0, 1.6, 3.5, 5.0)
"""Scales in voxels."""


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--edge", type=int, default=96)
    parser.add_argument("--trees", type=int, default=100)
    arguments = parser.parse_args()
    image, labels = make_volume(arguments.edge)
    start = time.process_time()
    features = compute_features(image)
    middle = time.process_time()
    forest = train(features, labels, arguments.trees)
    fitted = time.process_time()
    forest.predict_proba(features)
    end = time.process_time()
    for name, seconds in (("features", middle - start), ("prediction", end - fitted)):
        print(f"straightforward {name}: {seconds:.2f} s, {seconds / image.size * 1e6:.2f} µs a voxel")


if __name__ == "__main__":
    main()
