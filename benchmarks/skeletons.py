"""Skeletons of seg512 and of tubes with known centre lines: speed, blocks, places and truth; two peers.

Blocks consist of cells, so that all have equal skeletons by construction. What the planes between cells change is
seen when the same labels are elsewhere in the volume, or are traced as one piece, without cells.

``python benchmarks/skeletons.py [--objects 100] [--peers kimimaro] [--truth]``. The labels are in ``VOXOME_SHARED``
(default ``../shared``); decompressing them takes ``crackle-codec``. Times are of the processor, in one process each.
"""

from __future__ import annotations

import argparse
import gzip
import multiprocessing
import os
import resource
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from voxome.contracts.shapes import Skeleton
from voxome.geometry import BlockGrid, Box
from voxome.tools.common.skeleton_pieces import halo_of
from voxome.tools.common.skeletonization.cells import trace_cells
from voxome.tools.common.skeletonization.objects import build_skeleton
from voxome.tools.common.skeletonization.parameters import Teasar
from voxome.tools.common.skeletonization.pieces import BlockBoxes, Piece, trace_pieces

sys.path.append(str(Path(__file__).parents[1] / "tests"))

SIZE_NM = (40.0, 32.0, 32.0)
TEASAR = Teasar()
PLACES = [(64, 64, 64), (32, 96, 0)]
"""Where the first voxel of the labels is, too: planes between cells are at other places of the objects."""
CROP = Box((41, 30, 53), (440, 421, 467))
MARGIN = 7
"""Voxels between the objects and the border of the crop: few neurites of seg512 end before a border."""
Labels = NDArray[np.integer]
Skeletons = dict[int, Skeleton]


def seg512() -> Labels:
    """Return the segmentation (z, y, x)."""
    import crackle

    shared = Path(os.environ.get("VOXOME_SHARED", Path(__file__).parents[2] / "shared"))
    with gzip.open(shared / "data/seg512/connectomics.npy.ckl.gz") as file:
        return np.ascontiguousarray(crackle.decompress(file.read()).T)


def choose(labels: Labels, count: int) -> Labels:
    """Keep `count` objects of all sizes from 20,000 voxels to 1.9 million; the others become background."""
    ids, voxels = np.unique(labels, return_counts=True)
    order = ids[np.argsort(-voxels, kind="stable")]
    chosen = order[order != 0][2:502][:: 500 // count][:count]
    return np.where(np.isin(labels, chosen), labels, 0)


def skeletonize(labels: Labels, block: int) -> Skeletons:
    """Return the skeletons of all labels, in blocks."""
    return skeletonize_part(labels, Box.of_shape(labels.shape), block)


def skeletonize_part(labels: Labels, domain: Box, block: int) -> Skeletons:
    """Return the skeletons of the labels of a domain, in blocks."""
    pieces: dict[int, list[Piece]] = defaultdict(list)
    for one in BlockGrid(domain, (block,) * 3, halo=halo_of({}, SIZE_NM), anchor=(0, 0, 0)):
        boxes = BlockBoxes(one.write, one.read, domain, domain)
        part = labels[one.read.within(domain)]
        for piece in trace_cells(part, boxes, halo_of({}, SIZE_NM), SIZE_NM, TEASAR):
            pieces[piece.id].append(piece)
    return {id: build_skeleton(parts, SIZE_NM, TEASAR) for id, parts in pieces.items()}


def skeletonize_uncut(labels: Labels) -> Skeletons:
    """Return the skeletons of all labels, traced without cells."""
    domain = Box.of_shape(labels.shape)
    pieces = trace_pieces(labels, BlockBoxes(domain, domain, domain, domain), SIZE_NM, TEASAR)
    return {one.id: build_skeleton([one], SIZE_NM, TEASAR) for one in pieces}


def kimimaro(labels: Labels, size_nm: tuple[float, float, float] = SIZE_NM) -> Skeletons:
    """Return the skeletons of kimimaro, with the same scale and constant."""
    import kimimaro as peer

    options = {"scale": TEASAR.scale, "const": TEASAR.const_nm, "pdrf_scale": 100_000, "pdrf_exponent": 4}
    found = peer.skeletonize(
        np.asfortranarray(labels.T), options, anisotropy=size_nm[::-1], dust_threshold=0, parallel=1, progress=False
    )
    return {
        int(id): Skeleton(one.vertices[:, ::-1] + np.array(size_nm) / 2, one.edges, one.radius)
        for id, one in found.items()
    }


def bioimage(labels: Labels, size_nm: tuple[float, float, float] = SIZE_NM) -> Skeletons:
    """Return the skeletons of bioimage-cpp, with the same scale and constant."""
    from bioimage_cpp.skeleton import teasar

    found = {}
    for id in np.unique(labels[labels != 0]).tolist():
        where = np.nonzero(labels == id)
        box = Box(tuple(int(axis.min()) for axis in where), tuple(int(axis.max()) + 1 for axis in where))
        mask = labels[box.within(Box.of_shape(labels.shape))] == id
        nodes, edges, radii = teasar(mask, spacing=size_nm, scale=TEASAR.scale, constant=TEASAR.const_nm)
        found[id] = Skeleton(nodes + (np.array(box.start) + 0.5) * size_nm, edges.astype(np.int64), radii)
    return found


PEERS = {"kimimaro": kimimaro, "bioimage-cpp": bioimage}


def degrees(skeleton: Skeleton) -> NDArray[np.int64]:
    """Return the number of edges of each node."""
    return np.bincount(skeleton.edges.ravel(), minlength=len(skeleton.nodes_nm))


def branches(skeleton: Skeleton) -> int:
    """Return how many branches leave others."""
    degree = degrees(skeleton)
    return int((degree[degree > 2] - 2).sum())


def parts(skeleton: Skeleton) -> int:
    """Return the number of connected parts of a skeleton."""
    count, ends = len(skeleton.nodes_nm), skeleton.edges.T
    graph = coo_array((np.ones(len(skeleton.edges)), (ends[0], ends[1])), shape=(count, count))
    return int(connected_components(graph, directed=False, return_labels=False))


def cycles(skeleton: Skeleton) -> int:
    """Return the number of independent cycles: edges - nodes + parts."""
    return len(skeleton.edges) - len(skeleton.nodes_nm) + parts(skeleton)


def equal(one: Skeleton, other: Skeleton) -> bool:
    """Return whether two skeletons are bitwise equal."""
    names = ("nodes_nm", "edges", "radii_nm")
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in names)


