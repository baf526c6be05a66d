"""The greedy sphere finder, compared with a straightforward one that transforms the whole volume for every sphere.

``python benchmarks/spheres.py [--edge 300] [--cells 300] [--straightforward 8]``. The volume holds balls of 5 to 9
voxels, blurred, with noise. The straightforward finder (`find_straightforward`) is X-brain's: correlate what is left
with a normalised ball of each size by FFT, take the best place, remove it. That takes long, so only so many are
found (0 for all): they must be the first ones of `voxome`, and the time of all is that of one times their number.
CPU seconds, on one thread, after the kernels were compiled.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

from voxome.geometry import Box
from voxome.tools.common.spherical.search import SphereParams, search

RADII = (5.0, 7.0, 9.0)
GAP, THRESHOLD, STOP = 1.0, 0.2, 0.6
Sphere = tuple[int, int, int, float]


def make_volume(edge: int, cells: int, seed: int = 0) -> NDArray[np.uint8]:
    """Return the probability map of balls of 5 to 9 voxels that do not overlap."""
    rng = np.random.default_rng(seed)
    volume, centres, radii = np.zeros((edge,) * 3, np.float32), np.empty((0, 3)), np.empty(0)
    grid = np.mgrid[-12:13, -12:13, -12:13]
    while len(centres) < cells:
        centre, radius = rng.uniform(0, edge, 3), rng.uniform(5, 9)
        if (np.linalg.norm(centres - centre, axis=1) < radii + radius).any():
            continue
        centres, radii = np.vstack([centres, centre]), np.append(radii, radius)
        middle = np.rint(centre).astype(int)
        distance = np.sqrt(((grid - (centre - middle)[:, None, None, None]) ** 2).sum(0))
        low, high = np.maximum(middle - 12, 0), np.minimum(middle + 13, edge)
        to = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
        of = tuple(slice(a, b) for a, b in zip(low - middle + 12, high - middle + 12, strict=True))
        volume[to] = np.maximum(volume[to], np.clip(radius + 0.5 - distance, 0, 1)[of])
    noisy = ndimage.gaussian_filter(volume, 1) + rng.normal(0, 0.1, volume.shape)
    values: NDArray[np.uint8] = np.rint(np.clip(noisy, 0, 1) * 255).astype(np.uint8)
    return values


def find_straightforward(volume: NDArray[np.uint8], most: int = 0) -> list[Sphere]:
    """Return the voxels and radii of spheres, in the order in which they are found; 0 for all of them."""
    left = np.where(volume > THRESHOLD * 255, volume, 0).astype(np.float64)
    reach = int(max(RADII) + GAP)
    grid = np.mgrid[-reach : reach + 1, -reach : reach + 1, -reach : reach + 1]
    distance = (grid**2).sum(0)
    shape = tuple(fft.next_fast_len(n + 2 * reach, real=True) for n in volume.shape)
    inside = tuple(slice(reach, reach + n) for n in volume.shape)
    balls = [fft.rfftn((distance <= radius**2).astype(float), shape) for radius in RADII]
    ones = fft.rfftn(np.ones(volume.shape), shape)
    counts = [np.rint(fft.irfftn(ones * ball, shape)[inside]) for ball in balls]
    found: list[Sphere] = []
    while len(found) < most or not most:
        spectrum, best = fft.rfftn(left, shape), (0.0, 0, 0.0)
        for radius, ball, count in zip(RADII, balls, counts, strict=True):
            sums = np.rint(fft.irfftn(spectrum * ball, shape)[inside])
            score = np.where(sums >= STOP * 255 * count, sums / np.sqrt(count), 0)
            place = int(score.argmax())
            best = max(best, (float(score.flat[place]), -place, radius))
        if best[0] == 0:
            return found
        z, y, x = (int(n) for n in np.unravel_index(-best[1], volume.shape))
        found.append((z, y, x, best[2]))
        box = tuple(slice(max(n - reach, 0), n + reach + 1) for n in (z, y, x))
        near = distance <= (best[2] + GAP) ** 2
        cut = (slice(max(reach - n, 0), reach - n + size) for n, size in zip((z, y, x), volume.shape, strict=True))
        left[box][near[tuple(cut)]] = 0
    return found


def find_fast(volume: NDArray[np.uint8]) -> list[Sphere]:
    """Return the voxels and radii of spheres that `voxome` finds, in the order in which they are found."""
    box = Box.of_shape(volume.shape)
    parameters = {"radii_um": RADII, "gap_um": GAP, "z_stretch": 1.0, "threshold": THRESHOLD, "stop": STOP}
    rows = search(volume, box, box, SphereParams.of(parameters, (1000.0, 1000.0, 1000.0))).rows
    return [
        (z, y, x, radius / 1000)
        for z, y, x, radius in zip(*(rows[name].tolist() for name in ("z", "y", "x", "radius_nm")), strict=True)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--edge", type=int, default=300)
    parser.add_argument("--cells", type=int, default=300)
    parser.add_argument("--straightforward", type=int, default=8, help="spheres that the straightforward finder finds")
    arguments = parser.parse_args()
    find_fast(make_volume(40, 1))
    volume = make_volume(arguments.edge, arguments.cells)
    start = time.process_time()
    fast = find_fast(volume)
    quick = time.process_time() - start
    print(f"voxome: {len(fast)} spheres in {quick:.2f} s")
    start = time.process_time()
    slow = find_straightforward(volume, arguments.straightforward)
    seconds = (time.process_time() - start) / max(len(slow), 1)
    print(f"straightforward: {len(slow)} spheres, {seconds:.2f} s each, {seconds * len(fast):.0f} s for {len(fast)}")
    print(f"same spheres: {slow == fast[: len(slow)]}; {seconds * len(fast) / quick:.0f} times as fast")


if __name__ == "__main__":
    main()
