"""A program of SABER's shape: X, Y, Z arrays in .npy files, labels as float64, positions in a CSV file."""

import argparse
import csv
from pathlib import Path

import numpy as np
from scipy import ndimage

parser = argparse.ArgumentParser()
parser.add_argument("--image")
parser.add_argument("--labels")
parser.add_argument("--cells")
parser.add_argument("--sigma", type=float)
options = parser.parse_args()

image = np.load(options.image)
assert image.dtype == np.uint8
smooth = ndimage.gaussian_filter(image.astype(float), options.sigma, mode="nearest", truncate=3)
order = np.lexsort([np.arange(image.size), smooth.ravel()])
rank = np.empty(image.size, np.int64)
rank[order] = np.arange(image.size)  # distinct heights: equal ones by position
highest = ndimage.maximum_filter(rank.reshape(image.shape), 3, mode="nearest")
summit = order[highest.ravel()]  # the highest neighbour of each voxel, then of that, and so on
while (summit != summit[summit]).any():
    summit = summit[summit]
_, numbers = np.unique(summit, return_inverse=True)
labels = (numbers.reshape(image.shape) + 1) * (image > 60)
peaks = np.argwhere((summit == np.arange(image.size)).reshape(image.shape) & (smooth > 100))
np.save(options.labels, labels.astype(np.float64))
with Path(options.cells).open("w", newline="") as stream:
    rows = csv.writer(stream)
    rows.writerow(["x", "y", "z", "value"])
    rows.writerows([*map(int, peak), int(image[tuple(peak)])] for peak in peaks)