def timed(name: str, function: object, *arguments: object) -> Skeletons:
    """Print how much time of the processor, and memory beyond the labels, a call takes in a process of its own."""
    fork = multiprocessing.get_context("fork")
    ours, theirs = fork.Pipe(duplex=False)
    process = fork.Process(target=_measure, args=(theirs, function, arguments))
    process.start()
    theirs.close()
    found, seconds, peak = ours.recv()
    process.join()
    print(f"{name:20} {seconds:7.1f} s of processor time, {peak / 1e6:.2f} GB beyond the labels", flush=True)
    return found


def _measure(results: Connection, function: object, arguments: tuple[object, ...]) -> None:
    base, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    found: Skeletons = function(*arguments)  # type: ignore[operator]
    seconds = time.process_time() - start
    results.send((found, seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - base))


def compare(name: str, found: Skeletons, expected: Skeletons) -> None:
    """Print cable, branches and parts relative to other skeletons of the same objects."""
    ids = sorted(expected)
    ours, theirs = ([one[id] for id in ids] for one in (found, expected))
    cable = np.array([[a.length_nm, b.length_nm] for a, b in zip(ours, theirs, strict=True)])
    forks = np.array([[branches(a), branches(b)] for a, b in zip(ours, theirs, strict=True)])
    same, loops, bitwise = (
        sum(map(test, ours, theirs))
        for test in (lambda a, b: parts(a) == parts(b), lambda a, b: cycles(a) == cycles(b), equal)
    )
    each = np.abs(cable[:, 0] / np.maximum(cable[:, 1], 1) - 1)
    print(
        f"{name:20} cable {cable[:, 0].sum() / cable[:, 1].sum():.4f} (objects: median off by {np.median(each):.2%}, "
        f"90 % within {np.percentile(each, 90):.2%}), branches {forks[:, 0].sum()} for {forks[:, 1].sum()}, "
        f"of {len(ids)} objects, parts equal in {same}, cycles in {loops}, all bits in {bitwise}",
        flush=True,
    )


