"""Meshes of all objects of a segmentation in blocks, compared with zmesh on the whole, and their simplification.

``python benchmarks/meshes.py LABELS [--block 128] [--crop 512] [--every 20] [--max-error 40]``. LABELS is a volume that
voxome opens, or a ``.npy.ckl.gz`` file such as ``seg512/connectomics.npy.ckl.gz``. First the faces of every object,
from blocks, are compared with those that zmesh finds in the whole volume, and the CPU time of either; peak memory is
that of meshing one block after the other without keeping what was found. Then every Nth object, by size, is simplified
by voxome, within the bound, and by zmesh with the same ``max_error``; distances are measured both ways, on faces too.
"""

from __future__ import annotations

import argparse
import gzip
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import zmesh
from numpy.typing import NDArray

import voxome
from voxome.blocks.memory import peak_bytes, reset_peak
from voxome.geometry import BlockGrid, Box
from voxome.tools.common.meshing.distance import SurfaceTree
from voxome.tools.common.meshing.measures import is_watertight
from voxome.tools.common.meshing.simplify import Surface, simplify
from voxome.tools.common.meshing.surface import Piece, join_pieces, mesh_block, sort_surface

VOXEL_NM = (40.0, 32.0, 32.0)
Labels = NDArray[Any]


def read_labels(path: str, crop: int) -> Labels:
    """Return labels (z, y, x)."""
    if path.endswith(".ckl.gz"):
        import crackle

        labels = crackle.decompress(gzip.decompress(Path(path).read_bytes())).T
    else:
        labels = np.asarray(voxome.open(path, expect=voxome.Volume))
    return np.ascontiguousarray(labels[:crop, :crop, :crop])


def in_blocks(labels: Labels, block: int) -> Iterator[list[Piece]]:
    """Yield the pieces of each block, read as a store would give it."""
    domain = Box.of_shape(labels.shape)
    for one in BlockGrid(domain, (block,) * 3, halo=((0, 0, 0), (1, 1, 1))):
        yield mesh_block(labels[one.read.within(domain)].copy(), one.read, one.write, domain)


def face_keys(corners: NDArray[np.int64]) -> NDArray[np.void]:
    """Return faces, given by their corners in half voxels, in an order that can be compared."""
    packed = (corners[..., 0] << 42) | (corners[..., 1] << 21) | corners[..., 2]
    first = packed.argmin(axis=1)
    rows = np.arange(len(packed))
    turned = np.stack([packed[rows, (first + k) % 3] for k in range(3)], axis=1)
    return turned[np.lexsort(turned.T)]


def compare_surfaces(labels: Labels, block: int) -> dict[int, tuple[NDArray[np.int64], NDArray[np.int32]]]:
    """Print how the meshes of blocks compare with those of the whole; return them."""
    np.testing.assert_equal(len(list(in_blocks(labels[:16, :16, :16], 8))), 8)  # compiles
    sort_surface(*join_pieces(next(in_blocks(labels[:16, :16, :16], 8))))
    reset_peak()
    before = peak_bytes()
    for _ in in_blocks(labels, block):
        pass
    blocks_bytes = peak_bytes() - before

    began = time.process_time()
    found: dict[int, list[Piece]] = {}
    for pieces in in_blocks(labels, block):
        for piece in pieces:
            found.setdefault(piece.id, []).append(piece)
    blocks_s = time.process_time() - began
    joined = {id: sort_surface(*join_pieces(pieces)) for id, pieces in found.items()}
    in_nm = {id: (vertices * (np.array(VOXEL_NM) / 2)).astype(np.float32) for id, (vertices, _) in joined.items()}
    ours_s = time.process_time() - began
    del found, in_nm

    began = time.process_time()
    mesher = zmesh.Mesher(VOXEL_NM)
    mesher.mesh(np.pad(labels, 1))
    whole = {int(id): mesher.get(id) for id in mesher.ids()}
    zmesh_s = time.process_time() - began
    del mesher

    equal = closed = faces = 0
    for id, mesh in whole.items():
        theirs = np.round(mesh.vertices / (np.array(VOXEL_NM) / 2)).astype(np.int64) - 1
        vertices, triangles = joined[id]
        equal += bool(np.array_equal(face_keys(theirs[mesh.faces]), face_keys(vertices[triangles])))
        closed += is_watertight(len(vertices), triangles)
        faces += len(triangles)
    print(f"load {os.getloadavg()[0]:.1f}; {labels.shape} voxels in blocks of {block}")
    print(f"objects {len(joined)}, of which {equal} have exactly the faces of the whole and {closed} are watertight")
    print(f"faces {faces:,}; CPU s: blocks {blocks_s:.1f}, joined and sorted {ours_s:.1f}, zmesh {zmesh_s:.1f}")
    print(f"speed compared with zmesh {zmesh_s / ours_s:.2f}; memory of meshing by blocks {blocks_bytes / 1e6:.0f} MB")
    return joined


