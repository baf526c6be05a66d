"""Compare phantoms with FIB-25: boundary contrast, noise spectrum and calibres; draw both.

``python benchmarks/phantom_vs_fib25.py [--seeds 1,2,3] [--figure docs/phantom.png]`` prints the table of
`docs/phantom.md`.
FIB-25 is read from ``VOXOME_SHARED`` (default ``../shared``): its labelled part, z 0-124.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import scipy.ndimage as ndi
from numpy.typing import NDArray
from PIL import Image

from voxome.data.phantom.texture import borders
from voxome.data.phantom.write import phantom_arrays

SHAPE = (125, 250, 250)
Measures = dict[str, float]


def load_fib25() -> tuple[NDArray[np.uint8], NDArray[np.uint64]]:
    """Return raw and labels of the labelled part."""
    shared = Path(os.environ.get("VOXOME_SHARED", Path(__file__).parents[2] / "shared"))
    with h5py.File(shared / "data/fib25/fib25.h5") as file:
        return file["volumes/raw"][: SHAPE[0]], file["volumes/labels/neuron_ids"][:]


def measure(raw: NDArray[np.uint8], labels: NDArray[np.uint64]) -> Measures:
    """Return all measures of one volume."""
    distance = ndi.distance_transform_edt(~borders(labels))
    return {**boundary(raw, distance), **calibres(distance), **spectrum(raw)}


def boundary(raw: NDArray[np.uint8], distance: NDArray[np.float64]) -> Measures:
    """Return mean grey values by distance from the border, and the contrast of membranes."""
    at = {d: float(raw[(distance >= d) & (distance < d + 1)].mean()) for d in range(4)}
    inside = raw[(distance >= 3) & (distance < 6)]
    deep = raw[distance >= 8]
    return {
        "contrast: inside (3-6 voxels) minus border": float(inside.mean()) - at[0],
        "contrast at 1 voxel: inside minus there": float(inside.mean()) - at[1],
        "grey value on the border": at[0],
        "grey value inside, mean": float(inside.mean()),
        "grey value inside, standard deviation": float(inside.std()),
        "share of deep voxels darker than 100": float((deep < 100).mean()),
    }


def calibres(distance: NDArray[np.float64]) -> Measures:
    """Return distances of voxels from the nearest border (voxels of 10 nm), and the share of voxels on one."""
    inside = distance[distance > 0]
    values = {f"distance to the border, percentile {p}": float(np.percentile(inside, p)) for p in (25, 50, 75, 90)}
    return {"share of voxels on a border": 1 - inside.size / distance.size, **values}


def spectrum(raw: NDArray[np.uint8]) -> Measures:
    """Return power by spatial frequency (cycles per voxel): in shells, and along each axis (the others below 0.1)."""
    window = np.ones(raw.shape)
    for axis, n in enumerate(raw.shape):
        window *= np.hanning(n).reshape([-1 if a == axis else 1 for a in range(3)])
    image = (raw - raw.mean()) * window
    power = np.abs(np.fft.fftn(image)) ** 2 / (window**2).sum()
    axes = [np.abs(np.fft.fftfreq(n)) for n in raw.shape]
    grid = np.meshgrid(*axes, indexing="ij")
    radius = np.sqrt(sum(f**2 for f in grid))
    shells = {
        f"power at {a:.2f}-{a + 0.05:.2f}": float(power[(radius >= a) & (radius < a + 0.05)].mean())
        for a in np.arange(0.1, 0.5, 0.05)
    }
    along = {}
    for axis, name in enumerate("zyx"):
        others = np.maximum(grid[(axis + 1) % 3], grid[(axis + 2) % 3]) < 0.1
        for a in (0.3, 0.4):
            along[f"power along {name} at {a}-{a + 0.1:.1f}"] = float(
                power[others & (grid[axis] >= a) & (grid[axis] < a + 0.1)].mean()
            )
    return {**shells, **along}


def table(real: Measures, phantoms: Sequence[Measures]) -> str:
    """Return a Markdown table of the real value, the mean over phantoms, and their ratio."""
    lines = ["| | FIB-25 | phantom | ratio |", "|---|---|---|---|"]
    for name, value in real.items():
        mean = float(np.mean([m[name] for m in phantoms]))
        lines.append(f"| {name} | {value:.4g} | {mean:.4g} | {mean / value:.2f} |")
    return "\n".join(lines)


def picture(pairs: Sequence[tuple[NDArray[np.uint8], NDArray[np.uint64]]], path: Path) -> None:
    """Draw the middle section of each volume, raw beside labels, one volume per row."""
    rows = []
    for raw, labels in pairs:
        middle = raw.shape[0] // 2
        colours = np.random.default_rng(3).integers(40, 250, (int(labels.max()) % 65521 + 65521, 3)).astype(np.uint8)
        seen = colours[labels[middle] % 65521]
        rows.append(np.concatenate([np.repeat(raw[middle][..., None], 3, axis=2), seen], axis=1))
    image = Image.fromarray(np.concatenate(rows))
    image.convert("P", palette=Image.Palette.ADAPTIVE, colors=128).save(path, optimize=True)


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, print, draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", default="11,12,13,14")
    parser.add_argument("--figure", type=Path)
    parser.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE", help="change a field of the spec")
    args = parser.parse_args(argv)
    options: dict[str, Any] = {}
    for pair in args.set:
        name, value = pair.split("=")
        numbers = tuple(float(v) for v in value.split(","))
        options[name] = numbers if len(numbers) > 1 else numbers[0]
    real = load_fib25()
    phantoms, pairs = [], 0.0
    for seed in (int(s) for s in args.seeds.split(",")):
        raw, labels, _, rows = phantom_arrays(SHAPE, seed, **options)
        phantoms.append(measure(raw, labels))
        pairs += len({*zip(rows["pre_id"].tolist(), rows["post_id"].tolist(), strict=True)}) / raw.size * 1e6
    print(table(measure(*real), phantoms))
    print(f"\n{pairs / len(phantoms):.1f} connected pairs per cubic micrometre")
    if args.figure:
        picture([real, (raw, labels)], args.figure)


if __name__ == "__main__":
    main()