def compare_crop(labels: Labels) -> None:
    """Print how skeletons differ in a crop, with the indices of the whole and with its own.

    Objects are cut to be inside it first.
    """
    domain, inside = Box.of_shape(labels.shape), CROP.grow((-MARGIN,) * 3, (-MARGIN,) * 3)
    cut = np.zeros_like(labels)
    cut[inside.within(domain)] = labels[inside.within(domain)]
    part = cut[CROP.within(domain)]
    whole = skeletonize(cut, 512)
    compare("crop", skeletonize_part(part, CROP, 512), whole)
    compare("crop, indices from 0", skeletonize(part, 512), whole)


def tubes() -> Iterator[tuple[str, Labels, float, tuple[float, float, float]]]:
    """Yield phantoms with the cable of their centre line, drawn to the surface at its ends."""
    from tools.common.skeletonization.tubes import draw_tube, length_nm

    curve = [(20 + 100 * t, 60 + 15 * np.sin(9.4 * t), 60 + 15 * np.cos(6.3 * t)) for t in np.linspace(0, 1, 200)]
    scenes = {
        "straight": [[(10, 40, 40), (118, 40, 40)]],
        "oblique": [[(10, 12, 14), (118, 90, 70)]],
        "curved": [curve],
        "forked": [[(10, 64, 64), (64, 64, 64), (118, 20, 30)], [(64, 64, 64), (110, 110, 100)]],
    }
    for size_nm in ((16.0, 16.0, 16.0), (40.0, 16.0, 16.0)):
        for radius in (2, 5, 8):
            for name, lines in scenes.items():
                labels = np.zeros([int(np.ceil(128 * 16 / size)) for size in size_nm], np.uint64)
                for line in lines:
                    draw_tube(labels, np.multiply(line, 16), radius * 16, size_nm, label=7)
                cable = sum(length_nm(np.multiply(line, 16)) for line in lines) + (len(lines) + 1) * radius * 16
                yield f"{name}, radius {radius}, z {size_nm[0]:.0f} nm", labels, cable, size_nm


def truth(peers: Sequence[str]) -> None:
    """Print cable relative to that of known centre lines."""
    from tools.common.skeletonization.blockwise import skeletonize as trace
    from tools.common.skeletonization.blockwise import skeletonize_at

    ratios: dict[str, list[float]] = defaultdict(list)
    for name, labels, cable, size_nm in tubes():
        found = {"voxome": trace(labels, size_nm), "voxome, pieces of 32": trace(labels, size_nm, 32)}
        for start in ((64, 64, 64), (88, 70, 64), (101, 88, 60)):
            found[f"voxome, cells, at {start}"] = {7: skeletonize_at(labels, start, size_nm)}
        found |= {peer: PEERS[peer](labels, size_nm) for peer in peers}
        for peer, skeletons in found.items():
            ratios[peer].append(skeletons[7].length_nm / cable)
        print(f"{name:30} " + ", ".join(f"{peer} {values[-1]:.3f}" for peer, values in ratios.items()), flush=True)
    for peer, values in ratios.items():
        print(f"cable by truth, {peer:20}: {np.mean(values):.3f}, from {min(values):.3f} to {max(values):.3f}")


def main() -> None:
    """Run the parts that were chosen."""
    parser = argparse.ArgumentParser(prog="skeletons.py", description=__doc__.splitlines()[0])
    parser.add_argument("--objects", type=int, default=100, help="how many objects of seg512; 0 for none")
    parser.add_argument("--peers", choices=PEERS, nargs="*", default=[], help="which to run, too")
    parser.add_argument("--truth", action="store_true", help="compare with known centre lines")
    options = parser.parse_args()
    if options.truth:
        truth(options.peers)
    if not options.objects:
        return
    labels = choose(seg512(), options.objects)
    print(f"{options.objects} objects, {np.count_nonzero(labels) / 1e6:.1f} million voxels")
    skeletonize(labels[:64, :64, :64], 64)  # compiles
    whole = timed("whole", skeletonize, labels, 512)
    for block in (256, 128):
        compare(f"blocks of {block}", timed(f"blocks of {block}", skeletonize, labels, block), whole)
    for start in PLACES:
        compare(f"at {start}", skeletonize_part(labels, Box.of_shape(labels.shape, start), 512), whole)
    compare("whole, without cells", timed("without cells", skeletonize_uncut, labels), whole)
    compare_crop(labels)
    for name in options.peers:
        compare(f"voxome by {name}", whole, timed(name, PEERS[name], labels))


if __name__ == "__main__":
    main()