def distance(one: Surface, other: Surface) -> float:
    """Return the largest distance of any point of either surface from the other, within 1 nm."""
    trees = [SurfaceTree.of(surface.vertices, surface.faces) for surface in (one, other)]
    there = trees[1].farthest(one.vertices, one.faces, 1e9, 1.0)[0]
    return max(there, trees[0].farthest(other.vertices, other.faces, 1e9, 1.0, max(there - 1, 0))[0])


def compare_simplification(joined: dict[int, Any], every: int, max_error: float) -> None:
    """Print how many faces are left within an error bound, and what zmesh makes of the same bound."""
    order = sorted(joined, key=lambda id: -len(joined[id][1]))[min(every // 2, len(joined) - 1) :: every]
    surfaces = [Surface((v - v.min(axis=0)) * (np.array(VOXEL_NM) / 2), f) for v, f in map(joined.get, order)]
    simplify(surfaces[-1], max_error)  # compiles
    full = sum(len(surface.faces) for surface in surfaces)
    began = time.process_time()
    ours = [simplify(surface, max_error) for surface in surfaces]
    ours_s = time.process_time() - began
    mesher = zmesh.Mesher(VOXEL_NM)
    began = time.process_time()
    theirs = [
        mesher.simplify(zmesh.Mesh(one.vertices, one.faces, None), reduction_factor=100, max_error=max_error)
        for one in surfaces
    ]
    theirs_s = time.process_time() - began
    peers = [Surface(mesh.vertices.astype(np.float64), mesh.faces.astype(np.int32)) for mesh in theirs]
    print(f"simplification to {max_error:g} nm of {len(order)} objects with {full:,} faces")
    print("            faces left  largest distance  over the bound  watertight  highest valence  CPU s")
    rows = (("voxome", ours, ours_s), ("zmesh", peers, theirs_s))
    for name, reduced, seconds in rows:
        far = np.array([distance(one, other) for one, other in zip(surfaces, reduced, strict=True)])
        closed = sum(is_watertight(len(one.vertices), one.faces) for one in reduced)
        valence = max(int(np.bincount(one.faces.ravel()).max()) for one in reduced)
        share = sum(len(one.faces) for one in reduced) / full
        print(
            f"{name:10}  {share:10.1%}  {far.max():13.1f} nm  {(far > max_error + 1).sum():14}  {closed:10}  "
            f"{valence:15}  {seconds:5.1f}"
        )
    reported = max(one.error_nm for one in ours)
    print(f"the largest distance that voxome reports is {reported:.1f} nm")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("labels", help="a volume, or a file of crackle-codec")
    parser.add_argument("--block", type=int, default=128)
    parser.add_argument("--crop", type=int, default=512)
    parser.add_argument("--every", type=int, default=20)
    parser.add_argument("--max-error", type=float, default=40.0)
    arguments = parser.parse_args()
    joined = compare_surfaces(read_labels(arguments.labels, arguments.crop), arguments.block)
    compare_simplification(joined, arguments.every, arguments.max_error)


if __name__ == "__main__":
    main()
