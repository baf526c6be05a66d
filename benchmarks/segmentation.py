"""Segment held-out FIB-25 and a phantom in memory, over methods and thresholds; waterz as a peer.

``python benchmarks/segmentation.py [--model membranes] [--low 76] [--peer]`` scores z 100-124 of FIB-25, which no
network of voxome was trained on, segmenting z `low`-124; raw has context on both sides. FIB-25 is read from
``VOXOME_SHARED`` (default ``../shared``).
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import waterz
from numpy.typing import NDArray

from voxome.data.phantom.write import phantom_arrays
from voxome.geometry import Box
from voxome.metrics.segmentation import contingency, score_segmentation
from voxome.models.cards import find
from voxome.models.infer import predict
from voxome.tools.em.kernels.affinity import NEAR, membrane_map, near_affinities
from voxome.tools.em.kernels.agglomerate import Method, agglomerate
from voxome.tools.em.kernels.basins import basins
from voxome.tools.em.kernels.edges import Edges, Nodes, edge_rows, node_rows
from voxome.tools.em.kernels.filters import absorb_small, fill_holes
from voxome.tools.em.kernels.height import HeightParams, height_map

SCORED = slice(100, 125)
THRESHOLDS: dict[Method, tuple[float, ...]] = {
    "mean": (0.3, 0.35, 0.4, 0.45, 0.5, 0.55),
    "waterz": (0.5, 0.6, 0.7, 0.75, 0.8, 0.85),
    "mutex": (0.3, 0.4, 0.5, 0.6),
}
WATERZ = {
    "waterz mean": "OneMinus<MeanAffinity<RegionGraphType, ScoreValue>>",
    "waterz 75 % quantile": "OneMinus<HistogramQuantileAffinity<RegionGraphType, 75, ScoreValue, 256>>",
}


@dataclass(frozen=True)
class Scene:
    """Affinities (3, z, y, x) and membranes (z, y, x) of a box, and truth of its last planes."""

    name: str
    affinities: NDArray[np.uint8]
    membranes: NDArray[np.uint8]
    truth: NDArray[np.uint64]

    def score(self, labels: NDArray[np.uint64]) -> str:
        """Return the scores over the planes with truth."""
        s = score_segmentation(contingency(self.truth, labels[-len(self.truth) :]))
        voi = s.voi_split + s.voi_merge
        return f"split {s.voi_split:.3f} merge {s.voi_merge:.3f} sum {voi:.3f} ARE {s.adapted_rand_error:.3f}"


def fib25(model: str, low: int) -> Scene:
    """Return the network's affinities of FIB-25, z from `low` to 124."""
    shared = Path(os.environ.get("VOXOME_SHARED", Path(__file__).parents[2] / "shared"))
    with h5py.File(shared / "data/fib25/fib25.h5") as file:
        raw, truth = file["volumes/raw"][:], file["volumes/labels/neuron_ids"][SCORED]
    domain = Box.of_shape(raw.shape)
    box = Box((low, 0, 0), (SCORED.stop, *raw.shape[1:]))
    before = box.grow((1, 0, 0), (0, 0, 0)) & domain
    net = find(model)
    affinities = predict(raw, domain, before, domain, net, mean=float(raw.mean()), std=float(raw.std()), threads=2)[:3]
    own = box.within(before)
    return Scene(f"FIB-25 z {low}-124", affinities[(slice(None), *own)], membrane_map(affinities)[own], truth)


def synthetic(shape: tuple[int, int, int] = (128, 128, 128), seed: int = 0) -> Scene:
    """Return the true membranes of a phantom."""
    _, labels, membranes, _ = phantom_arrays(shape, seed)
    return Scene(f"phantom {seed}, true membranes", near_affinities(membranes), membranes, labels)


def graph(scene: Scene, params: HeightParams) -> tuple[NDArray[np.uint64], Nodes, Edges]:
    """Return fragments, and their nodes and edges."""
    box = Box.of_shape(scene.membranes.shape)
    fragments = basins(height_map(scene.membranes, params), box, box, box)
    edges = edge_rows(fragments, scene.affinities, NEAR, scene.membranes.shape, histogram=True)
    return fragments, node_rows(fragments, box, box), edges


@contextmanager
def timed(what: str) -> Iterator[None]:
    """Print how long the body took."""
    start = time.perf_counter()
    yield
    print(f"{what}: {time.perf_counter() - start:.2f} s")


def ours(scene: Scene, params: HeightParams, min_voxels: int) -> NDArray[np.uint64]:
    """Print the scores of voxome's methods; return the fragments."""
    with timed(f"fragments and edges of {scene.membranes.size / 1e6:.1f} Mvoxel"):
        fragments, nodes, edges = graph(scene, params)
    place = np.searchsorted(nodes.ids, fragments)
    print(f"{len(nodes.ids)} fragments, {len(edges.ids)} edges; fragments alone: {scene.score(fragments)}")
    for method, thresholds in THRESHOLDS.items():
        for threshold in thresholds:
            objects = agglomerate(nodes.ids, edges, threshold, method, quantile=0.75)
            plain = scene.score(objects[place])
            objects = fill_holes(nodes, edges, absorb_small(nodes, edges, objects, min_voxels))
            print(f"{method:9} {threshold:.2f}  {plain} | filtered {scene.score(objects[place])}", flush=True)
    return fragments


def peer(scene: Scene, fragments: NDArray[np.uint64]) -> None:
    """Print the scores of waterz, on its own fragments and on voxome's; its affinities point to the voxel before."""
    shifted = np.zeros(scene.affinities.shape, np.float32)
    for axis in range(3):
        after = tuple(slice(1 if a == axis else None, None) for a in range(3))
        before = tuple(slice(None, -1 if a == axis else None) for a in range(3))
        shifted[axis][after] = scene.affinities[axis][before] / np.float32(255)
    numbered = np.unique(fragments, return_inverse=True)[1].reshape(fragments.shape).astype(np.uint64) + np.uint64(1)
    thresholds = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]
    for name, scoring in WATERZ.items():
        for whose, given in (("own", None), ("our", numbered)):
            if given is None and "mean" not in name:
                continue
            found = waterz.agglomerate(
                shifted, thresholds, fragments=None if given is None else given.copy(), scoring_function=scoring
            )
            for threshold, labels in zip(thresholds, found, strict=True):
                print(f"{name}, {whose} fragments, {threshold:.2f}  {scene.score(labels)}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="membranes", help="name of a model, or path of its card")
    parser.add_argument("--low", type=int, default=100, help="first plane of FIB-25 to segment")
    parser.add_argument("--min-voxels", type=int, default=500, help="smaller objects are absorbed")
    parser.add_argument("--peer", action="store_true", help="run waterz too")
    given = parser.parse_args()
    for scene in (fib25(given.model, given.low), synthetic()):
        print(f"== {scene.name}")
        fragments = ours(scene, HeightParams(), given.min_voxels)
        if given.peer:
            peer(scene, fragments)


if __name__ == "__main__":
    main()
