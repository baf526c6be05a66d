"""Stored meshes: writing in levels of detail, and reading by voxome and by cloud-volume.

``python benchmarks/mesh_store.py LABELS FOLDER [--edge 512] [--objects 200] [--bits 16]``. LABELS is a crackle file
(``connectomics.npy.ckl.gz``, 512^3; PyPI ``crackle-codec``) or an ``.npy``, of which the corner of `edge` voxels of
32 x 32 x 40 nm is meshed by zmesh, in three levels; the largest `objects` are written into FOLDER, sharded, and read in
turn by voxome and by cloud-volume, finest level, CPU seconds of one process. The surfaces of both are compared.
"""

from __future__ import annotations

import argparse
import gzip
import json
import time
from pathlib import Path
from typing import Any

import numpy as np

import voxome
from voxome.contracts.id_groups import group_of
from voxome.contracts.shape_writers import ShapesSpec
from voxome.contracts.shapes import Mesh
from voxome.contracts.uri import Uri
from voxome.geometry import Box
from voxome.remotes.precomputed.remote import PrecomputedRemote

SIZE = (40.0, 32.0, 32.0)
GROUPS = 4
LEVELS = ((0, 0), (20, 40), (100, 160))
"""Reduction and largest error of zmesh, of each level."""


def read_labels(path: Path, edge: int) -> Any:
    if path.suffix == ".npy":
        labels = np.load(path, mmap_mode="r")
    else:
        import crackle

        labels = crackle.decompress(gzip.decompress(path.read_bytes()))
    return np.ascontiguousarray(labels[:edge, :edge, :edge])


def make_meshes(labels: Any, count: int) -> dict[int, list[Mesh]]:
    import zmesh

    ids, voxels = np.unique(labels[labels > 0], return_counts=True)
    mesher = zmesh.Mesher(SIZE)
    mesher.mesh(np.pad(labels, 1))
    found = {}
    for id in sorted(ids[np.argsort(voxels)[::-1][:count]].tolist()):
        parts = [mesher.get(id, reduction_factor=factor, max_error=error or None) for factor, error in LEVELS]
        found[id] = [Mesh(part.vertices + np.array(SIZE) / 2, part.faces) for part in parts]
    return found


def write(uri: Uri, meshes: dict[int, list[Mesh]], bits: int) -> None:
    remote = PrecomputedRemote()
    spec = ShapesSpec(groups=GROUPS, voxel_size_nm=SIZE, domain=Box.of_shape((1, 1, 1)), options={"bits": bits})
    remote.check_meshes(uri, spec)
    groups = group_of(np.array(list(meshes), np.uint64), GROUPS)
    writer = remote.open_mesh_writer(uri, spec)
    for number in range(GROUPS):
        writer.write_group(number, ((id, meshes[id]) for id, one in zip(meshes, groups, strict=True) if one == number))
    writer.finish(None)


def area(vertices: Any, faces: Any) -> float:
    a, b, c = (np.asarray(vertices, np.float64)[faces[:, corner]] for corner in range(3))
    return float(np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2)


def main() -> None:
    parser = argparse.ArgumentParser(prog="mesh_store.py", description=__doc__)
    parser.add_argument("labels", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--edge", type=int, default=512)
    parser.add_argument("--objects", type=int, default=200)
    parser.add_argument("--bits", type=int, default=16)
    options = parser.parse_args()
    meshes = make_meshes(read_labels(options.labels, options.edge), options.objects)
    faces = sum(len(level.faces) for levels in meshes.values() for level in levels)
    folder = options.folder / "segmentation"
    spec = voxome.VolumeSpec.of((8, 8, 8), "uint64", voxel_size_nm=SIZE, kind="labels")
    voxome.create(f"precomputed://{folder}", spec)
    start = time.process_time()
    write(Uri("precomputed", str(folder / "mesh")), meshes, options.bits)
    seconds = time.process_time() - start
    stored = sum(file.stat().st_size for file in (folder / "mesh").glob("*.shard"))

    from cloudvolume import CloudVolume

    peer = CloudVolume(f"file://{folder}", progress=False)
    ours = voxome.open(f"precomputed://{folder}/mesh", expect=voxome.Meshes)
    times, areas = {"voxome": 0.0, "cloud-volume": 0.0}, []
    for id in meshes:
        start = time.process_time()
        mesh = ours[id]
        middle = time.process_time()
        other = peer.mesh.get(id, lod=0)[id]
        times["voxome"] += middle - start
        times["cloud-volume"] += time.process_time() - middle
        areas.append(area(mesh.vertices_nm, mesh.faces) / area(other.vertices, other.faces))
    print(
        json.dumps(
            {
                "objects": len(meshes),
                "faces": faces,
                "write_cpu_s_per_million_faces": round(seconds / faces * 1e6, 2),
                "bytes_per_face": round(stored / faces, 2),
                "read_cpu_s": {name: round(one, 2) for name, one in times.items()},
                "read_ratio": round(times["cloud-volume"] / times["voxome"], 2),
                "area_ratio": [round(min(areas), 6), round(max(areas), 6)],
            }
        )
    )


if __name__ == "__main__":
    main()
